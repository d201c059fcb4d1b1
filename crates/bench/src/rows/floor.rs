//! The floor with N mappings in place.

use anyhow::Result;

use crate::mapping::Mapping;
use crate::raw::{Elements, Raw, Structure};

/// Elements per transaction: the commit mutex is then held for half a millisecond at a time.
const BATCH: usize = 1_000;

/// Builds the table and all mappings: maps, elements, and the chains last.
pub(crate) fn build(raw: &mut Raw, mappings: &[Mapping]) -> Result<()> {
    raw.acknowledged(&Structure::maps())?;
    for chunk in mappings.chunks(BATCH) {
        raw.acknowledged(&Elements::add(chunk))?;
    }
    raw.acknowledged(&Structure::chains())
}

/// A socket in the calling thread's namespace, with everything built.
pub(crate) fn built(mappings: &[Mapping]) -> Result<Raw> {
    let mut raw = Raw::open()?;
    build(&mut raw, mappings)?;
    Ok(raw)
}
