//! The port table: which mapping holds which node port.
//!
//! A lease belongs to a mapping (Pod UID, Pod port, protocol, family) and lives as long as the
//! mapping is wanted, whatever happens to the Pod's IP. Its life:
//!
//! ```text
//!   remembered (journal or kernel mark) --bind--> held --unwanted--> leaving --element gone--> free
//!   asked for (annotation, next-fit)    --bind--^    ^--wanted again--'
//! ```
//!
//! Invariants: a port of one protocol and family has at most one lease; a lease is freed only when
//! its element is verified gone; a freed port is not handed out before the cursor has wrapped;
//! nothing outside the range is ever leased.
//! Deliberately not here: binding (`agent`), and what an element leads to (`npl`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{IpFamily, Key, Mapping, NodePort, Owner, PodPort, PortRange, Protocol};

use crate::journal::{Lease, LeaseChange};
use crate::packed;

mod request;
mod table;

use request::Wait;
pub use request::{Denial, Level, Refusal};
use table::{Entry, Table};

/// What came of the attempt to bind a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reserved {
    /// The socket is bound.
    Ok,
    /// Another process has the port; the text names it (empty if not known).
    Taken(String),
    /// It could not be tried (for example: no more open files); the text says why.
    Failed(String),
}

/// What a Pod's mapping is for: a mapping without its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// The port inside the Pod.
    pub pod_port: PodPort,
    /// The protocol.
    pub protocol: Protocol,
    /// The IP family.
    pub family: IpFamily,
}

impl Target {
    /// The mapping of this owner.
    pub fn of(self, owner: &Arc<Owner>) -> Mapping {
        Mapping {
            owner: Arc::clone(owner),
            pod_port: self.pod_port,
            protocol: self.protocol,
            family: self.family,
        }
    }

    /// The key of its element, given its port.
    pub const fn key(self, port: NodePort) -> Key {
        Key::Npl { family: self.family, protocol: self.protocol, port }
    }
}

impl From<&Mapping> for Target {
    fn from(mapping: &Mapping) -> Self {
        Self { pod_port: mapping.pod_port, protocol: mapping.protocol, family: mapping.family }
    }
}

/// How far a lease has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseState {
    /// The journal remembers it; no socket yet.
    Journaled,
    /// The kernel's mark tells of it; no socket yet.
    Marked,
    /// The socket is bound.
    Held,
    /// Nobody wants it any more; the socket is bound until the element is gone.
    Leaving,
    /// Nobody wants it any more, and no socket was bound.
    LeavingUnbound,
}

impl LeaseState {
    /// Whether somebody wants it, as far as we know.
    pub const fn is_current(self) -> bool {
        matches!(self, Self::Journaled | Self::Marked | Self::Held)
    }

    /// Whether it comes from memory and waits to be bound.
    pub const fn is_remembered(self) -> bool {
        matches!(self, Self::Journaled | Self::Marked)
    }
}

/// What a wanted mapping asks of the table.
#[derive(Debug, Clone, Copy)]
pub struct Ask {
    /// What it is for.
    pub target: Target,
    /// Whether it needs a port now.
    pub need: Need,
    /// The port that the annotation claims, and how strongly.
    pub annotated: Option<(Level, NodePort)>,
}

/// Whether a wanted mapping needs a port now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It does: there is an IP to lead to.
    Now,
    /// It keeps the lease it has, but takes no new one: it has no IP for the time being.
    Keep,
}

/// What becomes of a lease that was remembered and that nobody wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// Kept: not every source has told what it knows.
    Trusted,
    /// Released: every source is in sync.
    Expired,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct PortTable {
    range: PortRange,
    tables: BTreeMap<(IpFamily, Protocol), Table>,
    /// Every lease by its owner, sorted: one entry a port, so a mapping that moves has two for a
    /// while.
    by_owner: BTreeMap<Arc<Owner>, Vec<(Target, NodePort)>>,
    /// Mappings that wait for a port.
    waiting: BTreeMap<Mapping, Wait>,
    /// Whose turn it is: the waiting ones that are not denied.
    queue: BTreeSet<(Level, Mapping)>,
    /// The reservation that was handed out last.
    asked: Option<(Mapping, NodePort)>,
    /// Mappings that had to take another port than the one remembered.
    refused: BTreeMap<Mapping, Refusal>,
    /// Sockets to close. Their ports are not handed out again before they were taken to be closed.
    released: BTreeSet<(IpFamily, Protocol, NodePort)>,
    changes: Vec<LeaseChange>,
}

