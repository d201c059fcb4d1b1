//! Owns the decision which rules and chains go. Pure.

mod duplicates;
mod effect;

use std::collections::BTreeSet;

use doctor::owners::{self, Owner};
use serde::Serialize;
use xt::{Backend, Chain, ChainKind, Counters, Family, Rule, Ruleset, Table, Target, text};

use crate::{
    image::{Image, Part},
    lockout::{self, Listening, Lockout},
    what::What,
};

/// A rule that goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Picked {
    /// Of which family.
    pub family: Family,
    /// Its table.
    pub table: String,
    /// Its chain.
    pub chain: String,
    /// Its place there, from 1.
    pub position: u32,
    /// As iptables-save prints it.
    pub rule: String,
    /// What it counted.
    pub counters: Counters,
    /// Whose it is.
    pub owner: Owner,
    /// The kernel's name for it (nft only).
    #[serde(skip)]
    pub handle: Option<u64>,
}

/// A chain that goes, with all its rules.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PickedChain {
    /// Of which family.
    pub family: Family,
    /// Its table.
    pub table: String,
    /// Its name.
    pub chain: String,
}

/// A copy that stays, because taking it out could change what happens to packets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Kept {
    /// Of which family.
    pub family: Family,
    /// Its table.
    pub table: String,
    /// Its chain.
    pub chain: String,
    /// Its place there, from 1.
    pub position: u32,
    /// As iptables-save prints it.
    pub rule: String,
    /// Why it stays.
    pub why: String,
}

/// A rule that leads to a chain that should go, and is not part of what goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Referrer {
    /// Of which family.
    pub family: Family,
    /// Its table.
    pub table: String,
    /// Its chain.
    pub chain: String,
    /// Its place there, from 1.
    pub position: u32,
    /// As iptables-save prints it.
    pub rule: String,
    /// The chain that it leads to.
    pub to: String,
}

/// A rule that goes and that a restore could not put back as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NotToReturn {
    /// Of which family.
    pub family: Family,
    /// Its table.
    pub table: String,
    /// Its chain.
    pub chain: String,
    /// Its place there, from 1.
    pub position: u32,
    /// As iptables-save prints it.
    pub rule: String,
    /// Why not.
    pub why: String,
}

/// What goes, what stays all the same, and what stands in the way.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Selection {
    /// Rules that go, those of chains that go too.
    pub rules: Vec<Picked>,
    /// Chains that go.
    pub chains: Vec<PickedChain>,
    /// Copies that stay.
    pub kept: Vec<Kept>,
    /// Rules that must go first: nothing can be done while there are any.
    pub referrers: Vec<Referrer>,
    /// Traffic of the node itself that would be dropped then.
    pub lockouts: Vec<Lockout>,
    /// Rules that would not come back.
    pub not_to_return: Vec<NotToReturn>,
}

impl Selection {
    /// Nothing goes.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.chains.is_empty()
    }

    /// Whose rules go.
    pub fn owners(&self) -> BTreeSet<Owner> {
        self.rules.iter().map(|picked| picked.owner).collect()
    }

    /// The part about one table; the rest stays here.
    pub(crate) fn split_off(&mut self, family: Family, table: &str) -> Self {
        let of = |of: Family, name: &str| of == family && name == table;
        let Self { rules, chains, kept, referrers, lockouts, not_to_return } = self;
        Self {
            rules: rules.extract_if(.., |rule| of(rule.family, &rule.table)).collect(),
            chains: chains.extract_if(.., |chain| of(chain.family, &chain.table)).collect(),
            kept: kept.extract_if(.., |kept| of(kept.family, &kept.table)).collect(),
            referrers: referrers.extract_if(.., |rule| of(rule.family, &rule.table)).collect(),
            lockouts: lockouts
                .extract_if(.., |lockout| of(lockout.family, &lockout.table))
                .collect(),
            not_to_return: not_to_return
                .extract_if(.., |rule| of(rule.family, &rule.table))
                .collect(),
        }
    }

    /// With the traffic that would be cut off. A copy less changes nothing.
    pub(crate) fn with_lockouts(
        mut self,
        family: Family,
        backend: Backend,
        table: &Table,
        what: &What,
        listening: &Listening,
    ) -> Self {
        if *what != What::Duplicates {
            let part = Part::of(&self, family, &table.name);
            self.lockouts = lockout::of(family, backend, table, &part, listening);
        }
        self
    }

    /// With what would not come back of the table's rules.
    pub(crate) fn with_lost(mut self, image: &Image) -> Self {
        let lost = self.rules.iter().filter_map(|picked| {
            let at = (picked.position as usize).checked_sub(1)?;
            let why = image.held.get(&picked.chain)?.get(at)?.lost.clone()?;
            Some(NotToReturn {
                family: picked.family,
                table: picked.table.clone(),
                chain: picked.chain.clone(),
                position: picked.position,
                rule: picked.rule.clone(),
                why,
            })
        });
        self.not_to_return = lost.collect();
        self
    }

    /// The part of it that a later look at the same node (nft) does not find any more.
    pub(crate) fn gone_before(&self, later: &Self) -> Self {
        let there: BTreeSet<(Family, Option<u64>)> =
            later.rules.iter().map(|rule| (rule.family, rule.handle)).collect();
        let gone = |rule: &&Picked| !there.contains(&(rule.family, rule.handle));
        let chains = self.chains.iter().filter(|chain| !later.chains.contains(chain));
        Self {
            rules: self.rules.iter().filter(gone).cloned().collect(),
            chains: chains.cloned().collect(),
            ..Self::default()
        }
    }

    /// With what another one says.
    pub(crate) fn add(&mut self, other: Self) {
        self.rules.extend(other.rules);
        self.chains.extend(other.chains);
        self.kept.extend(other.kept);
        self.referrers.extend(other.referrers);
        self.lockouts.extend(other.lockouts);
        self.not_to_return.extend(other.not_to_return);
    }
}

