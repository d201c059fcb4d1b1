//! One transaction as one nfnetlink batch.
//!
//! Invariants: elements of the same kind that stand together travel in one message; a refusal is
//! traced back to the change that caused it; with the owner flag on our side a newer generation is
//! another table's and costs one more send, not a new look; a table that stands is claimed before it
//! is mended; one that the kernel refuses to mend is told as such, and built anew after the next look.

use std::ops::Range;
use std::sync::Arc;

use model::{Change, MapName, Owner, mark};
use nfnl::wire::TooLong;
use nfnl::{
    Batch, BatchError, ChainId, Denied, ElementRef, Errno, Rejection, SetId, TableFlags, TableId,
};

use super::{Hold, Mending, NftDriver, TableOwnership, codec, observe, protected, schema};
use crate::driver::{CommitError, DriverError, Part, Transaction};

/// How often a commit is sent again because other tables moved the generation.
const RESENDS_MAX: usize = 64;

/// Memory that is used again for each batch.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    batch: Batch,
    elements: Vec<Encoded>,
    /// Keys, values and marks.
    bytes: Vec<u8>,
    /// For each change of the batch, which changes of the transaction it stands for.
    runs: Vec<Range<usize>>,
    /// Changes of the batch before the first element.
    preamble: usize,
}

/// One element change in bytes. There are many, so they are kept small: memory that is touched for
/// the first time costs more than what is written to it.
#[derive(Debug, Clone)]
struct Encoded {
    /// The place in the transaction.
    index: u32,
    map: MapName,
    kind: Kind,
    /// Where key and value (right after it) and the mark are in the bytes.
    key: u32,
    key_length: u8,
    value_length: u8,
    mark: u32,
    mark_length: u16,
}

impl Encoded {
    fn key<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[self.key as usize..][..usize::from(self.key_length)]
    }

    fn value<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        let start = self.key as usize + usize::from(self.key_length);
        &bytes[start..][..usize::from(self.value_length)]
    }

    fn mark<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[self.mark as usize..][..usize::from(self.mark_length)]
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Add,
    Replace,
    Delete,
}

impl NftDriver {
    pub(super) fn commit(&mut self, transaction: Transaction<'_>) -> Result<(), CommitError> {
        if let Hold::Anothers(portid) = self.hold {
            return Err(DriverError::OwnedByAnother { portid }.into());
        }
        self.account();
        let mut buffers = std::mem::take(&mut self.batch);
        buffers.encode(transaction.changes);
        let result = self
            .claim_before_mending(transaction.structure, &mut buffers)
            .and_then(|()| self.send(transaction, &mut buffers));
        self.batch = buffers;
        result
    }

    /// Whether this builds on a table that stands.
    const fn mends(&self, structure: Option<Part>) -> bool {
        structure.is_some() && self.leftovers.table && !self.leftovers.unusable
    }

    /// The kernel takes no base chain in the transaction that takes over a table nobody owns
    /// (`__NFT_TABLE_F_UPDATE` in `nf_tables_addchain` of `nf_tables_api.c`): the claim is a
    /// transaction of its own then. Elements do not mind, and take it along.
    fn claim_before_mending(
        &mut self,
        structure: Option<Part>,
        buffers: &mut Buffers,
    ) -> Result<(), CommitError> {
        let protect = self.options.ownership == TableOwnership::Exclusive && self.protects;
        if !protect || self.hold == Hold::Ours || !self.mends(structure) {
            return Ok(());
        }
        let batch = &mut buffers.batch;
        batch.clear();
        buffers.runs.clear();
        batch.add(&schema::table(protected())).map_err(unencodable)?;
        buffers.preamble = batch.len();
        batch.expect_generation(self.generation);
        match self.socket.commit(batch) {
            Ok(()) => {
                self.committed(None, true);
                Ok(())
            }
            Err(BatchError::Rejected(all)) if unprotectable(&all, buffers) => {
                self.protects = false;
                Ok(())
            }
            Err(error) => Err(meaning(error, buffers)),
        }
    }

    fn send(
        &mut self,
        transaction: Transaction<'_>,
        buffers: &mut Buffers,
    ) -> Result<(), CommitError> {
        for _ in 0..RESENDS_MAX {
            let claims = self.fill(transaction.structure, buffers).map_err(unencodable)?;
            if buffers.batch.is_empty() {
                return Ok(());
            }
            buffers.batch.expect_generation(self.generation);
            match self.socket.commit(&mut buffers.batch) {
                Ok(()) => {
                    self.committed(transaction.structure, claims);
                    self.population = self.population.saturating_add_signed(buffers.growth());
                    return Ok(());
                }
                Err(BatchError::Stale) if self.hold == Hold::Ours => {
                    self.generation = self
                        .socket
                        .generation()
                        .map_err(observe::failed("reading the ruleset's generation"))?
                        .id;
                }
                Err(BatchError::Rejected(all)) if claims && unprotectable(&all, buffers) => {
                    self.protects = false;
                }
                Err(BatchError::Rejected(all)) if self.mends(transaction.structure) => {
                    let structural = all.first().filter(|first| buffers.run(first).is_none());
                    return Err(match structural {
                        Some(first) => self.refused_to_mend(first),
                        None => meaning(BatchError::Rejected(all), buffers),
                    });
                }
                Err(error) => return Err(meaning(error, buffers)),
            }
        }
        Err(CommitError::Stale)
    }