impl PortTable {
    /// An empty table over a range.
    pub fn new(range: PortRange) -> Self {
        Self {
            range,
            tables: BTreeMap::new(),
            by_owner: BTreeMap::new(),
            waiting: BTreeMap::new(),
            queue: BTreeSet::new(),
            asked: None,
            refused: BTreeMap::new(),
            released: BTreeSet::new(),
            changes: Vec::new(),
        }
    }

    /// Rebuilds its maps with full nodes.
    pub fn pack(&mut self) {
        packed::map(&mut self.by_owner);
        self.tables.values_mut().for_each(Table::pack);
    }

    /// The range.
    pub const fn range(&self) -> PortRange {
        self.range
    }

    /// Takes in a lease that is remembered. It is forgotten at once if it cannot be: outside the
    /// range, or its port or its mapping has another lease that counts for more (the kernel's
    /// word on a port counts for more than the journal's, the journal's on a mapping for more
    /// than the kernel's).
    pub fn remember(&mut self, lease: &Lease, state: LeaseState) {
        let target = Target::from(&lease.mapping);
        let owner = &lease.mapping.owner;
        let known = self.lease(owner, target);
        let forget = |changes: &mut Vec<LeaseChange>| {
            if state == LeaseState::Journaled {
                changes.push(LeaseChange::Released(lease.clone()));
            }
        };
        if !self.range.contains(lease.port) {
            forget(&mut self.changes);
            return;
        }
        let same = self.entry(target, lease.port).is_some_and(|e| e.is(owner, target));
        if same {
            if state == LeaseState::Journaled {
                // The journal may know both ports of a mapping that was moving when we stopped;
                // the one that is in the kernel counts.
                if let Some((other, _)) = known.filter(|(port, _)| *port != lease.port) {
                    self.leave(target, other);
                }
                self.set_state(target, lease.port, LeaseState::Journaled);
            }
            return;
        }
        if self.entry(target, lease.port).is_some() {
            forget(&mut self.changes);
            return;
        }
        match known {
            Some((port, LeaseState::Marked)) if state == LeaseState::Journaled => {
                self.set_state(target, port, LeaseState::LeavingUnbound);
            }
            Some(_) => {
                forget(&mut self.changes);
                return;
            }
            None => {}
        }
        let table = self.table(target);
        table.skip_remembered(lease.port);
        self.insert(owner, target, lease.port, state);
    }

    /// Makes these, sorted by target, the mappings that the owner wants, all of them. Answers the ports whose lease
    /// is leaving: they are freed by [`Self::element_gone`].
    pub fn want(&mut self, owner: &Arc<Owner>, asks: &[Ask], memory: Memory) -> Vec<Key> {
        let wants = |target: Target| asks.binary_search_by_key(&target, |ask| ask.target).is_ok();
        for (target, port) in self.by_owner.get(owner).cloned().unwrap_or_default() {
            let Some(state) = self.entry(target, port).map(|entry| entry.state) else { continue };
            let trusted = state.is_remembered() && memory == Memory::Trusted;
            if state.is_current() && !wants(target) && !trusted {
                self.leave(target, port);
                self.cancel(&target.of(owner));
            }
        }
        let waiting: Vec<_> = self.waiting_of(owner).cloned().collect();
        for mapping in waiting {
            if !wants(Target::from(&mapping)) {
                self.cancel(&mapping);
            }
        }
        for ask in asks {
            self.ask(owner, ask);
        }
        self.leases_of(owner)
            .filter(|(_, _, state)| !state.is_current())
            .map(|(target, port, _)| target.key(port))
            .collect()
    }

    /// Lets go of whatever was remembered and nobody wanted. Answers as [`Self::want`] does.
    pub fn expire(&mut self) -> Vec<Key> {
        let mut unwanted = Vec::new();
        for (owner, leases) in &self.by_owner {
            for &(target, port) in leases {
                let remembered = self.entry(target, port).is_some_and(|e| e.state.is_remembered());
                if remembered && !self.waiting.contains_key(&target.of(owner)) {
                    unwanted.push((target, port));
                }
            }
        }
        for &(target, port) in &unwanted {
            self.leave(target, port);
        }
        unwanted.into_iter().map(|(target, port)| target.key(port)).collect()
    }

