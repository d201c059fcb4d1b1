//! The façade: events in, plan out.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{
    ChangeOp, Event, Finding, FindingCode, Hold, IpFamily, Key, Mapping, MappingReport, NodePort,
    Owner, Plan, PortRange, Protocol, Reason, Uid, Value,
};

use crate::explain::{Explanation, InvalidQuery};
use crate::journal::{Lease, LeaseChange};
use crate::ports::Reserved;
use crate::publish::Publication;
use crate::report::{Counts, OwnerReport};

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

/// The pure core. A new one holds deletions back until [`Core::set_hold`] says otherwise.
#[derive(Debug)]
pub struct Core {
    #[expect(dead_code, reason = "filled in next")]
    config: Config,
}

#[expect(
    unused_variables,
    clippy::unused_self,
    clippy::needless_pass_by_ref_mut,
    clippy::needless_pass_by_value,
    clippy::unnecessary_wraps,
    reason = "filled in next"
)]
impl Core {
    /// A core that knows nothing yet.
    pub fn new(config: Config) -> Self {
        Self { config }
    }

    /// Tells what the kernel holds: all of it. Before the first time in sync, elements with an
    /// owner are adopted; an element without a readable mark is programmed but unwanted. Later,
    /// differences to what we believed are drift and will be mended for this reason.
    pub fn observe(&mut self, elements: Vec<(Key, Value, Option<Arc<Owner>>)>, why: &Reason) {}

    /// Tells that elements are gone from the kernel (not merely changed: then [`Core::observe`]).
    pub fn lost(&mut self, which: Which<'_>, writer: &str) {}

    /// Tells what the journal remembers: leases, and the annotation last seen on each Pod.
    pub fn remember(&mut self, leases: Vec<Lease>, seen_annotations: BTreeMap<Uid, String>) {}

    /// Takes in an event.
    pub fn apply(&mut self, event: Event) {}

    /// Refuses deletions, or allows them again. The first `None` means: every source is in sync.
    pub fn set_hold(&mut self, hold: Option<Hold>) {}

    /// The next port to bind; the same answer until [`Core::reserved`] tells the result.
    pub fn next_reservation(&mut self) -> Option<(Mapping, NodePort)> {
        None
    }

    /// Tells what came of binding the port.
    pub fn reserved(&mut self, mapping: &Mapping, port: NodePort, result: Reserved) {}

    /// Lets the mappings that got no port try again. A released port does so by itself.
    pub fn retry_exhausted(&mut self) {}

    /// The sockets to close now: their elements are verified gone.
    pub fn take_released(&mut self) -> Vec<(IpFamily, Protocol, NodePort)> {
        Vec::new()
    }

    /// What the journal has to write down.
    pub fn take_lease_changes(&mut self) -> Vec<LeaseChange> {
        Vec::new()
    }

    /// What would be done now, in order. Call it after the reservations are through. Answers the
    /// same until something is told. `structure` is the driver's finding that the fixed part of
    /// the table must be built (again), and why.
    pub fn plan(&mut self, structure: Option<(ChangeOp, String)>) -> Plan {
        Plan::default()
    }

    /// Tells what was read back after the changes, and which changes the kernel refused.
    pub fn outcome(
        &mut self,
        verified: &[(Key, Option<Value>)],
        rejected: &[(Key, FindingCode, String)],
    ) {
    }

    /// Lets refused changes try again.
    pub fn retry_rejected(&mut self, which: Which<'_>) {}

    /// The annotations to write now. Each is handed out once; a publisher that fails tries again
    /// by itself or tells [`Core::published`] what is in place.
    pub fn take_publications(&mut self) -> Vec<Publication> {
        Vec::new()
    }

    /// Tells which annotation is in place, where that is not what the last event showed.
    pub fn published(&mut self, uid: &Uid, annotation: Option<&str>) {}

    /// What a person should know.
    pub fn findings(&self) -> Vec<Finding> {
        Vec::new()
    }

    /// Every mapping, as `show npl` lists them.
    pub fn npl_report(&self) -> Vec<MappingReport> {
        Vec::new()
    }

    /// Every owner of an IP or an element.
    pub fn owners(&self) -> Vec<OwnerReport> {
        Vec::new()
    }

    /// What the kernel shall hold.
    pub fn desired(&self) -> Vec<model::Element> {
        Vec::new()
    }

    /// Which objects make something so, and why.
    pub fn explain(&self, query: &str) -> Result<Explanation, InvalidQuery> {
        Err(InvalidQuery(query.to_owned()))
    }

    /// How much there is.
    pub fn counts(&self) -> Counts {
        Counts::default()
    }
}
