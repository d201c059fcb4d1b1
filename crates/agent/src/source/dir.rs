//! A folder of manifests as a source.
//!
//! Owns: which files there are, what they said last, what the receiver was told, and the watch
//! that makes a change known at once. The binding description is "The folder as a source" of the
//! contracts; its rules of caution are:
//!
//! - What cannot be read or understood keeps what it said last; what was never understood may tell
//!   of objects that nobody else tells of, and is told as such.
//! - A folder that is missing or empty deletes nothing.
//! - Additions and changes are told at once. Deletions wait until nothing more has gone for
//!   [`QUIET`]: a folder is emptied file by file, and only its end tells `rm -rf` from the
//!   deletion of one file; a file may also move by being written anew elsewhere.
//!
//! Invariants: only files named by an event are read (all of them after lost events); no timer
//! runs while nothing is pending; no file is opened that could block.

mod contents;
mod file;
mod name;
mod run;
mod tree;
mod trouble;
mod watches;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use model::{Event, Finding, Hold, ObjectKind};
use rustix::event::EventfdFlags;
use thiserror::Error;

use self::contents::{Contents, Deletions};
use self::file::{Reading, Refusal, Signature};
use self::name::FileName;
use self::tree::{Tree, Via};
use self::watches::{LeadsTo, Watches};
use super::{Freshness, ObjectName, SourceMessage};

/// How long nothing more may go before a deletion is told.
const QUIET: Duration = Duration::from_millis(50);
/// How long no further file may come after the folder was unavailable: files come back one by one,
/// perhaps over a network. That one is written again is no sign of more to come.
const QUIET_AFTER_OUTAGE: Duration = Duration::from_secs(1);
/// A folder from which something goes all the time delays a deletion by this much at most.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the operator may say about the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DirOptions {
    /// Whether an empty (not a missing) folder means that there are no objects.
    pub empty: EmptyFolder,
    /// The largest file that is read, in bytes.
    pub file_size_limit: u64,
}

/// What an empty folder means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EmptyFolder {
    /// The source is unavailable: nothing is deleted.
    #[default]
    IsUnavailable,
    /// There are no objects (`--allow-empty`).
    MeansNoObjects,
}

impl Default for DirOptions {
    fn default() -> Self {
        Self { empty: EmptyFolder::default(), file_size_limit: 64 << 20 }
    }
}

/// The kernel's file watch cannot be had or failed.
#[derive(Debug, Error)]
#[error("cannot watch the folder {}", path.display())]
pub struct WatchError {
    /// The folder.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// Whether files that look unchanged are read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reread {
    All,
    Changed,
}

/// What a name turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// A file that was read.
    File(Via),
    /// A folder.
    Folder,
    /// Nothing that can be read.
    Nothing,
}

/// Deletions that wait for the folder to be quiet.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    until: Instant,
    at_most: Instant,
    quiet: Duration,
}

/// A folder of manifests. Use: `open`, then `initial` and `watch` on a thread of its own.
#[derive(Debug)]
pub struct DirSource {
    path: PathBuf,
    options: DirOptions,
    contents: Contents,
    watches: Watches,
    /// Files reached through a symlink, relative to the folder.
    linked: BTreeSet<FileName>,
    tree: Tree,
    /// Why the folder cannot be used, if so.
    outage: Option<String>,
    /// Why some changes cannot be watched, if so.
    unwatched: Option<Finding>,
    /// Whether the folder in which the folder lies can be watched.
    parent_watched: bool,
    /// Whether the first list was sent.
    listed: bool,
    /// Files that are being written, and when they are read even so.
    writing: BTreeMap<FileName, Instant>,
    waiting: Option<Waiting>,
    /// Files that have come back since the folder was unavailable, while more may.
    returned: BTreeSet<FileName>,
    /// Whether the folder was unavailable when it was last looked at.
    was_unavailable: bool,
    /// What the last message said besides events.
    told: Option<Told>,
    /// Polled for mounts, since it was opened; without it a mount over the folder goes unnoticed.
    mounts: Option<File>,
    stop: Arc<OwnedFd>,
    /// What small files are read into.
    buffer: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    problems: Vec<Finding>,
    hold: Option<Hold>,
    unread: Option<Hold>,
    unknown: BTreeSet<ObjectName>,
}

/// Ends a running [`DirSource::watch`] from another thread.
#[derive(Debug, Clone)]
pub struct Stop(Arc<OwnedFd>);

impl Stop {
    /// Lets the watch return soon. May be called more than once.
    pub fn stop(&self) {
        // an eventfd refuses only when it counts 2^64 stops
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }
}

