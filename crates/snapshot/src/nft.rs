//! Owns nf_tables as a whole: tables, chains, sets and rules of every family, of one generation.

mod fields;
mod registers;
mod rule;
mod sets;
mod types;

use std::collections::BTreeMap;

use doctor::assemble::{nft_element, nft_rule};
use doctor::snapshot::{NftBase, NftChain, NftRule, NftRuleset, NftSet, NftTable};
use nfnl::{
    BaseChain, Chain, Error, Family, Hook, Policy, Set, SetFlags, Socket, Table, TableFlags,
};

use crate::Limits;
use sets::Content;
pub(crate) use types::Links;

/// Elements of a set inside a rule that are kept; its verdicts are all noticed.
const INSIDE: usize = 128;

/// What was read.
pub(crate) struct Read {
    pub(crate) ruleset: NftRuleset,
    /// Rules that were over the limit.
    pub(crate) left_out: usize,
}

/// Everything, in the order the kernel lists it.
pub(crate) fn read(socket: &mut Socket, limits: Limits, links: &Links) -> Result<Read, Error> {
    let tables = socket.tables(Family::ANY)?;
    let mut chains =
        group(socket.chains(Family::ANY, None)?, |chain| (chain.family, chain.table.clone()));
    let mut read = Read { ruleset: NftRuleset::default(), left_out: 0 };
    let mut held = 0;
    for table in tables {
        let chains = chains.remove(&(table.family, table.name.clone())).unwrap_or_default();
        let sets = content(socket, &table, limits)?;
        let around = rule::Around { family: table.family, sets: &sets, links };
        let mut rules = Vec::with_capacity(chains.len());
        for chain in &chains {
            // a dump that ran across a change begins again
            let start = || (Vec::new(), 0_usize);
            let step = |(kept, left_out): &mut (Vec<NftRule>, usize), rule: nfnl::Rule| {
                if held + kept.len() < limits.rules {
                    kept.push(told_rule(&rule, &around));
                } else {
                    *left_out += 1;
                }
            };
            // chain by chain: see `fold_chain_rules`
            let (kept, left_out) =
                socket.fold_chain_rules(table.family, &table.name, &chain.name, start, step)?;
            held += kept.len();
            read.left_out += left_out;
            rules.push(kept);
        }
        let named = sets.values().filter(|(set, _)| !set.flags.contains(SetFlags::ANONYMOUS));
        read.ruleset.tables.push(NftTable {
            family: table.family.to_string(),
            flags: table_flags(table.flags),
            chains: chains.iter().zip(rules).map(told_chain).collect(),
            sets: named.map(|(set, content)| told_set(set, content, limits, links)).collect(),
            name: table.name,
        });
    }
    Ok(read)
}

fn group<T, K: Ord>(all: Vec<T>, key: impl Fn(&T) -> K) -> BTreeMap<K, Vec<T>> {
    let mut groups: BTreeMap<K, Vec<T>> = BTreeMap::new();
    for one in all {
        groups.entry(key(&one)).or_default().push(one);
    }
    groups
}

/// All sets of a table by name, with what they hold.
fn content(
    socket: &mut Socket,
    table: &Table,
    limits: Limits,
) -> Result<BTreeMap<String, (Set, Content)>, Error> {
    let mut all = BTreeMap::new();
    for set in socket.sets(table.family, Some(&table.name))? {
        let most = if set.flags.contains(SetFlags::ANONYMOUS) { INSIDE } else { limits.elements };
        let add =
            |content: &mut Content, element: &nfnl::ElementRef<'_>| content.add(element, most);
        let content = match socket.fold_elements(&set.set_id(), Content::default, add) {
            // it went away since: the generation tells
            Err(error) if error.is_not_found() => Content::default(),
            other => other?,
        };
        all.insert(set.name.clone(), (set, content));
    }
    Ok(all)
}

fn told_rule(from: &nfnl::Rule, around: &rule::Around<'_>) -> NftRule {
    let mut rule = nft_rule(&rule::read(&from.expressions, around));
    rule.text = rule.text.trim_end().to_owned();
    rule.handle = from.handle;
    rule.comment = nfnl::userdata::comment_of(&from.userdata).map(str::to_owned);
    // the text of a long map inside a rule is cut: all its chains are told
    for name in inside(&from.expressions) {
        if let Some((set, content)) = around.sets.get(name)
            && set.flags.contains(SetFlags::ANONYMOUS)
        {
            for target in &content.targets {
                if !rule.targets.contains(target) {
                    rule.targets.push(target.clone());
                }
            }
        }
    }
    rule
}

fn inside(expressions: &[nfnl::Expr]) -> impl Iterator<Item = &str> {
    expressions.iter().filter_map(|expression| match expression {
        nfnl::Expr::Lookup(lookup) => Some(lookup.set.as_str()),
        _ => None,
    })
}

fn told_chain((chain, rules): (&Chain, Vec<NftRule>)) -> NftChain {
    let base = chain.base.as_ref().map(|base| told_base(chain.family, base));
    NftChain { name: chain.name.clone(), base, rules }
}

fn told_base(family: Family, base: &BaseChain) -> NftBase {
    let hook = match base.hook {
        Hook::Prerouting if family == Family::Netdev => "ingress",
        Hook::Input if family == Family::Netdev => "egress",
        Hook::Prerouting if family == Family::Arp => "input",
        Hook::Input if family == Family::Arp => "output",
        Hook::Prerouting => "prerouting",
        Hook::Input => "input",
        Hook::Forward => "forward",
        Hook::Output => "output",
        Hook::Postrouting => "postrouting",
        Hook::Ingress => "ingress",
        _ => "?",
    };
    let policy = base.policy.map(|policy| match policy {
        Policy::Accept => "accept".to_owned(),
        Policy::Drop => "drop".to_owned(),
    });
    NftBase { kind: base.kind.clone(), hook: hook.to_owned(), priority: base.priority, policy }
}

fn table_flags(flags: TableFlags) -> Vec<String> {
    let names = [
        (TableFlags::DORMANT, "dormant"),
        (TableFlags::OWNER, "owner"),
        (TableFlags::PERSIST, "persist"),
    ];
    let set = names.iter().filter(|(flag, _)| flags.contains(*flag));
    set.map(|(_, name)| (*name).to_owned()).collect()
}

fn told_set(set: &Set, content: &Content, limits: Limits, links: &Links) -> NftSet {
    let mut targets = content.targets.clone();
    targets.sort();
    let elements = content.json(set, limits.elements, links);
    NftSet {
        name: set.name.clone(),
        key: sets::key_name(set),
        data: sets::data_name(set),
        flags: sets::flag_names(set),
        auto_merge: sets::merges(set),
        size: set.size.map(u64::from),
        count: content.count,
        elements: elements.iter().map(nft_element).collect(),
        targets,
    }
}
