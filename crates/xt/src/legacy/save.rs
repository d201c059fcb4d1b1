//! Owns printing legacy tables from the kernel's own form: memory for one table and the text of two
//! pieces, and none for the view.
//!
//! Pieces of a table are printed by two threads and written in their order.

use std::io;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

use super::{
    blob::{Blob, BlobError, Entry},
    chains::{Landings, Parts, Span},
    names::table_names,
    read::{LegacyError, read_blob},
};
use crate::{
    sets::{SetNames, resolve_rule},
    text::{Shown, print},
    view::Family,
};

/// Rules of a piece: enough that handing it over costs nothing beside printing it.
const PIECE: usize = 1_024;

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

/// Prints what [`text::save`](crate::text::save) prints of [`read`](super::read), a piece at a time.
/// Each table is of one moment.
///
/// # Errors
/// [`SaveError`]; what was printed before is then no whole text.
pub fn save(
    family: Family,
    sets: &mut (dyn SetNames + Send),
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
    sets: &mut (dyn SetNames + Send),
    shown: Shown,
    out: &mut impl io::Write,
) -> Result<(), SaveError> {
    let fault = |source| LegacyError::Blob { family: blob.family, source };
    let parts = Parts::of(blob).map_err(fault)?;
    let spans: Vec<&Span> = parts.in_order().collect();
    print::begin(&blob.table, out)?;
    for span in &spans {
        print::head(&blob.head(span, &parts).map_err(fault)?, out)?;
    }
    let pieces = pieces(&parts, &spans);
    let landings = parts.landings();
    let printer = Printer { blob, parts: &parts, landings, shown, sets: Mutex::new(sets) };
    print_all(&printer, &pieces, |text| out.write_all(text).map_err(SaveError::from), fault)?;
    Ok(print::end(out)?)
}

/// Rules of a chain that lie together.
type Run<'a> = (&'a Span, &'a [Entry]);

/// All rules in the order they are printed, in pieces of about the same size.
fn pieces<'a>(parts: &'a Parts, spans: &[&'a Span]) -> Vec<Vec<Run<'a>>> {
    let mut pieces = Vec::new();
    let (mut piece, mut held) = (Vec::new(), 0);
    for span in spans {
        let mut rules = parts.entries.get(span.first..span.foot).unwrap_or_default();
        while !rules.is_empty() {
            let (now, later) = rules.split_at(rules.len().min(PIECE - held));
            piece.push((*span, now));
            held += now.len();
            rules = later;
            if held == PIECE {
                pieces.push(std::mem::take(&mut piece));
                held = 0;
            }
        }
    }
    pieces.push(piece);
    pieces
}

/// Prints every second piece here and the others on a thread of their own, and hands the texts on in
/// their order. Without a second thread it is slower, and no more than that.
fn print_all(
    printer: &Printer<'_>,
    pieces: &[Vec<Run<'_>>],
    mut write: impl FnMut(&[u8]) -> Result<(), SaveError>,
    fault: impl Fn(BlobError) -> LegacyError,
) -> Result<(), SaveError> {
    let mut own = Vec::new();
    thread::scope(|scope| {
        // one text waits at most
        let (send, receive) = mpsc::sync_channel::<Result<Vec<u8>, BlobError>>(1);
        let work = move || {
            for piece in pieces.iter().skip(1).step_by(2) {
                let mut text = Vec::new();
                let result = printer.print(piece, &mut text).map(|()| text);
                // whoever does not take it has failed
                if send.send(result).is_err() {
                    return;
                }
            }
        };
        let helper = if pieces.len() > 1 {
            thread::Builder::new().name("printer".to_owned()).spawn_scoped(scope, work).ok()
        } else {
            None
        };
        for (number, piece) in pieces.iter().enumerate() {
            if number % 2 == 1 && helper.is_some() {
                // it ends early only if nobody listens
                let Ok(result) = receive.recv() else { break };
                write(&result.map_err(&fault)?)?;
            } else {
                own.clear();
                printer.print(piece, &mut own).map_err(&fault)?;
                write(&own)?;
            }
        }
        Ok(())
    })
}

struct Printer<'a> {
    blob: &'a Blob,
    parts: &'a Parts,
    landings: Landings<'a>,
    shown: Shown,
    sets: Mutex<&'a mut (dyn SetNames + Send)>,
}

impl Printer<'_> {
    fn print(&self, piece: &[Run<'_>], out: &mut Vec<u8>) -> Result<(), BlobError> {
        let mut names = Shared(&self.sets);
        for (span, entries) in piece {
            let chain = self.blob.head(span, self.parts)?;
            for entry in *entries {
                let mut rule = self.blob.rule(*entry, |at| self.landings.at(at))?;
                resolve_rule(&mut rule, &mut names);
                // writing to it does not fail
                let _ = print::rule(&chain, &rule, self.shown, out);
            }
        }
        Ok(())
    }
}

/// The names of sets for one of several threads.
struct Shared<'s, 'a>(&'s Mutex<&'a mut (dyn SetNames + Send)>);

impl SetNames for Shared<'_, '_> {
    fn name(&mut self, index: u16) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).name(index)
    }
}
