//! Owns `stale-rules`: rules of what is not there any more: a CNI that was replaced, links of Pods
//! that are gone, another mode of kube-proxy.

use std::collections::{BTreeMap, BTreeSet};

use model::{Finding, FindingCode, Severity};
use xt::{Backend, Chain, Family, Rule, Test};

use super::{Found, Outcome, count, limited, need_rules};
use crate::host::{Host, TableView, Trait};
use crate::owners::Owner;

pub(super) fn check(host: &Host<'_>) -> Outcome {
    need_rules(host)?;
    let mut findings = Vec::new();
    for backend in [Backend::Legacy, Backend::NftCompat] {
        for family in Family::BOTH {
            findings.extend(gone_links(host, backend, family));
        }
    }
    findings.extend(replaced_flannel(host));
    findings.extend(other_mode(host));
    Ok(limited(findings))
}

/// Links that CNIs make for one Pod: a rule that names one dies with it.
const OF_PODS: [&str; 5] = ["cali", "veth", "lxc", "eni", "azv"];

/// Rules that name a link of a Pod that is not there. Empty if links were not looked at.
pub(super) fn rules_of_gone_links<'a>(
    host: &Host<'a>,
    backend: Backend,
    family: Family,
) -> Vec<(String, &'a Rule)> {
    let Some(links) = host.snapshot.links.known() else { return Vec::new() };
    let names: BTreeSet<&str> = links.iter().map(|link| link.name.as_str()).collect();
    let mut found = Vec::new();
    for view in host.tables.iter().filter(|v| v.backend == backend && v.family == family) {
        for (chain, rule) in view.rules_that(Trait::AT_LINK) {
            let interfaces = [&rule.selector.input, &rule.selector.output];
            let gone = interfaces.into_iter().flatten().any(|test| match test {
                Test::Is(name) => {
                    let name = name.0.as_str();
                    let of_pod = OF_PODS.iter().any(|p| name.starts_with(p) && name != *p);
                    of_pod && !name.ends_with('+') && !names.contains(name)
                }
                Test::Not(_) => false,
            });
            if gone {
                found.push((view.show(chain, rule), rule));
            }
        }
    }
    found
}

fn gone_links(host: &Host<'_>, backend: Backend, family: Family) -> Option<Finding> {
    let gone = rules_of_gone_links(host, backend, family);
    if gone.is_empty() {
        return None;
    }
    Some(
        Found::new(
            FindingCode::StaleRules,
            Severity::Warning,
            format!("{backend} {family}"),
            format!("{} of Pods whose links are not there any more", count(gone.len(), "rule")),
        )
        .evidence(gone.into_iter().map(|(line, _)| line))
        .advice(
            "nobody keeps this rule set any more: new Pods are not in it, and what ends in DROP drops \
             their packets; find who wrote it and remove it with netkeep sweep",
        ),
    )
}

/// FLANNEL chains where another CNI rules: Pod to Pod packets are masqueraded, and policies that ask
/// for the source drop them.
fn replaced_flannel(host: &Host<'_>) -> Vec<Finding> {
    let Some(links) = host.snapshot.links.known() else { return Vec::new() };
    let has = |prefix: &str| links.iter().any(|link| link.name.starts_with(prefix));
    let other = ["cali", "cilium", "antrea", "lxc"].into_iter().find(|prefix| has(prefix));
    let Some(other) = other.filter(|_| !has("flannel")) else { return Vec::new() };
    by_place(host, Owner::Flannel)
        .into_iter()
        .map(|(place, rules)| {
            Found::new(
                FindingCode::StaleRules,
                Severity::Warning,
                format!("{place} flannel"),
                format!(
                    "{} of flannel, and no link of flannel: links named {other}… are of its successor",
                    count(rules.len(), "rule")
                ),
            )
            .evidence(rules)
            .fixable()
            .advice(
                "Pod to Pod packets are masqueraded by them, which shows when a NetworkPolicy asks \
                 for the source; remove them: netkeep sweep --of flannel, in both backends",
            )
        })
        .collect()
}

/// kube-proxy's rules of iptables beside its native table: one of the two is of a mode that ended.
fn other_mode(host: &Host<'_>) -> Vec<Finding> {
    if !host.has_native(Owner::KubeProxy) {
        return Vec::new();
    }
    let is_service = |chain: &Chain| {
        let prefixes = ["KUBE-SVC-", "KUBE-SEP-", "KUBE-SERVICES", "KUBE-EXT-", "KUBE-NODEPORTS"];
        prefixes.iter().any(|prefix| chain.name.starts_with(prefix)) && !chain.rules.is_empty()
    };
    let mut findings = Vec::new();
    for view in &host.tables {
        let chains: Vec<&Chain> =
            view.chains().map(|(_, chain)| chain).filter(|chain| is_service(chain)).collect();
        let Some(first) = chains.first() else { continue };
        let rules: usize = chains.iter().map(|chain| chain.rules.len()).sum();
        findings.push(
            Found::new(
                FindingCode::StaleRules,
                Severity::Warning,
                format!("{} kube-proxy", view.place()),
                format!(
                    "{} of kube-proxy's iptables mode beside its native table: one of the two modes \
                     has ended",
                    count(rules, "rule")
                ),
            )
            .evidence(first.rules.iter().take(4).map(|rule| view.show(first, rule)))
            .fixable()
            .advice(
                "a Service is translated by whichever comes first, and REJECT rules of the old mode \
                 refuse Services that have endpoints again; kube-proxy --cleanup, or netkeep sweep \
                 --of kube-proxy",
            ),
        );
    }
    findings
}

/// Rules of one system, by table.
fn by_place(host: &Host<'_>, owner: Owner) -> BTreeMap<String, Vec<String>> {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for view in &host.tables {
        let lines = lines_of(view, owner);
        if !lines.is_empty() {
            places.insert(view.place(), lines);
        }
    }
    places
}

fn lines_of(view: &TableView<'_>, owner: Owner) -> Vec<String> {
    view.rules_of(owner).map(|(chain, rule)| view.show(chain, rule)).collect()
}
