//! Owns the legacy backend: x_tables' rules over its socket options.
//!
//! ```text
//! names (/proc) ─> GET_INFO, GET_ENTRIES ─> Blob ─> Table (the view)
//!                                            └─> Edit ─> SET_REPLACE (atomic), counters added back
//! ```
//!
//! Invariants: a table that is not there already is never asked for, because asking would make it.
//! Bytes of rules that stay are never rewritten but for the offsets of their jumps.

mod blob;
mod chains;
mod edit;
mod lock;
mod names;
mod read;
mod replace;
mod save;

pub use self::{
    blob::{Blob, BlobError, Entries},
    edit::{Edit, EditError, Edited, Leads, RawRule},
    lock::{Holder, LOCK_PATH, LockError, XtablesLock, lock_holders},
    names::{NamesError, table_names},
    read::{LegacyError, TableInfo, info, read, read_blob, read_table},
    replace::{ReplaceError, replace},
    save::{SaveError, save},
};
