//! The one effect trait: observe, and apply one transaction.
//!
//! Implementations: [`crate::nft::NftDriver`] on the real kernel. A fake in tests is allowed only
//! because the tests of `apply` run the same scenarios on the kernel too.

use std::sync::Arc;

use model::{Change, Key, Owner, Value};
use thiserror::Error;

/// The state of the fixed structure: table, maps, chains and rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Structure {
    /// Exactly as the schema says.
    Intact,
    /// There is no table of ours.
    Absent,
    /// The maps are as they should be, with their elements; something else is missing, altered or
    /// too much. Each text names one such thing.
    Damaged(Vec<String>),
    /// Everything serves packets, but maps have less room than is wanted now: the table is built
    /// anew.
    TooSmall(Vec<String>),
    /// The maps themselves cannot be used: the table is built anew.
    Unusable(Vec<String>),
}

impl Structure {
    /// What is not as the schema says, each thing in words.
    pub fn differences(&self) -> &[String] {
        match self {
            Self::Intact | Self::Absent => &[],
            Self::Damaged(what) | Self::TooSmall(what) | Self::Unusable(what) => what,
        }
    }

    /// What keeps packets from their mappings, each thing in words.
    pub fn faults(&self) -> &[String] {
        match self {
            Self::Intact | Self::Absent | Self::TooSmall(_) => &[],
            Self::Damaged(what) | Self::Unusable(what) => what,
        }
    }
}

/// What was read back from the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// The generation of the ruleset that this is a picture of.
    pub generation: u32,
    /// The state of the fixed structure.
    pub structure: Structure,
    /// Every element of our maps that can be read, with the owner its mark names. Those of a table
    /// that is built anew go with it.
    pub elements: Vec<(Key, Value, Option<Arc<Owner>>)>,
}

/// Which part of the structure a transaction builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The table with its maps; packets do not see it yet.
    Maps,
    /// Chains and rules: from here on packets see it.
    Chains,
    /// Both.
    Whole,
}

/// One transaction: the kernel takes all of it or nothing.
#[derive(Debug, Clone, Copy)]
pub struct Transaction<'a> {
    /// The part of the structure to build before the elements (chains after them).
    pub structure: Option<Part>,
    /// The element changes; structure changes in here are ignored.
    pub changes: &'a [&'a Change],
}

/// What the kernel holds under a key, read back from it.
pub type ReadBack = Vec<(Key, Option<Value>)>;

/// Why a transaction did not happen, or may not have happened.
#[derive(Debug, Error)]
pub enum CommitError {
    /// The kernel refused one change; nothing of the transaction was applied.
    #[error("the kernel refused change {index}: {message}")]
    Rejected {
        /// The index in [`Transaction::changes`].
        index: usize,
        /// The errno.
        errno: i32,
        /// What the kernel said.
        message: String,
    },
    /// The kernel refused the structure; nothing was applied.
    #[error("the kernel refused the table's structure: {message}")]
    StructureRejected {
        /// What the kernel said.
        message: String,
    },
    /// The kernel refuses to mend the table as it stands; nothing was applied. Observe, plan again:
    /// it is built anew then.
    #[error("the kernel refuses to mend the table: {message}")]
    Unmendable {
        /// What the kernel said.
        message: String,
    },
    /// Somebody changed the ruleset since we looked; nothing was applied. Observe, plan again.
    #[error("the ruleset changed since it was read")]
    Stale,
    /// It may have been applied or not. Observe, plan again.
    #[error("the outcome of the transaction is not known")]
    UnknownOutcome(#[source] DriverError),
    /// Nothing can be applied.
    #[error(transparent)]
    Failed(#[from] DriverError),
}

/// Why the kernel could not be read or written at all.
#[derive(Debug, Error)]
pub enum DriverError {
    /// The process may not.
    #[error(
        "no permission for nf_tables here: needs CAP_NET_ADMIN in the user namespace that owns \
         this network namespace (run as root, or inside `unshare --user --map-root-user --net`)"
    )]
    Denied,
    /// Another process holds the table with the owner flag.
    #[error(
        "the table inet netkeep belongs to another process (netlink port {portid}, 0: not told); \
         stop it first"
    )]
    OwnedByAnother {
        /// The netlink port that owns it.
        portid: u32,
    },
    /// Netlink failed.
    #[error("{what} failed")]
    Netlink {
        /// What was asked.
        what: &'static str,
        /// The kernel's answer.
        #[source]
        source: nfnl::Error,
    },
    /// A commit failed as a whole; nothing was applied.
    #[error("the kernel did not take the transaction")]
    Commit {
        /// The kernel's answer.
        #[source]
        source: nfnl::BatchError,
    },
}

/// Reads and writes one backend in one network namespace.
pub trait Driver {
    /// Reads everything of ours.
    fn observe(&mut self) -> Result<Observed, DriverError>;

    /// Performs one transaction. `Ok` means that the kernel acknowledged all of it.
    fn apply(&mut self, transaction: Transaction<'_>) -> Result<(), CommitError>;

    /// Reads back the fixed structure, without the elements.
    fn structure(&mut self) -> Result<Structure, DriverError>;

    /// Reads back what the kernel holds under these keys, in their order.
    fn read_back(&mut self, keys: &[Key]) -> Result<ReadBack, DriverError>;
}
