//! Other writers: told by the kernel's events, answered by a repair, named in a finding.
//!
//! Invariants: an event is a hint, the generation is the truth; a fight with another writer costs
//! at most [`REPAIRS_PER_SECOND`] repairs a second in the long run; a write is told and counted as
//! repaired once the kernel was read back as wanted, not before.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use drivers::nft::events::{Foreign, Touch, Watch};

use model::{Finding, FindingCode, Severity};

use super::{Agent, Inbox, Input, spawn};
use crate::keeper::{Settled, Step};

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

/// What has become of another writer's write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It is not repaired yet.
    Open,
    /// It was repaired.
    Repaired,
    /// Everything was as wanted when we looked: it undid itself, or was a part of a later one.
    Nothing,
}

/// A kind of write of one writer.
#[derive(Debug)]
struct Remembered {
    at: Instant,
    writer: String,
    what: String,
    times: u64,
    standing: Standing,
}

impl Remembered {
    fn is(&self, foreign: &Foreign) -> bool {
        self.writer == foreign.writer && self.what == foreign.touch.to_string()
    }
}

/// What other writers did lately, and how much more of it is repaired at once.
#[derive(Debug)]
pub(super) struct Repairs {
    writes: VecDeque<Remembered>,
    last_repair: Option<Duration>,
    tokens: f64,
    refilled: Instant,
    /// Not taken in yet.
    waiting: Vec<ForeignWrite>,
    /// Taken in, and not known to be repaired.
    taken: Vec<ForeignWrite>,
    /// Whether something was repaired since the first of those was taken in.
    repaired: bool,
}

impl Default for Repairs {
    fn default() -> Self {
        Self {
            writes: VecDeque::new(),
            last_repair: None,
            tokens: BURST,
            refilled: Instant::now(),
            waiting: Vec::new(),
            taken: Vec::new(),
            repaired: false,
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

    fn remember(&mut self, now: Instant, foreign: &Foreign) {
        self.writes.retain(|write| now.saturating_duration_since(write.at) < REMEMBERED_FOR);
        if let Some(write) = self.writes.iter_mut().find(|write| write.is(foreign)) {
            write.at = now;
            write.times += 1;
            write.standing = Standing::Open;
            return;
        }
        if self.writes.len() == REMEMBERED {
            self.writes.pop_front();
        }
        self.writes.push_back(Remembered {
            at: now,
            writer: foreign.writer.clone(),
            what: foreign.touch.to_string(),
            times: 1,
            standing: Standing::Open,
        });
    }

    /// A step is over; `left` says whether something is still not as wanted. Answers what turned
    /// out to be repaired.
    fn settled(&mut self, settled: &Settled, left: bool) -> Vec<ForeignWrite> {
        self.repaired |= settled.repaired > 0 || settled.built;
        if settled.step != Step::Converged || left {
            return Vec::new();
        }
        let taken = std::mem::take(&mut self.taken);
        let repaired = std::mem::take(&mut self.repaired);
        if repaired && let Some(first) = taken.iter().map(|write| write.at).min() {
            self.last_repair = Some(first.elapsed());
        }
        let waiting = &self.waiting;
        for write in &mut self.writes {
            let more = waiting.iter().any(|other| write.is(&other.foreign));
            if !more && taken.iter().any(|other| write.is(&other.foreign)) {
                write.standing = if repaired { Standing::Repaired } else { Standing::Nothing };
            }
        }
        if repaired { taken } else { Vec::new() }
    }

    /// Who wrote what was repaired.
    pub(super) fn repaired(&self) -> impl Iterator<Item = &str> {
        let repaired = self.writes.iter().filter(|write| write.standing == Standing::Repaired);
        repaired.map(|write| &*write.writer)
    }

    /// One finding for each writer and kind of write.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let took = self.last_repair.map_or_else(String::new, |took| {
            format!("; the last repair was done {:.1} ms after the event", took.as_secs_f64() * 1e3)
        });
        let standing = |standing| match standing {
            Standing::Open => "not repaired yet".to_owned(),
            Standing::Repaired => format!("repaired{took}"),
            Standing::Nothing => "nothing of it is left".to_owned(),
        };
        self.writes
            .iter()
            .map(|Remembered { writer, what, times, standing: now, .. }| Finding {
                code: FindingCode::ForeignWrite,
                severity: Severity::Warning,
                subject: "table inet netkeep".into(),
                message: format!(
                    "{writer} {what}, {times} times in the last hour; {}",
                    standing(*now)
                ),
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
        self.repairs.remember(now, &write.foreign);
        tracing::warn!(%writer, %touch, "another writer touched the table inet netkeep");
        self.repairs.waiting.push(write);
        self.repair(now);
    }

    /// Takes in what other writers did, as far as they are not too many.
    pub(super) fn repair(&mut self, now: Instant) {
        while !self.repairs.waiting.is_empty() && self.repairs.may_repair(now) {
            let write = self.repairs.waiting.remove(0);
            match &write.foreign.touch {
                Touch::ElementsGone(keys) => self.keeper.lost(keys, &write.foreign.writer),
                Touch::Other(_) | Touch::Unknown => {
                    // One look covers everything that waits.
                    let covered = std::mem::take(&mut self.repairs.waiting);
                    self.repairs.taken.extend(covered);
                    self.look_again(&write.foreign.writer);
                }
            }
            self.repairs.taken.push(write);
        }
    }

    /// Tells and counts what a step repaired.
    pub(super) fn repaired(&mut self, settled: &Settled) {
        if self.repairs.taken.is_empty() {
            return;
        }
        let left = self.keeper.has_drift();
        for write in self.repairs.settled(settled, left) {
            self.metrics.drift(&write.foreign.touch);
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
