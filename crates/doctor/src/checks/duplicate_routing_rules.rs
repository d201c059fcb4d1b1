//! Owns `duplicate-routing-rules`: routing rules that ask and do the same at the same place. The
//! kernel refuses exact copies, not those that differ in who made them.

use std::collections::BTreeMap;

use model::{FindingCode, Severity};
use xt::Family;

use super::{Found, Outcome, count, need};
use crate::host::Host;
use crate::snapshot::RoutingRule;

pub(super) fn check(host: &Host<'_>) -> Outcome {
    let of = &host.snapshot.routing_rules;
    if of.v4.known().is_none() {
        need(&of.v6, "routing rules")?;
    }
    let mut findings = Vec::new();
    for family in Family::BOTH {
        let rules = of.of(family).known().into_iter().flatten();
        let mut copies: BTreeMap<(u32, &str, &str), Vec<&RoutingRule>> = BTreeMap::new();
        for rule in rules {
            copies.entry((rule.priority, &rule.asks, &rule.does)).or_default().push(rule);
        }
        let many: Vec<&Vec<&RoutingRule>> = copies.values().filter(|all| all.len() > 1).collect();
        if many.is_empty() {
            continue;
        }
        let extra: usize = many.iter().map(|all| all.len() - 1).sum();
        findings.push(
            Found::new(
                FindingCode::DuplicateRoutingRules,
                Severity::Warning,
                format!("routing rules {family}"),
                format!("{} too many", count(extra, "copy").replace("copys", "copies")),
            )
            .evidence(many.iter().map(|all| format!("x{}: {}", all.len(), all[0])))
            .advice(
                "every packet walks through all of them; stop what adds them, then delete the copies \
                 with ip rule del",
            ),
        );
    }
    Ok(findings)
}