    /// What the kernel does not hold as we thought is looked at again, once. A table in which
    /// something stands in our way that we cannot take out is not mended a second time.
    fn refused_to_mend(&mut self, rejection: &Rejection) -> CommitError {
        if surprised(rejection) && self.mending == Mending::Possible {
            self.mending = Mending::Doubtful;
            return CommitError::Stale;
        }
        let message = rejection.to_string();
        self.mending = Mending::Refused(message.clone());
        CommitError::Unmendable { message }
    }

    /// Fills the batch; answers whether it claims the table.
    fn fill(&self, structure: Option<Part>, buffers: &mut Buffers) -> Result<bool, TooLong> {
        let batch = &mut buffers.batch;
        batch.clear();
        buffers.runs.clear();
        let builds = matches!(structure, Some(Part::Maps | Part::Whole));
        let protect = self.options.ownership == TableOwnership::Exclusive && self.protects;
        let claims = protect && self.hold != Hold::Ours;
        if builds {
            if self.leftovers.unusable {
                batch.delete(&TableId::new(schema::FAMILY, schema::TABLE))?;
            }
            let flags = if protect { protected() } else { TableFlags::NONE };
            batch.add(&schema::table(flags))?;
            if !self.leftovers.unusable {
                self.clear_leftovers(batch)?;
            }
            for set in schema::sets(self.options.map_size) {
                batch.add(&set)?;
            }
        } else if claims && self.leftovers.table {
            batch.add(&schema::table(protected()))?;
        }
        buffers.preamble = batch.len();
        let runs = runs(&buffers.elements);
        for run in runs {
            put(batch, &buffers.elements[run.clone()], &buffers.bytes, &mut buffers.runs)?;
        }
        if matches!(structure, Some(Part::Chains | Part::Whole)) {
            for chain in schema::chains() {
                batch.add(&chain)?;
            }
            for rule in schema::rules() {
                batch.add(&rule)?;
            }
        }
        Ok(claims)
    }

    /// Chains are always built anew: the kernel changes neither hook nor priority of one that
    /// exists. Rules go first, as they may refer to chains and sets.
    fn clear_leftovers(&self, batch: &mut Batch) -> Result<(), TooLong> {
        let id = |name: &String| ChainId::new(schema::FAMILY, schema::TABLE, name);
        for name in &self.leftovers.chains {
            batch.flush_chain(&id(name))?;
        }
        for name in &self.leftovers.chains {
            batch.delete(&id(name))?;
        }
        for name in &self.leftovers.sets {
            batch.delete(&SetId::new(schema::FAMILY, schema::TABLE, name))?;
        }
        for (map, element) in &self.leftovers.elements {
            batch.delete_elements(&observe::set_id(*map), [element.as_ref()])?;
        }
        Ok(())
    }

    fn committed(&mut self, structure: Option<Part>, claims: bool) {
        // A commit that was compared with a generation makes exactly the next one; 0 is left out
        // (`nft_base_seq_inc`).
        self.generation = self.generation.wrapping_add(1).max(1);
        self.commits = self.commits.wrapping_add(1);
        if structure.is_some() {
            self.mending = Mending::Possible;
            self.leftovers = observe::Leftovers { table: true, ..Default::default() };
        }
        if claims {
            self.hold = Hold::Ours;
        }
    }

    /// Removes the table, if there is one, with everything in it.
    pub fn remove_table(&mut self) -> Result<(), DriverError> {
        if !self.table_exists()? {
            return Ok(());
        }
        let mut batch = Batch::new();
        // The name is short: it always fits.
        let _ = batch.delete(&TableId::new(schema::FAMILY, schema::TABLE));
        self.socket.commit(&mut batch).map_err(failure)
    }
}

fn unencodable(source: TooLong) -> CommitError {
    CommitError::StructureRejected { message: format!("cannot be encoded: {source}") }
}

/// The kernel does not hold what we thought it did: that is no fault of the change.
fn surprised(rejection: &Rejection) -> bool {
    [Errno::NOT_FOUND, Errno::EXISTS, Errno::BUSY].contains(&rejection.errno)
}

/// The kernel does not take the flags: it is older than it says, or the table was made without.
fn unprotectable(rejections: &[Rejection], buffers: &Buffers) -> bool {
    rejections.first().is_some_and(|first| {
        first.change < buffers.preamble
            && matches!(first.errno, Errno::NOT_SUPPORTED | Errno::INVALID)
    })
}

