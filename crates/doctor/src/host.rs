//! Owns what every check asks of the rules: chains by name, who calls whom, what packets reach.
//!
//! Built once, in time linear in the rules. Reaching is what the kernel does: a jump behind an
//! unconditional verdict leads nowhere.

mod captures;
mod services;
mod shadows;
mod space;

use std::collections::BTreeMap;

use xt::{Backend, Chain, ChainKind, Extent, Family, Rule, Table, Target, text};

pub use self::{
    captures::captures,
    services::{Backend as NatBackend, Frontend, dnats, services},
    shadows::{Shadow, shadows},
    space::Space,
};
use crate::owners::{self, Owner};
use crate::snapshot::Snapshot;

/// A snapshot with its rules indexed.
#[derive(Debug)]
pub struct Host<'a> {
    /// What was looked at.
    pub snapshot: &'a Snapshot,
    /// Tables of iptables, of both backends and families.
    pub tables: Vec<TableView<'a>>,
}

impl<'a> Host<'a> {
    /// Indexes a snapshot.
    pub fn new(snapshot: &'a Snapshot) -> Self {
        let mut tables = Vec::new();
        for ruleset in snapshot.rules.known() {
            for table in &ruleset.tables {
                tables.push(TableView::new(ruleset.backend, ruleset.family, table));
            }
        }
        Self { snapshot, tables }
    }

    /// The table of this place.
    pub fn table(&self, backend: Backend, family: Family, name: &str) -> Option<&TableView<'a>> {
        self.tables
            .iter()
            .find(|view| view.backend == backend && view.family == family && view.name() == name)
    }

    /// Whether the rules of iptables were looked at in any way.
    pub fn has_rules(&self) -> bool {
        self.snapshot.rules.known().next().is_some()
    }

    /// Whether a native table of this system is there.
    pub fn has_native(&self, owner: Owner) -> bool {
        let tables = self.snapshot.nft.known().into_iter().flat_map(|nft| &nft.tables);
        tables.into_iter().any(|table| owners::of_table(&table.name) == owner)
    }
}

/// A table with its chains by name.
#[derive(Debug)]
pub struct TableView<'a> {
    /// Of which backend.
    pub backend: Backend,
    /// Of which family.
    pub family: Family,
    /// The table.
    pub table: &'a Table,
    by_name: BTreeMap<&'a str, usize>,
    /// Who jumps to each chain: chain and index of the rule.
    callers: Vec<Vec<(usize, usize)>>,
    /// From which builtin chains packets come to each chain; a bit each.
    reached: Vec<u16>,
}

impl<'a> TableView<'a> {
    fn new(backend: Backend, family: Family, table: &'a Table) -> Self {
        let chains = table.chains.iter().enumerate();
        let by_name: BTreeMap<&str, usize> =
            chains.map(|(at, chain)| (chain.name.as_str(), at)).collect();
        let mut callers = vec![Vec::new(); table.chains.len()];
        for (from, chain) in table.chains.iter().enumerate() {
            for (at, rule) in chain.rules.iter().enumerate() {
                let target = rule.target.as_ref().and_then(Target::chain);
                if let Some(to) = target.and_then(|name| by_name.get(name)) {
                    callers[*to].push((from, at));
                }
            }
        }
        let reached = vec![0; table.chains.len()];
        let mut view = Self { backend, family, table, by_name, callers, reached };
        view.reach();
        view
    }

    fn reach(&mut self) {
        let builtin = |(_, chain): &(usize, &Chain)| chain.kind != ChainKind::User;
        let starts = self.table.chains.iter().enumerate().filter(builtin).take(16);
        for (bit, (start, _)) in starts.enumerate() {
            let bit = 1 << bit;
            let mut open = vec![start];
            self.reached[start] |= bit;
            while let Some(at) = open.pop() {
                let chain = &self.table.chains[at];
                for rule in &chain.rules {
                    let target = rule.target.as_ref().and_then(Target::chain);
                    if let Some(to) = target.and_then(|name| self.by_name.get(name))
                        && self.reached[*to] & bit == 0
                    {
                        self.reached[*to] |= bit;
                        open.push(*to);
                    }
                    if ends_all(rule) {
                        break;
                    }
                }
            }
        }
    }

