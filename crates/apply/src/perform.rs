//! One plan, performed: chunked, isolated, read back.
//!
//! Invariants:
//! - changes reach the kernel in the plan's order, so that every prefix is one the plan allows;
//! - adjacent changes of one owner (a mapping that moves) stay in one transaction;
//! - a new table becomes visible to packets with its last transaction, not half filled; one that
//!   takes the place of another is filled in the transaction that removes the other.

use std::sync::Arc;

use drivers::{CommitError, Driver, DriverError, Part, Transaction};
use model::{Change, ChangeOp, FindingCode, Key, MapName, Owner, Plan, Value};

/// Changes in one transaction. The kernel holds the namespace's commit lock for about 0.5 µs a
/// change, so that other writers wait at most half a millisecond for us.
pub const TRANSACTION_CHANGES_MAX: usize = 1_000;

/// How much longer a transaction may get to keep one owner's adjacent changes together.
const OVERHANG_MAX: usize = 64;

/// `ENFILE`: the set has as many elements as its size allows (`nft_add_set_elem`).
const ENFILE: i32 = 23;

/// One change that the kernel refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The element.
    pub key: Key,
    /// Whose it would have been.
    pub owner: Arc<Owner>,
    /// What kind of refusal.
    pub code: FindingCode,
    /// What the kernel said.
    pub message: String,
}

/// How the plan ended.
#[derive(Debug)]
pub enum Progress {
    /// Every change was applied and read back, or refused.
    Done,
    /// The ruleset changed under us, or an outcome is unknown: observe and plan again. The text
    /// says which.
    Observe(String),
    /// Nothing more could be applied.
    Failed(DriverError),
    /// The kernel refuses the table itself.
    StructureRefused(String),
}

/// What came of a plan.
#[derive(Debug)]
pub struct Report {
    /// Read back after the transactions: key and what the kernel has there.
    pub read_back: Vec<(Key, Option<Value>)>,
    /// What the kernel refused.
    pub refused: Vec<Refusal>,
    /// How many changes were committed.
    pub committed: usize,
    /// How many transactions it took.
    pub transactions: usize,
    /// How it ended.
    pub progress: Progress,
}

/// Performs the plan on the driver.
pub fn perform<D: Driver>(driver: &mut D, plan: &Plan) -> Report {
    let mut report = Report {
        read_back: Vec::new(),
        refused: Vec::new(),
        committed: 0,
        transactions: 0,
        progress: Progress::Done,
    };
    let structure = plan.changes.iter().find_map(|change| match change {
        Change::Structure { op, .. } => Some(*op),
        Change::Element { .. } => None,
    });
    let elements: Vec<&Change> =
        plan.changes.iter().filter(|change| matches!(change, Change::Element { .. })).collect();
    // A table that is built anew takes its elements with it: packets see the old one or the new one,
    // whole. Where it is only mended, nothing but additions means that they are missing from it.
    let whole = structure == Some(ChangeOp::Replace)
        && elements.iter().all(|change| change.op() == ChangeOp::Add);
    let chunks =
        if whole && !elements.is_empty() { vec![&elements[..]] } else { chunks(&elements) };
    let last = chunks.len().saturating_sub(1);

    let mut committed = Vec::new();
    if chunks.is_empty() {
        if structure.is_some() {
            perform_chunk(driver, Some(Part::Whole), Vec::new(), &mut committed, &mut report);
        }
        return report;
    }
    for (at, chunk) in chunks.into_iter().enumerate() {
        let part = match structure {
            Some(_) if last == 0 => Some(Part::Whole),
            // A table that stands and is only mended must carry packets again at once.
            Some(ChangeOp::Replace | ChangeOp::Delete) => (at == 0).then_some(Part::Whole),
            Some(ChangeOp::Add) if at == 0 => Some(Part::Maps),
            Some(ChangeOp::Add) if at == last => Some(Part::Chains),
            None | Some(ChangeOp::Add) => None,
        };
        perform_chunk(driver, part, chunk.to_vec(), &mut committed, &mut report);
        if !matches!(report.progress, Progress::Done) {
            break;
        }
    }
    report.committed = committed.len();
    match driver.read_back(&committed) {
        Ok(read_back) => report.read_back = read_back,
        // Committed, and nobody has seen it: that is an unknown outcome.
        Err(error) => {
            report.progress = Progress::Observe(format!("nothing could be read back: {error}"));
        }
    }
    report
}

