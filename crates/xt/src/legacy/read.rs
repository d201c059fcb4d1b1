//! Owns reading tables from the kernel.

use std::io;

use super::{
    blob::{Blob, BlobError, Entries, HOOKS},
    names::{NamesError, table_names},
};
use crate::{
    info::Info,
    sets::{SetNames, resolve},
    sys::TableSocket,
    view::{Backend, Family, Ruleset, Table},
};

/// `IPT_SO_GET_INFO`, `IP6T_SO_GET_INFO`
const GET_INFO: libc::c_int = 64;
/// `IPT_SO_GET_ENTRIES`, `IP6T_SO_GET_ENTRIES`
const GET_ENTRIES: libc::c_int = 65;
/// `struct ipt_getinfo`
const INFO: usize = 84;
/// `struct ipt_get_entries` before its entries.
const ENTRIES: usize = 40;
/// How often a table that changes meanwhile is read again.
const ATTEMPTS: u32 = 64;
/// Largest table that is read: some two million rules.
const MAX_SIZE: usize = 512 << 20;

/// Why legacy rules are not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LegacyError {
    /// Which tables there are is not known.
    #[error("which legacy tables there are is not known")]
    Names(#[from] NamesError),
    /// The kernel refused.
    #[error("the kernel does not tell the legacy {family} table {table} ({step})")]
    Refused {
        /// Of which family.
        family: Family,
        /// The table.
        table: String,
        /// What was asked.
        step: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It changed all the time.
    #[error(
        "the legacy {family} table {table} changed under each of {ATTEMPTS} attempts to read it"
    )]
    Changing {
        /// Of which family.
        family: Family,
        /// The table.
        table: String,
    },
    /// More than is taken in.
    #[error("the legacy {family} table {table} has {bytes} bytes, more than {MAX_SIZE}")]
    TooLarge {
        /// Of which family.
        family: Family,
        /// The table.
        table: String,
        /// How many.
        bytes: usize,
    },
    /// The kernel's answer makes no sense.
    #[error("the legacy {family} table cannot be understood")]
    Blob {
        /// Of which family.
        family: Family,
        /// Why.
        #[source]
        source: BlobError,
    },
}

/// A table's size: cheap to ask, and it changes with most changes of the rules (not with counters).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableInfo {
    /// Of which family.
    pub family: Family,
    /// The table.
    pub table: String,
    /// Rules, policies and heads of chains.
    pub entries: u32,
    /// Bytes of them.
    pub bytes: u32,
    valid_hooks: u32,
    hook_entry: [u32; HOOKS],
    underflow: [u32; HOOKS],
}

/// A table's size. The table must be one of [`table_names`]; asking for another one makes it.
///
/// # Errors
/// [`LegacyError`]
pub fn info(family: Family, table: &str) -> Result<TableInfo, LegacyError> {
    let socket = open(family, table)?;
    ask_info(&socket, family, table)
}

/// A table in the kernel's own form. The table must be one of [`table_names`]; asking for another
/// one makes it.
///
/// # Errors
/// [`LegacyError`]
pub fn read_blob(family: Family, table: &str) -> Result<Blob, LegacyError> {
    let socket = open(family, table)?;
    for _ in 0..ATTEMPTS {
        let info = ask_info(&socket, family, table)?;
        let size = info.bytes as usize;
        if size > MAX_SIZE {
            return Err(LegacyError::TooLarge { family, table: table.to_owned(), bytes: size });
        }
        let mut buffer = name_field(table, ENTRIES + size);
        if let Some(field) = buffer.get_mut(32..36) {
            field.copy_from_slice(&info.bytes.to_ne_bytes());
        }
        match socket.get_large(GET_ENTRIES, &mut buffer) {
            // the hooks of the first answer belong to these entries only if nothing happened between
            Ok(length) if length == buffer.len() && ask_info(&socket, family, table)? == info => {
                return Ok(Blob {
                    family,
                    table: table.to_owned(),
                    valid_hooks: info.valid_hooks,
                    hook_entry: info.hook_entry,
                    underflow: info.underflow,
                    entries: Entries::behind(buffer, ENTRIES),
                });
            }
            Ok(_) => {}
            // its size changed in between
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => {}
            Err(source) => return Err(refused(family, table, "GET_ENTRIES", source)),
        }
    }
    Err(LegacyError::Changing { family, table: table.to_owned() })
}

/// One table as view. The table must be one of [`table_names`].
///
/// # Errors
/// [`LegacyError`]
pub fn read_table(family: Family, table: &str) -> Result<Table, LegacyError> {
    let blob = read_blob(family, table)?;
    blob.table().map_err(|source| LegacyError::Blob { family, source })
}

/// All legacy tables of a family in the calling thread's network namespace. Looks only: no table
/// is made, no module loaded.
///
/// # Errors
/// [`LegacyError`]
pub fn read(family: Family, sets: &mut dyn SetNames) -> Result<Ruleset, LegacyError> {
    let mut ruleset = Ruleset::new(Backend::Legacy, family);
    for name in table_names(family)? {
        ruleset.tables.push(read_table(family, &name)?);
    }
    resolve(&mut ruleset, sets);
    Ok(ruleset)
}

fn open(family: Family, table: &str) -> Result<TableSocket, LegacyError> {
    TableSocket::open(family).map_err(|source| refused(family, table, "open a socket", source))
}

fn refused(family: Family, table: &str, step: &'static str, source: io::Error) -> LegacyError {
    LegacyError::Refused { family, table: table.to_owned(), step, source }
}

/// A structure that begins with the name of a table.
pub(crate) fn name_field(table: &str, length: usize) -> Vec<u8> {
    let mut buffer = vec![0; length];
    // 31 letters and a NUL
    for (place, byte) in buffer.iter_mut().take(31).zip(table.bytes()) {
        *place = byte;
    }
    buffer
}

fn ask_info(socket: &TableSocket, family: Family, table: &str) -> Result<TableInfo, LegacyError> {
    let mut buffer = name_field(table, INFO);
    let answer = socket.get(GET_INFO, &mut buffer);
    answer.map_err(|source| refused(family, table, "GET_INFO", source))?;
    let info = Info(&buffer);
    let number = |at: usize| info.u32(at).unwrap_or_default();
    let five = |at: usize| std::array::from_fn(|hook| number(at + 4 * hook));
    Ok(TableInfo {
        family,
        table: table.to_owned(),
        valid_hooks: number(32),
        hook_entry: five(36),
        underflow: five(56),
        entries: number(76),
        bytes: number(80),
    })
}
