//! Is the table as the schema says? Compared part by part, each difference in words.
//!
//! The kernel answers some attributes that were not sent (a range's upper end equal to its lower,
//! flags that follow from registers); both sides are brought to one form before they are compared.

use model::MapName;
use nfnl::expr::{Flags, Nat};
use nfnl::{Chain, Expr, Rule, Set, SetFlags, Table, TableFlags};

use super::schema;
use crate::driver::Structure;

/// What is in the table, but for the elements.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) table: Table,
    pub(super) sets: Vec<Set>,
    pub(super) chains: Vec<Chain>,
    pub(super) rules: Vec<Rule>,
}

/// `NF_NAT_RANGE_MAP_IPS | NF_NAT_RANGE_PROTO_SPECIFIED` of `linux/netfilter/nf_nat.h`: the kernel
/// adds them where registers are given.
const NAT_FLAGS_IMPLIED: u32 = 3;

/// Compares; `map_size` is the least size of the mapping maps.
pub(super) fn structure(found: &Found, map_size: u32, protect: bool) -> Structure {
    let (mut unusable, mut small) = (Vec::new(), Vec::new());
    if protect && !found.table.flags.contains(TableFlags::PERSIST) {
        unusable.push("the table is not protected by the owner flag".to_owned());
    }
    if found.table.flags.contains(TableFlags::DORMANT) {
        // The kernel does not take base chains in the transaction that wakes their table.
        unusable.push("the table is dormant".to_owned());
    }
    for wanted in schema::sets(map_size) {
        match found.sets.iter().find(|set| set.name == wanted.name) {
            None => unusable.push(format!("map {} is missing", wanted.name)),
            Some(set) => match type_difference(set, &wanted) {
                Some(difference) => unusable.push(difference),
                None => small.extend(missing_room(set, &wanted)),
            },
        }
    }
    if !unusable.is_empty() {
        unusable.append(&mut small);
        return Structure::Unusable(unusable);
    }
    let mut damaged = Vec::new();
    let foreign = found.sets.iter().filter(|set| MapName::parse(&set.name).is_none());
    damaged.extend(foreign.map(|set| format!("set {} is not ours", set.name)));
    chains(found, &mut damaged);
    match (small.is_empty(), damaged.is_empty()) {
        (true, true) => Structure::Intact,
        (true, false) => Structure::Damaged(damaged),
        (false, true) => Structure::TooSmall(small),
        (false, false) => Structure::Unusable(small.into_iter().chain(damaged).collect()),
    }
}

/// Maps that have the name of one of ours and another type.
pub(super) fn of_other_types(found: &[Set]) -> Vec<MapName> {
    let other = |set: &Set| {
        let wanted = schema::sets(0).into_iter().find(|wanted| wanted.name == set.name)?;
        type_difference(set, &wanted).and_then(|_| MapName::parse(&set.name))
    };
    found.iter().filter_map(other).collect()
}

fn type_difference(found: &Set, wanted: &Set) -> Option<String> {
    // The kernel marks concatenated sets by itself on some versions.
    let kind = |set: &Set| (set.flags.bits() & !SetFlags::CONCAT.bits(), set.timeout_ms);
    let other = (found.key_type, found.key_len, &found.data)
        != (wanted.key_type, wanted.key_len, &wanted.data)
        || kind(found) != kind(wanted);
    other.then(|| format!("map {} is of another type", wanted.name))
}

fn missing_room(found: &Set, wanted: &Set) -> Option<String> {
    let name = &wanted.name;
    let (found, wanted) = (found.size.unwrap_or(0), wanted.size.unwrap_or(0));
    (found < wanted).then(|| format!("map {name} has size {found}, needed is {wanted}"))
}

fn chains(found: &Found, damaged: &mut Vec<String>) {
    let rules = schema::rules();
    for wanted in schema::chains() {
        let name = &wanted.name;
        let Some(chain) = found.chains.iter().find(|chain| chain.name == *name) else {
            damaged.push(format!("chain {name} is missing"));
            continue;
        };
        if chain.base != wanted.base {
            damaged.push(format!("chain {name} hooks elsewhere"));
        }
        let of = |rule: &&Rule| rule.chain == *name;
        let is: Vec<&Rule> = found.rules.iter().filter(of).collect();
        let shall: Vec<&Rule> = rules.iter().filter(of).collect();
        let altered = is.iter().zip(&shall).any(|(is, shall)| !are_same(is, shall));
        let (is, shall) = (is.len(), shall.len());
        if is != shall || altered {
            damaged.push(if is == shall {
                format!("the rules of chain {name} are altered")
            } else {
                format!("chain {name} has {is} rules, needed are {shall}")
            });
        }
    }
    let ours = schema::chains();
    let foreign = found.chains.iter().filter(|chain| ours.iter().all(|o| o.name != chain.name));
    damaged.extend(foreign.map(|chain| format!("chain {} is not ours", chain.name)));
}

/// Whether two rules do the same.
fn are_same(is: &Rule, shall: &Rule) -> bool {
    let same = |(is, shall): (&Expr, &Expr)| match (is, shall) {
        (Expr::Nat(is), Expr::Nat(shall)) => normal(is) == normal(shall),
        _ => is == shall,
    };
    is.expressions.len() == shall.expressions.len()
        && is.expressions.iter().zip(&shall.expressions).all(same)
}

fn normal(nat: &Nat) -> Nat {
    Nat {
        addr_max: nat.addr_max.filter(|max| Some(*max) != nat.addr_min),
        proto_max: nat.proto_max.filter(|max| Some(*max) != nat.proto_min),
        flags: Flags(nat.flags.0 & !NAT_FLAGS_IMPLIED),
        ..nat.clone()
    }
}
