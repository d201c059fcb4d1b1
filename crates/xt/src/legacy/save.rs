//! Owns printing legacy tables from the kernel's own form: memory for one table and the text of a few
//! pieces, and none for the view.
//!
//! Pieces of a table are printed by two threads and written in their order.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
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
/// Room for a rule, bytes.
const LINE: usize = 192;
/// So many pieces may be printed before they can be written.
const AHEAD: usize = 4;

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
    let pieces = pieces(&parts, &spans);
    let landings = parts.landings();
    let printer =
        Printer { blob, landings, shown, sets: Mutex::new(sets), spare: Mutex::default() };
    print_all(&printer, &pieces, out, fault, |out| {
        print::begin(&blob.table, out)?;
        for span in &spans {
            print::head(&blob.head(span, &parts).map_err(fault)?, out)?;
        }
        Ok(())
    })?;
    Ok(print::end(out)?)
}

/// Rules of a chain that lie together.
type Run<'a> = (&'a str, &'a [Entry]);

/// All rules in the order they are printed, in pieces of about the same size.
fn pieces<'a>(parts: &'a Parts, spans: &[&Span]) -> Vec<Vec<Run<'a>>> {
    let mut pieces = Vec::new();
    let (mut piece, mut held) = (Vec::new(), 0);
    for span in spans {
        let mut rules = parts.entries.get(span.first..span.foot).unwrap_or_default();
        while !rules.is_empty() {
            let (now, later) = rules.split_at(rules.len().min(PIECE - held));
            piece.push((parts.name(span), now));
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

/// Writes the heads while another thread begins with the rules, then prints what that one has not taken
/// up, and hands the texts on in their order. Without a second thread it is slower, and no more than
/// that.
fn print_all<O: io::Write>(
    printer: &Printer<'_>,
    pieces: &[Vec<Run<'_>>],
    out: &mut O,
    fault: impl Fn(BlobError) -> LegacyError,
    heads: impl FnOnce(&mut O) -> Result<(), SaveError>,
) -> Result<(), SaveError> {
    let taken = AtomicUsize::new(0);
    // the next piece that nobody has taken up, printed
    let print_one = || {
        let number = taken.fetch_add(1, Ordering::Relaxed);
        pieces.get(number).map(|piece| (number, printer.print(piece)))
    };
    thread::scope(|scope| {
        let (send, receive) = mpsc::sync_channel(AHEAD);
        let work = move || {
            while let Some(piece) = print_one() {
                // whoever does not take it has failed
                if send.send(piece).is_err() {
                    return;
                }
            }
        };
        if pieces.len() > 1 {
            // it has taken up nothing if it cannot be had
            let _ = thread::Builder::new().name("printer".to_owned()).spawn_scoped(scope, work);
        } else {
            drop(work);
        }
        heads(out)?;
        let mut waiting = BTreeMap::new();
        for number in 0..pieces.len() {
            let text = loop {
                if let Some(text) = waiting.remove(&number) {
                    break text;
                }
                let piece = match receive.try_recv() {
                    Ok(piece) => Some(piece),
                    Err(_) if waiting.len() < AHEAD => print_one(),
                    Err(_) => None,
                };
                // All are taken up, this one by the other thread; it ends early only if nobody listens.
                let Some((at, text)) = piece.or_else(|| receive.recv().ok()) else { return Ok(()) };
                waiting.insert(at, text);
            };
            let text = text.map_err(&fault)?;
            out.write_all(text.as_bytes())?;
            printer.take_back(text);
        }
        Ok(())
    })
}

struct Printer<'a> {
    blob: &'a Blob,
    landings: Landings<'a>,
    shown: Shown,
    sets: Mutex<&'a mut (dyn SetNames + Send)>,
    /// Texts that were written: their memory is there already.
    spare: Mutex<Vec<String>>,
}

impl Printer<'_> {
    fn print(&self, piece: &[Run<'_>]) -> Result<String, BlobError> {
        let mut names = Shared(&self.sets);
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut text = spare.unwrap_or_else(|| String::with_capacity(PIECE * LINE));
        let mut append = String::with_capacity(LINE);
        for (chain, entries) in piece {
            append.clear();
            print::push_append(chain, &mut append);
            for entry in *entries {
                let mut rule = self.blob.rule(*entry, |at| self.landings.at(at))?;
                resolve_rule(&mut rule, &mut names);
                print::push_rule(&append, &rule, self.shown, &mut text);
            }
        }
        Ok(text)
    }

    fn take_back(&self, mut text: String) {
        text.clear();
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }
}

/// The names of sets for one of several threads.
struct Shared<'s, 'a>(&'s Mutex<&'a mut (dyn SetNames + Send)>);

impl SetNames for Shared<'_, '_> {
    fn name(&mut self, index: u16) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).name(index)
    }
}
