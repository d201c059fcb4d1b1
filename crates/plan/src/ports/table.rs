//! The ports of one protocol and family.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{Mapping, NodePort, Owner, PodPort, PortRange};

use super::{LeaseState, Target};
use crate::packed;

/// A leased port.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) owner: Arc<Owner>,
    pub(super) pod_port: PodPort,
    pub(super) state: LeaseState,
}

impl Entry {
    pub(super) fn is(&self, owner: &Owner, target: Target) -> bool {
        *self.owner == *owner && self.pod_port == target.pod_port
    }
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Table {
    range: PortRange,
    /// Where the next search begins.
    pub(super) cursor: NodePort,
    leases: BTreeMap<NodePort, Entry>,
    /// Ports that other processes have, as far as we tried, and their names. Forgotten when the
    /// denied mappings try again: they may have gone.
    taken: BTreeMap<NodePort, Box<str>>,
    /// Mappings that got no port because there was none.
    pub(super) denied: BTreeSet<Mapping>,
}

impl Table {
    pub(super) fn new(range: PortRange) -> Self {
        Self {
            range,
            cursor: range.first(),
            leases: BTreeMap::new(),
            taken: BTreeMap::new(),
            denied: BTreeSet::new(),
        }
    }

    pub(super) fn pack(&mut self) {
        packed::map(&mut self.leases);
    }

    pub(super) fn get(&self, port: NodePort) -> Option<&Entry> {
        self.leases.get(&port)
    }

    pub(super) fn get_mut(&mut self, port: NodePort) -> Option<&mut Entry> {
        self.leases.get_mut(&port)
    }

    pub(super) fn insert(&mut self, port: NodePort, entry: Entry) {
        self.taken.remove(&port);
        self.leases.insert(port, entry);
    }

    pub(super) fn remove(&mut self, port: NodePort) {
        self.leases.remove(&port);
    }

    pub(super) fn len(&self) -> usize {
        self.leases.len()
    }

    /// Whether neither a mapping nor, as far as we know, another process has the port.
    pub(super) fn is_vacant(&self, port: NodePort) -> bool {
        self.range.contains(port)
            && !self.leases.contains_key(&port)
            && !self.taken.contains_key(&port)
    }

    /// Whether there is certainly no vacant port.
    pub(super) fn is_full(&self) -> bool {
        self.leases.len() + self.taken.len() >= usize::from(self.range.len())
    }

    pub(super) fn set_taken(&mut self, port: NodePort, holder: &str) {
        if !self.leases.contains_key(&port) {
            self.taken.insert(port, holder.into());
        }
    }

    pub(super) fn taken(&self) -> &BTreeMap<NodePort, Box<str>> {
        &self.taken
    }

    pub(super) fn forget_taken(&mut self) {
        self.taken.clear();
    }

    /// Lets the search begin after the ports that are remembered: one that was freed shortly
    /// before a restart is not handed out shortly after it.
    pub(super) fn skip_remembered(&mut self, port: NodePort) {
        if port >= self.cursor {
            self.cursor = self.range.next(port);
        }
    }

    /// The next vacant port for which nothing is programmed, and the steps that are left after it;
    /// `None` once `left` steps were made in vain.
    pub(super) fn probe(
        &mut self,
        mut left: u32,
        is_programmed: impl Fn(NodePort) -> bool,
    ) -> Option<(NodePort, u32)> {
        if self.is_full() {
            return None;
        }
        while left > 0 {
            let port = self.cursor;
            if self.is_vacant(port) && !is_programmed(port) {
                return Some((port, left));
            }
            left -= 1;
            self.cursor = self.range.next(port);
        }
        None
    }
}
