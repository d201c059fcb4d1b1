//! The façade: events in, plan out.
//!
//! Owns the wiring of the parts and nothing else: which part is told what, in which order. The
//! flow of an event is in `core::flow`, of a start in `core::start`, of what is said in
//! `core::say`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use model::{
    Change, ChangeOp, Element, Event, Finding, FindingCode, Hold, HoldScope, IpFamily, Key,
    Mapping, MappingReport, NodePort, Owner, Plan, PortRange, Protocol, Reason, Uid, Value,
};

use crate::diff::{Diff, Keys};
use crate::explain::{Explanation, InvalidQuery};
use crate::journal::{Lease, LeaseChange};
use crate::ledger::Ledger;
use crate::npl::Note;
use crate::packed::Packed;
use crate::ports::{PortTable, Reserved};
use crate::publish::{Publication, Publisher};
use crate::report::{Counts, OwnerReport};
use crate::state::State;
use crate::{explain, findings, order, report};

mod flow;
mod look;
mod say;
mod start;

use start::Start;

/// What never changes while the agent runs.
#[derive(Debug, Clone)]
pub struct Config {
    /// The name of our node.
    pub node: Box<str>,
    /// The node ports that may be handed out.
    pub range: PortRange,
}

/// Which elements are meant.
#[derive(Debug, Clone, Copy)]
pub enum Which<'a> {
    /// All of them.
    All,
    /// These.
    Keys(&'a [Key]),
    /// Those of one owner.
    Owner(&'a Uid),
}

/// An element as read back from the kernel, with the owner that its mark names, if it names one.
pub type ObservedElement = (Key, Value, Option<Arc<Owner>>);

/// The pure core. A new one holds deletions back until [`Core::set_hold`] says otherwise.
#[derive(Debug)]
pub struct Core {
    pub(crate) state: State,
    /// Who owns an IP.
    pub(crate) addresses: Ledger<IpAddr, ()>,
    /// Who owns an element.
    pub(crate) keys: Keys,
    pub(crate) diff: Diff,
    pub(crate) ports: PortTable,
    publisher: Publisher,
    pub(crate) notes: BTreeMap<Uid, Box<[Note]>>,
    /// What is only known until the first time in sync.
    start: Option<Start>,
    hold: Option<Hold>,
    /// Namespaces in which a Service could not be read since the start: what nobody there asks for
    /// may be asked for by it.
    unread: BTreeSet<Box<str>>,
    /// Pods whose hostPort is another's mapping, by the element that has to go first.
    overlaid: BTreeMap<Key, BTreeSet<Uid>>,
    /// Owners whose ports changed since they were resolved: a Pod of many ports is resolved once.
    unsettled: BTreeSet<Uid>,
    /// Stands in for the owner of an element without a mark.
    nobody: Arc<Owner>,
    packed: Packed,
}

impl Core {
    /// A core that knows nothing yet.
    pub fn new(config: Config) -> Self {
        Self {
            state: State::new(config.node),
            addresses: Ledger::default(),
            keys: Keys::default(),
            diff: Diff::default(),
            ports: PortTable::new(config.range),
            publisher: Publisher::default(),
            notes: BTreeMap::new(),
            start: Some(Start::default()),
            hold: Some(Hold::all("the sources are not in sync yet")),
            unread: BTreeSet::new(),
            overlaid: BTreeMap::new(),
            unsettled: BTreeSet::new(),
            nobody: Arc::new(Owner::netkeep()),
            packed: Packed::default(),
        }
    }

    /// Tells what the kernel holds: all of it. Before the first time in sync, elements with an
    /// owner are adopted; an element without a readable mark is programmed but unwanted. Later,
    /// differences to what we believed are drift and will be mended for this reason.
    ///
    /// At start call this first, then [`Core::remember`], then tell the events.
    pub fn observe(&mut self, elements: Vec<ObservedElement>, why: &Reason) {
        self.observe_all(elements, why);
    }

    /// Tells that elements are gone from the kernel (not merely changed: then [`Core::observe`]).
    pub fn lost(&mut self, which: Which<'_>, writer: &str) {
        self.lose(which, writer);
    }

    /// Tells what the journal remembers: leases, and the annotation last seen on each Pod (empty
    /// text: there was none). Call it before any event.
    pub fn remember(&mut self, leases: Vec<Lease>, seen_annotations: BTreeMap<Uid, String>) {
        self.take_memory(leases, seen_annotations);
    }

    /// Tells that this annotation of a Pod is our own word, if perhaps an older one: it is no claim
    /// that somebody made while we were not running. Call it before the event that shows it.
    pub fn remember_annotation(&mut self, uid: &Uid, text: &str) {
        self.know_annotation(uid, text);
    }

    /// Takes in an event.
    pub fn apply(&mut self, event: Event) {
        let touched = self.state.apply(event);
        self.settle(touched);
    }

    /// Refuses deletions, or allows them again. The first `None` means: every source is in sync;
    /// owners known from the kernel only, which no object confirmed, then lose their claims.
    pub fn set_hold(&mut self, hold: Option<Hold>) {
        self.hold = hold;
        if self.hold.is_none() {
            self.finish_start();
        }
    }

    /// Allows deletions, but for those of owners known from the kernel only: a source has told all
    /// it could read, and something in it could not be read. They keep what they have until
    /// [`Core::set_hold`] says `None`.
    pub fn keep_remembered(&mut self) {
        self.hold = None;
    }

    /// Tells in which namespaces there is a Service that could not be read since the start. What
    /// Pods there have stays unless their own objects prove that they do not want it.
    pub fn set_unread(&mut self, namespaces: BTreeSet<Box<str>>) {
        if namespaces == self.unread {
            return;
        }
        for pod in self.state.pods() {
            if self.unread.contains(pod.owner.namespace()) {
                self.publisher.touch(&pod.owner.uid);
            }
        }
        self.unread = namespaces;
    }

    /// What is held because of Services that could not be read, and why, if there are any.
    pub fn hold_of_unread(&self) -> Option<Hold> {
        let namespaces: Vec<&str> = self.unread.iter().map(|namespace| &**namespace).collect();
        if namespaces.is_empty() {
            return None;
        }
        let namespaces = namespaces.join(", ");
        let reason = format!(
            "a Service in {namespaces} has not been readable since we started, and may want this"
        );
        Some(Hold { reason, scope: HoldScope::AllButProven })
    }

    /// Whether what this owner has may be asked for by a Service that cannot be read.
    pub(crate) fn may_be_asked_for(&self, owner: &Owner) -> bool {
        self.unread.contains(owner.namespace())
    }

    /// Why deletions are refused, if they are.
    pub const fn hold(&self) -> Option<&Hold> {
        self.hold.as_ref()
    }

    /// The next port to bind; the same answer until [`Core::reserved`] tells the result.
    pub fn next_reservation(&mut self) -> Option<(Mapping, NodePort)> {
        let Self { ports, diff, keys, .. } = self;
        let next = ports.next_reservation(&|key| {
            diff.programmed(key, keys.winner(key)).map(|programmed| programmed.mark)
        });
        if next.is_none() {
            self.resolve_unsettled();
        }
        next
    }

    fn resolve_unsettled(&mut self) {
        for uid in std::mem::take(&mut self.unsettled) {
            self.resolve(&uid);
        }
    }

    /// Tells what came of binding the port; it counts from the next [`Core::next_reservation`]
    /// that answers `None`, or the next [`Core::plan`]. If nobody wants the port any more, a bound socket
    /// comes back by [`Core::take_released`].
    pub fn reserved(&mut self, mapping: &Mapping, port: NodePort, result: Reserved) {
        self.ports.reserved(mapping, port, result);
        self.unsettled.insert(mapping.owner.uid.clone());
    }

    /// Lets the mappings that got no port, or no socket, try again, and forgets which ports other
    /// processes had. For a timer; a released port lets one mapping try again by itself.
    pub fn retry_exhausted(&mut self) {
        self.ports.retry_denied();
    }

    /// The sockets to close now: their elements are verified gone.
    pub fn take_released(&mut self) -> Vec<(IpFamily, Protocol, NodePort)> {
        self.ports.take_released()
    }

    /// What the journal has to write down.
    pub fn take_lease_changes(&mut self) -> Vec<LeaseChange> {
        self.ports.take_changes()
    }

    /// What would be done now, in order. Call it after the reservations are through: what waits
    /// for a port is not in it. Answers the same until something is told. `structure` is the
    /// driver's finding that the fixed part of the table must be built (again), and why.
    pub fn plan(&mut self, structure: Option<(ChangeOp, String)>) -> Plan {
        self.resolve_unsettled();
        let mut changes = self.diff.changes(&self.keys, &self.nobody);
        let is_held = |change: &Change| {
            let proven = matches!(change.reason(), Reason::Ended(_));
            let held = match self.hold.as_ref().map(|hold| hold.scope) {
                Some(HoldScope::All) => true,
                Some(HoldScope::AllButProven) => !proven,
                None => !proven && self.may_be_asked_for(change.owner()),
            };
            held && change.op() == ChangeOp::Delete
        };
        let mut held: Vec<Change> = changes.extract_if(.., |change| is_held(change)).collect();
        if let Some((op, what)) = structure {
            let owner = Arc::clone(&self.nobody);
            changes.push(Change::Structure { op, owner, reason: Reason::Structure(what) });
        }
        order::sort(&mut changes);
        order::sort(&mut held);
        let unread = if held.is_empty() { None } else { self.hold_of_unread() };
        Plan { changes, held, hold: self.hold.clone().or(unread), findings: self.findings() }
    }

    /// Tells what was read back after the changes, and which changes the kernel refused. Refused
    /// keys are left out of plans until [`Core::retry_rejected`], or until something else is
    /// wanted of them.
    pub fn outcome(
        &mut self,
        verified: &[(Key, Option<Value>)],
        rejected: &[(Key, FindingCode, String)],
    ) {
        for (key, value) in verified {
            let mark = self.mark(key);
            if self.diff.verified(*key, self.keys.winner(key), *value) {
                self.after_news(key, mark.as_ref());
            }
        }
        for (key, code, message) in rejected {
            self.diff.reject(key, *code, message);
        }
    }

    /// Lets refused changes try again.
    pub fn retry_rejected(&mut self, which: Which<'_>) {
        let keys = &self.keys;
        self.diff.retry(|key, difference| match which {
            Which::All => true,
            Which::Keys(meant) => meant.contains(key),
            Which::Owner(uid) => {
                let mark = difference.programmed.as_ref().and_then(|p| p.mark.as_ref());
                let owner = keys.winner(key).map(|claim| &claim.owner).or(mark);
                owner.is_some_and(|owner| owner.uid == *uid)
            }
        });
    }

    /// The annotations to write now: none before the first time in sync; under a hold none that
    /// takes back what the kernel still does. Each is handed out once; a publisher that fails
    /// tries again by itself, or tells [`Core::published`] what is in place.
    pub fn take_publications(&mut self) -> Vec<Publication> {
        self.publications()
    }

    /// Tells which annotation is in place, where that is not what the last event showed: a source
    /// that does not carry our writings back, a write that failed, a change by somebody else.
    pub fn published(&mut self, uid: &Uid, annotation: Option<&str>) {
        self.publisher.told(uid, annotation);
    }

    /// Tells that what is in place is not known: somebody altered it, or it was overtaken by the
    /// object itself. What is true is published again, also if that is that there is nothing.
    pub fn doubt_published(&mut self, uid: &Uid) {
        self.publisher.doubt(uid);
    }

    /// Packs what is held in memory if it has grown much since the last time. For quiet moments: it
    /// takes a few milliseconds for ten thousand Pods. Whether it did.
    pub fn pack(&mut self) -> bool {
        let due = self.packed.is_due(self.keys.len() + self.addresses.len());
        if due {
            self.state.pack();
            self.addresses.pack();
            self.keys.pack();
            self.ports.pack();
            self.publisher.pack();
        }
        due
    }

    /// What a person should know.
    pub fn findings(&self) -> Vec<Finding> {
        findings::all(self)
    }

    /// Every mapping, as `show npl` lists them.
    pub fn npl_report(&self) -> Vec<MappingReport> {
        report::npl(self)
    }

    /// Every owner of an IP or an element.
    pub fn owners(&self) -> Vec<OwnerReport> {
        report::owners(self)
    }

    /// What the kernel shall hold.
    pub fn desired(&self) -> impl Iterator<Item = Element> {
        self.keys.winners().map(|(key, claim)| Element {
            key: *key,
            value: claim.value,
            owner: Arc::clone(&claim.owner),
        })
    }

    /// Which objects make something so, and why.
    pub fn explain(&self, query: &str) -> Result<Explanation, InvalidQuery> {
        explain::explain(self, query)
    }

    /// How much there is.
    pub fn counts(&self) -> Counts {
        report::counts(self)
    }
}
