//! Owns what has to happen to one table so that everything that a backup has of it is there.

use std::collections::BTreeMap;

use xt::{Backend, ChainKind, KernelNames};

use super::Impossible;
use crate::{
    anonymous::{self, SetRecord},
    backup::{ChainRecord, Origin, Removed, TableRecord},
    image::Image,
    place::{Was, places},
    raw::Raw,
    verify::{Expected, contents},
};

/// A rule to put back.
#[derive(Debug, Clone)]
pub(super) struct Insertion {
    pub(super) chain: String,
    /// Before the rule of this number, counted from 0, of the chain as it is; its length: at the end.
    pub(super) place: usize,
    pub(super) raw: Raw,
    /// Sets that have to be made for it.
    pub(super) anonymous: Vec<SetRecord>,
    pub(super) line: String,
}

/// What has to happen.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Chains that have to be made.
    pub(super) chains: Vec<(String, Origin)>,
    pub(super) insertions: Vec<Insertion>,
    pub(super) impossible: Vec<Impossible>,
    /// Rules that are there already.
    pub(super) present: usize,
}

impl Plan {
    pub(super) fn is_empty(&self) -> bool {
        self.chains.is_empty() && self.insertions.is_empty()
    }

    /// What must be there afterwards.
    pub(super) fn expected(&self, image: &Image) -> Expected {
        let mut expected = contents(image);
        for (chain, origin) in &self.chains {
            let kind = match origin {
                Origin::User => ChainKind::User,
                Origin::Builtin { policy, .. } => ChainKind::Builtin { policy: *policy },
            };
            expected.insert(chain.clone(), (kind, Vec::new()));
        }
        let mut new: BTreeMap<&str, Vec<&Insertion>> = BTreeMap::new();
        for insertion in &self.insertions {
            new.entry(&insertion.chain).or_default().push(insertion);
        }
        for (chain, insertions) in new {
            let Some((_, keys)) = expected.get_mut(chain) else { continue };
            let mut new = insertions.into_iter().peekable();
            let mut all = Vec::with_capacity(keys.len() + new.len());
            for (place, key) in std::mem::take(keys).into_iter().enumerate() {
                while let Some(insertion) = new.next_if(|insertion| insertion.place <= place) {
                    all.push(insertion.raw.key(image.family, &insertion.anonymous));
                }
                all.push(key);
            }
            all.extend(new.map(|insertion| insertion.raw.key(image.family, &insertion.anonymous)));
            *keys = all;
        }
        expected
    }
}

/// What has to happen. Without an image the table is not there.
pub(super) fn plan(
    backend: Backend,
    record: &TableRecord,
    image: Option<&Image>,
    names: &mut KernelNames,
) -> Plan {
    let mut plan = Plan::default();
    let lost = chains(backend, record, image, &mut plan);
    let leads_nowhere = |plan: &Plan, to: &str| {
        let there = image.is_some_and(|image| image.table.chain(to).is_some());
        !there && !plan.chains.iter().any(|(chain, _)| chain == to)
    };
    for chain in &record.chains {
        let was: Vec<Was<'_>> = chain
            .rules
            .iter()
            .map(|rule| Was { line: &rule.rule, removed: rule.removed.is_some() })
            .collect();
        let now = image.map(|image| image.lines(&chain.name)).unwrap_or_default();
        let now: Vec<&str> = now.iter().map(String::as_str).collect();
        let removed = was.iter().filter(|rule| rule.removed).count();
        let missing = places(&was, &now);
        plan.present += removed - missing.len();
        for (index, place) in missing {
            let Some(rule) = chain.rules.get(index) else { continue };
            let Some(removed) = &rule.removed else { continue };
            let ready = if lost.contains(&chain.name.as_str()) {
                Err("its chain is gone, and the sweep did not take it".to_owned())
            } else {
                prepared(backend, record, chain, removed, names).and_then(|raw| {
                    let own = raw.leads_to(record.family);
                    let by_sets = removed.anonymous.iter().flat_map(SetRecord::chains);
                    let mut all = own.into_iter().chain(by_sets.map(str::to_owned));
                    match all.find(|to| leads_nowhere(&plan, to)) {
                        Some(to) => Err(format!("the chain that it leads to, {to}, is gone")),
                        None => Ok(raw),
                    }
                })
            };
            match ready {
                Ok(raw) => plan.insertions.push(Insertion {
                    chain: chain.name.clone(),
                    place,
                    raw,
                    anonymous: removed.anonymous.clone(),
                    line: rule.rule.clone(),
                }),
                Err(why) => plan.impossible.push(Impossible {
                    family: record.family,
                    table: record.name.clone(),
                    chain: chain.name.clone(),
                    rule: format!("-A {} {}", chain.name, rule.rule),
                    why,
                }),
            }
        }
    }
    plan
}

/// Plans the chains that have to come back; answers those that cannot.
fn chains<'r>(
    backend: Backend,
    record: &'r TableRecord,
    image: Option<&Image>,
    plan: &mut Plan,
) -> Vec<&'r str> {
    let mut lost: Vec<&str> = Vec::new();
    for chain in &record.chains {
        if is_there(backend, chain, image) {
            continue;
        }
        match &chain.origin {
            // a legacy table has its builtin chains
            Origin::Builtin { .. } if backend == Backend::Legacy => {}
            Origin::Builtin { base: Some(_), .. } => {
                plan.chains.push((chain.name.clone(), chain.origin.clone()));
            }
            Origin::User if chain.gone => {
                plan.chains.push((chain.name.clone(), chain.origin.clone()));
            }
            Origin::Builtin { base: None, .. } | Origin::User => lost.push(&chain.name),
        }
    }
    lost
}

fn is_there(backend: Backend, chain: &ChainRecord, image: Option<&Image>) -> bool {
    let Some(image) = image else { return false };
    match (&chain.origin, backend) {
        // the view has all builtin chains, the kernel those that somebody used
        (Origin::Builtin { .. }, Backend::NftCompat) => image.bases.contains_key(&chain.name),
        _ => image.table.chain(&chain.name).is_some(),
    }
}

/// The rule as it can be put in today: sets by their names.
fn prepared(
    backend: Backend,
    record: &TableRecord,
    chain: &ChainRecord,
    removed: &Removed,
    names: &mut KernelNames,
) -> Result<Raw, String> {
    let raw = removed.raw.clone();
    match (&raw, backend) {
        (Raw::Legacy(_), Backend::Legacy) => {}
        (Raw::Nft(_), Backend::NftCompat) => {
            let rule = raw.to_nft(record.family).map_err(|error| error.to_string())?;
            if rule.table != record.name || rule.chain != chain.name {
                return Err("its bytes are of another chain".to_owned());
            }
            if !anonymous::asked(&rule).iter().all(|asked| asked.is_among(&removed.anonymous)) {
                return Err("it asks a set that went with it".to_owned());
            }
            for set in &removed.anonymous {
                set.to_set(record.family, &record.name, 1)
                    .map_err(|_| format!("the bytes of its set {} are no set", set.name))?;
            }
        }
        _ => return Err("it is of the other backend".to_owned()),
    }
    let mut sets = raw.sets(record.family);
    for (index, name) in sets.iter_mut().zip(&removed.sets) {
        if name.is_empty() {
            return Err("the name of an IP set that it asks was not known".to_owned());
        }
        *index = names.index(name).ok_or_else(|| format!("there is no IP set {name}"))?;
    }
    raw.with_sets(record.family, &sets).map_err(|error| error.to_string())
}
