//! The NodePortLocal resolver: for one Pod, everything it is to get.
//!
//! A pure function of the Pod, the Services that select it, the Node and who owns the Pod's IPs.
//! The rules are Antrea's (types, target ports, named ports, hostPort, families); what differs is
//! said where it differs. Ports on the node are not chosen here (`ports`).

use std::collections::BTreeSet;
use std::net::IpAddr;

use model::object::{PodNetwork, ServiceFamilies, TargetPort};
use model::owner::Life;
use model::{IpFamily, Node, NodePort, PodPort, Protocol, Service};

use crate::ports::Target;
use crate::state::{PodRecord, is_pod_ip};

/// One mapping that a Pod is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    /// What it is for.
    pub target: Target,
    /// How it is served.
    pub via: Via,
    /// The node's address that goes with it; `None` if no address of the node is known at all.
    pub node_ip: Option<IpAddr>,
}

/// How a mapping is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// By an element that leads to this IP of the Pod.
    Element(IpAddr),
    /// Without any doing of ours: the runtime maps this port already, or the Pod is on the node's
    /// network. The IP is the Pod's.
    HostPort(NodePort, IpAddr),
    /// Not for now: the Pod has no IP of this family yet (or not any more).
    NoIp,
    /// Not for now: another Pod owns this IP.
    Lost(IpAddr),
}

/// Something about a Pod that its owner should know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Note {
    /// A Service's named target port is none of the Pod's.
    UnresolvedPort {
        /// The Service's name.
        service: Box<str>,
        /// The name of the port.
        port: Box<str>,
        /// The protocol.
        protocol: Protocol,
    },
    /// A Service asks for a family of which the Pod has no IP.
    NoPodIp(IpFamily),
    /// A Service asks for a family of which the node has no address.
    NoNodeIp(IpFamily),
    /// An IP that can belong to no Pod.
    InvalidIp(IpAddr),
    /// An IP that is the node's, of a Pod that is not on the node's network.
    NodesIp(IpAddr),
}

/// What a Pod is to get, sorted by target, and what is to be said of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resolution {
    /// The mappings.
    pub wants: Vec<Want>,
    /// The notes, sorted.
    pub notes: Vec<Note>,
}

/// What the node's address of a family is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NodeAddress {
    Known(IpAddr),
    /// The node has addresses, but none of this family.
    OtherFamily,
    /// Nothing is known: not even our Node object.
    Unknown,
}

/// Resolves one Pod. `owns` tells whether the Pod owns an IP.
pub fn resolve(
    pod: &PodRecord,
    services: &[&Service],
    node: Option<&Node>,
    owns: impl Fn(&IpAddr) -> bool,
) -> Resolution {
    if pod.life == Life::Terminal {
        // Its sandbox is gone and its IP may be another's tomorrow.
        return Resolution::default();
    }
    let mut notes = BTreeSet::new();
    if pod.network == PodNetwork::Own {
        notes.extend(pod.ips.iter().filter(|ip| !is_pod_ip(ip)).copied().map(Note::InvalidIp));
        let of_node = pod.ips.iter().filter(|ip| is_nodes(ip, node, pod));
        notes.extend(of_node.copied().map(Note::NodesIp));
    }
    let mut targets = Vec::new();
    for service in services {
        let families = families(&service.families, pod);
        pod_ports(service, pod, &mut notes, |pod_port, protocol| {
            targets.extend(families.iter().map(|&family| Target { pod_port, protocol, family }));
        });
    }
    targets.sort_unstable();
    targets.dedup();
    let wants = targets
        .into_iter()
        .filter_map(|target| want(target, pod, node, &owns, &mut notes))
        .collect();
    Resolution { wants, notes: notes.into_iter().collect() }
}

