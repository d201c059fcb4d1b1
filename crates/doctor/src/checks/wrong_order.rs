//! Owns `wrong-order`: rules that are all there, in an order that changes what they mean: exceptions
//! behind what they except from, and verdicts before the chain that translates.

use model::{Finding, FindingCode, Severity};
use xt::{Chain, Rule, Target};

use super::{Found, Outcome, limited, need_rules};
use crate::host::{Host, Shadow, Space, TableView};
use crate::owners;

pub(super) fn check(host: &Host<'_>) -> Outcome {
    need_rules(host)?;
    let mut findings = Vec::new();
    for view in host.tables.iter().filter(|view| view.name() == "nat") {
        for (number, shadows) in view.shadowed() {
            let Some(chain) = view.table.chains.get(*number) else { continue };
            let late = shadows.iter().filter(|shadow| is_exception_too_late(shadow));
            let late: Vec<Shadow<'_>> = late.copied().collect();
            if !late.is_empty() {
                findings.push(exceptions(view, chain, &late));
            }
        }
        findings.extend(accept_before_masquerade(view));
    }
    Ok(limited(findings))
}

/// RETURN or ACCEPT behind the translation that it should keep packets from.
pub(super) fn is_exception_too_late(shadow: &Shadow<'_>) -> bool {
    let excepts = matches!(shadow.rule.target, Some(Target::Return | Target::Accept));
    excepts && matches!(shadow.by.target, Some(Target::Masquerade(_) | Target::Snat(_)))
}

fn exceptions(view: &TableView<'_>, chain: &Chain, late: &[Shadow<'_>]) -> Finding {
    let mut evidence: Vec<String> = Vec::new();
    for shadow in late {
        for rule in [shadow.by, shadow.rule] {
            let line = view.show(chain, rule);
            if !evidence.contains(&line) {
                evidence.push(line);
            }
        }
    }
    let owner = owners::of_rule(&chain.name, late[0].rule);
    Found::new(
        FindingCode::WrongOrder,
        Severity::Error,
        format!("{} {}", view.place(), chain.name),
        format!(
            "{} behind the {} in rule {} that they except from: each rule is there, and packets are \
             masqueraded all the same",
            super::count(late.len(), "exception"),
            late[0].by.target.as_ref().map_or("", Target::name),
            late[0].by.position
        ),
    )
    .evidence(evidence)
    .advice(format!(
        "Pod to Pod packets lose their source address, and policies that ask for it drop them; \
         remove the earlier rule (a leftover of an older version), then restart {owner}"
    ))
}

/// ACCEPT in POSTROUTING before the jump to the chain that masquerades: its packets never get there.
fn accept_before_masquerade(view: &TableView<'_>) -> Vec<Finding> {
    const CHAINS: [&str; 2] = ["KUBE-POSTROUTING", "CNI-HOSTPORT-MASQ"];
    let Some(chain) = view.chain("POSTROUTING") else { return Vec::new() };
    let jump = |rule: &&Rule| {
        let to = rule.target.as_ref().and_then(Target::chain);
        to.is_some_and(|to| CHAINS.contains(&to))
    };
    let Some(jump) = chain.rules.iter().find(jump) else { return Vec::new() };
    let wide = |rule: &&Rule| {
        let space = Space::of(rule);
        // an exception for one address or port is somebody's wish
        let narrow = space.destination_ports.is_some() || space.source_ports.is_some();
        rule.target == Some(Target::Accept) && !narrow && !space.is_uncertain && !space.is_all()
    };
    let before: Vec<&Rule> =
        chain.rules.iter().take_while(|rule| rule.position < jump.position).filter(wide).collect();
    if before.is_empty() {
        return Vec::new();
    }
    let mut evidence: Vec<String> = before.iter().map(|rule| view.show(chain, rule)).collect();
    evidence.push(view.show(chain, jump));
    vec![
        Found::new(
            FindingCode::WrongOrder,
            Severity::Warning,
            format!("{} POSTROUTING", view.place()),
            format!(
                "ACCEPT before the jump to {}: packets that it accepts are never masqueraded",
                jump.target.as_ref().map_or("", Target::name)
            ),
        )
        .evidence(evidence)
        .advice(
            "connections of a Pod to itself through its Service, and from outside to a node port, \
             get no answer if they meet the ACCEPT; replace it by a RETURN in a chain of its own",
        ),
    ]
}