/// Splits in order. A boundary does not fall between two changes of one owner that stand together,
/// unless the owner has more of them than [`OVERHANG_MAX`]; it never falls within a move.
fn chunks<'a, 'b>(changes: &'b [&'a Change]) -> Vec<&'b [&'a Change]> {
    let mut chunks = Vec::with_capacity(changes.len() / TRANSACTION_CHANGES_MAX + 1);
    let mut rest = changes;
    while !rest.is_empty() {
        let mut end = rest.len().min(TRANSACTION_CHANGES_MAX);
        let limit = rest.len().min(TRANSACTION_CHANGES_MAX + OVERHANG_MAX);
        while end < limit && rest[end].owner() == rest[end - 1].owner() {
            end += 1;
        }
        while end < rest.len() && is_one_move(rest[end - 1], rest[end]) {
            end += 1;
        }
        let (chunk, after) = rest.split_at(end);
        chunks.push(chunk);
        rest = after;
    }
    chunks
}

/// Whether the two are one mapping that changes its port: it must not be gone in between.
fn is_one_move(first: &Change, second: &Change) -> bool {
    let ends = |change: &Change| match change {
        Change::Element { before, after, .. } => (*before, *after),
        Change::Structure { .. } => (None, None),
    };
    let ((gone, came), (gone_then, came_then)) = (ends(first), ends(second));
    first.owner() == second.owner()
        && ((came.is_none() && gone.is_some() && gone == came_then)
            || (gone.is_none() && came.is_some() && came == gone_then))
}

fn perform_chunk<D: Driver>(
    driver: &mut D,
    structure: Option<Part>,
    mut changes: Vec<&Change>,
    committed: &mut Vec<Key>,
    report: &mut Report,
) {
    loop {
        if changes.is_empty() && structure.is_none() {
            return;
        }
        report.transactions += 1;
        match driver.apply(Transaction { structure, changes: &changes }) {
            Ok(()) => {
                committed.extend(changes.iter().filter_map(|change| match change {
                    Change::Element { key, .. } => Some(*key),
                    Change::Structure { .. } => None,
                }));
                return;
            }
            Err(CommitError::Rejected { index, errno, message }) => {
                set_aside(&mut changes, index, errno, &message, report);
            }
            Err(CommitError::StructureRejected { message }) => {
                report.progress = Progress::StructureRefused(message);
                return;
            }
            Err(error @ CommitError::Unmendable { .. }) => {
                report.progress = Progress::Observe(error.to_string());
                return;
            }
            Err(CommitError::Stale) => {
                report.progress = Progress::Observe("the ruleset changed while we planned".into());
                return;
            }
            Err(CommitError::UnknownOutcome(error)) => {
                report.progress = Progress::Observe(format!("unknown outcome: {error}"));
                return;
            }
            Err(CommitError::Failed(error)) => {
                report.progress = Progress::Failed(error);
                return;
            }
        }
    }
}

/// Takes the refused change out, and with it whatever its owner has in the same transaction: half
/// of what an owner wants is not what it wants. The rest of them come again with the next plan.
fn set_aside(
    changes: &mut Vec<&Change>,
    index: usize,
    errno: i32,
    message: &str,
    report: &mut Report,
) {
    let Some(&refused) = changes.get(index) else {
        // The kernel named no change of ours: nothing can be isolated, all of them wait.
        for change in changes.drain(..) {
            refuse(change, FindingCode::RejectedByKernel, message, report);
        }
        return;
    };
    if errno == ENFILE {
        // What came before it fits; every further addition would be refused one by one.
        let full = map_of(refused);
        let mut at = 0..;
        changes.retain(|change| {
            let after = at.next().is_some_and(|at| at >= index);
            let grows = after && change.op() == ChangeOp::Add && map_of(change) == full;
            if grows {
                refuse(change, FindingCode::SetFull, message, report);
            }
            !grows
        });
        return;
    }
    refuse(refused, FindingCode::RejectedByKernel, message, report);
    let owner = Arc::clone(refused.owner());
    changes.retain(|change| *change.owner() != owner);
}

fn map_of(change: &Change) -> Option<MapName> {
    match change {
        Change::Element { key, .. } => Some(key.map()),
        Change::Structure { .. } => None,
    }
}

fn refuse(change: &Change, code: FindingCode, message: &str, report: &mut Report) {
    if let Change::Element { key, owner, .. } = change {
        report.refused.push(Refusal {
            key: *key,
            owner: Arc::clone(owner),
            code,
            message: message.to_owned(),
        });
    }
}

#[cfg(test)]
mod tests;
