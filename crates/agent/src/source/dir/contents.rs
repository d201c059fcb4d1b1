//! What all files say together, and what follows from a change of one of them.
//!
//! Per object only its name, UID and a digest are kept: the objects themselves live in the core.
//!
//! Invariants: the last file in order wins an object; a file that stops making sense keeps what it
//! said last; what is reported deleted was reported applied before.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use manifest::{ObjectName, Problem, STATUS_LOST, Summary};
use model::{Event, Finding, Object, Severity};
use plan::packed;

use super::file::{Content, Holds, Item, Signature};
use super::name::FileName;
use super::trouble;

/// What an invalid object or file means for the rest.
const KEPT: &str = "correct the file; until then what it said before counts";
/// Problems of one file that are told each.
const LISTED_MAX: usize = 100;
const NOT_USED: &str = "correct the file; until then this object is not used";

#[derive(Debug, Default)]
struct FileState {
    names: Vec<Arc<ObjectName>>,
    signature: Option<Signature>,
    /// Whether it was ever understood.
    ever_read: bool,
    /// What it may hold, while it was never understood.
    unread: Option<Holds>,
    troubles: Vec<Finding>,
    /// Objects of which only the name could ever be read.
    unknown: Vec<ObjectName>,
}

#[derive(Debug)]
struct Claim {
    file: FileName,
    content: Content,
    /// The object, from when it is read until what is to be told is told.
    object: Option<Box<Object>>,
}

#[derive(Debug, Default)]
struct Entry {
    /// In the order of their files; the last one wins.
    claims: Vec<Claim>,
    /// What the receiver was told last.
    sent: Option<Content>,
}

/// What all files say.
#[derive(Debug, Default)]
pub(super) struct Contents {
    files: BTreeMap<FileName, FileState>,
    /// Files that something has to be said of: looking for them among all would cost each change
    /// of one file the number of files.
    troubled: BTreeSet<FileName>,
    objects: BTreeMap<Arc<ObjectName>, Entry>,
    /// Objects in at least one file.
    live: usize,
    /// Objects whose claims have changed; perhaps more than once.
    touched: Vec<Arc<ObjectName>>,
    /// Objects that were told of and are in no file any more.
    orphans: BTreeSet<Arc<ObjectName>>,
    /// Objects in more than one file.
    contested: BTreeSet<Arc<ObjectName>>,
    /// Files that were not known before, until they are asked for.
    came: Vec<FileName>,
}

/// Whether objects that are gone may be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deletions {
    Tell,
    Later,
}

impl Contents {
    /// The files known, in order.
    pub(super) fn files(&self) -> impl Iterator<Item = &FileName> {
        self.files.keys()
    }

    /// The files that were not known when this was asked last.
    pub(super) fn take_came(&mut self) -> Vec<FileName> {
        std::mem::take(&mut self.came)
    }

    pub(super) fn signature(&self, file: &FileName) -> Option<Signature> {
        self.files.get(file)?.signature
    }

    /// Rebuilds its maps with full nodes.
    pub(super) fn pack(&mut self) {
        packed::map(&mut self.files);
        packed::map(&mut self.objects);
    }

    /// How many objects there are in files.
    pub(super) fn live(&self) -> usize {
        self.live
    }

    /// Whether there are objects to be reported deleted.
    pub(super) fn has_orphans(&self) -> bool {
        let unknown = self.unknown();
        self.orphans.iter().any(|name| !unknown.contains(name.as_ref()))
    }

    /// Whether the receiver does not know this content.
    pub(super) fn is_news(&self, name: &ObjectName, content: &Content) -> bool {
        self.objects.get(name).and_then(|entry| entry.sent.as_ref()) != Some(content)
    }

    /// The file is not there any more.
    pub(super) fn remove(&mut self, file: &FileName) {
        let Some((file, state)) = self.files.remove_entry(file) else { return };
        self.troubled.remove(&file);
        for name in state.names {
            self.withdraw(&name, &file);
        }
    }

