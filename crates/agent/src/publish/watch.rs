//! Notices what others do to published files, by inotify on every folder of the tree.
//!
//! A notice is only a hint: the file is compared with what was written last, so that our own
//! writing is not reported. The folders above are watched too, since any of them can be removed.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

use super::places::{self, Place};
use super::{Expected, PublishError, Tampered, format, lock, read_small};

/// How often a state directory is looked for that is not there.
const POLL: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// Notices when somebody else alters or removes published files.
#[derive(Debug)]
pub struct PublishWatch {
    state_dir: PathBuf,
    expected: Expected,
    inotify: OwnedFd,
    /// The namespace whose folder it is; `None` for the folders above.
    folders: BTreeMap<i32, Option<Box<str>>>,
    /// Whether the state directory itself is watched.
    anchored: bool,
}

/// What has to be compared.
#[derive(Debug, Default)]
struct Work {
    /// Folders came or went, or events were lost.
    everything: bool,
    places: BTreeSet<Place>,
}

impl PublishWatch {
    pub(super) fn open(state_dir: PathBuf, expected: Expected) -> Result<Self, PublishError> {
        let failed = PublishError::at("watch", &state_dir);
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)
            .map_err(io::Error::from)
            .map_err(failed)?;
        let folders = BTreeMap::new();
        let mut watch = Self { state_dir, expected, inotify, folders, anchored: false };
        watch.watch_folders()?;
        Ok(watch)
    }

    /// Tells of every difference that the publisher did not write; blocks until told to break.
    pub fn run(
        mut self,
        mut deliver: impl FnMut(Tampered) -> ControlFlow<()>,
    ) -> Result<(), PublishError> {
        loop {
            let work = self.wait()?;
            for tampered in self.compare(&work)? {
                if deliver(tampered).is_break() {
                    return Ok(());
                }
            }
        }
    }

    fn failed(&self) -> impl FnOnce(io::Error) -> PublishError {
        PublishError::at("watch", &self.state_dir)
    }

    /// Watches every folder there is; those already watched stay so.
    fn watch_folders(&mut self) -> Result<(), PublishError> {
        let pods = places::pods(&self.state_dir);
        let state_dir = self.state_dir.clone();
        self.anchored = self.add(&state_dir, None)?;
        self.add(pods.parent().unwrap_or(&pods), None)?;
        self.add(&pods, None)?;
        for namespace in places::namespaces(&pods) {
            self.add(&pods.join(&namespace), Some(namespace.into()))?;
        }
        Ok(())
    }

    /// Watches a folder; false if there is none.
    fn add(&mut self, folder: &Path, namespace: Option<Box<str>>) -> Result<bool, PublishError> {
        let files = match namespace {
            Some(_) => WatchFlags::CLOSE_WRITE | WatchFlags::ATTRIB,
            None => WatchFlags::empty(),
        };
        let flags = files
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR;
        match inotify::add_watch(&self.inotify, folder, flags) {
            Ok(descriptor) => {
                self.folders.insert(descriptor, namespace);
                Ok(true)
            }
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
            Err(error) => Err(PublishError::at("watch", folder)(error.into())),
        }
    }

    fn wait(&mut self) -> Result<Work, PublishError> {
        let timeout = (!self.anchored).then_some(POLL);
        let mut fds = [PollFd::new(&self.inotify, PollFlags::IN)];
        match rustix::event::poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(self.failed()(error.into())),
        }
        let mut work = Work { everything: !self.anchored, ..Work::default() };
        let mut buffer = [MaybeUninit::uninit(); 4 << 10];
        let mut reader = inotify::Reader::new(&self.inotify, &mut buffer);
        loop {
            let event = match reader.next() {
                Ok(event) => event,
                Err(Errno::WOULDBLOCK) => return Ok(work),
                Err(Errno::INTR) => continue,
                Err(error) => return Err(self.failed()(error.into())),
            };
            let (descriptor, flags) = (event.wd(), event.events());
            let name: Option<OsString> =
                event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()).to_owned());
            Self::note(&mut self.folders, descriptor, flags, name.as_deref(), &mut work);
        }
    }

    fn note(
        folders: &mut BTreeMap<i32, Option<Box<str>>>,
        descriptor: i32,
        flags: ReadFlags,
        name: Option<&OsStr>,
        work: &mut Work,
    ) {
        if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
            work.everything = true;
            return;
        }
        let Some(folder) = folders.get(&descriptor) else { return };
        match (folder, name) {
            (Some(namespace), Some(name)) => work.places.extend(Place::found(namespace, name)),
            // a state directory holds other things too, which come and go
            (None, Some(_)) if !flags.contains(ReadFlags::ISDIR) => {}
            _ => work.everything = true,
        }
        if flags.contains(ReadFlags::IGNORED) {
            folders.remove(&descriptor);
        }
    }

    fn compare(&mut self, work: &Work) -> Result<Vec<Tampered>, PublishError> {
        let mut places = work.places.clone();
        if work.everything {
            // first the watches: what changes after the look is heard of
            self.watch_folders()?;
            places.extend(lock(&self.expected).keys().cloned());
            // in a folder that has just come there may be files that nobody published
            places.extend(places::all(&self.state_dir).0);
        }
        Ok(places.iter().filter_map(|place| self.compare_place(place)).collect())
    }

    fn compare_place(&self, place: &Place) -> Option<Tampered> {
        if place.is_temporary() {
            return None;
        }
        let expected = lock(&self.expected);
        let wanted = expected.get(place);
        let there = read_small(&place.path(&self.state_dir));
        let same = match (&there, wanted) {
            (Ok(None), None) => true,
            (Ok(Some(bytes)), Some(wanted)) => format::digest(bytes) == wanted.digest,
            _ => false,
        };
        if same {
            return None;
        }
        let name = wanted.map(|wanted| &*wanted.name).or_else(|| place.name());
        Some(match name {
            Some(name) => Tampered::Pod { namespace: place.namespace().into(), name: name.into() },
            None => Tampered::Everything,
        })
    }
}
