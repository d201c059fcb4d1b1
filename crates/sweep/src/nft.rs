//! Owns reading and changing the tables of iptables-nft: one transaction on one generation.

use std::collections::{BTreeMap, BTreeSet};

use nfnl::{Batch, BatchError, ChainId, RuleId, Socket};
use xt::{Family, SetNames};

use crate::{
    anonymous,
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
    'again: for _ in 0..ATTEMPTS {
        let mut images = Vec::new();
        let mut generations = BTreeSet::new();
        for family in Family::BOTH {
            let (view, mut held) = xt::nft::read_beside(socket, family, names, |rule, view| {
                let asked = anonymous::asked(&rule);
                let (raw, key) = Raw::of_nft(rule, view);
                Held::new(raw, key, asked)
            })?;
            generations.insert(view.generation);
            for table in view.ruleset.tables {
                let chains = table.chains.iter().filter_map(|chain| {
                    let held = held.remove(&(table.name.clone(), chain.name.clone()))?;
                    Some((chain.name.clone(), held))
                });
                let held = chains.collect();
                match image(socket, family, table, held) {
                    Ok(image) => images.push(image),
                    // somebody took it away meanwhile
                    Err(SweepError::Nft(error)) if error.is_not_found() => continue 'again,
                    Err(error) => return Err(error),
                }
            }
        }
        generations.insert(socket.generation_id()?);
        if let (1, Some(generation)) = (generations.len(), generations.first()) {
            return Ok(Read { images, generation: *generation });
        }
    }
    Err(SweepError::Unsettled { attempts: ATTEMPTS })
}

fn image(
    socket: &mut Socket,
    family: Family,
    mut table: xt::Table,
    mut held: BTreeMap<String, Vec<Held>>,
) -> Result<Image, SweepError> {
    anonymous::fill_in(socket, family, &mut table, &mut held)?;
    let chains = socket.chains(nft_family(family), Some(&table.name))?;
    let bases = chains.into_iter().filter_map(|chain| {
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

/// How much goes with one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Everything: what is in between would mean something else.
    AtOnce,
    /// So many rules: each step means the same as the one before.
    Steps(usize),
}

/// Rules of a step. The kernel finds a rule to delete by walking its chain from the front, and what a
/// transaction deletes stays in the chain until it is done: 20,000 in one are 200 million steps.
pub(crate) const STEP: usize = 1_024;

/// Takes the parts out of the tables of these numbers; `between` is told of each step but the last.
pub(crate) fn take_out(
    socket: &mut Socket,
    read: &Read,
    parts: &BTreeMap<usize, Part>,
    pace: Pace,
    between: &mut dyn FnMut(),
) -> Result<Outcome, SweepError> {
    let mut batch = Batch::new();
    let mut rules = Vec::new();
    let chosen = || parts.iter().filter_map(|(at, part)| Some((read.images.get(*at)?, part)));
    for (image, part) in chosen() {
        let (family, table) = (nft_family(image.family), &image.table.name);
        for (chain, places) in &part.rules {
            let all = image.table.chain(chain).map_or(&[][..], |chain| &chain.rules);
            if part.chains.contains(chain) || places.len() == all.len() {
                batch.flush_chain(&ChainId::new(family, table, chain))?;
                continue;
            }
            for rule in all.iter().filter(|rule| places.contains(&rule.position)) {
                let (table, chain) = (table.clone(), chain.clone());
                rules.extend(rule.handle.map(|handle| RuleId { family, table, chain, handle }));
            }
        }
    }
    let mut generation = read.generation;
    let mut rest = rules.as_slice();
    // a chain that is flushed goes with the last step, which nothing of it waits for
    while let Pace::Steps(step) = pace
        && let Some((now, later)) = rest.split_at_checked(step)
        && !later.is_empty()
    {
        match one_step(socket, generation, now)? {
            BatchEnd::Done => {}
            // nothing happened, or steps before
            BatchEnd::Stale if generation == read.generation => return Ok(Outcome::Changed),
            BatchEnd::Stale | BatchEnd::Unknown => return Ok(Outcome::Unknown),
        }
        (rest, generation) = (later, next_generation(generation));
        between();
    }
    batch.expect_generation(generation);
    for rule in rest {
        batch.delete(rule)?;
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
    match commit(socket, &mut batch, generation, &expected)? {
        Outcome::Changed if generation != read.generation => Ok(Outcome::Unknown),
        outcome => Ok(outcome),
    }
}

/// How a step ended.
enum BatchEnd {
    Done,
    /// Somebody changed something: nothing happened.
    Stale,
    Unknown,
}

fn one_step(
    socket: &mut Socket,
    generation: u32,
    rules: &[RuleId],
) -> Result<BatchEnd, SweepError> {
    let mut batch = Batch::new();
    batch.expect_generation(generation);
    for rule in rules {
        batch.delete(rule)?;
    }
    match socket.commit(&mut batch) {
        Ok(()) => Ok(BatchEnd::Done),
        Err(BatchError::Stale) => Ok(BatchEnd::Stale),
        Err(error) if !error.is_unapplied() => Ok(BatchEnd::Unknown),
        Err(error) => Err(SweepError::Commit(error)),
    }
}

/// The kernel leaves 0 out (`nft_base_seq_inc`).
fn next_generation(generation: u32) -> u32 {
    generation.checked_add(1).unwrap_or(1)
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
    let next = next_generation(generation);
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