    /// The file cannot be read.
    pub(super) fn fail(&mut self, file: &FileName, holds: Holds, message: &str) {
        self.troubled.insert(file.clone());
        if !self.files.contains_key(file) {
            self.came.push(file.clone());
        }
        let state = self.files.entry(file.clone()).or_default();
        state.signature = None;
        if !state.ever_read {
            state.unread = Some(holds);
        }
        let advice = match (holds, state.ever_read) {
            (Holds::Nothing, false) => "remove it, or give it a name that is no manifest's",
            (Holds::Perhaps, false) => {
                "make the file readable; until then nothing is deleted that may be in it"
            }
            (_, true) => "make the file readable; until then what it said before counts",
        };
        state.troubles = vec![trouble::unreadable(file, message, advice)];
    }

    /// The file was read.
    pub(super) fn read(
        &mut self,
        file: &FileName,
        signature: Signature,
        items: Vec<Item>,
        summary: &Summary,
    ) {
        let (file, mut state) = self.files.remove_entry(file).unwrap_or_else(|| {
            self.came.push(file.clone());
            (file.clone(), FileState::default())
        });
        state.signature = Some(signature);
        if let Some(problem) = &summary.syntax {
            if state.ever_read {
                state.troubles = vec![trouble::in_file(&file, Severity::Error, problem, KEPT)];
            } else {
                state.unread = Some(Holds::Perhaps);
                let advice = "correct the file; until then nothing is deleted that may be in it";
                state.troubles = vec![trouble::in_file(&file, Severity::Error, problem, advice)];
            }
        } else if summary.documents == 0 && !state.names.is_empty() {
            let message = "the file is empty; what it said before still counts";
            let advice = "delete the file to delete its objects";
            state.troubles = vec![trouble::in_file(&file, Severity::Warning, message, advice)];
        } else if summary.documents == 0 && !state.ever_read {
            // Perhaps somebody is about to write it: half-written files begin so.
            state.unread = Some(Holds::Perhaps);
            let message = "the file is empty, and may be about to be written";
            let advice =
                "write the file, or remove it; until then nothing is deleted that may be in it";
            state.troubles = vec![trouble::in_file(&file, Severity::Warning, message, advice)];
        } else {
            self.understood(&file, &mut state, items, summary);
        }
        if state.troubles.is_empty() && state.unread.is_none() && state.unknown.is_empty() {
            self.troubled.remove(&file);
        } else {
            self.troubled.insert(file.clone());
        }
        self.files.insert(file, state);
    }

    /// The files that something has to be said of, in order.
    fn troubled(&self) -> impl Iterator<Item = (&Path, &FileState)> {
        self.troubled.iter().filter_map(|file| Some((file.as_ref(), self.files.get(file)?)))
    }

    fn understood(
        &mut self,
        file: &FileName,
        state: &mut FileState,
        mut items: Vec<Item>,
        summary: &Summary,
    ) {
        state.ever_read = true;
        state.unread = None;
        state.troubles.clear();
        state.unknown.clear();
        let halves: Vec<Problem> = items
            .extract_if(.., |item| self.is_half(item))
            .map(|item| status_lost(file, &item))
            .collect();
        for item in &mut items {
            if let Some((name, _)) = self.objects.get_key_value(&item.name) {
                item.name = Arc::clone(name);
            }
        }
        items.sort_by(|a, b| a.name.cmp(&b.name));
        items.dedup_by(|later, kept| {
            let twice = later.name == kept.name;
            if twice {
                std::mem::swap(later, kept);
                let message = format!("{} is in the file twice; the last one counts", kept.name);
                let advice = "remove one of them";
                state.troubles.push(trouble::in_file(file, Severity::Warning, message, advice));
            }
            twice
        });
        let found = Named(&items);
        // an object of unknown name may be any of those that were there
        let all_stay =
            summary.unlisted > 0 || summary.invalid.iter().any(|problem| problem.object.is_none());
        let problems = || summary.invalid.iter().chain(&halves);
        let invalid: BTreeSet<&ObjectName> = problems()
            .chain(&summary.misversioned)
            .filter_map(|problem| problem.object.as_ref())
            .collect();
        let old = std::mem::take(&mut state.names);
        for name in old {
            if found.contain(&name) {
                continue;
            }
            if all_stay || invalid.contains(name.as_ref()) {
                state.names.push(name);
            } else {
                self.withdraw(&name, file);
            }
        }
        for name in invalid {
            let known = state.names.iter().any(|kept| **kept == *name) || found.contain(name);
            if !known {
                state.unknown.push(name.clone());
            }
        }
        let listed: Vec<&Problem> = problems().take(LISTED_MAX).collect();
        let unlisted = summary.unlisted + problems().count() - listed.len();
        describe(file, state, found, (&listed, unlisted));
        let misversioned = summary.misversioned.iter();
        state.troubles.extend(misversioned.map(|problem| {
            trouble::in_file(file, Severity::Warning, problem, "say apiVersion: v1, or remove it")
        }));
        state.names.reserve_exact(items.len());
        for item in items {
            state.names.push(Arc::clone(&item.name));
            self.claim(file, item);
        }
    }

