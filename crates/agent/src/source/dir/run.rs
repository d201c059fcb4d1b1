//! The watch loop: from the kernel's notices to what has to be read.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::inotify::ReadFlags;

use super::name::FileName;
use super::tree::Via;
use super::watches::Notice;
use super::{DirSource, Found, QUIET, Reread, SourceMessage, Told, tree};

/// A file that is written to and never closed is read after this time.
const WRITING: Duration = Duration::from_secs(1);
/// How often a folder is looked at whose coming the kernel cannot tell.
const POLL: Duration = Duration::from_secs(1);

/// Of many files that have changed at once so many are told together: while they are carried out
/// the next ones are read.
const PORTION: usize = 200;

/// What has to be found out.
#[derive(Debug, Default)]
struct Work {
    rescan: Option<Reread>,
    /// Symlinks may lead elsewhere than before.
    ways: bool,
    files: BTreeSet<FileName>,
}

impl Work {
    fn rescan(&mut self, reread: Reread) {
        if self.rescan != Some(Reread::All) {
            self.rescan = Some(reread);
        }
    }
}

impl DirSource {
    pub(super) fn run(
        &mut self,
        deliver: &mut dyn FnMut(SourceMessage) -> ControlFlow<()>,
    ) -> io::Result<()> {
        loop {
            let Wake { stop, mounted } = self.wait()?;
            if stop {
                return Ok(());
            }
            let received = Instant::now();
            let mut work = Work { ways: mounted, ..Work::default() };
            let notices = self.watches.read()?;
            self.prolong(&notices, received);
            for notice in notices {
                self.note(notice, received, &mut work);
            }
            self.note_time(received, &mut work);
            while let Some(portion) = self.portion(&mut work) {
                self.work(portion);
                if self.tell(received, deliver).is_break() {
                    return Ok(());
                }
            }
            self.work(work);
            if self.tell(received, deliver).is_break() {
                return Ok(());
            }
        }
    }

    /// Some of many files, to be told while the others are being read. Not before the first list,
    /// which is to be whole, nor where more has to be found out than what files say.
    fn portion(&self, work: &mut Work) -> Option<Work> {
        let many = work.files.len() > PORTION;
        if !many || work.ways || work.rescan.is_some() || !self.listed || self.was_unavailable {
            return None;
        }
        let rest = work.files.iter().nth(PORTION).cloned()?;
        let rest = work.files.split_off(&rest);
        Some(Work { files: std::mem::replace(&mut work.files, rest), ..Work::default() })
    }

    /// Delivers what there is to be told since the last time, if anything.
    fn tell(
        &mut self,
        received: Instant,
        deliver: &mut dyn FnMut(SourceMessage) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        // judged by the time of the notices: reading what they name may take longer than quiet
        let events = self.settle(received);
        let told = self.say();
        if events.is_empty() && self.told.as_ref() == Some(&told) {
            return ControlFlow::Continue(());
        }
        self.told = Some(told.clone());
        let Told { problems, hold, unread, unknown } = told;
        deliver(SourceMessage {
            events,
            problems,
            hold,
            unread,
            unknown,
            freshness: crate::source::Freshness::Folder,
            received,
        })
    }

    /// Deletions wait longer while more goes.
    fn prolong(&mut self, notices: &[Notice], now: Instant) {
        let gone = ReadFlags::DELETE | ReadFlags::MOVED_FROM;
        let more = notices.iter().any(|notice| match notice {
            Notice::Name { path, flags } => flags.intersects(gone) && self.may_hold_objects(path),
            Notice::Overflow | Notice::Folder => true,
            Notice::OnTheWay => false,
        });
        if let Some(waiting) = self.waiting.as_mut().filter(|_| more) {
            waiting.until = waiting.until.max(now + QUIET);
        }
    }

    /// Whether this is, or was, a manifest or a folder: not what editors leave for a moment.
    fn may_hold_objects(&self, path: &Path) -> bool {
        path.file_name().is_some_and(tree::is_manifest) || self.tree.has_folder(path)
    }

