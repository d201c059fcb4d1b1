//! Owns reading and changing the tables of iptables-nft: one transaction on one generation.

use std::collections::{BTreeMap, BTreeSet};

use nfnl::{Batch, BatchError, ChainId, RuleId, Socket};
use xt::{Family, SetNames};

use crate::{
    backup::BaseRecord,
    error::SweepError,
    image::{Held, Image, Part},
    raw::{Raw, nft_family},
    verify::{self, Expected, Verdict},
};

/// All tables of both families, of one generation of the ruleset.
pub(crate) struct Read {
    pub(crate) images: Vec<Image>,
    pub(crate) generation: u32,
}

/// How often a read is tried again while others write.
const ATTEMPTS: u32 = 32;

pub(crate) fn read(socket: &mut Socket, names: &mut dyn SetNames) -> Result<Read, SweepError> {
    for _ in 0..ATTEMPTS {
        let mut images = Vec::new();
        let mut generations = BTreeSet::new();
        for family in Family::BOTH {
            let view = xt::nft::read(socket, family, names)?;
            generations.insert(view.generation);
            for table in view.ruleset.tables {
                images.push(image(socket, family, table)?);
            }
        }
        generations.insert(socket.generation_id()?);
        if let (1, Some(generation)) = (generations.len(), generations.first()) {
            return Ok(Read { images, generation: *generation });
        }
    }
    Err(SweepError::Unsettled { attempts: ATTEMPTS })
}

fn image(socket: &mut Socket, family: Family, table: xt::Table) -> Result<Image, SweepError> {
    let rules = table.chains.iter().flat_map(|chain| &chain.rules);
    let views: BTreeMap<u64, &xt::Rule> =
        rules.filter_map(|rule| Some((rule.handle?, rule))).collect();
    let of = nft_family(family);
    let mut held: BTreeMap<String, Vec<Held>> = BTreeMap::new();
    for chain in &table.chains {
        // chain by chain: see `fold_chain_rules`
        let name = &chain.name;
        let found = socket.fold_chain_rules(of, &table.name, name, Vec::new, |all, rule| {
            let view = rule.handle.and_then(|handle| views.get(&handle));
            if let Some(view) = view {
                let raw = Raw::of_nft(&rule, view);
                all.push(Held { key: raw.key(family), raw });
            }
        })?;
        held.insert(name.clone(), found);
    }
    let bases = socket.chains(of, Some(&table.name))?.into_iter().filter_map(|chain| {
        let base = chain.base?;
        let record =
            BaseRecord { kind: base.kind, hook: base.hook.into(), priority: base.priority };
        Some((chain.name, record))
    });
    let bases = bases.collect();
    Ok(Image { family, table, held, bases })
}

/// How a change went.
pub(crate) enum Outcome {
    /// Done and read back; notes for people.
    Done(Vec<String>),
    /// Somebody changed something: nothing happened.
    Changed,
    /// The kernel's answer was lost: look again.
    Unknown,
}

/// Takes the parts out of the tables of these numbers.
pub(crate) fn take_out(
    socket: &mut Socket,
    read: &Read,
    parts: &BTreeMap<usize, Part>,
) -> Result<Outcome, SweepError> {
    let mut batch = Batch::new();
    batch.expect_generation(read.generation);
    let chosen = || parts.iter().filter_map(|(at, part)| Some((read.images.get(*at)?, part)));
    for (image, part) in chosen() {
        let (family, table) = (nft_family(image.family), &image.table.name);
        for (chain, places) in &part.rules {
            if part.chains.contains(chain) {
                batch.flush_chain(&ChainId::new(family, table, chain))?;
                continue;
            }
            for rule in image.table.chain(chain).into_iter().flat_map(|chain| &chain.rules) {
                if let Some(handle) = rule.handle.filter(|_| places.contains(&rule.position)) {
                    let (table, chain) = (table.clone(), chain.clone());
                    batch.delete(&RuleId { family, table, chain, handle })?;
                }
            }
        }
    }
    // only when nothing leads to them any more
    for (image, part) in chosen() {
        for chain in &part.chains {
            let family = nft_family(image.family);
            batch.delete(&ChainId::new(family, &image.table.name, chain))?;
        }
    }
    let expected = chosen().map(|(image, part)| {
        ((image.family, image.table.name.clone()), verify::without(image, part))
    });
    let expected = expected.collect();
    commit(socket, &mut batch, read.generation, &expected)
}

/// Commits, and reads back.
pub(crate) fn commit(
    socket: &mut Socket,
    batch: &mut Batch,
    generation: u32,
    expected: &BTreeMap<(Family, String), Expected>,
) -> Result<Outcome, SweepError> {
    match socket.commit(batch) {
        Ok(()) => {}
        Err(BatchError::Stale) => return Ok(Outcome::Changed),
        Err(error) if !error.is_unapplied() => return Ok(Outcome::Unknown),
        Err(error) => return Err(SweepError::Commit(error)),
    }
    let now = self::read(socket, &mut xt::NoNames)?;
    // the kernel leaves 0 out (nft_base_seq_inc)
    let next = generation.checked_add(1).unwrap_or(1);
    let mut notes = Vec::new();
    let mut differences = Vec::new();
    for ((family, table), expected) in expected {
        let image = now.images.iter().find(|i| i.family == *family && i.table.name == *table);
        match image.map(|image| verify::compare(expected, image)) {
            Some(Verdict::AsMeant) => {}
            Some(Verdict::OthersAdded(what)) => {
                notes.push(format!("others added rules meanwhile: {what}"));
            }
            // somebody wrote between our change and our look: the change itself was one transaction
            // on the generation that it was made for
            Some(Verdict::Different(what)) if now.generation != next => {
                notes.push(format!("others changed rules meanwhile: {}", what.join("; ")));
            }
            Some(Verdict::Different(what)) => differences.extend(what),
            None if now.generation != next => {
                notes.push(format!("somebody deleted table {family} {table} meanwhile"));
            }
            None => differences.push(format!("table {family} {table} is missing")),
        }
    }
    if differences.is_empty() {
        Ok(Outcome::Done(notes))
    } else {
        Err(SweepError::NotAsMeant { differences })
    }
}
