//! The keeper: the pure core with its effects around it, one step at a time.
//!
//! `netkeep agent` keeps one for its whole life; `apply` settles one once; `plan` looks at what
//! one would do. The order of a step is the order of the promises:
//!
//! ```text
//! bind ports -> note leases (journal) -> commit -> read back -> close ports, note releases
//!            -> publish (journal synced first) -> cut stale flows
//! ```
//!
//! Killed anywhere in it, the next start finds: a bound port is free again; a noted lease without
//! an element is offered first; an element without a noted lease names its owner itself; flows to
//! cut are in the journal; an annotation is old or new, and compared anew.
//!
//! Deliberately not here: threads and waiting (`crate::run`), what to do (`plan`).

mod history;
mod memory;
mod pods;
mod ports;
mod quarantine;
mod settle;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

use apply::journal::{Journal, JournalError, StaleFlows};
use drivers::{Driver, DriverError, Structure};
use model::{
    ChangeOp, Finding, FindingCode, Hold, NodePort, Plan, Protocol, Reason, Severity, Uid,
};
use plan::{Config as CoreConfig, Core};

pub use history::{History, Performed};
pub(crate) use memory::told;
pub use ports::{PortSet, Ports};
pub use settle::{Settled, Step};

use crate::config::{Config, SourceSpec};
use crate::publish::Published;
use crate::source::{ObjectName, SourceMessage};
use crate::state_lock::StateLock;
use quarantine::Quarantine;

/// Namespace and name of a Pod.
pub type PodName = (Box<str>, Box<str>);

/// Where annotations are published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outlet {
    /// To files, which say in the objects' place what would be patched into them.
    Files,
    /// To the objects themselves: what is published comes back with the next event.
    Api,
}

impl Outlet {
    const fn of(source: &SourceSpec) -> Self {
        match source {
            SourceSpec::Dir(_) => Self::Files,
            SourceSpec::Kube => Self::Api,
        }
    }
}

/// The state of one network namespace and everything that keeps it.
#[derive(Debug)]
pub struct Keeper<D> {
    core: Core,
    driver: D,
    ports: Ports,
    journal: Option<Journal>,
    /// Keeps others out of the state directory.
    state: Option<StateLock>,
    /// Why the state directory is not ours any more, once it is another one's.
    state_lost: Option<String>,
    /// What the driver found wrong with the table's structure, until it is mended.
    structure: Option<(ChangeOp, String)>,
    quarantine: Quarantine,
    /// The annotation that each Pod object carried when last seen; only of Pods that carry one.
    seen: BTreeMap<Uid, Box<str>>,
    /// Published when we started, by UID; used up by the first listing.
    published: BTreeMap<Uid, Published>,
    /// Whose annotation each published file carries.
    files: BTreeMap<PodName, Uid>,
    /// Files whose Pod may be gone, or another one by now.
    doubtful: BTreeSet<PodName>,
    /// What could not be read, while the kernel may hold what it wants.
    unread: Option<Hold>,
    /// Owners that only the kernel has told of so far.
    adopted: BTreeSet<PodName>,
    source_problems: Vec<Finding>,
    /// Where annotations are published.
    outlet: Outlet,
    /// What was done last, newest at the end.
    history: History,
    /// Flows that still have to be cut, as the journal has them.
    cuts: BTreeSet<StaleFlows>,
    /// What keeps the kernel from being reconciled, if anything does.
    trouble: Option<String>,
    journal_trouble: Option<String>,
}