    /// Tells that the kernel holds no element under this key: its lease is freed if it is leaving.
    pub fn element_gone(&mut self, key: &Key) {
        let Key::Npl { family, protocol, port } = *key else { return };
        let Some(table) = self.tables.get_mut(&(family, protocol)) else { return };
        let Some(entry) = table.get(port).cloned() else {
            // It was nobody's: the port can be handed out now.
            self.serve_denied(family, protocol);
            return;
        };
        if entry.state.is_current() {
            return;
        }
        table.remove(port);
        let target = Target { pod_port: entry.pod_port, protocol, family };
        let mapping = target.of(&entry.owner);
        if let Some(leases) = self.by_owner.get_mut(&entry.owner) {
            leases.retain(|lease| *lease != (target, port));
            if leases.is_empty() {
                self.by_owner.remove(&entry.owner);
            }
        }
        if entry.state == LeaseState::Leaving {
            self.released.insert((family, protocol, port));
        } else {
            self.serve_denied(family, protocol);
        }
        self.changes.push(LeaseChange::Released(Lease { mapping, port }));
    }

    /// The lease of a mapping, if it has a current one.
    pub fn lease(&self, owner: &Owner, target: Target) -> Option<(NodePort, LeaseState)> {
        self.leases_for(owner, target).find(|(_, state)| state.is_current())
    }

    /// The leases of a mapping, a leaving one too.
    fn leases_for(
        &self,
        owner: &Owner,
        target: Target,
    ) -> impl Iterator<Item = (NodePort, LeaseState)> + use<'_> {
        let leases = self.by_owner.get(owner).map(Vec::as_slice).unwrap_or_default();
        let from = leases.partition_point(|lease| lease.0 < target);
        let of_target = leases.get(from..).unwrap_or_default().iter();
        of_target
            .take_while(move |lease| lease.0 == target)
            .filter_map(|&(target, port)| Some((port, self.entry(target, port)?.state)))
    }

    /// All leases of an owner, leaving ones too.
    pub fn leases_of(&self, owner: &Owner) -> impl Iterator<Item = (Target, NodePort, LeaseState)> {
        self.by_owner
            .get(owner)
            .into_iter()
            .flatten()
            .filter_map(|&(target, port)| Some((target, port, self.entry(target, port)?.state)))
    }

    /// Every lease, leaving ones too.
    pub fn all(&self) -> impl Iterator<Item = (Mapping, NodePort)> {
        self.by_owner.iter().flat_map(|(owner, leases)| {
            leases.iter().map(|(target, port)| (target.of(owner), *port))
        })
    }

    /// Who holds a port, and how.
    pub fn holder(
        &self,
        family: IpFamily,
        protocol: Protocol,
        port: NodePort,
    ) -> Option<(Mapping, LeaseState)> {
        let entry = self.tables.get(&(family, protocol))?.get(port)?;
        let target = Target { pod_port: entry.pod_port, protocol, family };
        Some((target.of(&entry.owner), entry.state))
    }

    /// How many leases there are.
    pub fn len(&self) -> usize {
        self.tables.values().map(Table::len).sum()
    }

    /// Whether nobody has a lease.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The sockets to close. Each lets a mapping that waits for want of a port try again.
    pub fn take_released(&mut self) -> Vec<(IpFamily, Protocol, NodePort)> {
        let released = std::mem::take(&mut self.released);
        for (family, protocol, _) in &released {
            self.serve_denied(*family, *protocol);
        }
        released.into_iter().collect()
    }

    /// What the journal has to write down.
    pub fn take_changes(&mut self) -> Vec<LeaseChange> {
        std::mem::take(&mut self.changes)
    }

    fn table(&mut self, target: Target) -> &mut Table {
        let range = self.range;
        self.tables.entry((target.family, target.protocol)).or_insert_with(|| Table::new(range))
    }

    fn entry(&self, target: Target, port: NodePort) -> Option<&Entry> {
        self.tables.get(&(target.family, target.protocol))?.get(port)
    }

    fn set_state(&mut self, target: Target, port: NodePort, state: LeaseState) {
        if let Some(entry) = self.table(target).get_mut(port) {
            entry.state = state;
        }
    }

    fn leave(&mut self, target: Target, port: NodePort) {
        let state = match self.entry(target, port).map(|entry| entry.state) {
            Some(LeaseState::Held) => LeaseState::Leaving,
            Some(LeaseState::Journaled | LeaseState::Marked) => LeaseState::LeavingUnbound,
            _ => return,
        };
        self.set_state(target, port, state);
    }

    fn insert(&mut self, owner: &Arc<Owner>, target: Target, port: NodePort, state: LeaseState) {
        let entry = Entry { owner: Arc::clone(owner), pod_port: target.pod_port, state };
        self.table(target).insert(port, entry);
        let leases = self.by_owner.entry(Arc::clone(owner)).or_default();
        let at = leases.partition_point(|lease| *lease < (target, port));
        leases.insert(at, (target, port));
    }
}

#[cfg(test)]
mod tests;
