//! Owns native chains that drop forwarded packets of Pods. A verdict of accept, of iptables or of any
//! chain, ends that chain alone; the packet comes to the next base chain of the hook, and a drop there
//! is final.
//!
//! A chain is asked for its end (policy, or a rule that takes all) and for what it accepts before, in
//! itself and in the chains that it leads to. Deliberately not here: tables of systems that decide about
//! Pods by their trade (network policies).

use std::collections::BTreeSet;

use model::{FindingCode, Severity};

use super::Found;
use crate::host::Host;
use crate::owners::{self, Owner};
use crate::snapshot::{NftChain, NftRule, NftTable, Verdict};

/// Hooks that forwarded packets pass.
const HOOKS: [&str; 3] = ["forward", "prerouting", "postrouting"];

pub(super) fn check(host: &Host<'_>) -> Vec<model::Finding> {
    let tables = host.snapshot.nft.known().into_iter().flat_map(|nft| &nft.tables);
    let of_firewall = |table: &&NftTable| {
        let known = owners::of_table(&table.name);
        let packets = matches!(table.family.as_str(), "ip" | "ip6" | "inet");
        packets && !table.is_of_iptables() && matches!(known, Owner::Host | Owner::Firewalld)
    };
    let chains = tables
        .filter(of_firewall)
        .flat_map(|table| table.chains.iter().map(move |chain| (table, chain)));
    chains.filter_map(|(table, chain)| finding(host, table, chain)).collect()
}

fn finding(host: &Host<'_>, table: &NftTable, chain: &NftChain) -> Option<model::Finding> {
    let base = chain.base.as_ref().filter(|base| HOOKS.contains(&base.hook.as_str()))?;
    let place = format!("table {} {} chain {}", table.family, table.name, chain.name);
    let ends = |rule| takes_all(table, rule, DEEPEST);
    let taken = chain.rules.iter().position(|rule| ends(rule).is_some());
    let end = match taken.and_then(|at| Some((at, ends(chain.rules.get(at)?)?))) {
        Some((at, Ends::Drops)) => Some(format!("rule {} of it drops every packet", at + 1)),
        Some((at, Ends::DropsIn(next))) => Some(format!(
            "rule {} of it leads every packet to chain {next}, which drops it",
            at + 1
        )),
        None if base.policy.as_deref() == Some("drop") => Some("the policy is drop".to_owned()),
        Some((_, Ends::Passes | Ends::Returns)) | None => None,
    };
    // and it: a chain that it leads to may accept before it drops
    let before = &chain.rules[..taken.map_or(chain.rules.len(), |at| at + 1)];
    let (message, evidence): (String, Vec<&NftRule>) = if let Some(end) = end {
        let mut seen = BTreeSet::from([chain.name.as_str()]);
        if accepts(table, before, &mut seen) {
            return None;
        }
        let why = "and no rule accepts new packets of Pods; what other tables accept does not count, a \
                   drop is final";
        (format!("{end}, {why}"), chain.rules.iter().collect())
    } else {
        let aimed: Vec<&NftRule> =
            before.iter().filter(|rule| is_aimed_at_pods(host, rule)).collect();
        if aimed.is_empty() {
            return None;
        }
        let why = "it drops packets by what only Pods have; what other tables accept does not count, a \
                   drop is final";
        (why.to_owned(), aimed)
    };
    Some(
        Found::new(FindingCode::ForwardDrop, Severity::Error, place.clone(), message)
            .evidence(evidence.into_iter().map(|rule| format!("{place}: {}", rule.text)))
            .advice(
                "packets of Pods that are forwarded are dropped; accept them in this chain, or change \
                 its end",
            ),
    )
}

/// Deeper calls are not followed: such a chain may let packets pass.
const DEEPEST: u32 = 8;

enum Ends<'a> {
    Drops,
    /// In a chain that every packet is led to.
    DropsIn(&'a str),
    Passes,
    /// To the caller's next rule, or to the policy.
    Returns,
}

/// How a rule ends every packet, if it does.
fn takes_all<'a>(table: &'a NftTable, rule: &'a NftRule, depth: u32) -> Option<Ends<'a>> {
    if rule.conditions > 0 {
        return None;
    }
    let inner = |next: &str| {
        let chain = table.chain(next).filter(|_| depth > 0)?;
        let mut ends = chain.rules.iter().filter_map(|rule| takes_all(table, rule, depth - 1));
        match ends.next()? {
            Ends::Drops => Some(Ends::DropsIn(&chain.name)),
            other => Some(other),
        }
    };
    match rule.verdict.as_ref()? {
        Verdict::Drop | Verdict::Reject => Some(Ends::Drops),
        Verdict::Accept | Verdict::Queue => Some(Ends::Passes),
        Verdict::Return => Some(Ends::Returns),
        Verdict::Jump(next) => inner(next).filter(|ends| !matches!(ends, Ends::Returns)),
        Verdict::Goto(next) => Some(inner(next).unwrap_or(Ends::Returns)),
        _ => None,
    }
}