/// What goes of a rule set. It does not know what listens on the node: of ports, only those count that
/// every node is asked at.
pub fn select(ruleset: &Ruleset, what: &What) -> Selection {
    let mut all = Selection::default();
    for table in &ruleset.tables {
        let selection = select_in(ruleset.family, table, what);
        let (family, backend) = (ruleset.family, ruleset.backend);
        all.add(selection.with_lockouts(family, backend, table, what, &Listening::default()));
    }
    all
}

/// What goes of one table.
pub(crate) fn select_in(family: Family, table: &Table, what: &What) -> Selection {
    match what {
        What::Duplicates => duplicates::select(family, table),
        What::Of(_) | What::Match(_) => leftovers(family, table, what),
    }
}

/// Systems by chains, and patterns.
fn leftovers(family: Family, table: &Table, what: &What) -> Selection {
    let goes = |chain: &&Chain| {
        chain.kind == ChainKind::User
            && match what {
                What::Of(owner) => owners::of_chain(&chain.name) == *owner,
                What::Match(pattern) => pattern.fits(&chain.name),
                What::Duplicates => false,
            }
    };
    let gone: BTreeSet<&str> =
        table.chains.iter().filter(goes).map(|chain| chain.name.as_str()).collect();
    let mut selection = Selection::default();
    for chain in &table.chains {
        for rule in &chain.rules {
            match fate(chain, rule, &gone, what) {
                Fate::Goes => selection.rules.push(picked(family, table, chain, rule)),
                Fate::Stays => {}
                Fate::Refers(to) => selection.referrers.push(Referrer {
                    family,
                    table: table.name.clone(),
                    chain: chain.name.clone(),
                    position: rule.position,
                    rule: text::save_rule(&chain.name, rule),
                    to: to.to_owned(),
                }),
            }
        }
    }
    selection.chains = gone
        .into_iter()
        .map(|chain| PickedChain { family, table: table.name.clone(), chain: chain.to_owned() })
        .collect();
    selection
}

enum Fate<'a> {
    Goes,
    Stays,
    Refers(&'a str),
}

fn fate<'a>(chain: &Chain, rule: &'a Rule, gone: &BTreeSet<&str>, what: &What) -> Fate<'a> {
    if gone.contains(chain.name.as_str()) && chain.kind == ChainKind::User {
        return Fate::Goes;
    }
    let to = rule.target.as_ref().and_then(Target::chain).filter(|to| gone.contains(to));
    match (&chain.kind, what, to) {
        // not of iptables: never touched, but it can be in the way
        (ChainKind::Foreign { .. }, _, Some(to)) => Fate::Refers(to),
        (ChainKind::Foreign { .. }, _, None) => Fate::Stays,
        // the anchor of a chain that goes
        (ChainKind::Builtin { .. }, _, Some(_)) => Fate::Goes,
        (_, What::Match(pattern), _) if pattern.fits(&text::save_rule(&chain.name, rule)) => {
            Fate::Goes
        }
        (_, _, Some(to)) => Fate::Refers(to),
        (_, What::Of(owner), None) if owners::of_rule(&chain.name, rule) == *owner => Fate::Goes,
        _ => Fate::Stays,
    }
}

fn picked(family: Family, table: &Table, chain: &Chain, rule: &Rule) -> Picked {
    Picked {
        family,
        table: table.name.clone(),
        chain: chain.name.clone(),
        position: rule.position,
        rule: text::save_rule(&chain.name, rule),
        counters: rule.counters.unwrap_or_default(),
        owner: owners::of_rule(&chain.name, rule),
        handle: rule.handle,
    }
}

#[cfg(test)]
mod tests;