    /// Its name.
    pub fn name(&self) -> &'a str {
        &self.table.name
    }

    /// Whether it was read to its end: of half a table nothing can be said to be missing.
    pub fn is_whole(&self) -> bool {
        self.table.extent == Extent::Whole
    }

    /// All chains with their number.
    pub fn chains(&self) -> impl Iterator<Item = (usize, &'a Chain)> {
        self.table.chains.iter().enumerate()
    }

    /// The chain of this name.
    pub fn chain(&self, name: &str) -> Option<&'a Chain> {
        self.by_name.get(name).map(|at| &self.table.chains[*at])
    }

    /// The number of the chain of this name.
    pub fn number(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Rules that lead to a chain: the chain they are in, and they.
    pub fn callers(&self, number: usize) -> impl Iterator<Item = (&'a Chain, &'a Rule)> {
        let callers = self.callers.get(number).map(Vec::as_slice).unwrap_or_default();
        callers.iter().filter_map(|(chain, rule)| {
            let chain = self.table.chains.get(*chain)?;
            Some((chain, chain.rules.get(*rule)?))
        })
    }

    /// Whether packets come to a chain.
    pub fn is_reached(&self, number: usize) -> bool {
        self.reached.get(number).is_some_and(|bits| *bits != 0)
    }

    /// Whether packets come to a chain from this builtin one.
    pub fn is_reached_from(&self, number: usize, builtin: &str) -> bool {
        let kinds = self.table.chains.iter().filter(|chain| chain.kind != ChainKind::User);
        let bit = kinds.take(16).position(|chain| chain.name == builtin);
        let bits = self.reached.get(number).copied().unwrap_or_default();
        bit.is_some_and(|bit| bits & 1 << bit != 0)
    }

    /// `iptables-nft IPv4 nat`
    pub fn place(&self) -> String {
        format!("{} {} {}", self.backend, self.family, self.name())
    }

    /// `iptables-nft IPv4 nat: -A PREROUTING …` with place in the chain and packets, for evidence.
    pub fn show(&self, chain: &Chain, rule: &Rule) -> String {
        let packets = match rule.counters {
            Some(counters) if counters.packets > 0 => format!(", {} packets", counters.packets),
            _ => String::new(),
        };
        let line = text::save_rule(&chain.name, rule);
        format!("{} rule {}{packets}: {line}", self.place(), rule.position)
    }
}

/// Whether a rule takes every packet, for good or back to the caller.
pub fn ends_all(rule: &Rule) -> bool {
    ends(rule) && Space::of(rule).is_all()
}

/// Whether a packet that meets the rule goes no further in its chain; jumps may come back.
pub fn ends(rule: &Rule) -> bool {
    match &rule.target {
        Some(
            Target::Accept
            | Target::Drop
            | Target::Return
            | Target::Queue
            | Target::Goto(_)
            | Target::Reject(_)
            | Target::Dnat(_)
            | Target::Snat(_)
            | Target::Masquerade(_)
            | Target::Redirect(_)
            | Target::Tproxy(_),
        ) => true,
        Some(Target::Verbatim { name, .. } | Target::Unknown { name, .. }) => {
            matches!(
                name.as_str(),
                "NFQUEUE" | "REJECT" | "DNAT" | "SNAT" | "MASQUERADE" | "NETMAP"
            )
        }
        _ => false,
    }
}

/// Whether a rule gives packets a verdict that ends the table, or translates them.
pub fn is_final(rule: &Rule) -> bool {
    ends(rule) && !matches!(rule.target, Some(Target::Return | Target::Goto(_)))
}

/// Whether a rule translates addresses.
pub fn translates(rule: &Rule) -> bool {
    let by_type = matches!(
        rule.target,
        Some(Target::Dnat(_) | Target::Snat(_) | Target::Masquerade(_) | Target::Redirect(_))
    );
    let name = rule.target.as_ref().map_or("", Target::name);
    by_type || matches!(name, "DNAT" | "SNAT" | "MASQUERADE" | "NETMAP")
}
