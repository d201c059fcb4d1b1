//! Owns taking rules out of the tables of iptables-nft: by handle, all or none, and only if nobody
//! changed anything since they were read.

use nfnl::{Batch, BatchError, RuleId, Socket, wire::TooLong};

use super::read::nft_family;
use crate::view::Family;

/// A rule by its handle.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleName {
    /// Its table.
    pub table: String,
    /// Its chain.
    pub chain: String,
    /// Its handle.
    pub handle: u64,
}

/// Why rules were not taken out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoveError {
    /// The request cannot be written.
    #[error("the change cannot be encoded")]
    Encode(#[from] TooLong),
    /// The kernel's answer. [`BatchError::Stale`]: read again, decide again.
    #[error("the rules stay")]
    Commit(#[from] BatchError),
}

/// Takes rules out: all of them or none, and only on this generation.
///
/// # Errors
/// [`RemoveError`]
pub fn remove(
    socket: &mut Socket,
    family: Family,
    generation: u32,
    rules: &[RuleName],
) -> Result<(), RemoveError> {
    let mut batch = Batch::new();
    batch.expect_generation(generation);
    for rule in rules {
        batch.delete(&RuleId {
            family: nft_family(family),
            table: rule.table.clone(),
            chain: rule.chain.clone(),
            handle: rule.handle,
        })?;
    }
    socket.commit(&mut batch)?;
    Ok(())
}
