//! One step: whatever the core wants now, done, read back and told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use apply::journal::StaleFlows;
use apply::{Progress, perform};
use drivers::{CommitError, Driver, DriverError, Observed, ReadBack, Structure, Transaction};
use model::{Change, ChangeOp, FindingCode, Key, NodePort, Plan, Protocol, Reason, Value};

use super::{Keeper, memory};
use crate::failpoint;
use crate::publish::{Patch, PodRef};

/// Rounds of planning in one step before the rest waits for the next: each round either ends it
/// or learns something (a refusal, another writer).
const ROUNDS_MAX: usize = 16;

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Kernel and objects agree, but for what is held, refused or without a port.
    Converged,
    /// Other writers were faster every time; the next step goes on.
    Unsettled,
    /// The kernel cannot be written.
    Failed(String),
}

/// What a step did, and what others have to do because of it.
#[derive(Debug)]
pub struct Settled {
    /// How it ended.
    pub step: Step,
    /// Changes committed, by what they did.
    pub added: usize,
    /// Of those, replacements.
    pub replaced: usize,
    /// Of those, deletions.
    pub deleted: usize,
    /// Of those, repairs of what others altered, read back as wanted.
    pub repaired: usize,
    /// Whether the table's structure was built (again), and read back so.
    pub built: bool,
    /// Changes that the kernel refused.
    pub refused: usize,
    /// Transactions sent.
    pub transactions: usize,
    /// When the kernel had acknowledged the last of them.
    pub committed_at: Option<Instant>,
    /// When the last of them had been read back.
    pub read_back_at: Option<Instant>,
    /// Deletions held back.
    pub held: usize,
    /// Annotations to publish.
    pub publications: Vec<(PodRef, Patch)>,
    /// Flows to cut: they lead where no mapping leads any more.
    pub cuts: Vec<StaleFlows>,
    /// Ports that are mapped since this step: flows from before pass by the mapping.
    pub mapped: Vec<(Protocol, NodePort)>,
}

impl Settled {
    pub(crate) fn new() -> Self {
        Self {
            step: Step::Unsettled,
            added: 0,
            replaced: 0,
            deleted: 0,
            repaired: 0,
            built: false,
            refused: 0,
            transactions: 0,
            committed_at: None,
            read_back_at: None,
            held: 0,
            publications: Vec::new(),
            cuts: Vec::new(),
            mapped: Vec::new(),
        }
    }

    /// Whether the kernel was written.
    pub const fn wrote(&self) -> bool {
        self.transactions > 0
    }

    fn count(&mut self, change: &Change) {
        match change.op() {
            ChangeOp::Add => self.added += 1,
            ChangeOp::Replace => self.replaced += 1,
            ChangeOp::Delete => self.deleted += 1,
        }
    }

    /// Counts what others had altered and what is now as wanted.
    fn count_repairs(&mut self, plan: &Plan, read_back: &ReadBack) {
        let repair = |change: &&Change| matches!(change.reason(), Reason::Drift(_));
        let mut repairs = plan.changes.iter().filter(repair).peekable();
        if repairs.peek().is_none() {
            return;
        }
        let found: BTreeMap<&Key, &Option<Value>> =
            read_back.iter().map(|(key, value)| (key, value)).collect();
        self.repaired += repairs
            .filter(|change| match change {
                Change::Element { key, after, .. } => found.get(key) == Some(&after),
                Change::Structure { .. } => false,
            })
            .count();
    }
}

impl<D: Driver> Keeper<D> {
    /// Does what there is to do.
    pub fn settle(&mut self, now: Instant) -> Settled {
        let mut settled = Settled::new();
        for _ in 0..ROUNDS_MAX {
            self.reserve();
            failpoint::hit("ports:reserved");
            self.note_leases();
            failpoint::hit("journal:noted");
            let plan = self.core.plan(self.structure.clone());
            settled.held = plan.held.len();
            if plan.is_empty() {
                settled.step = Step::Converged;
                self.trouble = None;
                if settled.held == 0 {
                    self.end_early();
                }
                break;
            }
            self.note_cuts(&plan, &mut settled);
            self.write_journal();
            failpoint::hit("journal:written");
            if let Some(end) = self.carry_out(&plan, &mut settled, now) {
                settled.step = end;
                break;
            }
        }
        if let Step::Failed(why) = &settled.step {
            self.trouble = Some(why.clone());
        }
        self.release();
        self.note_leases();
        self.write_journal();
        failpoint::hit("ports:released");
        self.quarantine.ports(self.core.counts().denied, now);
        settled.publications = self.publications();
        settled.mapped.sort_unstable();
        settled.mapped.dedup();
        settled
    }

