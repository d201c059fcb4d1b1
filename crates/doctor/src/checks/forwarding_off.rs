//! Owns `forwarding-off`: a node with Pods that forwards no packets: none at all, none that come by one
//! link, none of IPv6.
//!
//! The kernel asks the link by which an IPv4 packet comes (`ip_route_input_slow`); `all` is only what
//! links get when somebody writes to it, and `default` what new ones get. Of IPv6 it asks `all`
//! (`ip6_forward`).

use std::collections::BTreeMap;

use model::{Finding, FindingCode, Severity};

use super::{Found, Outcome, forward_drop, need};
use crate::host::Host;
use crate::snapshot::Link;

pub(super) fn check(host: &Host<'_>) -> Outcome {
    let sysctls = need(&host.snapshot.sysctls, "sysctls")?;
    if !forward_drop::has_pods(host) {
        return Ok(Vec::new());
    }
    let off = |name: &str| sysctls.get(name).is_some_and(|value| value.trim() == "0");
    let all = ["net.ipv4.ip_forward", "net.ipv4.conf.all.forwarding"].into_iter().find(|n| off(n));
    let mut findings = Vec::new();
    if let Some(name) = all {
        findings.push(
            Found::new(
                FindingCode::ForwardingOff,
                Severity::Error,
                name,
                "the node has rules for Pods, and the kernel forwards no packets between links",
            )
            .evidence([format!("{name} = 0")])
            .advice(
                "Pods reach nothing beyond this node, and Services have no way to them; sysctl -w \
                 net.ipv4.ip_forward=1, and look for the file in sysctl.d that sets it to 0",
            ),
        );
    } else {
        findings.extend(links(host, sysctls));
    }
    findings.extend(ipv6(host, sysctls));
    Ok(findings)
}

/// The key of a link's forwarding. A dot in a name is a slash in the names of sysctls.
fn key(link: &str) -> String {
    format!("net.ipv4.conf.{}.forwarding", link.replace('.', "/"))
}

/// Links that packets of Pods come by, and what new ones get.
fn links(host: &Host<'_>, sysctls: &BTreeMap<String, String>) -> Option<Finding> {
    let off = |name: &str| sysctls.get(&key(name)).is_some_and(|value| value.trim() == "0");
    let links = host.snapshot.links.known()?;
    let uplinks: Vec<&str> = uplinks(host);
    let mut closed: Vec<&str> = links
        .iter()
        // the port of a bridge routes nothing, the bridge does
        .filter(|link| link.is_up() && !link.is_loopback() && link.master.is_none())
        .filter(|link| is_of_pods(link) || uplinks.contains(&link.name.as_str()))
        .filter(|link| off(&link.name))
        .map(|link| link.name.as_str())
        .collect();
    // links of Pods are made as Pods come
    let one_each = links.iter().any(|link| is_of_one_pod(&link.name) && link.master.is_none());
    if one_each && off("default") {
        closed.push("default");
    }
    if closed.is_empty() {
        return None;
    }
    Some(
        Found::new(
            FindingCode::ForwardingOff,
            Severity::Error,
            closed.join(", "),
            "packets that come by these links are not forwarded, although the node forwards",
        )
        .evidence(closed.iter().map(|link| format!("{} = 0", key(link))))
        .advice(
            "what comes by the link ends at this node: Pods behind it reach nothing, or nothing \
             reaches Pods; sysctl -w net.ipv4.conf.LINK.forwarding=1, and look for who sets it to 0 \
             (IPv4Forwarding= of systemd-networkd, a file in sysctl.d); default is for links that come",
        ),
    )
}

/// Links by which packets from other machines come to Pods: with a way to them.
fn uplinks<'a>(host: &Host<'a>) -> Vec<&'a str> {
    let routes = host.snapshot.routes.known().into_iter().flatten();
    let defaults = routes.filter(|route| {
        route.to.is_none() && route.family == xt::Family::V4 && route.table == "main"
    });
    defaults.flat_map(|route| &route.links).map(String::as_str).collect()
}

/// Whether Pods of Kubernetes, or packets from other nodes to them, come by the link.
fn is_of_pods(link: &Link) -> bool {
    const SHARED: [&str; 9] = [
        "cni0",
        "kube-bridge",
        "cbr0",
        "weave",
        "flannel",
        "vxlan.calico",
        "tunl0",
        "antrea-gw0",
        "ovn0",
    ];
    SHARED.iter().any(|prefix| link.name.starts_with(prefix)) || is_of_one_pod(&link.name)
}

/// Whether the link leads to one Pod, by its name.
fn is_of_one_pod(name: &str) -> bool {
    let hash = |rest: &str| rest.len() >= 6 && rest.bytes().all(|c| c.is_ascii_hexdigit());
    ["cali", "lxc", "eni"].iter().any(|prefix| name.strip_prefix(prefix).is_some_and(hash))
}

fn ipv6(host: &Host<'_>, sysctls: &BTreeMap<String, String>) -> Option<Finding> {
    const NAME: &str = "net.ipv6.conf.all.forwarding";
    if sysctls.get(NAME).is_none_or(|value| value.trim() != "0") {
        return None;
    }
    let links = host.snapshot.links.known()?;
    let mut of_pods = links.iter().filter(|link| is_of_pods(link));
    let link = of_pods
        .find(|link| link.global_addresses().any(|address| address.prefix.address.is_ipv6()))?;
    Some(
        Found::new(
            FindingCode::ForwardingOff,
            Severity::Error,
            NAME,
            "Pods have addresses of IPv6, and the kernel forwards no packets of IPv6",
        )
        .evidence([format!("{NAME} = 0"), format!("{} has an address of IPv6", link.name)])
        .advice(
            "Pods reach nothing by IPv6; sysctl -w net.ipv6.conf.all.forwarding=1 (and accept_ra=2 on \
             an uplink that learns its router)",
        ),
    )
}
