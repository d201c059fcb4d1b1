//! Owns `orphan-chain`: chains with rules that nothing leads to. Of known systems with anchors this is
//! `missing-anchor`; here are the others.
//!
//! Some firewalls write every chain that they could need and use what their settings ask for: while
//! they are in force, those are no leftovers.

use model::{FindingCode, Severity};
use xt::ChainKind;

use super::{Found, Outcome, count, missing_anchor, need_rules};
use crate::host::{Host, TableView};
use crate::owners::{self, Owner};

/// Chains that ufw makes whether its rules use them or not, after `ufw-` or `ufw6-`: its policies and
/// levels of logging choose among them (ufw's src/ufw-init-functions, src/backend_iptables.py).
const OF_UFW: [&str; 7] = [
    "logging-allow",
    "logging-deny",
    "skip-to-policy-input",
    "skip-to-policy-output",
    "skip-to-policy-forward",
    "user-limit",
    "user-limit-accept",
];

/// Chains that firewalld makes for each zone in both families; a zone whose sources are addresses of
/// one family is led to in that one only (firewalld's src/firewall/core/ipXtables.py).
const OF_ZONES: [&str; 6] = ["IN_", "FWD_", "FWDI_", "FWDO_", "PRE_", "POST_"];

pub(super) fn check(host: &Host<'_>) -> Outcome {
    need_rules(host)?;
    let mut findings = Vec::new();
    for view in host.tables.iter().filter(|view| view.is_whole()) {
        let anchors: std::collections::BTreeSet<&str> =
            missing_anchor::missing(view).iter().map(|m| m.chain.name.as_str()).collect();
        let orphans: Vec<_> = view
            .chains()
            .filter(|(number, chain)| {
                chain.kind == ChainKind::User
                    && !chain.rules.is_empty()
                    && view.callers(*number).next().is_none()
                    && !anchors.contains(chain.name.as_str())
                    && !is_spare(view, &chain.name)
            })
            .map(|(_, chain)| chain)
            .collect();
        if orphans.is_empty() {
            continue;
        }
        findings.push(
            Found::new(
                FindingCode::OrphanChain,
                Severity::Info,
                view.place(),
                format!("{} with rules that nothing leads to", count(orphans.len(), "chain")),
            )
            .evidence(orphans.iter().map(|chain| {
                format!("{}: {} ({})", view.place(), chain.name, count(chain.rules.len(), "rule"))
            }))
            .advice("no packet meets them: leftovers, or the first half of a change; remove them"),
        );
    }
    Ok(findings)
}

/// Whether a firewall that is in force keeps a chain of this name in store.
fn is_spare(view: &TableView<'_>, name: &str) -> bool {
    let owner = owners::of_chain(name);
    let kept = match owner {
        Owner::Ufw => {
            let rest = name.strip_prefix("ufw-").or_else(|| name.strip_prefix("ufw6-"));
            rest.is_some_and(|rest| OF_UFW.contains(&rest))
        }
        Owner::Firewalld => OF_ZONES.iter().any(|prefix| name.starts_with(prefix)),
        _ => false,
    };
    kept && view.chains().any(|(number, chain)| {
        owners::of_chain(&chain.name) == owner && view.callers(number).next().is_some()
    })
}
