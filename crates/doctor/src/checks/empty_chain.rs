//! Owns `empty-chain`: jumps into chains without rules where there should be some: a Service's chain
//! without endpoints is not how kube-proxy leaves it.

use model::{FindingCode, Severity};

use super::{Found, Outcome, count, need_rules};
use crate::host::{Host, Space};

/// Chains that are made with their rules, in one restore.
const NEVER_EMPTY: [&str; 9] = [
    "KUBE-SVC-",
    "KUBE-SEP-",
    "KUBE-SVL-",
    "KUBE-EXT-",
    "KUBE-FW-",
    "KUBE-MARK-MASQ",
    "KUBE-POD-FW-",
    "CNI-DN-",
    "cali-tw-",
];

pub(super) fn check(host: &Host<'_>) -> Outcome {
    need_rules(host)?;
    let mut findings = Vec::new();
    for view in host.tables.iter().filter(|view| view.is_whole()) {
        let mut lines = Vec::new();
        for (number, chain) in view.chains() {
            let must = || NEVER_EMPTY.iter().any(|prefix| chain.name.starts_with(prefix));
            if !view.is_empty(number) || !must() {
                continue;
            }
            let Some((from, rule)) = view.callers(number).next() else { continue };
            // a jump that asks nothing and does nothing is no loss
            if !Space::of(rule).is_all() || chain.name.starts_with("KUBE-S") {
                lines.push(view.show(from, rule));
            }
        }
        if lines.is_empty() {
            continue;
        }
        findings.push(
            Found::new(
                FindingCode::EmptyChain,
                Severity::Warning,
                view.place(),
                format!("{} into chains without rules, which should have some", count(lines.len(), "jump")),
            )
            .evidence(lines)
            .advice(
                "packets come back from there as they went in: a Service is not translated, a policy \
                 does not hold; restart the system that wrote the chain, and find who flushed it",
            ),
        );
    }
    Ok(findings)
}