    /// Whether this is what is left of a Pod that was told of with its status.
    fn is_half(&self, item: &Item) -> bool {
        let Content { uid, status, .. } = &item.content;
        let sent = self.objects.get(&item.name).and_then(|entry| entry.sent.as_ref());
        sent.is_some_and(|sent| status.is_lost(uid, &item.name, (sent.status, &sent.uid)))
    }

    fn claim(&mut self, file: &FileName, item: Item) {
        let Item { name, content, object, .. } = item;
        let entry = self.objects.entry(Arc::clone(&name)).or_default();
        let claim = Claim { file: file.clone(), content, object };
        match entry.claims.binary_search_by(|claim| claim.file.cmp(file)) {
            Ok(at) => entry.claims[at] = claim,
            Err(at) => {
                // nearly every object is in one file: no room for more
                entry.claims.reserve_exact(1);
                entry.claims.insert(at, claim);
                self.live += usize::from(entry.claims.len() == 1);
            }
        }
        if entry.claims.len() > 1 {
            self.contested.insert(Arc::clone(&name));
        }
        self.orphans.remove(&name);
        self.touched.push(name);
    }

    fn withdraw(&mut self, name: &Arc<ObjectName>, file: &FileName) {
        let Some(entry) = self.objects.get_mut(name) else { return };
        let before = entry.claims.len();
        entry.claims.retain(|claim| claim.file != *file);
        if before == 1 && entry.claims.is_empty() {
            self.live -= 1;
        }
        if entry.claims.len() < 2 {
            self.contested.remove(name);
        }
        self.touched.push(Arc::clone(name));
    }

    /// What the receiver is to be told, and the files that must be read again to tell the rest.
    pub(super) fn settle(&mut self, deletions: Deletions) -> (Vec<Event>, BTreeSet<FileName>) {
        // told in the order of their names
        let mut touched = std::mem::take(&mut self.touched);
        touched.sort_unstable();
        touched.dedup();
        let mut events = Vec::with_capacity(touched.len());
        let mut wanted = BTreeSet::new();
        if deletions == Deletions::Tell {
            let gone: Vec<_> = touched.extract_if(.., |name| self.is_gone(name)).collect();
            for name in gone {
                self.orphan(name);
            }
            // an object that has become unreadable where it now is has not gone
            let unknown = self.unknown();
            let gone: Vec<_> =
                self.orphans.extract_if(.., |name| !unknown.contains(name.as_ref())).collect();
            for name in gone {
                let sent = self.objects.remove(&name).and_then(|entry| entry.sent);
                events.extend(sent.map(|content| deleted(&name, content)));
            }
        }
        for name in touched {
            let Some(entry) = self.objects.get_mut(&name) else { continue };
            let Some((winner, losers)) = entry.claims.split_last_mut() else {
                self.orphan(name);
                continue;
            };
            for loser in losers {
                loser.object = None;
            }
            let object = winner.object.take();
            if entry.sent.as_ref() == Some(&winner.content) {
                continue;
            }
            let Some(object) = object else {
                wanted.insert(winner.file.clone());
                self.touched.push(name);
                continue;
            };
            let content = winner.content.clone();
            if let Some(before) = entry.sent.take().filter(|before| before.uid != content.uid) {
                events.push(deleted(&name, before));
            }
            entry.sent = Some(content);
            events.push(Event::Applied(*object));
        }
        (events, wanted)
    }