impl<D: Driver> Keeper<D> {
    /// A keeper that has not looked at anything yet. Without a journal (as `netkeep plan`) nothing
    /// is remembered beyond its life.
    pub fn new(config: &Config, driver: D, ports: Ports) -> Self {
        let core = Core::new(CoreConfig { node: config.node.as_str().into(), range: config.range });
        Self {
            core,
            driver,
            ports,
            journal: None,
            state: None,
            state_lost: None,
            structure: None,
            quarantine: Quarantine::default(),
            seen: BTreeMap::new(),
            published: BTreeMap::new(),
            files: BTreeMap::new(),
            doubtful: BTreeSet::new(),
            unread: None,
            adopted: BTreeSet::new(),
            source_problems: Vec::new(),
            outlet: Outlet::of(&config.source),
            history: History::default(),
            cuts: BTreeSet::new(),
            trouble: None,
            journal_trouble: None,
        }
    }

    /// Opens the journal for writing and takes in what it remembers. Answers where it is, so that
    /// another thread can sync it.
    pub fn open_journal(&mut self, state_dir: &Path) -> Result<PathBuf, JournalError> {
        let (journal, remembered) = Journal::open(state_dir)?;
        let path = journal.path();
        self.journal = Some(journal);
        self.take_in_memory(remembered);
        Ok(path)
    }

    /// Goes on without a journal, and says so as long as it lives.
    pub fn without_journal(&mut self, error: &JournalError) {
        tracing::error!(error = %told(error), "going on without a journal");
        self.journal_trouble = Some(told(error));
    }

    /// Takes in what the journal remembers without ever writing to it.
    pub fn read_journal(&mut self, state_dir: &Path) -> Result<(), JournalError> {
        self.take_in_memory(Journal::read(state_dir)?);
        Ok(())
    }

    /// Reads the kernel and takes it for what is programmed.
    pub fn observe(&mut self, why: &Reason) -> Result<(), DriverError> {
        let observed = self.driver.observe()?;
        let anew = matches!(observed.structure, Structure::TooSmall(_) | Structure::Unusable(_));
        self.structure = match observed.structure {
            Structure::Intact => None,
            Structure::Absent => Some((ChangeOp::Add, "there is no table inet netkeep".into())),
            Structure::Damaged(what) | Structure::TooSmall(what) | Structure::Unusable(what) => {
                Some((ChangeOp::Replace, what.join("; ")))
            }
        };
        if self.core.awaits_sync() {
            let names = observed.elements.iter().filter_map(|(.., owner)| owner.as_deref());
            for (key, ..) in &observed.elements {
                self.hold_early(key);
            }
            self.adopted.extend(names.map(|owner| (owner.namespace().into(), owner.name().into())));
        }
        if !anew || self.core.awaits_sync() {
            self.core.observe(observed.elements, why);
        }
        if anew {
            // What is in this table goes with it. Whose it was, and at which port, was learnt just now
            // if nobody else has told of it yet; whatever is wanted is put into the new table.
            self.core.observe(Vec::new(), why);
        }
        Ok(())
    }

    /// Whether others altered something that is not as wanted again.
    pub fn has_drift(&self) -> bool {
        self.structure.is_some() || self.core.has_drift()
    }

    /// Takes in what a source says.
    pub fn take_in(&mut self, message: SourceMessage) {
        for mut event in message.events {
            self.note_pods(&mut event);
            self.core.apply(event);
        }
        self.source_problems = message.problems;
        let unread_services = self.unread_services(&message.unknown);
        self.core.set_unread(unread_services.clone());
        self.unread = message.unread.or_else(|| self.unread_objects(&message.unknown));
        if message.hold.is_none() && self.unread.is_some() && self.has_unconfirmed() {
            self.core.keep_remembered();
            return;
        }
        if message.hold.is_none() {
            self.adopted.retain(|(namespace, _)| unread_services.contains(namespace));
        }
        self.core.set_hold(message.hold);
    }

    /// Whether the kernel held something of ours that no source has confirmed yet.
    pub fn has_adopted(&self) -> bool {
        !self.adopted.is_empty()
    }

