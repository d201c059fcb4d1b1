//! Owns putting back what a sweep took out: what is not there, at its place between its neighbours.

mod apply;
mod judge;
mod plan;

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use xt::{Backend, Family, KernelNames};

use self::plan::Plan;
use crate::{
    backup::{Backup, TableRecord},
    error::SweepError,
    guard::Refusal,
    image::Image,
    legacy,
    lockout::{Listening, Lockout},
    nft,
    select::PickedChain,
    sweep::Force,
};

/// A rule that comes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Returned {
    /// Of which family.
    pub family: Family,
    /// Its table.
    pub table: String,
    /// Its chain.
    pub chain: String,
    /// Its place once it is back, from 1.
    pub position: u32,
    /// As iptables-save prints it.
    pub rule: String,
}

/// A rule that cannot come back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Impossible {
    /// Of which family.
    pub family: Family,
    /// Its table.
    pub table: String,
    /// Its chain; empty for all of the table.
    pub chain: String,
    /// As iptables-save prints it; empty for all of the chain.
    pub rule: String,
    /// Why not.
    pub why: String,
}

/// What comes back.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Restored {
    /// Rules.
    pub rules: Vec<Returned>,
    /// Chains.
    pub chains: Vec<PickedChain>,
    /// What cannot come back.
    pub impossible: Vec<Impossible>,
    /// Traffic of the node itself that would be dropped then.
    pub lockouts: Vec<Lockout>,
    /// How many rules are there already.
    pub present: usize,
    /// What a person may want to know.
    pub notes: Vec<String>,
}

impl Restored {
    /// Nothing is to be put back, and nothing is missing.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.chains.is_empty() && self.impossible.is_empty()
    }

    fn add(&mut self, record: &TableRecord, plan: &Plan) {
        let (family, table) = (record.family, &record.name);
        let mut before: (&str, u32) = ("", 0);
        for insertion in &plan.insertions {
            let earlier = if before.0 == insertion.chain { before.1 } else { 0 };
            before = (&insertion.chain, earlier + 1);
            self.rules.push(Returned {
                family,
                table: table.clone(),
                chain: insertion.chain.clone(),
                position: insertion.place as u32 + before.1,
                rule: format!("-A {} {}", insertion.chain, insertion.line),
            });
        }
        self.chains.extend(plan.chains.iter().map(|(chain, _)| PickedChain {
            family,
            table: table.clone(),
            chain: chain.clone(),
        }));
        self.impossible.extend(plan.impossible.iter().cloned());
        self.present += plan.present;
    }
}

/// What of a backup is not there. Changes nothing.
///
/// # Errors
/// Of reading.
pub fn what_is_missing(backup: &Backup) -> Result<Restored, SweepError> {
    let listening = Listening::read().map_err(SweepError::Listening)?;
    let mut names = KernelNames::default();
    let images: Vec<Image> = match backup.backend {
        Backend::Legacy => {
            let tables = legacy::read(&mut names)?;
            tables.into_iter().map(|table| table.image).collect()
        }
        Backend::NftCompat => nft::read(&mut nfnl::Socket::open()?, &mut names)?.images,
    };
    let mut all = Restored::default();
    for record in &backup.tables {
        let image = images.iter().find(|image| is_of(image, record));
        let plan = plan::plan(backup.backend, record, image, &mut names);
        all.add(record, &plan);
        all.lockouts.extend(judge::lockouts(backup.backend, record, image, &plan, &listening));
    }
    Ok(all)
}

fn is_of(image: &Image, record: &TableRecord) -> bool {
    image.family == record.family && image.table.name == record.name
}

/// How to restore.
#[derive(Debug, Clone)]
pub struct ReturnOptions {
    /// Whether it counts that the node would be cut off.
    pub force: Force,
    /// The lock of legacy iptables: see [`crate::Options`].
    pub lock: PathBuf,
    /// How long to wait for the lock, and to try again while others write.
    pub patience: Duration,
}

/// What restores of tables have in common.
struct Course<'a> {
    options: &'a ReturnOptions,
    listening: Listening,
    names: KernelNames,
    all: Restored,
}

impl Course<'_> {
    /// Once more for each attempt: others may have changed what an accept of theirs kept open.
    fn refuse_lockout(
        &mut self,
        backend: Backend,
        record: &TableRecord,
        image: Option<&Image>,
        plan: &Plan,
    ) -> Result<(), SweepError> {
        let lockouts = judge::lockouts(backend, record, image, plan, &self.listening);
        refuse(&lockouts, self.options.force)?;
        self.all.lockouts.extend(lockouts);
        Ok(())
    }
}

fn refuse(lockouts: &[Lockout], force: Force) -> Result<(), SweepError> {
    if lockouts.is_empty() || force == Force::Yes {
        return Ok(());
    }
    Err(Refusal::Lockout(lockouts.to_vec()).into())
}

/// Puts back what of a backup is not there, one table after the other, each as a whole; reads it
/// back.
///
/// # Errors
/// [`SweepError`]; what can be told of single rules is in [`Restored::impossible`]. If the node would be
/// cut off, nothing was changed.
pub fn restore(backup: &Backup, options: &ReturnOptions) -> Result<Restored, SweepError> {
    if options.force == Force::No {
        // all tables, before the first is changed
        refuse(&what_is_missing(backup)?.lockouts, options.force)?;
    }
    let mut course = Course {
        options,
        listening: Listening::read().map_err(SweepError::Listening)?,
        names: KernelNames::default(),
        all: Restored::default(),
    };
    match backup.backend {
        Backend::Legacy => {
            let lock = xt::legacy::XtablesLock::acquire(&options.lock, options.patience)?;
            for record in &backup.tables {
                apply::legacy(record, &lock, &mut course)?;
            }
        }
        Backend::NftCompat => {
            let mut socket = nfnl::Socket::open()?;
            for record in &backup.tables {
                apply::nft(record, &mut socket, &mut course)?;
            }
        }
    }
    Ok(course.all)
}
