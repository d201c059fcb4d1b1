//! What others need to see of the whole: leases for the journal, Pods for the publisher, where
//! mappings lead for whoever cuts flows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{Key, Mapping, NodePort, Owner, Protocol, Uid, Value};

use super::Core;
use crate::cause::Cause;
use crate::journal::Lease;
use crate::ports::Target;

impl Core {
    /// Whether the sources have never been in sync since the start.
    pub const fn awaits_sync(&self) -> bool {
        self.start.is_some()
    }

    /// Whether others altered an element that is not as wanted again.
    pub fn has_drift(&self) -> bool {
        self.diff.iter().any(|(_, difference)| matches!(difference.cause, Cause::Drift(_)))
    }

    /// The Pod that has this name now.
    pub fn pod_uid(&self, namespace: &str, name: &str) -> Option<&Uid> {
        self.state.pod_named(namespace, name).map(|pod| &pod.owner.uid)
    }

    /// What the kernel is known to hold under a key.
    pub fn programmed(&self, key: &Key) -> Option<Value> {
        Some(self.diff.programmed(key, self.keys.winner(key))?.value)
    }

    /// Whether the kernel holds this mapping at this port.
    pub fn has(&self, mapping: &Mapping, port: NodePort) -> bool {
        self.mark(&Target::from(mapping).key(port)).is_some_and(|mark| mark == mapping.owner)
    }

    /// The node ports that containers of live Pods ask for themselves, and whose they are.
    pub fn host_ports(&self) -> BTreeMap<(Protocol, NodePort), Arc<Owner>> {
        let pods = self.state.live_pods_with_host_ports();
        pods.flat_map(|pod| {
            let ports = pod.ports.iter();
            ports
                .filter_map(|port| Some(((port.protocol, port.host_port?), Arc::clone(&pod.owner))))
        })
        .collect()
    }

    /// How many ports other processes took from a mapping, and IPs several Pods claim.
    pub fn conflicts(&self) -> usize {
        self.ports.refused().count() + self.addresses.contested().count()
    }

    /// Every lease, those on their way out too: they are over when their element is gone.
    pub fn leases(&self) -> impl Iterator<Item = Lease> {
        self.ports.all().map(|(mapping, port)| Lease { mapping, port })
    }

    /// Every Pod that may have something published: those that the sources tell of, and those
    /// that so far only the kernel or the journal remember.
    pub fn pods(&self) -> impl Iterator<Item = Arc<Owner>> {
        let remembered = self.ports.all().map(|(mapping, _)| mapping.owner);
        let known = self.state.pods().map(|pod| Arc::clone(&pod.owner));
        remembered.chain(known).collect::<BTreeSet<_>>().into_iter()
    }
}
