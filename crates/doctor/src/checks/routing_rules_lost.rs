//! Owns `routing-rules-lost`: no routing rule looks up the table `local` or `main`, without which the
//! node does not know itself, or anybody else.

use model::{FindingCode, Severity};
use xt::Family;

use super::{Found, Outcome, need};
use crate::host::Host;
use crate::snapshot::RoutingRule;

pub(super) fn check(host: &Host<'_>) -> Outcome {
    let mut findings = Vec::new();
    let of = &host.snapshot.routing_rules;
    if of.v4.known().is_none() {
        need(&of.v6, "routing rules")?;
    }
    for family in Family::BOTH {
        let Some(rules) = of.of(family).known() else { continue };
        if rules.is_empty() {
            // a kernel without this family has none
            continue;
        }
        let looked_up = |table: &str, number: &str| {
            rules.iter().any(|rule| {
                let named = rule.table().is_some_and(|name| name == table || name == number);
                named && rule.is_for_all()
            })
        };
        let devices = rules.iter().any(|rule| rule.table() == Some("[l3mdev-table]"));
        if !looked_up("local", "255") && !devices {
            findings.push(finding(
                family,
                rules,
                "no routing rule looks up the table local: the node takes no packet for its own",
            ));
        }
        if !looked_up("main", "254") && !routes_elsewhere(rules) {
            findings.push(finding(
                family,
                rules,
                "no routing rule looks up the table main: only addresses of the node itself are \
                 reached",
            ));
        }
    }
    Ok(findings)
}

/// Whether another table serves every packet.
fn routes_elsewhere(rules: &[RoutingRule]) -> bool {
    rules.iter().any(|rule| {
        let known = matches!(rule.table(), Some("local" | "default" | "255" | "253"));
        rule.is_for_all() && rule.table().is_some() && !known
    })
}

fn finding(family: Family, rules: &[RoutingRule], message: &str) -> model::Finding {
    Found::new(
        FindingCode::RoutingRulesLost,
        Severity::Error,
        format!("routing rules {family}"),
        message,
    )
    .evidence(rules.iter().map(ToString::to_string))
    .advice(
        "the node is cut off; ip rule add from all lookup local pref 0, ip rule add from all lookup \
         main pref 32766; keep systemd-networkd from removing foreign rules \
         (ManageForeignRoutingPolicyRules=no)",
    )
}