    /// Why something is not deleted, if so: a source that is not in sync, or an object that could
    /// never be read and may want what the kernel holds.
    pub fn hold(&self) -> Option<Hold> {
        let unread = || self.unread.clone().filter(|_| self.has_unconfirmed());
        self.core.hold().cloned().or_else(unread).or_else(|| self.core.hold_of_unread())
    }

    /// What is wrong with the source, if anything.
    pub fn source_problems(&self) -> &[Finding] {
        &self.source_problems
    }

    /// Whether the kernel holds something for a Pod that no source has told of.
    fn has_unconfirmed(&self) -> bool {
        self.adopted.iter().any(|name| self.is_unconfirmed(name))
    }

    fn is_unconfirmed(&self, (namespace, name): &PodName) -> bool {
        self.core.pod_uid(namespace, name).is_none()
    }

    /// The namespaces of Services that were never valid in our life and may want what Pods there have
    /// from our last one.
    fn unread_services(&self, unknown: &BTreeSet<ObjectName>) -> BTreeSet<Box<str>> {
        let services = unknown.iter().filter(|object| object.kind == model::ObjectKind::Service);
        let namespaces = services.map(|service| service.namespace.clone());
        namespaces.filter(|name| self.adopted.iter().any(|(of, _)| of == name)).collect()
    }

    /// An object that was never valid in our life may be the one that wants what the kernel still
    /// holds from our last life: that stays until the object can be read or is gone.
    fn unread_objects(&self, unknown: &BTreeSet<ObjectName>) -> Option<Hold> {
        let wanted_by = |object: &&ObjectName| match object.kind {
            model::ObjectKind::Pod => {
                self.adopted.contains(&(object.namespace.clone(), object.name.clone()))
            }
            model::ObjectKind::Service => {
                self.adopted.iter().any(|(namespace, _)| *namespace == object.namespace)
            }
            model::ObjectKind::Node => !self.adopted.is_empty(),
        };
        let object = unknown.iter().find(wanted_by)?;
        Some(Hold::all(format!(
            "{} {}/{} has not been readable since we started, and the kernel may hold what it wants",
            object.kind.as_str(),
            object.namespace,
            object.name
        )))
    }

    /// Packs what is held in memory if it has grown much, and gives back what is free.
    pub fn trim(&mut self) {
        if self.core.pack() {
            self.ports.pack();
        }
        netns::trim_memory();
    }

    /// Elements of ours that somebody else removed.
    pub fn lost(&mut self, keys: &[model::Key], writer: &str) {
        self.core.lost(plan::Which::Keys(keys), writer);
    }

    /// What would be done now. Ports are tried and let go again by a keeper with
    /// [`Ports::trial`].
    pub fn plan(&mut self) -> Plan {
        self.reserve();
        let mut plan = self.core.plan(self.structure.clone());
        plan.findings = self.findings();
        // Said even if nothing else is held: what the kernel holds for unknown owners stays.
        plan.hold = plan.hold.or_else(|| self.unread.clone().filter(|_| self.has_unconfirmed()));
        plan
    }

