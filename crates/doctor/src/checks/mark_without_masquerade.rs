//! Owns `mark-without-masquerade`: packets get kube-proxy's mark for masquerading, and no rule that
//! they come to masquerades by it.

use model::{FindingCode, Severity};
use xt::{Family, Target};

use super::{Found, Outcome, need_rules};
use crate::host::Host;

pub(super) fn check(host: &Host<'_>) -> Outcome {
    need_rules(host)?;
    let mut findings = Vec::new();
    let views = host.tables.iter().filter(|view| view.name() == "nat" && view.is_whole());
    for view in views {
        let Some(mark) = view.number("KUBE-MARK-MASQ") else { continue };
        let callers = view.count_of_callers(mark);
        let in_force = view.is_reached(mark);
        if callers == 0 || !in_force || masquerades(host, view.family) {
            continue;
        }
        let calls = view.callers(mark).take(3).map(|(chain, rule)| view.show(chain, rule));
        findings.push(
            Found::new(
                FindingCode::MarkWithoutMasquerade,
                Severity::Error,
                view.place(),
                format!(
                    "{} mark packets for masquerading, and no rule in POSTROUTING masquerades them",
                    super::count(callers, "rule")
                ),
            )
            .evidence(calls)
            .advice(
                "connections from outside to node ports, and of Pods to themselves through a \
                 Service, get no answer; restart kube-proxy, and look for who flushes POSTROUTING",
            ),
        );
    }
    Ok(findings)
}

/// Whether packets of POSTROUTING come to a rule that masquerades, in either backend.
fn masquerades(host: &Host<'_>, family: Family) -> bool {
    let views = host.tables.iter().filter(|view| view.family == family && view.name() == "nat");
    let mut views = views.filter(|view| {
        ["KUBE-POSTROUTING", "POSTROUTING"].into_iter().any(|name| {
            let Some(number) = view.number(name) else { return false };
            let Some(chain) = view.table.chains.get(number) else { return false };
            view.is_reached_from(number, "POSTROUTING")
                && chain.rules.iter().any(|rule| {
                    matches!(rule.target, Some(Target::Masquerade(_) | Target::Snat(_)))
                })
        })
    });
    views.next().is_some()
}
