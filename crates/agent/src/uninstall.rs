//! Leave nothing behind: the table, the flows it led, the published annotations, the journal.
//!
//! Invariants: nothing is removed while an agent runs (it would put it back), here or with the same
//! state directory elsewhere; and nothing that is not ours: flows of our mappings only, files that
//! we know or that say they are ours, and folders that are empty then. What stays is told.
//!
//! Killed anywhere in it, it is run again: which flows are to be cut is in the journal, as the agent
//! has it, and the journal goes last.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use apply::journal::{Journal, StaleFlows};
use drivers::flows::{Cutter, FlowsError, Route};
use drivers::nft::{NftDriver, NftOptions, TableOwnership};
use drivers::{Driver, DriverError};
use model::{Key, Value};
use thiserror::Error;

use crate::config::SOCKET_DEFAULT;
use crate::control::{self, ListenError};
use crate::keeper::told;
use crate::lock::{self, LockError};
use crate::publish;
use crate::state_lock::{self, StateHeld, StateLock};

/// What is in the state directory besides what is published, in the order in which it goes.
const FILES: &[&str] = &["journal.jsonl.new", "journal.jsonl", state_lock::FILE];
/// The folder of what is published.
const PUBLISHED: &str = "published";

/// Why something could not be removed.
#[derive(Debug, Error)]
pub enum UninstallError {
    /// An agent runs.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// An agent of another network namespace has the state directory.
    #[error(transparent)]
    State(#[from] StateHeld),
    /// The kernel refused.
    #[error(transparent)]
    Kernel(#[from] DriverError),
    /// Everything is removed but flows that went through the table.
    #[error("connections that went through the table may still be in conntrack")]
    Flows(#[from] FlowsError),
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

/// What there is.
#[derive(Debug, Default)]
pub struct Found {
    /// What is ours, and goes.
    pub ours: Vec<String>,
    /// What is in the state directory besides, and stays.
    pub others: Vec<PathBuf>,
    /// Who has the state directory, if another netkeep does: nothing goes then.
    pub held: Option<state_lock::Holder>,
}

fn driver() -> Result<NftDriver, DriverError> {
    NftDriver::open(NftOptions { ownership: TableOwnership::Shared, map_size: 0 })
}

/// What is there to remove.
pub fn look(state_dir: &Path) -> Result<Found, UninstallError> {
    let mut ours = Vec::new();
    if driver()?.table_exists()? {
        ours.push("table inet netkeep".to_owned());
    }
    let files: Vec<PathBuf> = known(state_dir).filter(|path| exists(path)).collect();
    ours.extend(files.iter().map(|path| path.display().to_string()));
    let written: BTreeSet<PathBuf> = publish::written(state_dir).into_iter().collect();
    let others = others(state_dir, &written);
    let published = state_dir.join(PUBLISHED);
    let is_ours = !written.is_empty() || !others.iter().any(|path| path.starts_with(&published));
    if exists(&published) && is_ours {
        ours.push(published.display().to_string());
    }
    let held = state_lock::holder(state_dir);
    Ok(Found { ours, others, held })
}

fn known(state_dir: &Path) -> impl Iterator<Item = PathBuf> {
    FILES.iter().map(|name| state_dir.join(name))
}

fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// What is in the state directory and not ours. Folders that we do not know count as one.
fn others(state_dir: &Path, written: &BTreeSet<PathBuf>) -> Vec<PathBuf> {
    let ours: BTreeSet<PathBuf> = known(state_dir)
        .chain(publish::folders(state_dir))
        .chain(written.iter().cloned())
        .collect();
    let folders = publish::folders(state_dir).into_iter().chain([state_dir.to_owned()]);
    let entries = folders.filter_map(|folder| fs::read_dir(folder).ok());
    let mut others: Vec<PathBuf> = entries
        .flat_map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())))
        .filter(|path| !ours.contains(path))
        .collect();
    others.sort();
    others
}

/// Removes it.
pub fn remove(state_dir: &Path) -> Result<(), UninstallError> {
    let _lock = lock::acquire()?;
    let state_lock = StateLock::take_existing(state_dir)?;
    let mut driver = driver()?;
    let stale = note_flows(&mut driver, state_lock.is_some().then_some(state_dir))?;
    driver.remove_table()?;
    let routes: Vec<Route> = stale.iter().map(Route::from).collect();
    let cut = Cutter::new().cut(&routes, &[]);
    // A file system that may only be read refuses to remove even what is not there.
    let there = known(state_dir).filter(|path| exists(path));
    for path in publish::written(state_dir).into_iter().chain(there) {
        // The lock goes with whoever holds it.
        if state_lock.is_none() || !path.ends_with(state_lock::FILE) {
            gone(fs::remove_file(&path), &path)?;
        }
    }
    if let Some(lock) = state_lock {
        gone(lock.remove(), &state_dir.join(state_lock::FILE))?;
    }
    for folder in publish::folders(state_dir).iter().map(PathBuf::as_path).chain([state_dir]) {
        // Only if it is empty: somebody else's files keep it.
        let _ = fs::remove_dir(folder);
    }
    clear_socket(SOCKET_DEFAULT.as_ref());
    cut?;
    Ok(())
}

/// The flows that the table leads, and those that an agent had yet to cut; written down where there is
/// a state directory, as nothing else tells of them once the table is gone.
fn note_flows(
    driver: &mut NftDriver,
    state_dir: Option<&Path>,
) -> Result<BTreeSet<StaleFlows>, UninstallError> {
    let mut stale = BTreeSet::new();
    if driver.table_exists()? {
        stale.extend(driver.observe()?.elements.into_iter().filter_map(|(key, value, _)| {
            let Key::Npl { protocol, port: node_port, .. } = key else { return None };
            let Value::Endpoint { ip, port: pod_port } = value else { return None };
            Some(StaleFlows { protocol, node_port, ip, pod_port })
        }));
    }
    let Some(state_dir) = state_dir else { return Ok(stale) };
    let noted = Journal::open(state_dir).and_then(|(mut journal, remembered)| {
        for flows in &stale {
            journal.cut(flows);
        }
        journal.write()?;
        Ok(remembered.cuts)
    });
    match noted {
        Ok(unfinished) => stale.extend(unfinished),
        Err(error) => tracing::debug!(error = %told(&error), "no journal"),
    }
    Ok(stale)
}

fn gone(removed: io::Result<()>, path: &Path) -> Result<(), UninstallError> {
    match removed {
        Err(source)
            if !matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            Err(UninstallError::File { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
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
        let listener = control::listen(&socket, control::Folder::Ours).unwrap();
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
