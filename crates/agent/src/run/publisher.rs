//! The publisher's thread: the journal onto the disk, then the annotations into their files.
//!
//! With the API as the source they go to the objects themselves, by the API's own publisher.
//!
//! Invariants: nothing is published that the journal on the disk does not know; a burst of changes
//! comes first, but no publication waits longer for it than [`GIVE_WAY`].

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

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

/// How long the files of one job give way to an actor that is busy. Where processors are few, writing a
/// thousand files takes as much of them as the thousand changes.
const GIVE_WAY: Duration = Duration::from_millis(100);
/// How often it is looked whether the actor still is.
const GLANCE: Duration = Duration::from_millis(1);

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

/// Starts the thread. `sync` is the journal's file.
pub(super) fn start(
    outlet: Outlet,
    sync: Option<File>,
    inbox: Inbox<Agent>,
) -> io::Result<Sender<Job>> {
    let (sender, receiver) = mpsc::channel();
    let thread = Thread { outlet, sync, inbox, failed: BTreeMap::new(), told: false };
    std::thread::Builder::new().name("publisher".into()).spawn(move || {
        priority::behind();
        thread.run(&receiver);
    })?;
    Ok(sender)
}

struct Thread {
    outlet: Outlet,
    sync: Option<File>,
    inbox: Inbox<Agent>,
    /// By name: what is to be said of a newer Pod takes the place of what could not be said of an
    /// older one.
    failed: BTreeMap<PodName, (PodRef, Patch)>,
    told: bool,
}

impl Thread {
    fn run(mut self, receiver: &Receiver<Job>) {
        loop {
            let job = if self.failed.is_empty() {
                receiver.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                receiver.recv_timeout(RETRY)
            };
            match job {
                Ok(Job::Publish(patches, token)) => {
                    self.publish(patches);
                    drop(token);
                }
                Ok(Job::Sweep(pods)) => {
                    if let Outlet::Files(publisher) = &mut self.outlet {
                        let trouble = publisher.sweep(&pods);
                        self.tell(trouble.iter().map(|error| told(error)).collect());
                    }
                }
                Ok(Job::Finish(done)) => match &self.outlet {
                    Outlet::Files(_) => drop(done.send(())),
                    Outlet::Api(publisher) => publisher.finish(done),
                },
                Err(RecvTimeoutError::Timeout) => {
                    let again = std::mem::take(&mut self.failed);
                    self.publish(again.into_values().collect());
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn publish(&mut self, patches: Vec<(PodRef, Patch)>) {
        let mut trouble = Vec::new();
        let give_way_until = Instant::now() + GIVE_WAY;
        self.give_way(give_way_until);
        if let Some(file) = &self.sync
            && let Err(error) = file.sync_data()
        {
            trouble.push(format!("cannot sync the journal: {error}"));
        }
        failpoint::hit("publish:journal-synced");
        for (pod, patch) in patches {
            self.give_way(give_way_until);
            let publisher = match &mut self.outlet {
                Outlet::Files(publisher) => publisher,
                Outlet::Api(publisher) => {
                    publisher.publish(pod_patch(pod, patch));
                    continue;
                }
            };
            let name = (pod.namespace.clone(), pod.name.clone());
            self.failed.remove(&name);
            if let Err(error) = publisher.publish(&pod, &patch) {
                trouble.push(told(&error));
                self.failed.insert(name, (pod, patch));
            }
        }
        self.tell(trouble);
    }

    /// Waits while the actor is busy. The API's publisher has its own thread, and its own pace.
    fn give_way(&self, until: Instant) {
        let files = matches!(self.outlet, Outlet::Files(_));
        while files && self.inbox.is_busy() && Instant::now() < until {
            std::thread::sleep(GLANCE);
        }
    }

    /// Says what is wrong, and once that nothing is any more.
    fn tell(&mut self, trouble: Vec<String>) {
        if !trouble.is_empty() || self.told {
            self.told = !trouble.is_empty();
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
