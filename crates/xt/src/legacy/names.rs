//! Owns the question which legacy tables exist, asked so that the answer does not change by asking.

use std::io;

use crate::view::Family;

/// Why the names of the tables are not known.
#[derive(Debug, thiserror::Error)]
#[error("the list of legacy {family} tables, {path}, cannot be read")]
pub struct NamesError {
    /// Of which family.
    pub family: Family,
    /// The file.
    pub path: &'static str,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// The legacy tables of the calling thread's network namespace, in the kernel's order (latest
/// first). None if x_tables is not there at all.
///
/// # Errors
/// [`NamesError`]: the file belongs to root of the user namespace that made the network namespace.
pub fn table_names(family: Family) -> Result<Vec<String>, NamesError> {
    // not /proc/net: that is of the thread that began the process
    let path = match family {
        Family::V4 => "/proc/thread-self/net/ip_tables_names",
        Family::V6 => "/proc/thread-self/net/ip6_tables_names",
    };
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(NamesError { family, path, source }),
    }
}