fn want(
    target: Target,
    pod: &PodRecord,
    node: Option<&Node>,
    owns: &impl Fn(&IpAddr) -> bool,
    notes: &mut BTreeSet<Note>,
) -> Option<Want> {
    // What leads to the node's own address leads to whatever listens there.
    let own = |ip: &IpAddr| is_pod_ip(ip) && !is_nodes(ip, node, pod);
    let valid = |ip: &&IpAddr| pod.network == PodNetwork::Host || own(ip);
    let address = node_address(target.family, node, pod);
    let node_ip = match address {
        NodeAddress::Known(ip) => Some(ip),
        NodeAddress::OtherFamily | NodeAddress::Unknown => None,
    };
    let Some(ip) = pod.ips.iter().filter(valid).find(|ip| IpFamily::of(ip) == target.family) else {
        if pod.ips.iter().any(|ip| IpFamily::of(ip) == target.family && is_nodes(ip, node, pod)) {
            return None;
        }
        if pod.ips.iter().any(|ip| valid(&ip)) {
            notes.insert(Note::NoPodIp(target.family));
            return None;
        }
        return Some(Want { target, via: Via::NoIp, node_ip });
    };
    if address == NodeAddress::OtherFamily {
        notes.insert(Note::NoNodeIp(target.family));
        return None;
    }
    let via = match host_port(target, pod, node) {
        Some(port) => Via::HostPort(port, *ip),
        None if owns(ip) => Via::Element(*ip),
        None => Via::Lost(*ip),
    };
    Some(Want { target, via, node_ip })
}

/// The port at which the node serves this target already.
fn host_port(target: Target, pod: &PodRecord, node: Option<&Node>) -> Option<NodePort> {
    // At another address than the node's, as its loopback, nobody outside reaches it.
    let outside = |at: IpAddr| IpFamily::of(&at) == target.family && is_nodes(&at, node, pod);

    let stated = pod
        .ports
        .iter()
        .filter(|p| p.port == target.pod_port && p.protocol == target.protocol)
        .filter(|p| p.host_ip.is_none_or(outside))
        .find_map(|p| p.host_port);
    match pod.network {
        PodNetwork::Own => stated,
        PodNetwork::Host => {
            stated.or_else(|| NodePort::try_from(i64::from(target.pod_port.get())).ok())
        }
    }
}

/// Whether an address is one by which the node is known.
pub(crate) fn is_nodes(ip: &IpAddr, node: Option<&Node>, pod: &PodRecord) -> bool {
    let stated = node.is_some_and(|n| n.external_ips.contains(ip) || n.internal_ips.contains(ip));
    stated || pod.host_ips.contains(ip)
}

/// Tells the Pod's ports that a Service leads to, perhaps one of them twice. A name is looked up among
/// the container ports of the same protocol, of which several containers may have one each.
fn pod_ports(
    service: &Service,
    pod: &PodRecord,
    notes: &mut BTreeSet<Note>,
    mut tell: impl FnMut(PodPort, Protocol),
) {
    for port in &service.ports {
        let protocol = port.protocol;
        let name = match &port.target {
            TargetPort::Number(number) => {
                tell(*number, protocol);
                continue;
            }
            TargetPort::Name(name) => name,
        };
        let mut named = pod
            .ports
            .iter()
            .filter(|p| p.protocol == protocol && p.name.as_ref() == Some(name))
            .peekable();
        if named.peek().is_none() {
            notes.insert(Note::UnresolvedPort {
                service: service.meta.name.clone(),
                port: name.clone(),
                protocol,
            });
        }
        named.for_each(|p| tell(p.port, protocol));
    }
}

fn families<'a>(families: &'a ServiceFamilies, pod: &PodRecord) -> &'a [IpFamily] {
    const fn only(family: IpFamily) -> &'static [IpFamily] {
        match family {
            IpFamily::V4 => &[IpFamily::V4],
            IpFamily::V6 => &[IpFamily::V6],
        }
    }
    match families {
        ServiceFamilies::Listed(listed) => listed,
        ServiceFamilies::Dual => &IpFamily::ALL,
        ServiceFamilies::Unstated(Some(family)) => only(*family),
        ServiceFamilies::Unstated(None) => only(pod.ips.first().map_or(IpFamily::V4, IpFamily::of)),
    }
}

/// The Node's address of this family, else the one that the Pod's status names.
fn node_address(family: IpFamily, node: Option<&Node>, pod: &PodRecord) -> NodeAddress {
    let of_pod = || pod.host_ips.iter().copied().find(|ip| IpFamily::of(ip) == family);
    let stated = node.and_then(|node| node.address(family)).or_else(of_pod);
    let any = !pod.host_ips.is_empty()
        || node.is_some_and(|node| !(node.external_ips.is_empty() && node.internal_ips.is_empty()));
    match stated {
        Some(ip) => NodeAddress::Known(ip),
        None if any => NodeAddress::OtherFamily,
        None => NodeAddress::Unknown,
    }
}

#[cfg(test)]
mod tests;
