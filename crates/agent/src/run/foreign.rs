//! Other writers: told by the kernel's events, answered by a repair, named in a finding.
//!
//! Invariants: an event is a hint, the generation is the truth; a fight with another writer costs
//! at most [`REPAIRS_PER_SECOND`] repairs a second in the long run.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use drivers::nft::events::{Foreign, Touch, Watch};

use model::{Finding, FindingCode, Severity};

use super::{Agent, Inbox, Input, spawn};
use crate::keeper::Settled;

/// Repairs in a row before they are slowed down.
const BURST: f64 = 200.0;
/// How many repairs a second another writer can cause in the long run.
pub(super) const REPAIRS_PER_SECOND: f64 = 20.0;
/// How many foreign writes are remembered for `show findings`.
const REMEMBERED: usize = 16;
/// For how long.
const REMEMBERED_FOR: Duration = Duration::from_hours(1);

/// Whether we listen to the kernel's events yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Events {
    /// Not before the first load is through: it would only tell us of ourselves.
    NotJoined,
    /// We do.
    Joined,
}

/// Another writer touched our table.
#[derive(Debug)]
pub(crate) struct ForeignWrite {
    pub(super) foreign: Foreign,
    pub(super) at: Instant,
}

/// What other writers did lately, and how much more of it is repaired at once.
#[derive(Debug)]
pub(super) struct Repairs {
    writes: VecDeque<(Instant, String, String, u64)>,
    unrepaired: Option<Instant>,
    last_repair: Option<Duration>,
    tokens: f64,
    refilled: Instant,
    waiting: Vec<ForeignWrite>,
}

impl Default for Repairs {
    fn default() -> Self {
        Self {
            writes: VecDeque::new(),
            unrepaired: None,
            last_repair: None,
            tokens: BURST,
            refilled: Instant::now(),
            waiting: Vec::new(),
        }
    }
}

impl Repairs {
    /// When a repair that was put off may be done.
    pub(super) fn wake(&self) -> Option<Instant> {
        let missing = (1.0 - self.tokens).max(0.0);
        (!self.waiting.is_empty())
            .then(|| self.refilled + Duration::from_secs_f64(missing / REPAIRS_PER_SECOND))
    }

    fn may_repair(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.refilled).as_secs_f64();
        self.tokens = (self.tokens + passed * REPAIRS_PER_SECOND).min(BURST);
        self.refilled = now;
        let may = self.tokens >= 1.0;
        if may {
            self.tokens -= 1.0;
        }
        may
    }

    fn remember(&mut self, now: Instant, writer: String, what: String) {
        self.writes.retain(|(at, ..)| now.saturating_duration_since(*at) < REMEMBERED_FOR);
        if let Some((at, .., times)) =
            self.writes.iter_mut().find(|(_, by, did, _)| *by == writer && *did == what)
        {
            *at = now;
            *times += 1;
            return;
        }
        if self.writes.len() == REMEMBERED {
            self.writes.pop_front();
        }
        self.writes.push_back((now, writer, what, 1));
    }

    /// Notes how long a repair took, if this step was one.
    pub(super) fn settled(&mut self, settled: &Settled) {
        if settled.wrote()
            && let Some(since) = self.unrepaired.take()
        {
            self.last_repair = Some(since.elapsed());
        }
    }

    /// One finding for each writer and kind of write.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let took = self.last_repair.map_or_else(String::new, |took| {
            format!("; the last repair was done {:.1} ms after the event", took.as_secs_f64() * 1e3)
        });
        self.writes
            .iter()
            .map(|(_, writer, what, times)| Finding {
                code: FindingCode::ForeignWrite,
                severity: Severity::Warning,
                subject: "table inet netkeep".into(),
                message: format!("{writer} {what}, {times} times in the last hour; repaired{took}"),
                evidence: vec![writer.clone()],
                advice: "stop that program from writing to the table inet netkeep (for example by \
                         `nft flush ruleset`)"
                    .into(),
                fixable: true,
            })
            .collect()
    }
}

impl Agent {
    /// Starts to listen, and compares the generation once: what happened before is not told.
    pub(super) fn join_events(&mut self) {
        if self.events == Events::Joined {
            return;
        }
        self.events = Events::Joined;
        let joined = Watch::join(self.keeper.driver()).map(|watch| listen(watch, &self.inbox));
        match joined {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "cannot listen to the kernel's events"),
            Err(error) => tracing::warn!(%error, "cannot listen to the kernel's events"),
        }
        self.check_generation();
    }

    pub(super) fn foreign(&mut self, write: ForeignWrite) {
        let now = Instant::now();
        let Foreign { writer, touch } = &write.foreign;
        if *touch == Touch::Unknown {
            // Our own large commits overflow the events too: the generation tells.
            self.check_generation();
            return;
        }
        self.repairs.remember(now, writer.clone(), touch.to_string());
        tracing::warn!(%writer, %touch, "another writer touched the table inet netkeep");
        self.repairs.waiting.push(write);
        self.repair(now);
    }

    /// Takes in what other writers did, as far as they are not too many.
    pub(super) fn repair(&mut self, now: Instant) {
        while !self.repairs.waiting.is_empty() && self.repairs.may_repair(now) {
            let write = self.repairs.waiting.remove(0);
            self.repairs.unrepaired.get_or_insert(write.at);
            self.metrics.drift(&write.foreign.touch);
            match &write.foreign.touch {
                Touch::ElementsGone(keys) => self.keeper.lost(keys, &write.foreign.writer),
                Touch::Other(_) | Touch::Unknown => {
                    // One look covers everything that waits.
                    self.repairs.waiting.clear();
                    self.look_again(&write.foreign.writer);
                }
            }
        }
    }
}

fn listen(watch: Watch, inbox: &Inbox<Agent>) -> Result<(), super::AgentError> {
    let inbox = inbox.clone();
    spawn("kernel-events", move || {
        let outcome = watch.run(|foreign| {
            let write = ForeignWrite { foreign, at: Instant::now() };
            inbox.send(Input::Foreign(write))
        });
        if let Err(error) = outcome {
            tracing::error!(
                error = %crate::keeper::told(&error),
                "the kernel's events are lost; falling back to comparing generations"
            );
        }
    })
}
