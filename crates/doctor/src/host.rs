//! Owns what every check asks of the rules: chains by name, who calls whom, what packets reach.
//!
//! Built once, in time linear in the rules. Reaching is what the kernel does: a jump behind an
//! unconditional verdict leads nowhere.

mod callers;
mod captures;
mod facts;
mod services;
mod shadows;
mod space;
mod table;

use xt::{Backend, Family, Rule, Target};

pub(crate) use self::captures::captures;
pub use self::{
    facts::Trait,
    services::{Backend as NatBackend, Frontend, Services},
    shadows::Shadow,
    space::Space,
    table::{At, Owned, TableView},
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

/// Whether a rule takes every packet, for good or back to the caller.
pub fn ends_all(rule: &Rule) -> bool {
    ends(rule) && Space::asks_nothing(rule)
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
