//! Owns `legacy-without-binary`: legacy rules in force on a node that has no tool to show or remove
//! them.

use model::{FindingCode, Severity};
use xt::Backend;

use super::{Found, Outcome, need};
use crate::host::Host;

pub(super) fn check(host: &Host<'_>) -> Outcome {
    let tools = need(&host.snapshot.tools, "tools")?;
    let has = |name: &str| tools.iter().any(|tool| tool.name == name && tool.version.is_some());
    let plain = tools.iter().any(|tool| {
        // before 1.8 and where the version says so, `iptables` is the legacy tool
        let legacy = |version: &String| {
            version.ends_with("(legacy)")
                || version.starts_with("1.4")
                || version.starts_with("1.6")
        };
        tool.name == "iptables" && tool.version.as_ref().is_some_and(legacy)
    });
    if plain || has("iptables-legacy") || has("iptables-legacy-save") {
        return Ok(Vec::new());
    }
    let rules: usize = host
        .tables
        .iter()
        .filter(|view| view.backend == Backend::Legacy)
        .flat_map(|view| view.chains().map(|(_, chain)| chain.rules.len()))
        .sum();
    let sign = super::unseen_legacy_rules::sign(host);
    if rules == 0 && sign.is_none() {
        return Ok(Vec::new());
    }
    let mut evidence: Vec<String> = sign.into_iter().collect();
    for view in host.tables.iter().filter(|view| view.backend == Backend::Legacy) {
        let count: usize = view.chains().map(|(_, chain)| chain.rules.len()).sum();
        evidence.push(format!("{}: {}", view.place(), super::count(count, "rule")));
    }
    let found: Vec<String> = tools
        .iter()
        .filter_map(|tool| Some(format!("{} {}", tool.name, tool.version.as_ref()?)))
        .collect();
    evidence.push(format!("tools here: {}", found.join(", ")));
    Ok(vec![
        Found::new(
            FindingCode::LegacyWithoutBinary,
            Severity::Error,
            "iptables-legacy",
            "rules of iptables-legacy are in force, and this node has no iptables-legacy to show or \
             remove them",
        )
        .evidence(evidence)
        .fixable()
        .advice(
            "packets that a legacy rule drops stay dropped whatever iptables -F does; netkeep sweep \
             --backend legacy removes them without that tool, a reboot too",
        ),
    ])
}
