//! Owns the errors of requests that read. Batches have their own, [`crate::BatchError`].

use std::io;

use crate::wire::{DecodeError, TooLong};

/// An error number of the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Errno(pub i32);

impl Errno {
    /// The object does not exist.
    pub const NOT_FOUND: Self = Self(libc::ENOENT);
    /// The object exists already (possibly with other properties).
    pub const EXISTS: Self = Self(libc::EEXIST);
    /// The set is full: it has a size and has reached it.
    pub const FULL: Self = Self(libc::ENFILE);
    /// Not allowed.
    pub const NOT_PERMITTED: Self = Self(libc::EPERM);
    /// Still in use.
    pub const BUSY: Self = Self(libc::EBUSY);
    /// Malformed or inconsistent.
    pub const INVALID: Self = Self(libc::EINVAL);
    /// The kernel does not have this.
    pub const NOT_SUPPORTED: Self = Self(libc::EOPNOTSUPP);
    /// The generation has moved on.
    pub const RESTART: Self = Self(libc::ERESTART);
}

impl std::fmt::Display for Errno {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        io::Error::from_raw_os_error(self.0).fmt(f)
    }
}

impl std::fmt::Debug for Errno {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Errno({self})")
    }
}

/// A request failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A system call failed.
    #[error("netlink: cannot {action}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The kernel refused the request.
    #[error("kernel refused to {action}: {errno}{}", Text(.text))]
    Refused {
        /// What was asked for.
        action: &'static str,
        /// Its answer.
        errno: Errno,
        /// Its explanation, often empty.
        text: String,
        /// Byte of the request at which the offending attribute starts.
        offset: Option<u32>,
    },
    /// The caller lacks the capability.
    #[error(
        "not permitted to {action}: needs CAP_NET_ADMIN in the user namespace that owns this network namespace"
    )]
    Denied {
        /// What was asked for.
        action: &'static str,
    },
    /// Something changed during every attempt to read.
    #[error("state kept changing while it was read, gave up after {attempts} attempts")]
    Changing {
        /// How often it was tried.
        attempts: u32,
    },
    /// The kernel's answer is not what the interface promises.
    #[error("cannot decode the kernel's answer")]
    Decode(#[from] DecodeError),
    /// A datagram was larger than the receive buffer.
    #[error("kernel's answer of {bytes} bytes does not fit the buffer of {limit}")]
    Truncated {
        /// Its size.
        bytes: usize,
        /// Size of the buffer.
        limit: usize,
    },
    /// The kernel's answer ended early.
    #[error("kernel's answer to {action} is incomplete (receive buffer overrun)")]
    Lost {
        /// What was asked for.
        action: &'static str,
    },
    /// The request cannot be encoded.
    #[error("cannot encode the request")]
    Encode(#[from] TooLong),
    /// The caller asked for something this interface cannot do.
    #[error("{0}")]
    Invalid(&'static str),
}

impl Error {
    /// The kernel's error number, if it answered with one.
    pub const fn errno(&self) -> Option<Errno> {
        match self {
            Self::Refused { errno, .. } => Some(*errno),
            Self::Denied { .. } => Some(Errno::NOT_PERMITTED),
            _ => None,
        }
    }

    /// The kernel says that the object does not exist.
    pub fn is_not_found(&self) -> bool {
        self.errno() == Some(Errno::NOT_FOUND)
    }

    pub(crate) fn io(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, source }
    }
}

/// Shows the kernel's explanation in parentheses, if there is one.
pub(crate) struct Text<'a>(pub(crate) &'a str);

impl std::fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, " ({})", self.0) }
    }
}