    /// Sleeps until something happens; for ever if nothing is pending.
    fn wait(&self) -> io::Result<Wake> {
        let mut fds =
            vec![PollFd::new(&self.watches, PollFlags::IN), PollFd::new(&self.stop, PollFlags::IN)];
        if let Some(mounts) = &self.mounts {
            fds.push(PollFd::from_borrowed_fd(mounts.as_fd(), PollFlags::PRI));
        }
        let timeout = self.next_deadline().map(|deadline| {
            let left = deadline.saturating_duration_since(Instant::now());
            Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: i64::from(left.subsec_nanos()),
            }
        });
        match rustix::event::poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready = |at: usize| fds.get(at).is_some_and(|fd| !fd.revents().is_empty());
        Ok(Wake { stop: ready(1), mounted: ready(2) })
    }

    fn next_deadline(&self) -> Option<Instant> {
        let writing = self.writing.values().min().copied();
        let deletions = self
            .waiting
            .filter(|_| self.unavailable().is_none())
            .map(|waiting| if self.is_being_written() { waiting.at_most } else { waiting.until });
        let blind = self.is_blind().then(|| Instant::now() + POLL);
        [writing, deletions, blind].into_iter().flatten().min()
    }

    /// Whether changes may come that the kernel does not tell us of.
    fn is_blind(&self) -> bool {
        self.unwatched.is_some() || (self.outage.is_some() && !self.parent_watched)
    }

    fn note(&mut self, notice: Notice, now: Instant, work: &mut Work) {
        match notice {
            Notice::Overflow => work.rescan(Reread::All),
            Notice::Folder => work.rescan(Reread::Changed),
            Notice::OnTheWay => work.ways = true,
            Notice::Name { path, flags } => self.note_name(path, flags, now, work),
        }
    }

    fn note_name(&mut self, path: FileName, flags: ReadFlags, now: Instant, work: &mut Work) {
        let Some(name) = path.file_name() else { return };
        let came = flags.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO);
        let went = flags.intersects(ReadFlags::DELETE | ReadFlags::MOVED_FROM);
        if tree::is_hidden(name) {
            work.ways |= came || went;
            return;
        }
        if flags.contains(ReadFlags::ISDIR) {
            work.rescan(Reread::Changed);
            return;
        }
        if !tree::is_manifest(name) {
            // a symlink to a folder comes and goes like a file
            let is_link = came && is_symlink(&self.path.join(&path));
            if is_link || went && self.tree.has_folder(&path) {
                work.rescan(Reread::Changed);
            }
            work.ways |= came || went;
            return;
        }
        if went && self.tree.has_folder(&path) {
            work.rescan(Reread::Changed);
        } else if flags.contains(ReadFlags::MODIFY)
            || flags.contains(ReadFlags::CREATE) && self.is_being_made(&path)
        {
            work.files.remove(&path);
            self.writing.entry(path).or_insert(now + WRITING);
        } else if flags.contains(ReadFlags::ATTRIB) && self.writing.contains_key(&path) {
            // it is read when it is closed
        } else {
            self.writing.remove(&path);
            work.files.insert(path);
        }
    }

    /// Whether a new name is a file that somebody has just begun to write, and not a link to one.
    fn is_being_made(&self, path: &Path) -> bool {
        fs::symlink_metadata(self.path.join(path))
            .is_ok_and(|metadata| metadata.is_file() && metadata.nlink() == 1)
    }

    fn note_time(&mut self, now: Instant, work: &mut Work) {
        let due: Vec<_> = self
            .writing
            .extract_if(.., |_, deadline| *deadline <= now)
            .map(|(file, _)| file)
            .collect();
        work.files.extend(due);
        if self.is_blind() {
            work.rescan(Reread::Changed);
        }
    }

    fn work(&mut self, mut work: Work) {
        if work.ways && work.rescan.is_none() {
            if self.has_moved() {
                work.rescan(Reread::Changed);
            } else {
                let elsewhere: Vec<_> = self
                    .linked
                    .iter()
                    .filter(|file| self.signature(file) != self.contents.signature(file))
                    .cloned()
                    .collect();
                work.files.extend(elsewhere);
            }
        }
        let found_folder = work.rescan.is_none() && self.read_files(&work.files);
        if found_folder {
            work.rescan(Reread::Changed);
        }
        if let Some(reread) = work.rescan {
            self.rescan(reread);
        }
    }

    /// Whether the folder, or one in it, is not the one that is watched.
    fn has_moved(&self) -> bool {
        self.outage.is_some()
            || self.tree.folders.iter().any(|(folder, identity)| {
                tree::identity(&self.path.join(folder)).ok() != Some(*identity)
            })
    }

    /// Reads files; true if one of them is a folder.
    fn read_files(&mut self, files: &BTreeSet<FileName>) -> bool {
        let mut found_folder = false;
        for file in files {
            let found = self.read_file(file);
            found_folder |= found == Found::Folder;
            let is_linked = match found {
                Found::File(via) => via == Via::Symlink,
                Found::Folder | Found::Nothing => is_symlink(&self.path.join(file)),
            };
            if is_linked {
                self.watch_way_to(file);
                self.linked.insert(file.clone());
            } else {
                self.linked.remove(file);
            }
        }
        found_folder
    }
}

/// What ended a sleep.
struct Wake {
    stop: bool,
    mounted: bool,
}

fn is_symlink(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink())
}
