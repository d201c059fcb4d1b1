//! Owns the question whether a sweep would cut the node off: traffic that everybody needs meets a drop
//! that it does not meet now. Pure.
//!
//! The traffic is a few kinds of packets ([`probe`]); a table is walked for each of them without the
//! rules that go and with them ([`walk`]). What a rule asks may be unknown of a kind of packets (an
//! address, a rate, a mark): then both ways are gone. A sweep is told off if packets that could be
//! accepted no longer can, or if packets that nothing could drop now can be dropped.
//! Beside the ports that every node is asked at, all TCP ports count that something listens on
//! ([`listening`]).
//!
//! Deliberately not here: Pods (FORWARD). Rules of a plugin that go are its Pods' way, and that is what
//! was asked for.

mod listening;
mod probe;
mod walk;

use doctor::owners::{self, Owner};
use serde::Serialize;
use xt::{Backend, Chain, ChainKind, Family, Policy, Table, Target, text};

pub(crate) use self::listening::Listening;
use self::probe::Way;
use self::walk::{Cause, Walk};
use crate::image::Part;

/// Traffic that a sweep would cut off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lockout {
    /// Of which family.
    pub family: Family,
    /// The table that would drop it.
    pub table: String,
    /// The builtin chain.
    pub chain: String,
    /// Kinds of traffic, in words.
    pub traffic: Vec<String>,
    /// What would drop it: a policy, or a rule as iptables-save prints it.
    pub by: String,
    /// What to run first.
    pub first: String,
}

/// All of a table's. `what` goes from it.
pub(crate) fn of(
    family: Family,
    backend: Backend,
    table: &Table,
    what: &Part,
    listening: &Listening,
) -> Vec<Lockout> {
    let mut found: Vec<Lockout> = Vec::new();
    if what.is_empty() || table.name == "nat" {
        return found;
    }
    let probes = probe::all(listening.of(family));
    let (mut now, mut then) = (Walk::new(table, None), Walk::new(table, Some(what)));
    for chain in &table.chains {
        let (ChainKind::Builtin { .. }, Some(way)) = (&chain.kind, Way::of_chain(&chain.name))
        else {
            continue;
        };
        for probe in probes.iter().filter(|probe| probe.way == way) {
            let (before, after) = (now.walk(probe, &chain.name), then.walk(probe, &chain.name));
            let worse = before.can_accept && !after.can_accept
                || before.dropped_by.is_none() && after.dropped_by.is_some();
            let (true, Some(cause)) = (worse, after.dropped_by) else { continue };
            let by = words(table, chain, cause);
            match found.iter_mut().find(|lockout| lockout.chain == chain.name && lockout.by == by) {
                Some(lockout) => lockout.traffic.push(probe.name.clone().into_owned()),
                None => found.push(Lockout {
                    family,
                    table: table.name.clone(),
                    chain: chain.name.clone(),
                    traffic: vec![probe.name.clone().into_owned()],
                    first: first(family, backend, table, chain, cause, &owners_of(table, what)),
                    by,
                }),
            }
        }
    }
    found
}

/// Whose rules and chains go.
fn owners_of(table: &Table, what: &Part) -> Vec<Owner> {
    let rules = what.rules.iter().flat_map(|(name, places)| {
        let rules = table.chain(name).into_iter().flat_map(|chain| &chain.rules);
        let going = rules.filter(|rule| places.contains(&rule.position));
        going.map(|rule| owners::of_rule(name, rule))
    });
    let mut owners: Vec<Owner> =
        rules.chain(what.chains.iter().map(|chain| owners::of_chain(chain))).collect();
    owners.sort();
    owners.dedup();
    owners
}

fn words(table: &Table, start: &Chain, cause: Cause) -> String {
    match cause {
        Cause::Policy => format!(
            "the policy of {} is {}",
            start.name,
            start.kind.policy().unwrap_or(Policy::Drop).text()
        ),
        Cause::Rule { chain, rule } => {
            let found = table.chains.get(chain);
            let rule = found.and_then(|chain| Some((chain, chain.rules.get(rule)?)));
            rule.map(|(chain, rule)| text::save_rule(&chain.name, rule)).unwrap_or_default()
        }
    }
}

fn first(
    family: Family,
    backend: Backend,
    table: &Table,
    start: &Chain,
    cause: Cause,
    owners: &[Owner],
) -> String {
    let program = match (family, backend) {
        (Family::V4, Backend::Legacy) => "iptables-legacy",
        (Family::V4, Backend::NftCompat) => "iptables-nft",
        (Family::V6, Backend::Legacy) => "ip6tables-legacy",
        (Family::V6, Backend::NftCompat) => "ip6tables-nft",
    };
    let of = if table.name == "filter" { String::new() } else { format!(" -t {}", table.name) };
    let by_hand = match cause {
        Cause::Policy => format!("{program}{of} -P {} ACCEPT", start.name),
        Cause::Rule { .. } => {
            let line = words(table, start, cause);
            format!("{program}{of} {}", line.replacen("-A ", "-D ", 1))
        }
    };
    if owners.contains(&Owner::Ufw) {
        format!("ufw disable (or: {by_hand})")
    } else if owners.contains(&Owner::Firewalld) {
        format!("systemctl stop firewalld (or: {by_hand})")
    } else {
        by_hand
    }
}

/// Whether a target ends a packet's way with a drop.
const fn drops(target: &Target) -> bool {
    matches!(target, Target::Drop | Target::Reject(_))
}

#[cfg(test)]
mod tests;
