//! What people and metrics are told of the mappings and owners.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::owner::{Life, OwnerKind, Sandbox};
use model::{Key, MappingReport, MappingState, Owner, Rank, Uid, Value};
use serde::Serialize;

use crate::core::Core;
use crate::npl::{Via, Want};
use crate::ports::Denial;
use crate::state::PodRecord;

/// How much there is, for the metrics of one feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Elements that have an owner who wants them.
    pub desired: usize,
    /// Of those, the ones that the kernel is known to hold as wanted.
    pub programmed: usize,
    /// Elements that differ from what is wanted (missing, altered or superfluous).
    pub pending: usize,
    /// Of the pending ones, those that the kernel refused.
    pub rejected: usize,
    /// Node ports leased.
    pub leases: usize,
    /// Mappings that wait for a port, or for its socket, because it could not be had.
    pub denied: usize,
}

/// One owner of kernel state, for `show owners`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnerReport {
    /// The kind of the owner.
    pub kind: OwnerKind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: Uid,
    /// Live, terminal, or remembered from the kernel only.
    pub life: Life,
    /// Whether its sandbox was seen here.
    pub sandbox: Sandbox,
    /// When it started, seconds since 1970 (0: not known).
    pub started: i64,
    /// The IPs it owns.
    pub ips: Vec<String>,
    /// The elements it owns.
    pub elements: Vec<String>,
}

pub(crate) fn counts(core: &Core) -> Counts {
    let desired = core.keys.len();
    let unmet = core.diff.iter().filter(|(key, _)| core.keys.winner(key).is_some()).count();
    Counts {
        desired,
        programmed: desired - unmet,
        pending: core.diff.len(),
        rejected: core.diff.iter().filter(|(_, d)| d.rejected.is_some()).count(),
        leases: core.ports.len(),
        denied: core.ports.denied().count(),
    }
}

pub(crate) fn owners(core: &Core) -> Vec<OwnerReport> {
    let mut reports: BTreeMap<Arc<Owner>, OwnerReport> = BTreeMap::new();
    let mut entry =
        |owner: &Arc<Owner>, rank: Rank, ip: Option<String>, element: Option<String>| {
            let report = reports.entry(Arc::clone(owner)).or_insert_with(|| OwnerReport {
                kind: owner.kind,
                namespace: owner.namespace().to_owned(),
                name: owner.name().to_owned(),
                uid: owner.uid.clone(),
                life: rank.life,
                sandbox: rank.sandbox,
                started: rank.started,
                ips: Vec::new(),
                elements: Vec::new(),
            });
            report.ips.extend(ip);
            report.elements.extend(element);
        };
    for (owner, rank, ips) in core.addresses.owners() {
        for ip in ips.iter().filter(|ip| core.addresses.wins(ip, owner)) {
            entry(owner, rank, Some(ip.to_string()), None);
        }
    }
    for (owner, rank, keys) in core.keys.owners() {
        for key in keys.iter().filter(|key| core.keys.wins(key, owner)) {
            entry(owner, rank, None, Some(key.to_string()));
        }
    }
    let mut reports: Vec<_> = reports.into_values().collect();
    reports.sort_by(|a, b| (&a.namespace, &a.name, &a.uid).cmp(&(&b.namespace, &b.name, &b.uid)));
    reports
}

pub(crate) fn npl(core: &Core) -> Vec<MappingReport> {
    let mut reports: Vec<_> = core.state.pods().flat_map(|pod| npl_of(core, pod)).collect();
    let remembered = core.remembered();
    reports.extend(remembered.filter_map(|(owner, key, value)| adopted(core, owner, key, value)));
    reports.sort_by(|a, b| {
        let key = |r: &MappingReport| (r.pod_port, r.protocol, r.ip_family);
        (&a.pod, &a.uid, key(a)).cmp(&(&b.pod, &b.uid, key(b)))
    });
    reports
}

