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
    /// It was repaired, so long after the event.
    Repaired(Duration),
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
    tokens: f64,
    refilled: Instant,
    /// Not taken in yet.
    waiting: Vec<ForeignWrite>,
    /// Taken in, and not known to be repaired.
    taken: Vec<ForeignWrite>,
    /// The generation after our last repair. One may be seen, and repaired, before its event comes.
    repaired: Option<u32>,
}

impl Default for Repairs {
    fn default() -> Self {
        Self {
            writes: VecDeque::new(),
            tokens: BURST,
            refilled: Instant::now(),
            waiting: Vec::new(),
            taken: Vec::new(),
            repaired: None,
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

    /// A step is over that left the kernel at a generation; `left` says whether something is still
    /// not as wanted. Answers what turned out to be repaired.
    fn settled(&mut self, settled: &Settled, generation: u32, left: bool) -> Vec<ForeignWrite> {
        if settled.repaired > 0 || settled.built {
            self.repaired = Some(generation);
        }
        if settled.step != Step::Converged || left {
            return Vec::new();
        }
        let (repaired, undone): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.taken).into_iter().partition(|write| {
                let after = |repaired: u32| repaired.wrapping_sub(write.foreign.generation);
                // Generations wrap.
                self.repaired.map(after).is_some_and(|after| (1..u32::MAX / 2).contains(&after))
            });
        for write in &mut self.writes {
            let is_of = |all: &[ForeignWrite]| all.iter().any(|other| write.is(&other.foreign));
            let its = repaired.iter().filter(|other| write.is(&other.foreign));
            let took = its.map(|other| other.at.elapsed()).max();
            let standing = match (is_of(&self.waiting), took, is_of(&undone)) {
                (true, ..) | (_, None, false) => continue,
                (_, Some(took), _) => Standing::Repaired(took),
                (_, _, true) => Standing::Nothing,
            };
            write.standing = standing;
        }
        repaired
    }

    /// Who wrote what was repaired.
    pub(super) fn repaired(&self) -> impl Iterator<Item = &str> {
        let is_repaired = |write: &&Remembered| matches!(write.standing, Standing::Repaired(_));
        self.writes.iter().filter(is_repaired).map(|write| &*write.writer)
    }

    /// One finding for each writer and kind of write.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let standing = |standing| match standing {
            Standing::Open => "not repaired yet".to_owned(),
            Standing::Repaired(took) => {
                format!("repaired {:.1} ms after the event", took.as_secs_f64() * 1e3)
            }
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
        let Foreign { writer, touch, .. } = &write.foreign;
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
                Touch::ElementsGone(keys) => {
                    self.keeper.lost(keys, &write.foreign.writer);
                    self.keeper.driver().planned_on(write.foreign.generation);
                }
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
        let generation = self.keeper.driver().generation();
        // Looking for what is left costs what there is to do.
        let left = !self.repairs.taken.is_empty() && self.keeper.has_drift();
        for write in self.repairs.settled(settled, generation, left) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(repairs: &mut Repairs, writer: &str, generation: u32) {
        let touch = Touch::Other("wrote chain theirs".to_owned());
        let foreign = Foreign { writer: writer.to_owned(), touch, generation };
        repairs.remember(Instant::now(), &foreign);
        repairs.taken.push(ForeignWrite { foreign, at: Instant::now() });
    }

    /// What has become of each write; how long a repair took is another number each time.
    fn told(repairs: &Repairs) -> Vec<String> {
        let standing = |finding: Finding| {
            let (_, standing) = finding.message.split_once("; ").unwrap();
            match standing.strip_suffix(" ms after the event") {
                Some(took) => took.split(' ').next().unwrap().to_owned(),
                None => standing.to_owned(),
            }
        };
        repairs.findings().into_iter().map(standing).collect()
    }

    fn step(step: Step, repaired: usize) -> Settled {
        Settled { step, repaired, ..Settled::new() }
    }

    #[test]
    fn a_write_is_repaired_once_nothing_is_left_of_it_and_not_before() {
        let mut repairs = Repairs::default();
        taken(&mut repairs, "nft (pid 7)", 10);
        for (step, left) in
            [(step(Step::Failed("no".into()), 0), true), (step(Step::Converged, 1), true)]
        {
            assert!(repairs.settled(&step, 11, left).is_empty());
            assert_eq!(told(&repairs), ["not repaired yet"]);
        }
        assert_eq!(repairs.settled(&step(Step::Converged, 0), 11, false).len(), 1);
        assert_eq!(told(&repairs), ["repaired"]);
        assert_eq!(repairs.repaired().collect::<Vec<_>>(), ["nft (pid 7)"]);
        // The same once more, which undoes itself.
        taken(&mut repairs, "nft (pid 7)", 12);
        assert!(repairs.settled(&step(Step::Converged, 0), 13, false).is_empty());
        assert_eq!(told(&repairs), ["nothing of it is left"]);
    }

    #[test]
    fn a_write_that_was_repaired_before_its_event_came_counts_as_repaired() {
        let mut repairs = Repairs::default();
        // A look for another reason saw what it did.
        assert!(repairs.settled(&step(Step::Converged, 1), 2, false).is_empty());
        taken(&mut repairs, "nft (pid 7)", u32::MAX);
        assert_eq!(repairs.settled(&step(Step::Converged, 0), 2, false).len(), 1);
        assert_eq!(told(&repairs), ["repaired"]);
    }
}
