//! Owns reading and changing legacy tables.

use std::collections::BTreeMap;

use xt::legacy::{
    Blob, Edit, LegacyError, ReplaceError, XtablesLock, read_blob, replace, table_names,
};
use xt::{Backend, Family, Ruleset, SetNames, resolve};

use crate::{
    error::SweepError,
    image::{Held, Image, Part},
    raw::Raw,
    verify::{self, Verdict},
};

/// A table and what it was made of.
pub(crate) struct Legacy {
    pub(crate) image: Image,
    pub(crate) blob: Blob,
}

/// All tables of both families that are there.
pub(crate) fn read(names: &mut dyn SetNames) -> Result<Vec<Legacy>, SweepError> {
    let mut tables = Vec::new();
    for family in Family::BOTH {
        for table in table_names(family).map_err(LegacyError::from)? {
            tables.push(read_one(family, &table, names)?);
        }
    }
    Ok(tables)
}

/// One table that is there.
pub(crate) fn read_one(
    family: Family,
    table: &str,
    names: &mut dyn SetNames,
) -> Result<Legacy, SweepError> {
    let blob = read_blob(family, table)?;
    Ok(Legacy { image: image(&blob, names)?, blob })
}

fn image(blob: &Blob, names: &mut dyn SetNames) -> Result<Image, SweepError> {
    let mut ruleset = Ruleset::new(Backend::Legacy, blob.family);
    let edit = Edit::of(blob.clone())?;
    let view = blob.table()?;
    let mut held = BTreeMap::new();
    for chain in &view.chains {
        let mut rules = Vec::with_capacity(chain.rules.len());
        for rule in &chain.rules {
            let raw = edit.raw(&chain.name, rule.position);
            let raw = Raw::Legacy(raw.map_err(|source| edit_error(blob, source))?);
            let key = raw.key(blob.family, &[]);
            rules.push(Held::new(raw, key, Vec::new()));
        }
        held.insert(chain.name.clone(), rules);
    }
    ruleset.tables.push(view);
    resolve(&mut ruleset, names);
    let table = ruleset.tables.remove(0);
    Ok(Image { family: blob.family, table, held, bases: BTreeMap::new() })
}

fn edit_error(blob: &Blob, source: xt::legacy::EditError) -> SweepError {
    SweepError::Edit { table: blob.table.clone(), source }
}

/// How a change of one table went.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Done and read back; notes for people.
    Done(Vec<String>),
    /// Somebody changed the table: nothing happened.
    Changed,
}

/// Takes the part out of the table.
pub(crate) fn take_out(
    table: &Legacy,
    part: &Part,
    lock: &XtablesLock,
) -> Result<Outcome, SweepError> {
    let expected = verify::without(&table.image, part);
    change(table, lock, &expected, |edit| {
        for (chain, places) in &part.rules {
            if !part.chains.contains(chain) {
                places.iter().try_for_each(|position| edit.remove(chain, *position))?;
            }
        }
        part.chains.iter().try_for_each(|chain| edit.remove_chain(chain))
    })
}

/// Changes a table, and reads it back.
pub(crate) fn change(
    table: &Legacy,
    lock: &XtablesLock,
    expected: &verify::Expected,
    work: impl FnOnce(&mut Edit) -> Result<(), xt::legacy::EditError>,
) -> Result<Outcome, SweepError> {
    let blob = &table.blob;
    let mut edit = Edit::of(blob.clone())?;
    work(&mut edit).map_err(|source| edit_error(blob, source))?;
    let edited = edit.finish().map_err(|source| edit_error(blob, source))?;
    let mut notes = Vec::new();
    match replace(&edited, lock) {
        Ok(()) => {}
        Err(ReplaceError::Changed { .. }) => return Ok(Outcome::Changed),
        Err(error @ ReplaceError::CountersLost { .. }) => notes.push(error.to_string()),
        Err(source) => {
            return Err(SweepError::Replace { table: blob.table.clone(), source });
        }
    }
    let now = read_one(blob.family, &blob.table, &mut xt::NoNames)?;
    match verify::compare(expected, &now.image) {
        Verdict::AsMeant => {}
        Verdict::OthersAdded(what) => notes.push(format!("others added rules meanwhile: {what}")),
        Verdict::Different(differences) => return Err(SweepError::NotAsMeant { differences }),
    }
    Ok(Outcome::Done(notes))
}
