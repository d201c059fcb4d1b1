//! A folder of manifests as a source.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::mpsc::Sender;

use thiserror::Error;

use super::SourceMessage;

/// What the operator may say about the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DirOptions {
    /// Whether an empty (not a missing) folder means that there are no objects.
    pub empty: EmptyFolder,
    /// The largest file that is read, in bytes.
    pub file_size_limit: u64,
}

/// What an empty folder means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EmptyFolder {
    /// The source is unavailable: nothing is deleted.
    #[default]
    IsUnavailable,
    /// There are no objects (`--allow-empty`).
    MeansNoObjects,
}

impl Default for DirOptions {
    fn default() -> Self {
        Self { empty: EmptyFolder::default(), file_size_limit: 64 << 20 }
    }
}

/// The kernel's file watch cannot be had or failed.
#[derive(Debug, Error)]
#[error("cannot watch the folder {}", path.display())]
pub struct WatchError {
    /// The folder.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: std::io::Error,
}

/// A folder of manifests. Use: `open`, then `initial` and `watch` on a thread of its own.
#[derive(Debug)]
pub struct DirSource {}

/// Ends a running [`DirSource::watch`] from another thread.
#[derive(Debug, Clone)]
pub struct Stop {}

impl Stop {
    /// Lets the watch return soon. May be called more than once.
    pub fn stop(&self) {}
}

impl DirSource {
    /// Opens the watch; the folder itself need not exist (that is a hold, not an error).
    pub fn open(path: impl Into<PathBuf>, options: DirOptions) -> Result<Self, WatchError> {
        let _ = (path.into(), options);
        Ok(Self {})
    }

    /// Reads the whole folder. What the first call returns must be delivered before anything that
    /// `watch` sends.
    pub fn initial(&mut self) -> SourceMessage {
        unimplemented!()
    }

    /// What ends [`DirSource::watch`].
    pub fn stopper(&self) -> Stop {
        Stop {}
    }

    /// Sends a message for every change; blocks until stopped or the receiver is gone. Sends the
    /// initial message first if `initial` was not called.
    pub fn watch(self, sender: &Sender<SourceMessage>) -> Result<(), WatchError> {
        self.watch_with(|message| match sender.send(message) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        })
    }

    /// As [`DirSource::watch`], for a receiver of any kind.
    pub fn watch_with(
        self,
        deliver: impl FnMut(SourceMessage) -> ControlFlow<()>,
    ) -> Result<(), WatchError> {
        let _ = deliver;
        unimplemented!()
    }
}
