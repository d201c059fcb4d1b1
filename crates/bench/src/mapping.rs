//! The load: N NodePortLocal mappings, the same for everybody in a run.

use std::net::Ipv4Addr;
use std::sync::Arc;

use model::Protocol;
use model::owner::{Owner, Uid};

/// The node port of the first mapping.
const FIRST_PORT: u16 = 1025;

/// One mapping: `port` on the node to `ip`:`pod_port`.
#[derive(Debug, Clone)]
pub(crate) struct Mapping {
    /// TCP unless said otherwise.
    pub(crate) protocol: Protocol,
    /// The port on the node.
    pub(crate) port: u16,
    /// The Pod's address.
    pub(crate) ip: Ipv4Addr,
    /// The port in the Pod.
    pub(crate) pod_port: u16,
    /// Whose it is.
    pub(crate) owner: Arc<Owner>,
    /// The owner's mark, as bytes.
    pub(crate) mark: Vec<u8>,
}

impl Mapping {
    /// The mapping with this number (below 64,000).
    pub(crate) fn number(index: usize) -> Self {
        let uid = format!("0a1b2c3d-0000-4000-8000-{index:012x}");
        let owner = Owner::pod("default", &format!("pod-{index}"), Uid::new(uid));
        Self {
            protocol: Protocol::Tcp,
            port: FIRST_PORT + index as u16,
            ip: Ipv4Addr::from(0x0a80_0000 + index as u32 + 2),
            pod_port: 8080,
            mark: model::mark::encode(&owner),
            owner: Arc::new(owner),
        }
    }

    /// The size of the maps for `n` of them: what the agent takes for the default range of ports, which
    /// has a thousand, and for larger loads always the same.
    pub(crate) const fn map_size(n: usize) -> u32 {
        if n <= 1_000 { 16_384 } else { 65_536 }
    }

    /// The mappings 0..n.
    pub(crate) fn first(n: usize) -> Vec<Self> {
        (0..n).map(Self::number).collect()
    }

    /// The same mapping leading to another port of the Pod.
    pub(crate) fn repointed(&self) -> Self {
        Self { pod_port: self.pod_port ^ 1, ..self.clone() }
    }

    /// The mappings 0..n, all to one Pod's address, for traffic.
    pub(crate) fn first_to(n: usize, protocol: Protocol, ip: Ipv4Addr) -> Vec<Self> {
        (0..n).map(|index| Self { protocol, ip, ..Self::number(index) }).collect()
    }

    /// `inet_proto . inet_service` as the kernel holds it.
    pub(crate) fn key(&self) -> [u8; 8] {
        let port = self.port.to_be_bytes();
        [self.protocol.number(), 0, 0, 0, port[0], port[1], 0, 0]
    }

    /// `ipv4_addr . inet_service` as the kernel holds it.
    pub(crate) fn data(&self) -> [u8; 8] {
        let ip = self.ip.octets();
        let port = self.pod_port.to_be_bytes();
        [ip[0], ip[1], ip[2], ip[3], port[0], port[1], 0, 0]
    }
}
