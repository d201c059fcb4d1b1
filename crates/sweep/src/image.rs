//! Owns a table as a sweep holds it: the view, and beside every rule its bytes.

use std::collections::BTreeMap;

use xt::{ChainKind, Family, Policy, Rule, Table};

use crate::{
    anonymous::{Asked, SetRecord},
    backup::{BaseRecord, ChainRecord, Origin, Removed, RuleRecord, TableRecord},
    raw::Raw,
    select::Selection,
};

/// A rule beside its view.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) raw: Raw,
    pub(crate) key: Vec<u8>,
    /// Sets that may have no name, until it is known.
    pub(crate) asked: Vec<Asked>,
    /// Its sets without a name.
    pub(crate) anonymous: Vec<SetRecord>,
    /// Why it could not be put back as it is.
    pub(crate) lost: Option<String>,
}

impl Held {
    pub(crate) const fn new(raw: Raw, key: Vec<u8>, asked: Vec<Asked>) -> Self {
        Self { raw, key, asked, anonymous: Vec::new(), lost: None }
    }
}

/// A table.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    pub(crate) family: Family,
    pub(crate) table: Table,
    /// For each chain of the view, by name, its rules in order.
    pub(crate) held: BTreeMap<String, Vec<Held>>,
    /// How base chains are attached (nft only).
    pub(crate) bases: BTreeMap<String, BaseRecord>,
}

/// Places of rules in a chain, from 1.
pub(crate) type Places = std::collections::BTreeSet<u32>;

/// What goes of one table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) rules: BTreeMap<String, Places>,
    pub(crate) chains: std::collections::BTreeSet<String>,
}

impl Part {
    pub(crate) fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.chains.is_empty()
    }

    /// What goes of one table.
    pub(crate) fn of(selection: &Selection, family: Family, table: &str) -> Self {
        let mut part = Self::default();
        for rule in selection.rules.iter().filter(|r| r.family == family && r.table == table) {
            part.rules.entry(rule.chain.clone()).or_default().insert(rule.position);
        }
        let here = selection.chains.iter().filter(|c| c.family == family && c.table == table);
        part.chains = here.map(|picked| picked.chain.clone()).collect();
        part
    }

    pub(crate) fn takes(&self, chain: &str, position: u32) -> bool {
        self.rules.get(chain).is_some_and(|places| places.contains(&position))
    }
}

impl Image {
    pub(crate) fn held(&self, chain: &str, rule: &Rule) -> Option<&Held> {
        let at = (rule.position as usize).checked_sub(1)?;
        self.held.get(chain)?.get(at)
    }

    /// Lines of a chain's rules.
    pub(crate) fn lines(&self, chain: &str) -> Vec<String> {
        let chain = self.table.chain(chain);
        let rules = chain.map(|chain| chain.rules.as_slice()).unwrap_or_default();
        rules.iter().map(line).collect()
    }

    /// What a backup keeps of the table: chains of which something goes. `names` are those of sets.
    pub(crate) fn record(&self, part: &Part, names: &mut dyn xt::SetNames) -> TableRecord {
        let mut chains = Vec::new();
        for chain in &self.table.chains {
            let gone = part.chains.contains(&chain.name);
            if !gone && !part.rules.contains_key(&chain.name) {
                continue;
            }
            let origin = match &chain.kind {
                ChainKind::User => Origin::User,
                kind => Origin::Builtin {
                    policy: kind.policy().unwrap_or(Policy::Accept),
                    base: self.bases.get(&chain.name).cloned(),
                },
            };
            let mut rules = Vec::with_capacity(chain.rules.len());
            for rule in &chain.rules {
                let goes = part.takes(&chain.name, rule.position);
                let held = self.held(&chain.name, rule).filter(|_| goes);
                let removed = held.map(|held| Removed {
                    raw: held.raw.clone(),
                    sets: self.set_names(&held.raw, names),
                    anonymous: held.anonymous.clone(),
                });
                rules.push(RuleRecord { rule: line(rule), removed });
            }
            chains.push(ChainRecord { name: chain.name.clone(), origin, gone, rules });
        }
        TableRecord { family: self.family, name: self.table.name.clone(), chains }
    }

    fn set_names(&self, raw: &Raw, names: &mut dyn xt::SetNames) -> Vec<String> {
        let sets = raw.sets(self.family);
        sets.into_iter().map(|index| names.name(index).unwrap_or_default()).collect()
    }
}

/// What tells rules of one chain apart in a backup: their text without the chain.
pub(crate) fn line(rule: &Rule) -> String {
    let line = xt::text::save_rule("x", rule);
    line.strip_prefix("-A x").map_or(line.clone(), |rest| rest.trim_start().to_owned())
}