impl Buffers {
    /// The changes of the transaction that a refused change of the batch stands for; none for one of
    /// the structure.
    fn run(&self, rejection: &Rejection) -> Option<&Range<usize>> {
        self.runs.get(rejection.change.checked_sub(self.preamble)?)
    }

    /// By how many elements the maps grow.
    fn growth(&self) -> isize {
        self.elements
            .iter()
            .map(|element| match element.kind {
                Kind::Add => 1,
                Kind::Replace => 0,
                Kind::Delete => -1,
            })
            .sum()
    }

    /// A transaction has a few thousand changes at most: places fit 32 bits by far.
    fn encode(&mut self, changes: &[&Change]) {
        self.elements.clear();
        self.bytes.clear();
        self.elements.reserve(changes.len());
        let mut last: Option<(&Arc<Owner>, u32, u16)> = None;
        for (index, change) in changes.iter().enumerate() {
            let Change::Element { key, before, after, owner, .. } = change else { continue };
            let kind = match (before, after) {
                (_, None) => Kind::Delete,
                (None, Some(_)) => Kind::Add,
                (Some(_), Some(_)) => Kind::Replace,
            };
            let (mark, mark_length) = match last {
                Some((same, mark, length)) if Arc::ptr_eq(same, owner) || same == owner => {
                    (mark, length)
                }
                _ => {
                    let start = self.bytes.len();
                    mark::encode_into(owner, &mut self.bytes);
                    (start as u32, (self.bytes.len() - start) as u16)
                }
            };
            last = Some((owner, mark, mark_length));
            let encoded = codec::encode_key(key);
            let value = after.as_ref().map_or(codec::NO_BYTES, codec::encode_value);
            let start = self.bytes.len() as u32;
            self.bytes.extend_from_slice(encoded.as_slice());
            self.bytes.extend_from_slice(value.as_slice());
            self.elements.push(Encoded {
                index: index as u32,
                map: key.map(),
                kind,
                key: start,
                key_length: encoded.as_slice().len() as u8,
                value_length: value.as_slice().len() as u8,
                mark,
                mark_length,
            });
        }
    }
}

/// Stretches of elements of one map and kind.
fn runs(elements: &[Encoded]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (at, element) in elements.iter().enumerate() {
        match runs.last_mut() {
            Some(run)
                if (elements[run.start].map, elements[run.start].kind)
                    == (element.map, element.kind) =>
            {
                run.end = at + 1;
            }
            _ => runs.push(at..at + 1),
        }
    }
    runs
}

fn put(
    batch: &mut Batch,
    run: &[Encoded],
    bytes: &[u8],
    runs: &mut Vec<Range<usize>>,
) -> Result<(), TooLong> {
    let (Some(first), Some(last)) = (run.first(), run.last()) else { return Ok(()) };
    let places = first.index as usize..last.index as usize + 1;
    let set = observe::set_id(first.map);
    if first.kind != Kind::Add {
        batch.delete_elements(&set, run.iter().map(|e| ElementRef::new(e.key(bytes))))?;
        runs.push(places.clone());
    }
    if first.kind != Kind::Delete {
        let elements = run.iter().map(|element| {
            let reference = ElementRef::new(element.key(bytes)).with_userdata(element.mark(bytes));
            match element.value(bytes) {
                [] => reference,
                value => reference.with_value(value),
            }
        });
        batch.add_elements(&set, elements)?;
        runs.push(places);
    }
    Ok(())
}

/// What a failed commit means to whoever planned it.
fn meaning(error: BatchError, buffers: &Buffers) -> CommitError {
    let rejection = match error {
        BatchError::Rejected(ref all) => match all.first() {
            Some(first) => first.clone(),
            None => return CommitError::Failed(failure(error)),
        },
        BatchError::Stale => return CommitError::Stale,
        BatchError::UnknownOutcome | BatchError::Decode(_) => {
            return CommitError::UnknownOutcome(failure(error));
        }
        other => return CommitError::Failed(failure(other)),
    };
    match buffers.run(&rejection) {
        _ if surprised(&rejection) => CommitError::Stale,
        None => CommitError::StructureRejected { message: rejection.to_string() },
        Some(run) => CommitError::Rejected {
            index: run.start + rejection.element.unwrap_or(0).min(run.len().saturating_sub(1)),
            errno: rejection.errno.0,
            message: if rejection.text.is_empty() {
                rejection.errno.to_string()
            } else {
                format!("{}: {}", rejection.errno, rejection.text)
            },
        },
    }
}

fn failure(error: BatchError) -> DriverError {
    match error {
        BatchError::Denied(Denied::OwnedTable(_)) => DriverError::OwnedByAnother { portid: 0 },
        BatchError::Denied(Denied::Capability) => DriverError::Denied,
        source => DriverError::Commit { source },
    }
}