/// A mapping of which only the kernel has told so far.
fn adopted(core: &Core, owner: &Owner, key: Key, value: Value) -> Option<MappingReport> {
    let (Key::Npl { family, protocol, port }, Value::Endpoint { ip, port: pod_port }) =
        (key, value)
    else {
        return None;
    };
    let node_ip = core.state.node().and_then(|node| node.address(family));
    let found = core.diff.programmed(&key, core.keys.winner(&key));
    let serves = found.is_some_and(|found| {
        found.value == value && found.mark.is_some_and(|mark| *mark == *owner)
    });
    let (state, what) = if serves {
        (MappingState::Programmed, "the kernel serves it")
    } else {
        (MappingState::Pending, "not in the kernel now")
    };
    Some(MappingReport {
        pod: owner.qualified_name().to_owned(),
        uid: owner.uid.to_string(),
        pod_ip: ip.to_string(),
        pod_port,
        node_ip: node_ip.map(|ip| ip.to_string()).unwrap_or_default(),
        node_port: port.get(),
        protocol,
        ip_family: family,
        state,
        reason: format!("{what}; known from the kernel only, no source has told of its Pod yet"),
    })
}

/// The mappings of one Pod.
pub(crate) fn npl_of(core: &Core, pod: &PodRecord) -> Vec<MappingReport> {
    let wants = core.resolution(pod).wants;
    wants.iter().map(|want| mapping(core, pod, want)).collect()
}

fn mapping(core: &Core, pod: &PodRecord, want: &Want) -> MappingReport {
    let leased = core.ports.lease(&pod.owner, want.target).map_or(0, |(port, _)| port.get());
    let (state, reason) = standing(core, pod, want);
    let (ip, node_port) = match want.via {
        Via::Element(ip) | Via::Lost(ip) => (Some(ip), leased),
        Via::HostPort(port, ip) => (Some(ip), port.get()),
        Via::NoIp => (None, leased),
    };
    MappingReport {
        pod: pod.owner.qualified_name().to_owned(),
        uid: pod.owner.uid.to_string(),
        pod_ip: ip.map(|ip| ip.to_string()).unwrap_or_default(),
        pod_port: want.target.pod_port,
        node_ip: want.node_ip.map(|ip| ip.to_string()).unwrap_or_default(),
        node_port,
        protocol: want.target.protocol,
        ip_family: want.target.family,
        state,
        reason,
    }
}

/// How far a mapping has got, and why no further.
fn standing(core: &Core, pod: &PodRecord, want: &Want) -> (MappingState, String) {
    let owner = &pod.owner;
    match want.via {
        Via::HostPort(port, _) => {
            return match core.overlay(owner, want.target.key(port)) {
                None => (MappingState::Programmed, "hostPort".to_owned()),
                Some(other) => {
                    (MappingState::Error, format!("its hostPort is the node port of {other}"))
                }
            };
        }
        Via::NoIp => return (MappingState::Pending, "the Pod has no IP yet".to_owned()),
        Via::Lost(ip) => {
            let winner = core.addresses.winner(&ip).map(|claim| claim.owner.to_string());
            let winner = winner.unwrap_or_else(|| "another Pod".to_owned());
            return (MappingState::Error, format!("{ip} belongs to {winner}"));
        }
        Via::Element(_) => {}
    }
    if core.verified_port(owner, want).is_some() {
        let reason = match want.node_ip {
            Some(_) => String::new(),
            None => "not published: no address of the node is known".to_owned(),
        };
        return (MappingState::Programmed, reason);
    }
    let key = core.ports.lease(owner, want.target).map(|(port, _)| want.target.key(port));
    if let Some(rejection) = key.and_then(|key| core.diff.get(&key)?.rejected.as_ref()) {
        return (MappingState::Error, format!("the kernel refused it: {}", rejection.message));
    }
    match core.ports.denial(&want.target.of(owner)) {
        Some(Denial::Exhausted) => {
            (MappingState::Error, format!("no free port in {}", core.ports.range()))
        }
        Some(Denial::Failed(why)) => {
            (MappingState::Error, format!("the port could not be reserved: {why}"))
        }
        None if core.usable_port(owner, want.target).is_none() => {
            (MappingState::Pending, "waits for a port".to_owned())
        }
        None => (MappingState::Pending, "not in the kernel yet".to_owned()),
    }
}