    /// Performs one plan and tells the core what came of it; `Some` ends the step.
    fn carry_out(&mut self, plan: &Plan, settled: &mut Settled, now: Instant) -> Option<Step> {
        let mut driver = Killable { driver: &mut self.driver, committed_at: None };
        let report = perform(&mut driver, plan);
        settled.committed_at = driver.committed_at.or(settled.committed_at);
        settled.transactions += report.transactions;
        settled.read_back_at = Some(Instant::now());
        settled.refused += report.refused.len();
        for refusal in &report.refused {
            self.quarantine.refused(refusal.key, now);
        }
        let refused: Vec<(Key, FindingCode, String)> = report
            .refused
            .into_iter()
            .map(|refusal| (refusal.key, refusal.code, refusal.message))
            .collect();
        for (key, value) in &report.read_back {
            self.quarantine.settled(key);
            if let (Key::Npl { protocol, port, .. }, Some(_)) = (key, value) {
                settled.mapped.push((*protocol, *port));
            }
        }
        let whole = refused.is_empty() && matches!(report.progress, Progress::Done);
        let read: BTreeSet<Key> = if whole {
            BTreeSet::new()
        } else {
            report.read_back.iter().map(|(key, _)| *key).collect()
        };
        for change in &plan.changes {
            let done = whole || matches!(change, Change::Element { key, .. } if read.contains(key));
            if done {
                settled.count(change);
            }
        }
        settled.count_repairs(plan, &report.read_back);
        self.history.note(plan, refused.len());
        self.core.outcome(&report.read_back, &refused);
        failpoint::hit("core:outcome");
        match report.progress {
            Progress::Done => self.read_structure_back(settled),
            Progress::Observe(why) => self.look_again(&why),
            Progress::Failed(error) => Some(Step::Failed(memory::told(&error))),
            Progress::StructureRefused(why) => Some(Step::Failed(why)),
        }
    }

    /// A structure that was built is there once it was read back.
    fn read_structure_back(&mut self, settled: &mut Settled) -> Option<Step> {
        self.structure.as_ref()?;
        match self.driver.structure() {
            Ok(Structure::Intact) => {
                self.structure = None;
                settled.built = true;
                None
            }
            Ok(other) => {
                let why = other.differences().join("; ");
                self.look_again(&format!("the table is not as it was just built: {why}"))
            }
            Err(error) => Some(Step::Failed(memory::told(&error))),
        }
    }

    fn look_again(&mut self, why: &str) -> Option<Step> {
        tracing::debug!(%why, "looking at the kernel again");
        let looked = self.observe(&Reason::Drift("another writer".into()));
        looked.err().map(|error| Step::Failed(memory::told(&error)))
    }

    /// Writes down which flows a plan leaves behind, before the plan is carried out.
    fn note_cuts(&mut self, plan: &Plan, settled: &mut Settled) {
        for change in &plan.changes {
            let Change::Element {
                key: Key::Npl { protocol, port, .. },
                before: Some(before @ Value::Endpoint { ip, port: pod_port }),
                after,
                ..
            } = change
            else {
                continue;
            };
            if after.as_ref() == Some(before) {
                // Only the mark is written anew: flows stay where they belong.
                continue;
            }
            let flows =
                StaleFlows { protocol: *protocol, node_port: *port, ip: *ip, pod_port: *pod_port };
            if self.cuts.insert(flows.clone()) {
                if let Some(journal) = &mut self.journal {
                    journal.cut(&flows);
                }
                settled.cuts.push(flows);
            }
        }
    }
}

/// A driver in front of which, and behind which, a test may kill us. It notes the time.
struct Killable<'a, D> {
    driver: &'a mut D,
    /// When the kernel acknowledged last.
    committed_at: Option<Instant>,
}

impl<D: Driver> Driver for Killable<'_, D> {
    fn observe(&mut self) -> Result<Observed, DriverError> {
        self.driver.observe()
    }

    fn apply(&mut self, transaction: Transaction<'_>) -> Result<(), CommitError> {
        failpoint::hit("kernel:before-commit");
        let outcome = self.driver.apply(transaction);
        if outcome.is_ok() {
            self.committed_at = Some(Instant::now());
        }
        failpoint::hit("kernel:committed");
        outcome
    }

    fn structure(&mut self) -> Result<Structure, DriverError> {
        self.driver.structure()
    }

    fn read_back(&mut self, keys: &[Key]) -> Result<ReadBack, DriverError> {
        self.driver.read_back(keys)
    }
}
