//! Owns why a sweep or a restore did not happen, or not as it should.

use std::path::PathBuf;

use nfnl::BatchError;
use xt::legacy::{BlobError, EditError, LegacyError, LockError, ReplaceError};

use crate::{backup::BackupError, guard::Refusal};

/// Why rules were not taken out or put back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SweepError {
    /// Legacy rules cannot be read.
    #[error("legacy rules cannot be read")]
    Legacy(#[from] LegacyError),
    /// A legacy table makes no sense.
    #[error("a legacy table cannot be understood")]
    Blob(#[from] BlobError),
    /// Rules of nf_tables cannot be read.
    #[error("nf_tables cannot be read")]
    Nft(#[from] nfnl::Error),
    /// What listens on the node cannot be read.
    #[error(
        "nothing was changed: which TCP ports are served cannot be read from /proc/thread-self/net"
    )]
    Listening(#[source] std::io::Error),
    /// It is not wise.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The lock is not to be had.
    #[error("nothing was changed: the lock of legacy iptables is not free")]
    Lock(#[from] LockError),
    /// The backup.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The change cannot be put together.
    #[error("the change of table {table} cannot be put together")]
    Edit {
        /// The table.
        table: String,
        /// Why.
        #[source]
        source: EditError,
    },
    /// The kernel refused a legacy table.
    #[error("table {table} stays as it is")]
    Replace {
        /// The table.
        table: String,
        /// Why.
        #[source]
        source: ReplaceError,
    },
    /// A change of nf_tables is too long.
    #[error("the change cannot be encoded")]
    Encode(#[from] nfnl::wire::TooLong),
    /// The kernel refused a change of nf_tables.
    #[error("the tables of iptables-nft stay as they are")]
    Commit(#[source] BatchError),
    /// Others changed the tables each time.
    #[error("others changed the rules under each of {attempts} attempts: try again when they rest")]
    Unsettled {
        /// How many.
        attempts: u32,
    },
    /// What was read back is not what was meant.
    #[error("the change was made, but what was read back is not what was meant: {}", .differences.join("; "))]
    NotAsMeant {
        /// Differences.
        differences: Vec<String>,
    },
    /// After the backup was written.
    #[error("stopped; what was taken out until then comes back with: netkeep sweep --restore {} --yes", .backup.display())]
    AfterBackup {
        /// The backup.
        backup: PathBuf,
        /// Why.
        #[source]
        source: Box<SweepError>,
    },
}

impl SweepError {
    pub(crate) fn after(self, backup: &std::path::Path) -> Self {
        Self::AfterBackup { backup: backup.to_owned(), source: Box::new(self) }
    }

    /// The backup that undoes what was done until then, if one was written.
    pub fn backup(&self) -> Option<&std::path::Path> {
        match self {
            Self::AfterBackup { backup, .. } => Some(backup),
            _ => None,
        }
    }
}
