//! Owns printing legacy tables from the kernel's own form: memory for one table and one rule, and
//! none for the view.

use std::io;

use super::{
    blob::Blob,
    chains::Parts,
    names::table_names,
    read::{LegacyError, read_blob},
};
use crate::{
    sets::{SetNames, resolve_rule},
    text::{Shown, print},
    view::Family,
};

/// Why legacy rules are not printed, or not to their end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SaveError {
    /// They are not known.
    #[error(transparent)]
    Read(#[from] LegacyError),
    /// Of the output.
    #[error("the rules cannot be written")]
    Write(#[from] io::Error),
}

/// Prints what [`text::save`](crate::text::save) prints of [`read`](super::read), a rule at a time.
/// Each table is of one moment.
///
/// # Errors
/// [`SaveError`]; what was printed before is then no whole text.
pub fn save(
    family: Family,
    sets: &mut dyn SetNames,
    shown: Shown,
    out: &mut impl io::Write,
) -> Result<(), SaveError> {
    for name in table_names(family).map_err(LegacyError::from)? {
        save_blob(&read_blob(family, &name)?, sets, shown, out)?;
    }
    Ok(())
}

fn save_blob(
    blob: &Blob,
    sets: &mut dyn SetNames,
    shown: Shown,
    out: &mut impl io::Write,
) -> Result<(), SaveError> {
    let fault = |source| LegacyError::Blob { family: blob.family, source };
    let parts = Parts::of(blob).map_err(fault)?;
    let landings = parts.landings();
    print::begin(&blob.table, out)?;
    for span in parts.in_order() {
        print::head(&blob.head(span, &parts).map_err(fault)?, out)?;
    }
    for span in parts.in_order() {
        let chain = blob.head(span, &parts).map_err(fault)?;
        for entry in parts.entries.get(span.first..span.foot).unwrap_or_default() {
            let rule = blob.rule(*entry, |at| landings.get(&at).copied());
            let mut rule = rule.map_err(fault)?;
            resolve_rule(&mut rule, sets);
            print::rule(&chain, &rule, shown, out)?;
        }
    }
    Ok(print::end(out)?)
}
