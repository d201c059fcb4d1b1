//! The publisher's thread: the journal onto the disk, then the annotations into their files.
//!
//! With the API as the source they go to the objects themselves, by the API's own publisher.
//!
//! Invariants: nothing is published that the journal on the disk does not know; a burst of changes
//! comes first, but no publication waits for it any longer than its [`Patience`].

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use super::inbox::Patience;
use super::{Agent, Inbox, Input, priority};
use crate::failpoint;
use crate::keeper::{PodName, told};
use crate::publish::{Patch, PodRef, Publisher};

/// Where annotations go.
pub(super) enum Outlet {
    /// Into files.
    Files(Publisher),
    /// To the API, whose publisher tries again by itself and tells how it goes.
    Api(kube::Publisher),
}

/// How long after a failure the same file is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// Of so many files that cannot be written it is said so at once.
const TOLD_MAX: usize = 20;

/// What the publisher is told.
#[derive(Debug)]
pub(super) enum Job {
    /// These files are to say so. The token lives as long as the job does.
    Publish(Vec<(PodRef, Patch)>, Arc<()>),
    /// Only these Pods (namespace, name) exist: files of others go.
    Sweep(BTreeSet<(Box<str>, Box<str>)>),
    /// Everything before this is to be done, then told.
    Finish(Sender<()>),
}

/// Starts the thread. `journal` is the journal's file.
pub(super) fn start(
    outlet: Outlet,
    journal: Option<PathBuf>,
    inbox: Inbox<Agent>,
) -> io::Result<Sender<Job>> {
    let (sender, receiver) = mpsc::channel();
    let thread = Thread {
        outlet,
        journal,
        inbox,
        failed: BTreeMap::new(),
        unswept: None,
        unsynced: None,
        retry: None,
        told: Vec::new(),
    };
    std::thread::Builder::new().name("publisher".into()).spawn(move || {
        priority::behind();
        thread.run(&receiver);
    })?;
    Ok(sender)
}

struct Thread {
    outlet: Outlet,
    journal: Option<PathBuf>,
    inbox: Inbox<Agent>,
    /// By name: what is to be said of a newer Pod takes the place of what could not be said of an
    /// older one.
    failed: BTreeMap<PodName, Failed>,
    /// Files of Pods that are gone and that could not be removed.
    unswept: Option<Unswept>,
    /// Why the journal is not on the disk, while it is not.
    unsynced: Option<String>,
    /// When what failed is tried again.
    retry: Option<Instant>,
    /// What the agent was told last.
    told: Vec<String>,
}

/// A file that does not say what it should.
#[derive(Debug)]
struct Failed {
    pod: PodRef,
    patch: Patch,
    why: String,
}

/// A sweep that did not go well.
#[derive(Debug)]
struct Unswept {
    pods: BTreeSet<PodName>,
    why: Vec<String>,
}

impl Thread {
    fn run(mut self, receiver: &Receiver<Job>) {
        loop {
            let job = match self.retry {
                None => receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
                // Also in the midst of other jobs.
                Some(at) if at <= Instant::now() => Err(RecvTimeoutError::Timeout),
                Some(at) => receiver.recv_timeout(at.saturating_duration_since(Instant::now())),
            };
            match job {
                Ok(Job::Publish(patches, token)) => {
                    self.publish(patches);
                    drop(token);
                }
                Ok(Job::Sweep(pods)) => {
                    self.sweep(pods);
                    self.tell();
                }
                Ok(Job::Finish(done)) => match &self.outlet {
                    Outlet::Files(_) => drop(done.send(())),
                    Outlet::Api(publisher) => publisher.finish(done),
                },
                Err(RecvTimeoutError::Timeout) => self.try_again(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn try_again(&mut self) {
        self.retry = None;
        // Each stays until it is done: a file that is only tried again is no better yet.
        let failed = self.failed.values().map(|failed| (failed.pod.clone(), failed.patch.clone()));
        let failed = failed.collect();
        if let Some(unswept) = self.unswept.take() {
            self.sweep(unswept.pods);
        }
        self.publish(failed);
    }

    fn sweep(&mut self, pods: BTreeSet<PodName>) {
        let Outlet::Files(publisher) = &mut self.outlet else { return };
        let why: Vec<String> = publisher.sweep(&pods).iter().map(|error| told(error)).collect();
        self.unswept = (!why.is_empty()).then_some(Unswept { pods, why });
    }

    fn publish(&mut self, patches: Vec<(PodRef, Patch)>) {
        let patience = Patience::begin();
        self.give_way(patience);
        // Opened anew each time: another file may have taken its place, or somebody removed it.
        let sync = |path: &PathBuf| File::open(path)?.sync_data();
        let synced = self.journal.as_ref().map_or(Ok(()), sync);
        self.unsynced = synced.err().map(|error| format!("cannot sync the journal: {error}"));
        failpoint::hit("publish:journal-synced");
        for (pod, patch) in patches {
            self.give_way(patience);
            let publisher = match &mut self.outlet {
                Outlet::Files(publisher) => publisher,
                Outlet::Api(publisher) => {
                    publisher.publish(pod_patch(pod, patch));
                    continue;
                }
            };
            let name = (pod.namespace.clone(), pod.name.clone());
            if let Some(unswept) = &mut self.unswept {
                // It came, or went, after the sweep: its file is its own matter.
                unswept.pods.insert(name.clone());
            }
            match publisher.publish(&pod, &patch) {
                Ok(_) => drop(self.failed.remove(&name)),
                Err(error) => {
                    let why = told(&error);
                    self.failed.insert(name, Failed { pod, patch, why });
                }
            }
        }
        self.tell();
    }

    /// Waits while the actor is busy. The API's publisher has its own thread, and its own pace.
    fn give_way(&self, patience: Patience) {
        if matches!(self.outlet, Outlet::Files(_)) {
            self.inbox.give_way(patience);
        }
    }

    /// Says what is wrong for as long as it is, whatever else goes well.
    fn tell(&mut self) {
        let failed = self.failed.values().map(|failed| &failed.why);
        let unswept = self.unswept.iter().flat_map(|unswept| &unswept.why);
        let all = self.unsynced.iter().chain(unswept).chain(failed);
        let trouble: Vec<String> = all.take(TOLD_MAX).cloned().collect();
        let unfinished = !self.failed.is_empty() || self.unswept.is_some();
        if unfinished {
            self.retry.get_or_insert_with(|| Instant::now() + RETRY);
        } else {
            self.retry = None;
        }
        if trouble != self.told {
            self.told.clone_from(&trouble);
            let _ = self.inbox.send(Input::Published(trouble));
        }
    }
}

/// A patch in the words of the API's publisher.
pub(crate) fn pod_patch(pod: PodRef, patch: Patch) -> kube::PodPatch {
    let PodRef { namespace, name, uid } = pod;
    let patch = match patch {
        Patch::Value(value) => kube::Patch::Value(value),
        Patch::Null => kube::Patch::Remove,
        Patch::Nothing => kube::Patch::Forget,
    };
    kube::PodPatch { namespace, name, uid, patch }
}
