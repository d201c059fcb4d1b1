//! Owns the question whether a sweep or a restore would cut the node off: traffic that everybody needs meets a drop
//! that it does not meet now. Pure.
//!
//! The traffic is a few kinds of packets ([`probe`]); a table is walked for each of them without the
//! rules that go and with them ([`walk`]). What a rule asks may be unknown of a kind of packets (an
//! address, a rate, a mark): then both ways are gone. A sweep is told off if packets that could be
//! accepted no longer can, or if packets that nothing could drop now can be dropped. Of a restore, the
//! state that it would leave is walked through too; a drop that asks for something only counts there if
//! it did not stand so before the sweep.
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
use self::probe::{Probe, Way};
use self::walk::{Cause, Ends, Walk};
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
    if what.is_empty() {
        return Vec::new();
    }
    let of = Of { family, backend, table };
    let owners = owners_of(table, what);
    found(
        &of,
        &probe::all(listening.of(family)),
        (&mut Walk::new(table, None), &mut Walk::new(table, Some(what))),
        |chain, _, before, after| {
            let worse = before.can_accept && !after.can_accept
                || before.dropped_by.is_none() && after.dropped_by.is_some();
            let cause = after.dropped_by.filter(|_| worse)?;
            Some((cause, first(&of, chain, cause, &owners)))
        },
    )
}

/// A table before and after a restore, and as it was when it was swept.
pub(crate) struct Return<'a> {
    pub(crate) now: &'a Table,
    pub(crate) then: &'a Table,
    pub(crate) was: &'a Table,
}

/// What a restore would cut off: packets that could be accepted no longer can, or that are dropped
/// under conditions under which they were not before the sweep either. A drop that asks for something
/// and was there as well is how the node was.
pub(crate) fn of_return(
    family: Family,
    backend: Backend,
    tables: &Return<'_>,
    listening: &Listening,
) -> Vec<Lockout> {
    let of = Of { family, backend, table: tables.then };
    let mut was = Walk::new(tables.was, None);
    found(
        &of,
        &probe::of_return(listening.of(family)),
        (&mut Walk::new(tables.now, None), &mut Walk::new(tables.then, None)),
        |chain, probe, before, after| {
            let cause = after.dropped_by?;
            let worse = before.can_accept && !after.can_accept
                || before.dropped_by.is_none() && was.walk(probe, &chain.name).dropped_by.is_none();
            worse.then(|| {
                (cause, format!("{} -I {} {} -j ACCEPT", of.command(), chain.name, probe.spec()))
            })
        },
    )
}

/// A table, and where it is.
struct Of<'a> {
    family: Family,
    backend: Backend,
    table: &'a Table,
}

impl Of<'_> {
    /// How iptables is called for it.
    fn command(&self) -> String {
        let program = match (self.family, self.backend) {
            (Family::V4, Backend::Legacy) => "iptables-legacy",
            (Family::V4, Backend::NftCompat) => "iptables-nft",
            (Family::V6, Backend::Legacy) => "ip6tables-legacy",
            (Family::V6, Backend::NftCompat) => "ip6tables-nft",
        };
        match self.table.name.as_str() {
            "filter" => program.to_owned(),
            table => format!("{program} -t {table}"),
        }
    }
}

/// Every kind of packets through every builtin chain; `judge` says what cuts it off, and what to run
/// first.
fn found(
    of: &Of<'_>,
    probes: &[Probe],
    (now, then): (&mut Walk<'_>, &mut Walk<'_>),
    mut judge: impl FnMut(&Chain, &Probe, Ends, Ends) -> Option<(Cause, String)>,
) -> Vec<Lockout> {
    let Of { family, table, .. } = of;
    let mut found: Vec<Lockout> = Vec::new();
    if table.name == "nat" {
        return found;
    }
    for chain in &table.chains {
        let (ChainKind::Builtin { .. }, Some(way)) = (&chain.kind, Way::of_chain(&chain.name))
        else {
            continue;
        };
        for probe in probes.iter().filter(|probe| probe.way == way) {
            let (before, after) = (now.walk(probe, &chain.name), then.walk(probe, &chain.name));
            let Some((cause, first)) = judge(chain, probe, before, after) else { continue };
            let by = words(table, chain, cause);
            match found.iter_mut().find(|lockout| lockout.chain == chain.name && lockout.by == by) {
                Some(lockout) => lockout.traffic.push(probe.name.clone().into_owned()),
                None => found.push(Lockout {
                    family: *family,
                    table: table.name.clone(),
                    chain: chain.name.clone(),
                    traffic: vec![probe.name.clone().into_owned()],
                    first,
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

fn first(of: &Of<'_>, start: &Chain, cause: Cause, owners: &[Owner]) -> String {
    let command = of.command();
    let by_hand = match cause {
        Cause::Policy => format!("{command} -P {} ACCEPT", start.name),
        Cause::Rule { .. } => {
            let line = words(of.table, start, cause);
            format!("{command} {}", line.replacen("-A ", "-D ", 1))
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
