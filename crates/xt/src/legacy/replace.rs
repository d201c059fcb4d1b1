//! Owns putting a changed table into the kernel: one atomic exchange, then the counters.

use std::io;

use super::{
    blob::{Blob, Layout},
    edit::Edited,
    lock::XtablesLock,
    read::{LegacyError, name_field, read_blob},
};
use crate::sys::TableSocket;

/// `IPT_SO_SET_REPLACE`, `IP6T_SO_SET_REPLACE`
const SET_REPLACE: libc::c_int = 64;
/// `IPT_SO_SET_ADD_COUNTERS`, `IP6T_SO_SET_ADD_COUNTERS`
const SET_ADD_COUNTERS: libc::c_int = 65;
/// `struct ipt_replace` before its entries, and where in it the pointer to the counters is.
const REPLACE: usize = 96;
const POINTER: usize = 88;
/// `struct xt_counters_info` before its counters.
const COUNTERS: usize = 40;

/// Why a table was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplaceError {
    /// It is not what the change was made for: read it again, decide again. Nothing happened.
    #[error("the legacy table {table} changed meanwhile")]
    Changed {
        /// The table.
        table: String,
    },
    /// It could not be read before the change. Nothing happened.
    #[error("the legacy table could not be compared before its change")]
    Read(#[from] LegacyError),
    /// The kernel refused. Nothing happened.
    #[error("the kernel refused the changed legacy table {table}")]
    Refused {
        /// The table.
        table: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The change happened; the counters of its rules begin at zero.
    #[error("the legacy table {table} was changed, but its counters were lost")]
    CountersLost {
        /// The table.
        table: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Exchanges the table for the changed one. Packets meet the old or the new one, never a mixture.
/// The counters of rules that stay go on; packets that pass between the exchange and the counters'
/// return are counted.
///
/// The lock keeps other programs out that take it. For those that do not, the table is compared
/// right before, and the kernel refuses if the number of its entries changed.
///
/// # Errors
/// [`ReplaceError`]
pub fn replace(edited: &Edited, _lock: &XtablesLock) -> Result<(), ReplaceError> {
    let (old, new) = (&edited.old, &edited.new);
    let table = &old.table;
    let now = read_blob(old.family, table)?;
    if without_counters(&now) != without_counters(old) {
        return Err(ReplaceError::Changed { table: table.clone() });
    }
    let refused = |source| ReplaceError::Refused { table: table.clone(), source };
    let socket = TableSocket::open(old.family).map_err(refused)?;
    let mut counters = vec![0_u64; 2 * edited.old_entries];
    let mut request = request(edited, new);
    match socket.replace(SET_REPLACE, &mut request, POINTER, &mut counters) {
        Ok(()) => {}
        // xt_replace_table(): another number of entries than we said
        Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => {
            return Err(ReplaceError::Changed { table: table.clone() });
        }
        Err(source) => return Err(refused(source)),
    }
    let request = counters_request(edited, new, &counters);
    let lost = |source| ReplaceError::CountersLost { table: table.clone(), source };
    socket.set(SET_ADD_COUNTERS, &request).map_err(lost)
}

fn request(edited: &Edited, new: &Blob) -> Vec<u8> {
    let mut request = name_field(&new.table, REPLACE);
    let words = [new.valid_hooks, edited.counters_of.len() as u32, new.entries.len() as u32];
    let words = words.iter().chain(&new.hook_entry).chain(&new.underflow);
    let old_entries = edited.old_entries as u32;
    for (place, word) in request[32..POINTER].chunks_exact_mut(4).zip(words.chain([&old_entries])) {
        place.copy_from_slice(&word.to_ne_bytes());
    }
    request.extend_from_slice(&new.entries);
    request
}

/// For each entry what the old one had. A rule that comes back from a backup has what it had then.
fn counters_request(edited: &Edited, new: &Blob, old: &[u64]) -> Vec<u8> {
    let mut request = name_field(&new.table, COUNTERS);
    request[32..36].copy_from_slice(&(edited.counters_of.len() as u32).to_ne_bytes());
    let entries = new.walk().unwrap_or_default();
    for (index, of) in edited.counters_of.iter().enumerate() {
        let (packets, bytes) = match (of, entries.get(index)) {
            (Some(of), _) => {
                let number = |at: usize| old.get(at).copied().unwrap_or_default();
                (number(2 * of), number(2 * of + 1))
            }
            (None, Some(entry)) => {
                let kept = new.counters(*entry);
                (kept.packets, kept.bytes)
            }
            (None, None) => (0, 0),
        };
        request.extend_from_slice(&packets.to_ne_bytes());
        request.extend_from_slice(&bytes.to_ne_bytes());
    }
    request
}

/// Everything that a writer wrote.
fn without_counters(blob: &Blob) -> Blob {
    let mut blob = blob.clone();
    let at = Layout::of(blob.family).counters;
    for entry in blob.walk().unwrap_or_default() {
        let place = entry.at + at;
        if let Some(counters) = blob.entries.get_mut(place..place + 16) {
            counters.fill(0);
        }
    }
    blob
}
