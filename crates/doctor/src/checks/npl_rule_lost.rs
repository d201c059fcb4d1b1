//! Owns `npl-rule-lost`: the agent says that a node port is programmed, and no rule has it.

use std::collections::BTreeSet;

use model::{FindingCode, Severity};
use serde_json::Value;

use super::{Found, Outcome, limited, need};
use crate::host::Host;

pub(super) fn check(host: &Host<'_>) -> Outcome {
    let agent = need(&host.snapshot.agent, "the agent of netkeep")?;
    let Some(mappings) = agent.get("npl").and_then(Value::as_array) else {
        return Err("the agent of netkeep says nothing of node ports".to_owned());
    };
    if host.snapshot.nft.known().is_none() && !host.has_rules() {
        return Err(super::unknown("rules", &host.snapshot.nft));
    }
    let programmed = programmed(host);
    let mut findings = Vec::new();
    for mapping in mappings {
        let text = |key: &str| mapping.get(key).and_then(Value::as_str).unwrap_or_default();
        let port = mapping.get("nodePort").and_then(Value::as_u64);
        let Some(port) = port.and_then(|port| u16::try_from(port).ok()) else { continue };
        let protocol = text("protocol").to_ascii_lowercase();
        if text("state") != "programmed" || programmed.contains(&(protocol.clone(), port)) {
            continue;
        }
        findings.push(
            Found::new(
                FindingCode::NplRuleLost,
                Severity::Error,
                format!("Pod {}", text("pod")),
                format!("node port {protocol} {port} is announced, and no rule sends it to the Pod"),
            )
            .evidence([mapping.to_string()])
            .fixable()
            .advice(
                "who connects to the announced port gets no answer; netkeep apply puts the rule back, \
                 and the agent does by itself when it runs",
            ),
        );
    }
    Ok(limited(findings))
}

/// Protocol and port of everything that any rule or map translates for the node's own addresses.
fn programmed(host: &Host<'_>) -> BTreeSet<(String, u16)> {
    let mut found = BTreeSet::new();
    for view in host.tables.iter().filter(|view| view.name() == "nat") {
        for (_, port, protocol) in view.services().frontends() {
            let name = match protocol {
                6 => "tcp",
                17 => "udp",
                132 => "sctp",
                _ => continue,
            };
            found.insert((name.to_owned(), port));
        }
    }
    let nft = host.snapshot.nft.known().into_iter().flat_map(|nft| &nft.tables);
    for set in nft.flat_map(|table| &table.sets).filter(|set| set.data.is_some()) {
        for element in &set.elements {
            let key = element.split(" : ").next().unwrap_or_default();
            let words: Vec<&str> = key.split(" . ").collect();
            let protocol = words.iter().find(|word| matches!(**word, "tcp" | "udp" | "sctp"));
            let port = words.iter().rev().find_map(|word| word.parse().ok());
            // a map of one protocol has its name
            let named = ["tcp", "udp", "sctp"].into_iter().find(|name| set.name.contains(name));
            if let (Some(protocol), Some(port)) = (protocol.copied().or(named), port) {
                found.insert((protocol.to_owned(), port));
            }
        }
    }
    found
}
