//! Owns reading the tables of iptables-nft from the kernel.

use std::collections::BTreeMap;

use nfnl::{Error, Socket};

use super::{base, native};
use crate::{
    sets::{SetNames, resolve},
    view::{Backend, Chain, ChainKind, Counters, Extent, Family, Policy, Rule, Ruleset, Table},
};

/// What was read, and of which generation of the ruleset it is: what [`super::remove`] wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NftRead {
    /// The tables.
    pub ruleset: Ruleset,
    /// The generation. It counts every change of nf_tables in the namespace, whoever makes it.
    pub generation: u32,
}

/// What stands beside rules, by table and chain, in the order of the rules.
pub type Beside<T> = BTreeMap<(String, String), Vec<T>>;

pub(crate) const fn nft_family(family: Family) -> nfnl::Family {
    match family {
        Family::V4 => nfnl::Family::Ip,
        Family::V6 => nfnl::Family::Ip6,
    }
}

/// All tables of iptables-nft of a family, in the namespace of the socket. Changes nothing. A table
/// has all its builtin chains, as iptables shows it, whether nf_tables has them or not.
///
/// # Errors
/// Of the kernel.
pub fn read(
    socket: &mut Socket,
    family: Family,
    sets: &mut dyn SetNames,
) -> Result<NftRead, Error> {
    read_tables(socket, family, sets, &base::TABLES)
}

/// Those of the tables that exist, in the order asked for.
///
/// # Errors
/// Of the kernel.
pub fn read_tables(
    socket: &mut Socket,
    family: Family,
    sets: &mut dyn SetNames,
    names: &[&str],
) -> Result<NftRead, Error> {
    let (parts, generation) = socket.read_consistent(|socket| {
        let mut parts = Vec::new();
        for (name, chains) in listed(socket, family, names)? {
            let mut rules = Vec::with_capacity(chains.len());
            for chain in &chains {
                rules.push(chain_rules(socket, family, &name, &chain.name)?);
            }
            parts.push((name, chains, rules));
        }
        Ok(parts)
    })?;
    let mut ruleset = Ruleset::new(Backend::NftCompat, family);
    for (name, chains, rules) in parts {
        ruleset.tables.push(table(name, chains, rules));
    }
    resolve(&mut ruleset, sets);
    Ok(NftRead { ruleset, generation: generation.id })
}

/// Those of the tables that exist, in the order asked for, with their chains.
pub(super) fn listed(
    socket: &mut Socket,
    family: Family,
    names: &[&str],
) -> Result<Vec<(String, Vec<nfnl::Chain>)>, Error> {
    let of = nft_family(family);
    let mut tables = socket.tables(of)?;
    tables.retain(|table| names.contains(&table.name.as_str()));
    tables.sort_by_key(|table| names.iter().position(|name| *name == table.name));
    let listed = tables.into_iter().map(|table| {
        let chains = socket.chains(of, Some(&table.name))?;
        Ok((table.name, chains))
    });
    listed.collect()
}

/// All tables of a family as [`read()`] reads them, and beside every rule, by table and chain and in
/// order, what `beside` makes of the kernel's own form of it and of its view: one look for both.
///
/// # Errors
/// Of the kernel.
pub fn read_beside<T>(
    socket: &mut Socket,
    family: Family,
    sets: &mut dyn SetNames,
    mut beside: impl FnMut(nfnl::Rule, &Rule) -> T,
) -> Result<(NftRead, Beside<T>), Error> {
    let ((parts, extra), generation) = socket.read_consistent(|socket| {
        let (mut parts, mut extra) = (Vec::new(), BTreeMap::new());
        for (name, chains) in listed(socket, family, &base::TABLES)? {
            let mut rules = Vec::with_capacity(chains.len());
            for chain in &chains {
                let start = || (Vec::new(), Vec::new());
                let of = nft_family(family);
                let (views, found) =
                    socket.fold_chain_rules(of, &name, &chain.name, start, |all, rule| {
                        let mut view = native::rule(&rule, family);
                        view.position = all.0.len() as u32 + 1;
                        all.1.push(beside(rule, &view));
                        all.0.push(view);
                    })?;
                rules.push(views);
                extra.insert((name.clone(), chain.name.clone()), found);
            }
            parts.push((name, chains, rules));
        }
        Ok((parts, extra))
    })?;
    let mut ruleset = Ruleset::new(Backend::NftCompat, family);
    for (name, chains, rules) in parts {
        ruleset.tables.push(table(name, chains, rules));
    }
    resolve(&mut ruleset, sets);
    Ok((NftRead { ruleset, generation: generation.id }, extra))
}

/// The rules of a chain: see `fold_chain_rules`.
pub(super) fn chain_rules(
    socket: &mut Socket,
    family: Family,
    table: &str,
    chain: &str,
) -> Result<Vec<Rule>, Error> {
    socket.fold_chain_rules(nft_family(family), table, chain, Vec::new, |all, rule| {
        let mut read = native::rule(&rule, family);
        read.position = all.len() as u32 + 1;
        all.push(read);
    })
}

/// The view of a table; chains beyond the last of `rules` are empty.
pub(super) fn table(name: String, chains: Vec<nfnl::Chain>, rules: Vec<Vec<Rule>>) -> Table {
    let mut found: Vec<(u32, Chain)> = Vec::with_capacity(chains.len());
    let rules = rules.into_iter().chain(std::iter::repeat_with(Vec::new));
    for (chain, rules) in chains.into_iter().zip(rules) {
        let kind = kind(&name, &chain);
        let counters = Counters::default();
        let order = base::order(chain.base.as_ref().map(|base| base.hook));
        found.push((order, Chain { name: chain.name, kind, counters, rules }));
    }
    // A builtin chain that is not there does what an empty one does; iptables shows it as that.
    for (missing, hook) in base::chains(&name) {
        if !found.iter().any(|(_, chain)| chain.name == missing) {
            let kind = ChainKind::Builtin { policy: Policy::Accept };
            let (name, counters) = (missing.to_owned(), Counters::default());
            let chain = Chain { name, kind, counters, rules: Vec::new() };
            found.push((base::order(Some(hook)), chain));
        }
    }
    // the order of iptables-nft-save
    found.sort_by(|(order, chain), (other_order, other)| {
        order.cmp(other_order).then_with(|| chain.name.cmp(&other.name))
    });
    let chains = found.into_iter().map(|(_, chain)| chain).collect();
    Table { name, chains, extent: Extent::Whole }
}

fn kind(table: &str, chain: &nfnl::Chain) -> ChainKind {
    let Some(base) = &chain.base else { return ChainKind::User };
    let policy = match base.policy {
        Some(nfnl::Policy::Drop) => Policy::Drop,
        _ => Policy::Accept,
    };
    if base::is_builtin(table, &chain.name, base) {
        ChainKind::Builtin { policy }
    } else {
        ChainKind::Foreign { policy, hook: base::words(base) }
    }
}