    /// Everything that a person should know.
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = self.source_problems.clone();
        findings.extend(self.core.findings());
        findings.extend(self.host_port_conflicts());
        findings.extend(self.trouble.iter().map(|trouble| Finding {
            code: FindingCode::RejectedByKernel,
            severity: Severity::Error,
            subject: "table inet netkeep".into(),
            message: trouble.clone(),
            evidence: Vec::new(),
            advice: "until this is solved the kernel stays as it is; netkeep keeps trying".into(),
            fixable: false,
        }));
        findings.extend(self.state_troubles());
        findings
    }

    /// What is wrong with the state directory.
    fn state_troubles(&self) -> impl Iterator<Item = Finding> {
        let apart = "give each its own --state-dir and start both again; ports may change over a reboot \
                     otherwise";
        let writable =
            "make the state directory writable; ports may change over a reboot otherwise";
        let lost = self.state_lost.iter().map(move |trouble| (trouble, apart));
        let troubles =
            lost.chain(self.journal_trouble.iter().map(move |trouble| (trouble, writable)));
        troubles.map(|(trouble, advice)| Finding {
            code: FindingCode::PublishFailed,
            severity: Severity::Error,
            subject: "state directory".into(),
            message: trouble.clone(),
            evidence: Vec::new(),
            advice: advice.into(),
            fixable: false,
        })
    }

    /// hostPorts that came after a mapping had the port: the mapping keeps it.
    fn host_port_conflicts(&self) -> Vec<Finding> {
        let host_ports = self.core.host_ports();
        if host_ports.is_empty() {
            return Vec::new();
        }
        let conflict = |lease: plan::Lease| {
            let holder = host_ports.get(&(lease.mapping.protocol, lease.port))?;
            let plan::Lease { mapping, port } = lease;
            (*holder != mapping.owner).then(|| Finding {
                code: FindingCode::PortConflict,
                severity: Severity::Error,
                subject: holder.to_string(),
                message: format!(
                    "its hostPort {} {port} is the node port of {}, which had it first and keeps it",
                    mapping.protocol, mapping.owner
                ),
                evidence: vec![format!("{} {} {port}", mapping.family, mapping.protocol)],
                advice: "give the Pod a hostPort outside of the NodePortLocal range".into(),
                fixable: false,
            })
        };
        self.core.leases().filter_map(conflict).collect()
    }

    /// The plans that were carried out last.
    pub const fn history(&self) -> &History {
        &self.history
    }

    /// The core, to be looked at.
    pub const fn core(&self) -> &Core {
        &self.core
    }

    /// The driver.
    pub const fn driver(&mut self) -> &mut D {
        &mut self.driver
    }

    /// What keeps the kernel from being reconciled, if anything does.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// When something that failed should be tried again.
    pub fn next_retry(&self) -> Option<Instant> {
        self.quarantine.next()
    }

    /// Tries again what is due.
    pub fn retry(&mut self, now: Instant) {
        let due = self.quarantine.due(now);
        if !due.is_empty() {
            self.core.retry_rejected(plan::Which::Keys(&due));
        }
        if self.quarantine.ports_due(now) {
            self.core.retry_exhausted();
        }
    }

    /// Flows that still have to be cut from before we started.
    pub fn unfinished_cuts(&self) -> Vec<StaleFlows> {
        self.cuts.iter().cloned().collect()
    }

    /// Every mapping that packets can take now: flows at these ports that do not go through it
    /// are stale.
    pub fn mapped_ports(&self) -> Vec<(Protocol, NodePort)> {
        let mut ports: Vec<_> = self
            .core
            .desired()
            .filter_map(|element| match element.key {
                model::Key::Npl { protocol, port, .. } => Some((protocol, port)),
                model::Key::Hairpin(_) => None,
            })
            .collect();
        ports.dedup();
        ports
    }

    /// Of these flows, those for which no mapping stands. Where the change did not come about, or
    /// was taken back, they lead where they should, and the journal need not remember them.
    pub fn without_mapping(&mut self, flows: Vec<StaleFlows>) -> Vec<StaleFlows> {
        let (right, stale): (Vec<_>, Vec<_>) = flows.into_iter().partition(|flows| {
            let StaleFlows { protocol, node_port: port, ip, pod_port } = *flows;
            let key = model::Key::Npl { family: model::IpFamily::of(&ip), protocol, port };
            self.core.programmed(&key) == Some(model::Value::Endpoint { ip, port: pod_port })
        });
        if !right.is_empty() {
            self.cut_done(&right);
        }
        stale
    }

    /// Flows were cut: the journal need not remember them any more.
    pub fn cut_done(&mut self, flows: &[StaleFlows]) {
        for flow in flows {
            if self.cuts.remove(flow)
                && let Some(journal) = &mut self.journal
            {
                journal.cut_done(flow);
            }
        }
        self.write_journal();
    }
}
