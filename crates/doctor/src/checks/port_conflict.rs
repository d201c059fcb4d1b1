//! Owns `port-conflict`: a port of the node that rules send away, and a process that listens on it.

use std::collections::BTreeMap;

use model::{FindingCode, Severity};

use super::{Found, Outcome, limited, need, need_rules};
use crate::host::Host;

/// Processes that listen to keep a port that their rules translate.
const KEEPERS: [&str; 8] = [
    "kube-proxy",
    "docker-proxy",
    "netkeep",
    "antrea-agent",
    "rootlessport",
    "conmon",
    "k3s",
    "portmap",
];

pub(super) fn check(host: &Host<'_>) -> Outcome {
    let listeners = need(&host.snapshot.listeners, "listening sockets")?;
    need_rules(host)?;
    let mut translated: BTreeMap<(u16, u16), String> = BTreeMap::new();
    for view in host.tables.iter().filter(|view| view.name() == "nat") {
        for ((address, port, protocol), backends) in view.services().iter() {
            let first = backends.iter().next().map(|(address, _)| address.to_string());
            if let (None, Some(first)) = (address, first) {
                let place = format!("{}: to {first}", view.place());
                translated.entry((protocol, port)).or_insert(place);
            }
        }
    }
    let mut findings = Vec::new();
    for listener in listeners {
        let protocol = match listener.protocol.as_str() {
            "tcp" => 6,
            "udp" => 17,
            _ => 132,
        };
        let keeper = listener
            .process
            .as_deref()
            .is_none_or(|name| KEEPERS.iter().any(|keeper| name.starts_with(keeper)));
        let loopback = listener.address.is_some_and(|address| address.is_loopback());
        let Some(place) = translated.get(&(protocol, listener.port)) else { continue };
        if keeper || loopback {
            continue;
        }
        let process = listener.process.as_deref().unwrap_or("a process");
        findings.push(
            Found::new(
                FindingCode::PortConflict,
                Severity::Warning,
                format!("{} {}", listener.protocol, listener.port),
                format!("{process} listens on it, and rules send its packets to a Pod"),
            )
            .evidence([format!("{process} listens"), place.clone()])
            .advice(
                "connections from outside never reach the process; give it, or the node port or \
                 hostPort, another number",
            ),
        );
    }
    Ok(limited(findings))
}
