//! The kernel's watches (inotify) on everything that decides what the folder holds.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

use super::name::FileName;

/// What a watched folder is to us. One folder may be several things.
#[derive(Debug, Default)]
struct Watch {
    /// Its path below the root, if it is one of the folders that are read.
    folders: Vec<PathBuf>,
    /// Whether symlinks on the way to the root or to a file lie in it.
    on_the_way: bool,
    generation: u64,
}

/// Something happened.
#[derive(Debug)]
pub(super) enum Notice {
    /// Events were lost.
    Overflow,
    /// A folder that is read was moved, removed or unmounted.
    Folder,
    /// Something in a folder through which symlinks lead.
    OnTheWay,
    /// Something happened to a name in a folder that is read.
    Name { path: FileName, flags: ReadFlags },
}

/// What lies at the end of a way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeadsTo {
    Folder,
    /// Then writing to it matters too.
    File,
}

/// All watches.
#[derive(Debug)]
pub(super) struct Watches {
    inotify: OwnedFd,
    by_descriptor: BTreeMap<i32, Watch>,
    generation: u64,
}

impl Watches {
    pub(super) fn open() -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        Ok(Self { inotify, by_descriptor: BTreeMap::new(), generation: 0 })
    }

    /// Begins to say anew what is to be watched; what is not said before `finish` is dropped then.
    pub(super) fn begin(&mut self) {
        self.generation += 1;
    }

    pub(super) fn finish(&mut self) {
        let generation = self.generation;
        let stale = self.by_descriptor.extract_if(.., |_, watch| watch.generation != generation);
        for (descriptor, _) in stale {
            // it may be gone with its folder already
            let _ = inotify::remove_watch(&self.inotify, descriptor);
        }
    }

    /// Watches a folder that is read; `path` is relative to the root.
    pub(super) fn folder(&mut self, absolute: &Path, path: &Path) -> io::Result<()> {
        let flags = WatchFlags::MODIFY
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::ATTRIB
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF;
        let watch = self.add(absolute, flags)?;
        watch.folders.push(path.to_owned());
        Ok(())
    }

    /// Watches a folder in which the root, a symlinked file or a symlink on the way to one lies.
    pub(super) fn way(&mut self, absolute: &Path, leads_to: LeadsTo) -> io::Result<()> {
        let names = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF;
        let flags = match leads_to {
            LeadsTo::Folder => names,
            LeadsTo::File => names | WatchFlags::CLOSE_WRITE | WatchFlags::ATTRIB,
        };
        self.add(absolute, flags)?.on_the_way = true;
        Ok(())
    }

    fn add(&mut self, absolute: &Path, flags: WatchFlags) -> io::Result<&mut Watch> {
        // a folder that is two things gets the events of both
        let flags = flags | WatchFlags::MASK_ADD | WatchFlags::ONLYDIR;
        let descriptor = inotify::add_watch(&self.inotify, absolute, flags)?;
        let watch = self.by_descriptor.entry(descriptor).or_default();
        if watch.generation != self.generation {
            *watch = Watch { generation: self.generation, ..Watch::default() };
        }
        Ok(watch)
    }

    /// Everything that has happened.
    pub(super) fn read(&mut self) -> io::Result<Vec<Notice>> {
        let mut notices = Vec::new();
        // Not on the heap: a large block there makes the allocator tidy up, at each event.
        let mut buffer = [MaybeUninit::uninit(); 4 << 10];
        let mut reader = inotify::Reader::new(&self.inotify, &mut buffer);
        loop {
            let event = match reader.next() {
                Ok(event) => event,
                Err(Errno::WOULDBLOCK) => return Ok(notices),
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            let flags = event.events();
            if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
                notices.push(Notice::Overflow);
                continue;
            }
            let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
            Self::notice(&mut self.by_descriptor, event.wd(), flags, name, &mut notices);
        }
    }

    fn notice(
        watches: &mut BTreeMap<i32, Watch>,
        descriptor: i32,
        flags: ReadFlags,
        name: Option<&OsStr>,
        notices: &mut Vec<Notice>,
    ) {
        let Some(watch) = watches.get(&descriptor) else { return };
        if watch.on_the_way {
            notices.push(Notice::OnTheWay);
        }
        for folder in &watch.folders {
            match name {
                Some(name) => notices.push(Notice::Name { path: folder.join(name).into(), flags }),
                // chmod and the like of the folder itself can make it unreadable
                None => notices.push(Notice::Folder),
            }
        }
        if flags.contains(ReadFlags::IGNORED) {
            watches.remove(&descriptor);
        }
    }
}

impl AsFd for Watches {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}
