//! Owns rules of iptables that drop what only Pods send or receive: by the link or the network of all of
//! them, and by nothing else.
//!
//! Deliberately not here: rules in chains of systems, which decide about single Pods by their trade.

use model::{Finding, FindingCode, Severity};
use xt::{Chain, Iface, Net, Rule, Target};

use super::native::{BRIDGES, covers_pods};
use super::{Found, accepts, drops};
use crate::checks::deletion;
use crate::host::{Host, Space, TableView};
use crate::owners::Owner;
use crate::snapshot::Prefix;

pub(super) fn finding(host: &Host<'_>, view: &TableView<'_>, chain: &Chain) -> Option<Finding> {
    let met = view.met(view.number(&chain.name)?);
    let mut before: Vec<(&Rule, Space)> = Vec::new();
    for rule in met {
        let space = Space::of(rule);
        if drops(rule) && is_aimed(host, &space) {
            if before.iter().any(|(earlier, wide)| may_accept(view, earlier, wide, &space)) {
                continue;
            }
            let place = format!("{} {}", view.place(), chain.name);
            let message = format!(
                "rule {} drops packets by what only Pods have, and no rule before it accepts them; what \
                 other tables accept does not count, a drop is final",
                rule.position
            );
            let found = Found::new(FindingCode::ForwardDrop, Severity::Error, place, message);
            return Some(found.evidence([view.show(chain, rule)]).advice(format!(
                "packets of Pods that are forwarded are dropped; delete the rule: {}",
                deletion(view, chain, rule)
            )));
        }
        if rule.target.is_some() && !drops(rule) {
            before.push((rule, space));
        }
    }
    None
}

/// Whether the one thing that is asked is a link or a network of all Pods of the node.
fn is_aimed(host: &Host<'_>, space: &Space) -> bool {
    let link = |name: &Option<Iface>| name.as_ref().is_some_and(is_of_all_pods);
    let net = |net: &Option<Net>| net.as_ref().is_some_and(|net| covers(host, net));
    let asks = |of: Space| *space == of;
    link(&space.input) && asks(Space { input: space.input.clone(), ..Space::default() })
        || link(&space.output) && asks(Space { output: space.output.clone(), ..Space::default() })
        || net(&space.source) && asks(Space { source: space.source, ..Space::default() })
        || net(&space.destination)
            && asks(Space { destination: space.destination, ..Space::default() })
}

/// The bridge of all Pods, or the beginning of the names of their links.
fn is_of_all_pods(link: &Iface) -> bool {
    BRIDGES.iter().any(|bridge| link.covers(bridge)) || ["cali+", "lxc+"].contains(&link.0.as_str())
}

fn covers(host: &Host<'_>, net: &Net) -> bool {
    let prefix =
        net.prefix().and_then(|length| format!("{}/{length}", net.address).parse::<Prefix>().ok());
    prefix.is_some_and(|prefix| covers_pods(host, &prefix))
}

/// Whether an earlier rule accepts packets of `space`, or leads to a chain that may.
fn may_accept(view: &TableView<'_>, rule: &Rule, wide: &Space, space: &Space) -> bool {
    let apart = |one: &Option<Iface>, other: &Option<Iface>| {
        one.as_ref().zip(other.as_ref()).is_some_and(|(a, b)| !a.covers(&b.0) && !b.covers(&a.0))
    };
    if apart(&wide.input, &space.input) || apart(&wide.output, &space.output) {
        return false;
    }
    match rule.target.as_ref().and_then(Target::chain) {
        None => accepts(rule),
        Some(next) => leads_to_accept(view, next, DEEPEST),
    }
}

/// Deeper calls are not followed: such a chain may accept.
const DEEPEST: u32 = 4;

fn leads_to_accept(view: &TableView<'_>, name: &str, depth: u32) -> bool {
    let Some(number) = view.number(name) else { return false };
    // kube-proxy accepts only what it translated, and answers
    if matches!(view.owner_of(number), Owner::KubeProxy | Owner::Kubelet) {
        return false;
    }
    let Some(chain) = view.table.chains.get(number).filter(|_| depth > 0) else { return true };
    chain.rules.iter().any(|rule| {
        let next = rule.target.as_ref().and_then(Target::chain);
        accepts(rule) || next.is_some_and(|next| leads_to_accept(view, next, depth - 1))
    })
}
