//! Owns what can come of a commit that did not succeed, and what each case means for the caller.

use std::io;

use super::ChangeIndex;
use crate::{Errno, error::Text, wire::DecodeError};

/// One refusal by the kernel. One bad change can cause more: what depends on it fails too, so the first is the one to
/// look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The change that was refused.
    pub change: ChangeIndex,
    /// The element in the change, if the kernel pointed at one. Counted over the whole change, however many messages
    /// it took.
    pub element: Option<usize>,
    /// The kernel's error.
    pub errno: Errno,
    /// Byte of the message at which the offending attribute starts.
    pub offset: Option<u32>,
    /// The kernel's explanation, often empty.
    pub text: String,
}

impl std::fmt::Display for Rejection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "change {}", self.change)?;
        if let Some(element) = self.element {
            write!(f, ", element {element}")?;
        }
        write!(f, ": {}{}", self.errno, Text(&self.text))
    }
}

/// Why a commit is not permitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The caller lacks the capability.
    #[error("needs CAP_NET_ADMIN in the user namespace that owns this network namespace")]
    Capability,
    /// The table has an owner: another socket, of this or another process.
    #[error("the table of change {} is owned by another process", .0.change)]
    OwnedTable(Rejection),
}

/// A commit that did not succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// The kernel refused changes; nothing was applied. Never empty.
    #[error("kernel rejected the batch: {}{}", First(.0), More(.0))]
    Rejected(Vec<Rejection>),
    /// The kernel refused the batch as a whole; nothing was applied.
    #[error("kernel refused the batch: {errno}{}", Text(.text))]
    Refused {
        /// The kernel's error.
        errno: Errno,
        /// The kernel's explanation, often empty.
        text: String,
    },
    /// The ruleset no longer has the expected generation; nothing was applied.
    #[error("the ruleset has changed since it was read")]
    Stale,
    /// Nobody can say whether the batch was applied: the kernel's answer was lost. Read the state again.
    #[error("the kernel's answer to the batch was lost, it may or may not have been applied")]
    UnknownOutcome,
    /// Not permitted; nothing was applied.
    #[error("not permitted to change nf_tables")]
    Denied(#[source] Denied),
    /// The batch is larger than the socket's send buffer; nothing was sent. Split it.
    #[error("batch of {bytes} bytes is over the socket's limit of {limit}")]
    TooLarge {
        /// Bytes of the batch.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The kernel's answer is not what the interface promises. Treat as [`BatchError::UnknownOutcome`].
    #[error("cannot decode the kernel's answer to the batch")]
    Decode(#[from] DecodeError),
    /// A system call failed; nothing was applied.
    #[error("cannot send the batch")]
    Io(#[source] io::Error),
}

impl BatchError {
    /// The refusals, if there are any.
    pub fn rejections(&self) -> &[Rejection] {
        match self {
            Self::Rejected(rejections) => rejections,
            Self::Denied(Denied::OwnedTable(rejection)) => std::slice::from_ref(rejection),
            _ => &[],
        }
    }

    /// Whether it is certain that nothing was applied.
    pub const fn is_unapplied(&self) -> bool {
        !matches!(self, Self::UnknownOutcome | Self::Decode(_))
    }
}

struct First<'a>(&'a [Rejection]);

impl std::fmt::Display for First<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.first().map_or(Ok(()), |first| first.fmt(f))
    }
}

struct More<'a>(&'a [Rejection]);

impl std::fmt::Display for More<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.len() {
            0 | 1 => Ok(()),
            n => write!(f, " (and {} more)", n - 1),
        }
    }
}
