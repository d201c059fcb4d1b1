//! Leave nothing behind: the table, the published annotations, the journal.
//!
//! Invariant: nothing is removed while an agent runs (it would put it back), and nothing that is
//! not ours: in the state directory only the files that we know.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use drivers::DriverError;
use drivers::nft::{NftDriver, NftOptions, TableOwnership};
use thiserror::Error;

use crate::config::SOCKET_DEFAULT;
use crate::control::{self, ListenError};
use crate::lock::{self, LockError};

/// What is in the state directory.
const OURS: &[&str] = &["journal.jsonl", "journal.jsonl.new", "published"];

/// Why something could not be removed.
#[derive(Debug, Error)]
pub enum UninstallError {
    /// An agent runs.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The kernel refused.
    #[error(transparent)]
    Kernel(#[from] DriverError),
    /// A file could not be removed.
    #[error("cannot remove {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

fn driver() -> Result<NftDriver, DriverError> {
    NftDriver::open(NftOptions { ownership: TableOwnership::Shared, map_size: 0 })
}

/// What is there to remove.
pub fn look(state_dir: &Path) -> Result<Vec<String>, UninstallError> {
    let mut found = Vec::new();
    if driver()?.table_exists()? {
        found.push("table inet netkeep".to_owned());
    }
    let files = OURS.iter().map(|name| state_dir.join(name)).filter(|path| path.exists());
    found.extend(files.map(|path| path.display().to_string()));
    Ok(found)
}

/// Removes it.
pub fn remove(state_dir: &Path) -> Result<(), UninstallError> {
    let _lock = lock::acquire()?;
    driver()?.remove_table()?;
    for name in OURS {
        let path = state_dir.join(name);
        let removed =
            if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        match removed {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(UninstallError::File { path, source });
            }
            _ => {}
        }
    }
    // Only if it is empty: somebody else's files keep the directory.
    let _ = fs::remove_dir(state_dir);
    clear_socket(SOCKET_DEFAULT.as_ref());
    Ok(())
}

/// Removes the default socket that a killed agent left, and its directory. An agent of another network
/// namespace may serve there: then both stay.
fn clear_socket(path: &Path) {
    if matches!(control::make_way(path), Ok(()) | Err(ListenError::Io { .. }))
        && let Some(directory) = path.parent()
    {
        let _ = fs::remove_dir(directory);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_that_nobody_serves_goes_with_its_directory_and_one_that_is_served_stays() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("netkeep");
        let socket = directory.join("agent.sock");
        clear_socket(&socket);
        let listener = control::listen(&socket).unwrap();
        clear_socket(&socket);
        assert!(socket.exists());
        drop(listener);
        fs::write(directory.join("theirs"), "").unwrap();
        clear_socket(&socket);
        assert!(!socket.exists() && directory.join("theirs").exists());
        fs::remove_file(directory.join("theirs")).unwrap();
        clear_socket(&socket);
        assert!(!directory.exists());
    }
}
