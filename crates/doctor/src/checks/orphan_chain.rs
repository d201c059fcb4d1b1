//! Owns `orphan-chain`: chains with rules that nothing leads to. Of known systems with anchors this is
//! `missing-anchor`; here are the others.

use model::{FindingCode, Severity};
use xt::ChainKind;

use super::{Found, Outcome, count, missing_anchor, need_rules};
use crate::host::Host;

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
