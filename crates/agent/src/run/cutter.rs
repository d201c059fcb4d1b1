//! The cutter's thread: ends flows that conntrack remembers and no mapping stands for any more.
//!
//! A walk over the conntrack table costs what the table is large, so it is never on the way of a
//! change to the kernel: it gives way to a burst of them, and jobs that wait are done in one walk.

use std::io;
use std::sync::mpsc::{self, Sender};
use std::time::{Duration, Instant};

use apply::journal::StaleFlows;
use drivers::flows::{Cutter, Route};
use model::{NodePort, Protocol};

use super::inbox::Patience;
use super::{Agent, Inbox, Input, priority};
use crate::failpoint;
use crate::keeper::told;

/// How many times as long as a walk took the thread rests after it, and how long at most. A walk is
/// one system call of some milliseconds, in which some kernels let nobody else have the processor.
const REST: u32 = 16;
const REST_MAX: Duration = Duration::from_secs(1);
/// How long after a failure the same is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// What is to be cut.
#[derive(Debug, Default)]
pub(super) struct Job {
    /// Flows that lead where a mapping led before.
    pub(super) stale: Vec<StaleFlows>,
    /// Ports that are mapped now: flows that began before and pass by the mapping.
    pub(super) mapped: Vec<(Protocol, NodePort)>,
}

impl Job {
    /// Whether there is nothing to cut.
    pub(super) fn is_empty(&self) -> bool {
        self.stale.is_empty() && self.mapped.is_empty()
    }

    fn join(&mut self, other: Self) {
        self.stale.extend(other.stale);
        self.mapped.extend(other.mapped);
    }
}

/// What was cut.
#[derive(Debug)]
pub(crate) struct Cut {
    pub(super) done: Vec<StaleFlows>,
    pub(super) flows: usize,
}

/// Starts the thread.
pub(super) fn start(inbox: Inbox<Agent>) -> io::Result<Sender<Job>> {
    let (sender, receiver) = mpsc::channel::<Job>();
    std::thread::Builder::new().name("cutter".into()).spawn(move || {
        priority::behind();
        let mut cutter = Cutter::new();
        while let Ok(mut job) = receiver.recv() {
            inbox.give_way(Patience::begin());
            loop {
                while let Ok(other) = receiver.try_recv() {
                    job.join(other);
                }
                let routes: Vec<Route> = job.stale.iter().map(Route::from).collect();
                let start = Instant::now();
                match cutter.cut(&routes, &job.mapped) {
                    Ok(flows) => {
                        failpoint::hit("flows:cut");
                        if flows > 0 {
                            tracing::info!(flows, "stale flows cut");
                        }
                        let _ = inbox.send(Input::Cut(Cut { done: job.stale, flows }));
                        // A walk costs what the table is large; under churn jobs gather meanwhile.
                        std::thread::sleep((start.elapsed() * REST).min(REST_MAX));
                        break;
                    }
                    Err(error) => {
                        tracing::warn!(error = %told(&error), "stale flows could not be cut");
                        std::thread::sleep(RETRY);
                    }
                }
            }
        }
    })?;
    Ok(sender)
}