    /// Whether the object is in no file any more.
    fn is_gone(&self, name: &ObjectName) -> bool {
        self.objects.get(name).is_some_and(|entry| entry.claims.is_empty())
    }

    fn orphan(&mut self, name: Arc<ObjectName>) {
        if self.objects.get(&name).is_some_and(|entry| entry.sent.is_some()) {
            self.orphans.insert(name);
        } else {
            self.objects.remove(&name);
        }
    }

    /// Everything wrong with files and objects.
    pub(super) fn troubles(&self) -> Vec<Finding> {
        let mut all: Vec<Finding> =
            self.troubled().flat_map(|(_, state)| &state.troubles).cloned().collect();
        for name in &self.contested {
            let Some(Entry { claims, .. }) = self.objects.get(name) else { continue };
            let [losers @ .., winner] = claims.as_slice() else { continue };
            for loser in losers {
                let counts = winner.file.display();
                let message = format!("{name} is also in file {counts}, and that one counts");
                let advice = "remove the object from one of the files";
                all.push(trouble::in_file(&loser.file, Severity::Warning, message, advice));
            }
        }
        all
    }

    /// Files that may hold objects and could never be read.
    pub(super) fn unread(&self) -> impl Iterator<Item = &Path> {
        // What is unread is troubled: among ten thousand files only those are looked at.
        self.troubled()
            .filter(|(_, state)| state.unread == Some(Holds::Perhaps))
            .map(|(file, _)| file)
    }

    /// Objects of which only the name could ever be read.
    pub(super) fn unknown(&self) -> BTreeSet<ObjectName> {
        let known = |name: &&ObjectName| {
            self.objects.get(*name).is_some_and(|entry| !entry.claims.is_empty())
        };
        self.troubled()
            .flat_map(|(_, state)| &state.unknown)
            .filter(|name| !known(name))
            .cloned()
            .collect()
    }
}

/// The objects of one file, in the order of their names. Not a map: for each small file one would take a
/// block of memory so large that the allocator tidies up (glibc does from 1 KiB on).
#[derive(Clone, Copy)]
struct Named<'i>(&'i [Item]);

impl Named<'_> {
    fn contain(self, name: &ObjectName) -> bool {
        self.0.binary_search_by(|item| (*item.name).cmp(name)).is_ok()
    }
}

fn status_lost(file: &Path, item: &Item) -> Problem {
    Problem {
        file: file.display().to_string().into(),
        position: item.position,
        object: Some(ObjectName::clone(&item.name)),
        path: "status".to_owned(),
        message: STATUS_LOST.to_owned(),
    }
}

fn deleted(name: &ObjectName, content: Content) -> Event {
    Event::Deleted {
        kind: name.kind,
        namespace: name.namespace.clone(),
        name: name.name.clone(),
        uid: Some(content.uid),
    }
}

fn describe(
    file: &Path,
    state: &mut FileState,
    found: Named<'_>,
    (problems, unlisted): (&[&Problem], usize),
) {
    for problem in problems {
        let (severity, advice) = match &problem.object {
            Some(name) if found.contain(name) => (Severity::Warning, "correct the file"),
            Some(name) if state.names.iter().any(|kept| **kept == *name) => {
                (Severity::Error, "correct the file; until then what the object said before counts")
            }
            Some(_) => (Severity::Error, NOT_USED),
            None => (Severity::Error, "correct the file; until then what is there is not used"),
        };
        state.troubles.push(trouble::in_file(file, severity, problem, advice));
    }
    if unlisted > 0 {
        let message = format!("{unlisted} more problems in this file");
        state.troubles.push(trouble::in_file(file, Severity::Error, message, KEPT));
    }
}
