//! Owns `forward-drop`: a chain that forwarded packets pass drops what it does not know, and nothing
//! before that accepts new packets of Pods; or it drops what only Pods send and receive.

mod aimed;
mod native;

use std::collections::BTreeSet;

use model::{Finding, FindingCode, Severity};
use xt::{Chain, Match, Policy, Rule, Target};

use super::{Found, Outcome, need_rules};
use crate::host::{Host, Space, TableView};
use crate::owners::Owner;

pub(super) fn check(host: &Host<'_>) -> Outcome {
    if host.snapshot.nft.known().is_none() {
        need_rules(host)?;
    }
    if !has_pods(host) {
        return Ok(Vec::new());
    }
    let mut findings = Vec::new();
    for view in host.tables.iter().filter(|view| TABLES.contains(&view.name())) {
        for chain in CHAINS.into_iter().filter_map(|name| view.chain(name)) {
            findings.extend(unaccepted(view, chain).or_else(|| aimed::finding(host, view, chain)));
        }
    }
    findings.extend(native::check(host));
    Ok(findings)
}

/// Tables of iptables that may drop, and chains of them that forwarded packets pass.
const TABLES: [&str; 4] = ["raw", "mangle", "filter", "security"];
const CHAINS: [&str; 3] = ["PREROUTING", "FORWARD", "POSTROUTING"];

/// The end of a chain drops, and nothing before that accepts.
fn unaccepted(view: &TableView<'_>, chain: &Chain) -> Option<Finding> {
    if !view.is_whole() {
        return None;
    }
    let (end, evidence) = end(view, chain)?;
    if accepts_pods(view, &chain.name) {
        return None;
    }
    let advice = match (view.name(), chain.name.as_str()) {
        ("filter", "FORWARD") => {
            "packets between Pods of different nodes, and from Pods to the outside, are dropped; the CNI \
             should accept them (restart it), or set the policy: iptables -P FORWARD ACCEPT"
                .to_owned()
        }
        (table, chain) => format!(
            "all packets of Pods are dropped here, whatever other tables accept; delete the rule (-D), \
             or set the policy: {} -t {table} -P {chain} ACCEPT",
            super::tool(view)
        ),
    };
    Some(
        Found::new(
            FindingCode::ForwardDrop,
            Severity::Error,
            format!("{} {}", view.place(), chain.name),
            format!("{end}, and no rule before that accepts new packets of Pods"),
        )
        .evidence(chain.rules.iter().map(|rule| view.show(chain, rule)).chain(evidence))
        .advice(advice),
    )
}

/// Whether Pods of Kubernetes are likely on this node.
pub(super) fn has_pods(host: &Host<'_>) -> bool {
    let kubernetes = |owner: Owner| {
        matches!(
            owner,
            Owner::KubeProxy
                | Owner::KubeRouter
                | Owner::Calico
                | Owner::Flannel
                | Owner::Cilium
                | Owner::Antrea
                | Owner::KubeOvn
                | Owner::Weave
        )
    };
    let mut views = host.tables.iter();
    let rules = views.any(|view| {
        let mut chains = view.chains().filter(|(_, chain)| chain.kind == xt::ChainKind::User);
        chains.any(|(number, _)| kubernetes(view.owner_of(number)))
    });
    rules
        || [
            Owner::KubeProxy,
            Owner::KubeRouter,
            Owner::Calico,
            Owner::Flannel,
            Owner::Cilium,
            Owner::Antrea,
        ]
        .into_iter()
        .any(|owner| host.has_native(owner))
}

fn drops(rule: &Rule) -> bool {
    matches!(rule.target, Some(Target::Drop | Target::Reject(_)))
}

/// How the chain ends packets that nobody accepted, if it does, and what shows it beside its own rules.
fn end(view: &TableView<'_>, chain: &Chain) -> Option<(String, Option<String>)> {
    let number = view.number(&chain.name)?;
    let Some((at, rule)) = view.taker(number) else {
        return (chain.kind.policy() == Some(Policy::Drop))
            .then(|| ("the policy is DROP".to_owned(), None));
    };
    if !drops(rule) {
        return None;
    }
    if at.name == chain.name {
        return Some((format!("rule {} takes every packet", rule.position), None));
    }
    let leads = view.met(number).last().map(|rule| rule.position).unwrap_or_default();
    let (to, position) = (&at.name, rule.position);
    let text =
        format!("rule {leads} leads every packet to rule {position} of {to}, which takes it");
    Some((text, Some(view.show(at, rule))))
}

/// Whether a rule that packets of a builtin chain come to accepts new packets that may be of Pods.
fn accepts_pods(view: &TableView<'_>, builtin: &str) -> bool {
    let mut open: Vec<usize> = view.number(builtin).into_iter().collect();
    let mut seen: BTreeSet<usize> = open.iter().copied().collect();
    while let Some(number) = open.pop() {
        // kube-proxy accepts only what it translated, and answers
        let other = !matches!(view.owner_of(number), Owner::KubeProxy | Owner::Kubelet);
        for rule in view.met(number) {
            if other && accepts(rule) {
                return true;
            }
            let next = rule.target.as_ref().and_then(Target::chain);
            open.extend(next.and_then(|next| view.number(next)).filter(|next| seen.insert(*next)));
        }
    }
    false
}

fn accepts(rule: &Rule) -> bool {
    let of_containers = |name: Option<&xt::Iface>| {
        name.is_some_and(|name| {
            let name = name.0.as_str();
            name == "lo"
                || name.starts_with("docker")
                || name.starts_with("br-")
                || name.starts_with("virbr")
        })
    };
    let queue = rule.target.as_ref().is_some_and(|target| target.name() == "NFQUEUE");
    if !queue && rule.target != Some(Target::Accept) {
        return false;
    }
    let space = Space::of(rule);
    let answers = rule.matches.iter().any(|found| match found {
        Match::Conntrack(test) => test.state.is_some_and(|state| !state.value().has("NEW")),
        Match::State(state) => !state.value().has("NEW"),
        _ => false,
    });
    let ping = rule.matches.iter().any(|found| matches!(found, Match::Icmp(_) | Match::Icmp6(_)));
    !of_containers(space.input.as_ref())
        && !of_containers(space.output.as_ref())
        && !answers
        && !ping
}
