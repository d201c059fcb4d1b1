//! Owns `local-table-moved`: the table of the node's own addresses is not asked first. Agents do that
//! on purpose; a network manager that takes their rule away cuts the node off.

use model::{FindingCode, Severity};
use xt::Family;

use super::{Found, Outcome, need};
use crate::host::Host;

pub(super) fn check(host: &Host<'_>) -> Outcome {
    let of = &host.snapshot.routing_rules;
    if of.v4.known().is_none() {
        need(&of.v6, "routing rules")?;
    }
    let mut findings = Vec::new();
    for family in Family::BOTH {
        let rules = of.of(family).known().map(Vec::as_slice).unwrap_or_default();
        let local = rules.iter().filter(|rule| rule.table() == Some("local") && rule.is_for_all());
        let Some(local) = local.min_by_key(|rule| rule.priority) else { continue };
        if local.priority == 0 {
            continue;
        }
        findings.push(
            Found::new(
                FindingCode::LocalTableMoved,
                Severity::Info,
                format!("routing rules {family}"),
                format!("the table local is asked at preference {}, not first", local.priority),
            )
            .evidence(
                rules
                    .iter()
                    .filter(|rule| rule.priority <= local.priority)
                    .map(ToString::to_string),
            )
            .advice(
                "an agent moved it, so that marked packets are routed before; if systemd-networkd \
                 removes the rule, the node is cut off (ManageForeignRoutingPolicyRules=no)",
            ),
        );
    }
    Ok(findings)
}
