//! Values that many Pods have in common, stored once: the Pods of one Deployment have the same
//! labels and ports, and all Pods of a node the same host IPs.

use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use model::object::{ContainerPort, Labels};

/// Above this many distinct values, those that nobody uses any more are looked for and dropped.
const SWEEP_AT_LEAST: usize = 256;

/// One kind of shared value.
#[derive(Debug)]
struct Pool<T: ?Sized> {
    values: BTreeSet<Arc<T>>,
    /// The size at which to sweep next: twice what the last sweep left, so that sweeping costs a
    /// constant per insertion.
    sweep_at: usize,
}

impl<T: Ord + ?Sized> Default for Pool<T> {
    fn default() -> Self {
        Self { values: BTreeSet::new(), sweep_at: SWEEP_AT_LEAST }
    }
}

impl<T: Ord + ?Sized> Pool<T> {
    fn share<U: Borrow<T> + Into<Arc<T>>>(&mut self, value: U) -> Arc<T> {
        if let Some(known) = self.values.get(value.borrow()) {
            return Arc::clone(known);
        }
        if self.values.len() >= self.sweep_at {
            self.values.retain(|value| Arc::strong_count(value) > 1);
            self.sweep_at = (self.values.len() * 2).max(SWEEP_AT_LEAST);
        }
        let value: Arc<T> = value.into();
        self.values.insert(Arc::clone(&value));
        value
    }
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Shared {
    labels: Pool<Labels>,
    ports: Pool<[ContainerPort]>,
    ips: Pool<[IpAddr]>,
}

impl Shared {
    /// Whether any Pod has, or had, a hostPort.
    pub(super) fn may_have_host_ports(&self) -> bool {
        self.ports.values.iter().any(|ports| ports.iter().any(|port| port.host_port.is_some()))
    }

    pub(super) fn labels(&mut self, labels: Labels) -> Arc<Labels> {
        self.labels.share(labels)
    }

    pub(super) fn ports(&mut self, ports: Vec<ContainerPort>) -> Arc<[ContainerPort]> {
        self.ports.share(ports)
    }

    pub(super) fn ips(&mut self, ips: Vec<IpAddr>) -> Arc<[IpAddr]> {
        self.ips.share(ips)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_stored_once_and_unused_ones_do_not_pile_up() {
        let mut shared = Shared::default();
        let ips = |n: u32| vec![IpAddr::from(n.to_be_bytes())];
        assert!(Arc::ptr_eq(&shared.ips(ips(1)), &shared.ips(ips(1))));
        for n in 0..10_000 {
            shared.ips(ips(n));
        }
        assert!(shared.ips.values.len() <= SWEEP_AT_LEAST);
    }
}