/// Whether rules, or chains that they lead to, accept new packets that may be of Pods.
fn accepts<'a>(table: &'a NftTable, rules: &'a [NftRule], seen: &mut BTreeSet<&'a str>) -> bool {
    rules.iter().any(|rule| {
        if rule.verdict == Some(Verdict::Queue) {
            return true;
        }
        if is_of_others(rule) {
            return false;
        }
        if rule.verdict == Some(Verdict::Accept) {
            return true;
        }
        let sets = rule.sets.iter().filter_map(|set| table.set(set));
        // a map of verdicts may say accept, and its elements are known in part only
        let by_map = sets.clone().any(|set| {
            set.elements.iter().any(|element| element.ends_with(": accept"))
                || set.elements.len() as u64 != set.count
        });
        let accept_inside = rule.text.contains(" : accept");
        let leads = rule.targets.iter().chain(sets.flat_map(|set| &set.targets));
        by_map
            || accept_inside
            || leads.into_iter().any(|name| {
                let next = table.chain(name).filter(|chain| seen.insert(&*chain.name));
                next.is_some_and(|chain| accepts(table, &chain.rules, seen))
            })
    })
}

/// Whether a rule is for packets that no new connection of a Pod begins with: answers, the loopback
/// link, containers of others, error messages, one port.
fn is_of_others(rule: &NftRule) -> bool {
    let text = &rule.text;
    let answers = text.contains("established") && !text.contains("new");
    let translated = text.contains("ct status");
    let loopback = ["iifname lo", "iifname \"lo\"", "iif lo", "iif \"lo\""];
    let icmp = ["icmp", "icmpv6"].iter().any(|word| text.split(' ').any(|part| part == *word));
    let port = text.contains(" dport ") || text.contains(" sport ");
    answers
        || translated
        || icmp
        || port
        || loopback.iter().any(|word| text.contains(word))
        || links(text).any(|link| {
            ["docker", "br-", "virbr", "podman", "lxdbr"].iter().any(|own| link.starts_with(own))
        })
}

/// Names of links that a rule asks for.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let words: Vec<&str> = text.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    let mut found = Vec::new();
    let mut asks = false;
    for word in words {
        match word {
            "iifname" | "oifname" | "iif" | "oif" => asks = true,
            "{" | "==" => {}
            // all but that link
            "!=" => asks = false,
            word if asks => {
                found.push(word.trim_matches('"').trim_end_matches('*'));
                asks = text.contains('{');
            }
            _ => {}
        }
    }
    found.into_iter()
}

/// Links that Pods are behind, by the beginning of their names.
const OF_PODS: [&str; 6] = ["cni0", "kube-bridge", "cbr0", "weave", "cali", "lxc"];

/// Bridges that all Pods of a node are behind.
pub(super) const BRIDGES: [&str; 4] = ["cni0", "kube-bridge", "cbr0", "weave"];

/// Whether a rule drops and asks nothing but a link or a network that Pods have.
fn is_aimed_at_pods(host: &Host<'_>, rule: &NftRule) -> bool {
    let drops = matches!(rule.verdict, Some(Verdict::Drop | Verdict::Reject));
    // of a text it is not known how many conditions there are
    let mut before = rule.text.split(' ').take_while(|word| !matches!(*word, "drop" | "reject"));
    let one = match before.by_ref().next() {
        Some("iifname" | "oifname" | "iif" | "oif") => before.count() == 1,
        Some("ip" | "ip6") => before.count() == 2,
        _ => false,
    };
    if !drops || !one || rule.text.contains("!=") {
        return false;
    }
    let by_link = links(&rule.text)
        .any(|link| !link.is_empty() && OF_PODS.iter().any(|b| link.starts_with(b)));
    let words: Vec<&str> = rule.text.split(' ').collect();
    let by_net = words.windows(2).any(|pair| {
        let [side, net] = pair else { return false };
        matches!(*side, "saddr" | "daddr")
            && net.parse::<crate::snapshot::Prefix>().is_ok_and(|net| covers_pods(host, &net))
    });
    by_link || by_net
}

/// Whether a network holds the addresses that the Pods' bridge has.
pub(super) fn covers_pods(host: &Host<'_>, net: &crate::snapshot::Prefix) -> bool {
    let links = host.snapshot.links.known().into_iter().flatten();
    links
        .filter(|link| BRIDGES.contains(&link.name.as_str()))
        .flat_map(crate::snapshot::Link::global_addresses)
        .any(|address| net.covers(address.prefix.address))
}
