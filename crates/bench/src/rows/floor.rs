//! The floor with N mappings in place.

use anyhow::Result;

use crate::mapping::Mapping;
use crate::raw::{Part, Raw, load};

/// Elements per transaction: the commit mutex is then held for half a millisecond at a time.
const BATCH: usize = 1_000;

/// Builds the table and all mappings in as few transactions as that allows: the maps with the first
/// of them, the chains with the last.
pub(crate) fn build(raw: &mut Raw, mappings: &[Mapping]) -> Result<()> {
    let chunks = mappings.chunks(BATCH).len();
    if chunks < 2 {
        return raw.acknowledged(&load(Part::Whole, mappings));
    }
    for (number, chunk) in mappings.chunks(BATCH).enumerate() {
        let part = match number {
            0 => Part::Maps,
            last if last + 1 == chunks => Part::Chains,
            _ => Part::Nothing,
        };
        raw.acknowledged(&load(part, chunk))?;
    }
    Ok(())
}

/// A socket in the calling thread's namespace, with everything built.
pub(crate) fn built(mappings: &[Mapping]) -> Result<Raw> {
    let mut raw = Raw::open()?;
    build(&mut raw, mappings)?;
    Ok(raw)
}
