//! Owns `bridge-nf-call-off`: Pods are ports of a Linux bridge, Services are rules of iptables, and
//! the bridge does not show packets between its ports to iptables.

use std::collections::BTreeMap;

use model::{FindingCode, Severity};
use xt::Family;

use super::{Found, Outcome, need, need_rules};
use crate::host::Host;

pub(super) fn check(host: &Host<'_>) -> Outcome {
    if host.snapshot.nft.known().is_none() {
        need_rules(host)?;
    }
    let sysctls = need(&host.snapshot.sysctls, "sysctls")?;
    let mut findings = Vec::new();
    for (family, name) in [
        (Family::V4, "net.bridge.bridge-nf-call-iptables"),
        (Family::V6, "net.bridge.bridge-nf-call-ip6tables"),
    ] {
        let state = match sysctls.get(name).map(|value| value.trim()) {
            Some("0") => format!("{name} = 0"),
            None if is_complete(sysctls) => {
                format!("{name} is not there: br_netfilter is not loaded")
            }
            _ => continue,
        };
        let (Some(bridge), Some(services)) = (pod_bridge(host), services(host, family)) else {
            continue;
        };
        findings.push(
            Found::new(
                FindingCode::BridgeNfCallOff,
                Severity::Warning,
                name,
                format!("packets between ports of {bridge} do not pass the rules of {family}"),
            )
            .evidence([state, format!("{bridge} is the bridge of Pods"), services])
            .advice(format!(
                "a Pod that reaches a Service whose endpoint is on the same node gets no answer: it \
                 comes from the wrong address; modprobe br_netfilter, sysctl -w {name}=1"
            )),
        );
    }
    Ok(findings)
}

/// Whether these are all sysctls of the network, so that one that is not among them does not exist: of
/// a dump of some of them nothing can be said.
fn is_complete(sysctls: &BTreeMap<String, String>) -> bool {
    ["net.core.somaxconn", "net.ipv4.ip_local_reserved_ports", "net.ipv4.ip_nonlocal_bind"]
        .iter()
        .all(|name| sysctls.contains_key(*name))
}

/// Where Services of a family are translated, if there are any.
fn services(host: &Host<'_>, family: Family) -> Option<String> {
    let of_iptables = host.tables.iter().find(|view| {
        view.family == family
            && view.name() == "nat"
            && view.chain("KUBE-SERVICES").is_some_and(|chain| chain.rules.len() > 1)
    });
    let native = || {
        let name = if family == Family::V4 { "ip" } else { "ip6" };
        let table = host.snapshot.nft.known()?.table(name, "kube-proxy")?;
        let map = table.set("service-ips").filter(|map| map.count > 0)?;
        Some(format!("table {name} kube-proxy: {} has {} elements", map.name, map.count))
    };
    of_iptables.map(|view| format!("{}: KUBE-SERVICES is there", view.place())).or_else(native)
}

/// A bridge that CNIs put Pods into.
fn pod_bridge<'a>(host: &Host<'a>) -> Option<&'a str> {
    const BRIDGES: [&str; 4] = ["cni0", "kube-bridge", "cbr0", "weave"];
    let mut links = host.snapshot.links.known()?.iter();
    links.find(|link| BRIDGES.contains(&link.name.as_str())).map(|link| link.name.as_str())
}
