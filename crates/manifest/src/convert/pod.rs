//! Pods.

use std::net::IpAddr;

use model::object::{ContainerPort, Phase, PodNetwork};
use model::owner::{Sandbox, Stay};
use model::{IpFamily, NodePort, Pod, PodPort, Protocol};

use super::meta::{self, Head};
use crate::fields::{At, Check};
use crate::scalar::shown;

/// The annotation in which NodePortLocal says what it has done.
const NPL_ANNOTATION: &str = "nodeportlocal.antrea.io";

pub(super) fn read(root: &At<'_>, mut head: Head, check: &mut Check) -> Pod {
    let mut pod = Pod {
        labels: std::mem::take(&mut head.labels),
        node_name: None,
        network: PodNetwork::Own,
        phase: Phase::Pending,
        started: head.created.unwrap_or(0),
        pod_ips: Vec::new(),
        host_ips: Vec::new(),
        ports: Vec::new(),
        npl_annotation: head.annotations.remove(NPL_ANNOTATION),
        sandbox: Sandbox::Unproven,
        stay: if head.deleting { Stay::Leaving } else { Stay::Staying },
        meta: head.meta(),
    };
    if let Some(spec) = root.mapping("spec", check) {
        pod.node_name = spec.text_field("nodeName", check);
        if spec.field("hostNetwork").and_then(|at| at.flag(check)) == Some(true) {
            pod.network = PodNetwork::Host;
        }
        pod.ports = container_ports(&spec, pod.network, check);
    }
    if let Some(status) = root.mapping("status", check) {
        pod.phase = phase(&status, check);
        if let Some(started) = meta::time(&status, "startTime", check) {
            pod.started = started;
        }
        pod.pod_ips = addresses(&status, "podIP", "podIPs", check);
        pod.host_ips = addresses(&status, "hostIP", "hostIPs", check);
    }
    pod
}

fn phase(status: &At<'_>, check: &mut Check) -> Phase {
    let Some(at) = status.field("phase") else { return Phase::Pending };
    let Some(text) = at.text(check) else { return Phase::Unknown };
    match text {
        "" | "Pending" => Phase::Pending,
        "Running" => Phase::Running,
        "Succeeded" => Phase::Succeeded,
        "Failed" => Phase::Failed,
        "Unknown" => Phase::Unknown,
        _ => {
            check.note(&at, format!("{} is not a Pod phase; taken as Unknown", shown(text)));
            Phase::Unknown
        }
    }
}

/// The ports of the containers that run as long as the Pod does: those of `containers`, and sidecars,
/// which are `initContainers` that are restarted always (Kubernetes 1.28; endpoints count them too).
fn container_ports(spec: &At<'_>, network: PodNetwork, check: &mut Check) -> Vec<ContainerPort> {
    let mut found = Vec::new();
    for list in ["containers", "initContainers"] {
        let Some(containers) = spec.list(list, check) else { continue };
        for container in containers.entries() {
            if !container.is_mapping(check) {
                continue;
            }
            if list == "initContainers" && !is_sidecar(&container, check) {
                continue;
            }
            let Some(ports) = container.list("ports", check) else { continue };
            for port in ports.entries() {
                if port.is_mapping(check) {
                    found.extend(container_port(&port, network, check));
                }
            }
        }
    }
    found
}

fn is_sidecar(container: &At<'_>, check: &mut Check) -> bool {
    container.text_field("restartPolicy", check).is_some_and(|policy| &*policy == "Always")
}

fn container_port(at: &At<'_>, network: PodNetwork, check: &mut Check) -> Option<ContainerPort> {
    let port = port(at, "containerPort", check);
    let name = port_name(at, "name", check);
    let protocol = protocol(at, check)?;
    let host_port = match at.field("hostPort") {
        Some(at) => match at.number(check)? {
            0 => None,
            number => match NodePort::try_from(number) {
                Ok(port) => Some(port),
                Err(error) => {
                    check.refuse(&at, error.to_string());
                    return None;
                }
            },
        },
        None => None,
    };
    let port = port?;
    let (host_port, host_ip) = match network {
        PodNetwork::Own => match host_ip(at, check) {
            Ok(host_ip) => (host_port, host_ip.filter(|_| host_port.is_some())),
            // no runtime serves a port at no address
            Err(NoAddress) => (None, None),
        },
        // the API server's default: on the node's network both are the same
        PodNetwork::Host => {
            (host_port.or_else(|| NodePort::try_from(i64::from(port.get())).ok()), None)
        }
    };
    Some(ContainerPort { name, port, protocol, host_port, host_ip })
}