impl DirSource {
    /// Opens the watch; the folder itself need not exist (that is a hold, not an error).
    pub fn open(path: impl Into<PathBuf>, options: DirOptions) -> Result<Self, WatchError> {
        let path = path.into();
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| WatchError { path, source }
        };
        let path = std::path::absolute(&path).map_err(failed(&path))?;
        let watches = Watches::open().map_err(failed(&path))?;
        let stop = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(io::Error::from)
            .map_err(failed(&path))?;
        Ok(Self {
            path,
            options,
            contents: Contents::default(),
            watches,
            linked: BTreeSet::new(),
            tree: Tree::default(),
            outage: None,
            unwatched: None,
            parent_watched: false,
            listed: false,
            writing: BTreeMap::new(),
            waiting: None,
            returned: BTreeSet::new(),
            was_unavailable: false,
            told: None,
            mounts: File::open("/proc/self/mountinfo").ok(),
            stop: Arc::new(stop),
            buffer: Vec::new(),
        })
    }

    /// Reads the whole folder. What the first call returns must be delivered before anything that
    /// `watch` sends.
    pub fn initial(&mut self) -> SourceMessage {
        let received = Instant::now();
        self.rescan(Reread::All);
        let events = self.settle(received);
        let told = self.say();
        self.told = Some(told.clone());
        let Told { problems, hold, unread, unknown } = told;
        SourceMessage {
            events,
            problems,
            hold,
            unread,
            unknown,
            freshness: Freshness::Folder,
            received,
        }
    }

    /// What ends [`DirSource::watch`].
    pub fn stopper(&self) -> Stop {
        Stop(Arc::clone(&self.stop))
    }

    /// Sends a message for every change; blocks until stopped or the receiver is gone. Sends the
    /// initial message first if `initial` was not called.
    pub fn watch(self, sender: &Sender<SourceMessage>) -> Result<(), WatchError> {
        self.watch_with(|message| match sender.send(message) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        })
    }

    /// As [`DirSource::watch`], for a receiver of any kind.
    pub fn watch_with(
        mut self,
        mut deliver: impl FnMut(SourceMessage) -> ControlFlow<()>,
    ) -> Result<(), WatchError> {
        if self.told.is_none() && deliver(self.initial()).is_break() {
            return Ok(());
        }
        let path = self.path.clone();
        self.run(&mut deliver).map_err(|source| WatchError { path, source })
    }

    /// Finds out again what there is. The watches are set before anything is read, so that what
    /// changes meanwhile is heard of.
    fn rescan(&mut self, reread: Reread) {
        self.watches.begin();
        self.unwatched = None;
        self.parent_watched = true;
        for folder in tree::way_to(&self.path) {
            self.parent_watched &= self.watches.way(&folder, LeadsTo::Folder).is_ok();
        }
        let (watches, unwatched) = (&mut self.watches, &mut self.unwatched);
        let root = &self.path;
        let walked = tree::walk(root, &mut |folder| {
            let absolute = root.join(folder);
            if let Err(error) = watches.folder(&absolute, folder) {
                unwatched.get_or_insert_with(|| trouble::unwatched(folder, &error));
            }
        });
        match walked {
            Ok(tree) => self.take_tree(tree, reread),
            Err(error) => {
                self.outage = Some(match error.kind() {
                    io::ErrorKind::NotFound => "the folder does not exist".to_owned(),
                    io::ErrorKind::NotADirectory => "this is not a folder".to_owned(),
                    _ => format!("the folder cannot be read: {error}"),
                });
            }
        }
        self.watches.finish();
    }

    fn take_tree(&mut self, tree: Tree, reread: Reread) {
        self.outage = None;
        self.linked.clear();
        let linked = tree.files.iter().filter(|(_, via)| **via == Via::Symlink);
        for (file, _) in linked {
            self.watch_way_to(file);
            self.linked.insert(file.clone());
        }
        let gone: Vec<_> = self
            .contents
            .files()
            .filter(|file| !tree.files.contains_key(file))
            .filter(|file| !tree.unread.iter().any(|folder| file.starts_with(folder)))
            .cloned()
            .collect();
        for file in gone {
            self.contents.remove(&file);
        }
        for file in tree.files.keys() {
            let known = self.contents.signature(file);
            let unchanged = reread == Reread::Changed && known.is_some();
            if self.writing.contains_key(file) || unchanged && known == self.signature(file) {
                continue;
            }
            self.read_file(file);
        }
        self.writing.retain(|file, _| tree.files.contains_key(file));
        self.tree = Tree { files: BTreeMap::new(), ..tree };
    }

    fn watch_way_to(&mut self, file: &Path) {
        for folder in tree::way_to(&self.path.join(file)) {
            // a way that leads nowhere yet ends in a folder that is not there
            if let Err(error) = self.watches.way(&folder, LeadsTo::File)
                && error.kind() != io::ErrorKind::NotFound
            {
                self.unwatched.get_or_insert_with(|| trouble::unwatched(file, &error));
            }
        }
    }

    fn signature(&self, file: &FileName) -> Option<Signature> {
        fs::metadata(self.path.join(file)).ok().map(|metadata| Signature::of(&metadata))
    }

    /// Reads one file.
    fn read_file(&mut self, file: &FileName) -> Found {
        let contents = &self.contents;
        let reading = file::read(
            &self.path.join(file),
            file,
            self.options.file_size_limit,
            &mut self.buffer,
            &|name, content| contents.is_news(name, content),
        );
        match reading {
            Ok(Reading { signature, via, items, summary }) => {
                self.contents.read(file, signature, items, &summary);
                Found::File(via)
            }
            Err(Refusal::Gone) => {
                self.contents.remove(file);
                Found::Nothing
            }
            Err(Refusal::Folder) => {
                self.contents.remove(file);
                Found::Folder
            }
            Err(Refusal::Unreadable { message, holds }) => {
                self.contents.fail(file, holds, &message);
                Found::Nothing
            }
        }
    }

    /// Why nothing can be said of the folder as a whole.
    fn unavailable(&self) -> Option<String> {
        if self.outage.is_some() {
            return self.outage.clone();
        }
        if self.contents.live() > 0 || self.options.empty == EmptyFolder::MeansNoObjects {
            return None;
        }
        Some(match self.contents.files().next() {
            None => "the folder is empty".to_owned(),
            Some(_) => "there is no object in the folder's files".to_owned(),
        })
    }

    /// What is to be told now; what must wait is left for later.
    fn settle(&mut self, now: Instant) -> Vec<Event> {
        if self.unavailable().is_some() {
            self.was_unavailable = true;
            self.waiting = None;
            return Vec::new();
        }
        let came = self.contents.take_came();
        if std::mem::take(&mut self.was_unavailable) {
            self.waiting = Some(Waiting::new(now, QUIET_AFTER_OUTAGE));
            self.returned.clear();
        }
        match &mut self.waiting {
            Some(waiting) if waiting.quiet == QUIET_AFTER_OUTAGE => {
                let before = self.returned.len();
                self.returned.extend(came);
                if self.returned.len() > before {
                    waiting.until = now + waiting.quiet;
                }
            }
            _ => self.returned.clear(),
        }
        if !self.listed && self.is_coming_back(now) {
            // a list of what came first would lack what comes next
            return Vec::new();
        }
        let deletions = self.deletions(now);
        let (mut events, wanted) = self.contents.settle(deletions);
        if !wanted.is_empty() {
            // objects that were in two files: what the other file says was not kept
            for file in wanted {
                self.read_file(&file);
            }
            events.extend(self.contents.settle(Deletions::Later).0);
        }
        if self.listed {
            self.expect_deletions(now);
            return events;
        }
        self.listed = true;
        self.waiting = None;
        self.contents.pack();
        let objects = events.into_iter().filter_map(|event| match event {
            Event::Applied(object) => Some(object),
            _ => None,
        });
        let kinds = vec![ObjectKind::Pod, ObjectKind::Service, ObjectKind::Node];
        vec![Event::Listed { kinds, objects: objects.collect() }]
    }

    fn deletions(&self, now: Instant) -> Deletions {
        match self.waiting {
            Some(Waiting { at_most, .. }) if now >= at_most => Deletions::Tell,
            Some(Waiting { until, .. }) if now >= until && !self.is_being_written() => {
                Deletions::Tell
            }
            _ => Deletions::Later,
        }
    }

    /// Whether a file that is being written keeps deletions waiting: what is gone may come in it.
    /// After an outage only one that has not come back yet does.
    fn is_being_written(&self) -> bool {
        let coming_back = self.waiting.is_some_and(|waiting| waiting.quiet == QUIET_AFTER_OUTAGE);
        self.writing.keys().any(|file| !(coming_back && self.returned.contains(file)))
    }

    /// Whether the folder was unavailable and its files may not all be back.
    fn is_coming_back(&self, now: Instant) -> bool {
        self.waiting.is_some_and(|waiting| waiting.quiet == QUIET_AFTER_OUTAGE)
            && self.deletions(now) == Deletions::Later
    }

    fn expect_deletions(&mut self, now: Instant) {
        if self.is_coming_back(now) {
            return;
        }
        if !self.contents.has_orphans() {
            self.waiting = None;
        } else if self.waiting.is_none() {
            self.waiting = Some(Waiting::new(now, QUIET));
        }
    }

    /// Everything that a message says besides events.
    fn say(&self) -> Told {
        let unavailable = self.unavailable();
        let mut problems = Vec::new();
        if let Some(reason) = &unavailable {
            problems.push(trouble::unavailable(&self.path, reason));
        }
        problems.extend(self.unwatched.clone());
        problems.extend(self.tree.troubles.iter().cloned());
        problems.extend(self.contents.troubles());
        let hold = match unavailable {
            Some(reason) => Some(format!("source unavailable: {reason}")),
            None if !self.listed => Some("the folder has just come back".to_owned()),
            None => None,
        };
        let hold = hold.map(Hold::all);
        let unread = self.unread().map(Hold::all);
        Told { problems, hold, unread, unknown: self.contents.unknown() }
    }

    fn unread(&self) -> Option<String> {
        let files = self.contents.unread().map(|file| ("file", file));
        let folders = self.tree.unread.iter().map(|folder| ("folder", folder.as_path()));
        let mut unread = files.chain(folders);
        let (what, first) = unread.next()?;
        let more = match unread.count() {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        Some(format!("unreadable {what} {}{more} may hold objects", first.display()))
    }
}

impl Waiting {
    fn new(now: Instant, quiet: Duration) -> Self {
        Self { until: now + quiet, at_most: now + PATIENCE, quiet }
    }
}

#[cfg(test)]
mod tests;
