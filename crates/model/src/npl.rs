//! NodePortLocal's own words: mappings and what is reported of them.

use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;

use crate::owner::Owner;
use crate::port::{IpFamily, NodePort, PodPort, Protocol};

/// One mapping, by what it is for. Its node port is a lease held under this key; the Pod's IP is
/// data and no part of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mapping {
    /// The Pod.
    pub owner: Arc<Owner>,
    /// The port inside the Pod.
    pub pod_port: PodPort,
    /// The protocol.
    pub protocol: Protocol,
    /// The IP family.
    pub family: IpFamily,
}

/// How far a mapping has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MappingState {
    /// Read back from the kernel (or a hostPort, which needs no rule).
    Programmed,
    /// Wanted, not yet in the kernel.
    Pending,
    /// Wanted, and something is in the way.
    Error,
}

/// One line of `show npl`; the JSON keys are a contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MappingReport {
    /// `namespace/name`.
    pub pod: String,
    /// The Pod's UID.
    pub uid: String,
    /// The Pod's IP, empty while not known.
    #[serde(rename = "podIP")]
    pub pod_ip: String,
    /// The port inside the Pod.
    pub pod_port: PodPort,
    /// The node's address, empty while not known.
    #[serde(rename = "nodeIP")]
    pub node_ip: String,
    /// The port on the node, 0 while none is leased.
    pub node_port: u16,
    /// The protocol.
    pub protocol: Protocol,
    /// The IP family.
    pub ip_family: IpFamily,
    /// How far it has got.
    pub state: MappingState,
    /// Why it is not programmed, or what is special about it.
    pub reason: String,
}

/// One element of the Pod annotation `nodeportlocal.antrea.io` (format of Antrea 2.6).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Published {
    /// The port inside the Pod.
    pub pod_port: PodPort,
    /// The protocol.
    pub protocol: Protocol,
    /// The IP family.
    pub family: IpFamily,
    /// The port on the node.
    pub node_port: NodePort,
    /// The node's address.
    pub node_ip: IpAddr,
}