/// A `hostIP` that is no address.
struct NoAddress;

/// `hostIP`: the address at which alone a hostPort is served; unset and unspecified are all.
fn host_ip(at: &At<'_>, check: &mut Check) -> Result<Option<IpAddr>, NoAddress> {
    let Some(field) = at.field("hostIP") else { return Ok(None) };
    let Some(text) = field.text(check).filter(|text| !text.is_empty()) else { return Ok(None) };
    let Ok(ip) = text.parse::<IpAddr>() else {
        let what = shown(text);
        check.note(&field, format!("{what} is not an IP address; the hostPort does not count"));
        return Err(NoAddress);
    };
    Ok(Some(ip.to_canonical()).filter(|ip| !ip.is_unspecified()))
}

/// A port number that must be there.
pub(super) fn port(at: &At<'_>, key: &str, check: &mut Check) -> Option<PodPort> {
    let Some(field) = at.field(key) else {
        check.missing(at, key, "the port has no number");
        return None;
    };
    PodPort::try_from(field.number(check)?)
        .map_err(|error| check.refuse(&field, error.to_string()))
        .ok()
}

/// `protocol`, by default TCP.
pub(super) fn protocol(at: &At<'_>, check: &mut Check) -> Option<Protocol> {
    let Some(field) = at.field("protocol") else { return Some(Protocol::Tcp) };
    match field.text(check)? {
        "" | "TCP" => Some(Protocol::Tcp),
        "UDP" => Some(Protocol::Udp),
        "SCTP" => Some(Protocol::Sctp),
        other => {
            check.refuse(&field, format!("{} is not a protocol (TCP, UDP or SCTP)", shown(other)));
            None
        }
    }
}

fn port_name(at: &At<'_>, key: &str, check: &mut Check) -> Option<Box<str>> {
    let name = at.text_field(key, check)?;
    if let (false, Some(field)) = (is_port_name(&name), at.field(key)) {
        check.refuse(&field, not_a_port_name(&name));
    }
    Some(name)
}

/// An IANA service name, RFC 6335 section 5.1: what a port may be called.
pub(super) fn is_port_name(name: &str) -> bool {
    (1..=15).contains(&name.len())
        && name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
        && name.bytes().any(|c| c.is_ascii_lowercase())
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !name.contains("--")
}

pub(super) fn not_a_port_name(name: &str) -> String {
    let what = "lower-case letters, digits and '-', at least one letter, 15 at most";
    format!("{} is not a port name ({what})", shown(name))
}

/// `podIPs` or `hostIPs`, which are lists of `{ip: …}`; without one the single field.
fn addresses(status: &At<'_>, one: &str, many: &str, check: &mut Check) -> Vec<IpAddr> {
    let single = status.field(one).filter(|at| at.node.as_str() != Some(""));
    let first = single.as_ref().and_then(|at| address(at, check));
    let mut found: Vec<IpAddr> = Vec::new();
    if let Some(list) = status.list(many, check) {
        for entry in list.entries() {
            if !entry.is_mapping(check) {
                continue;
            }
            let Some(at) = entry.field("ip") else {
                check.missing(&entry, "ip", "the entry has no ip");
                continue;
            };
            let Some(ip) = address(&at, check) else { continue };
            if found.iter().any(|other| IpFamily::of(other) == IpFamily::of(&ip)) {
                let family = IpFamily::of(&ip);
                check.refuse(&at, format!("a second {family} address: {many} has one a family"));
                continue;
            }
            found.push(ip);
        }
    }
    match (found.first(), first, single) {
        (None, Some(ip), _) => vec![ip],
        (Some(listed), Some(ip), Some(at)) if *listed != ip => {
            check.refuse(&at, format!("{ip} is not the first of {many}, which is {listed}"));
            found
        }
        _ => found,
    }
}

/// An address that packets can be sent to.
pub(super) fn address(at: &At<'_>, check: &mut Check) -> Option<IpAddr> {
    let text = at.text(check)?;
    let Ok(ip) = text.parse::<IpAddr>() else {
        check.refuse(at, format!("{} is not an IP address", shown(text)));
        return None;
    };
    let why = match ip {
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => "an IPv4 address in IPv6 clothes",
        IpAddr::V4(v4) if v4.is_broadcast() => "the broadcast address",
        _ if ip.is_unspecified() => "the unspecified address",
        _ if ip.is_loopback() => "a loopback address",
        _ if ip.is_multicast() => "a multicast address",
        _ => return Some(ip),
    };
    check.refuse(at, format!("{ip} is {why}"));
    None
}
