//! A network namespace, held by a file descriptor.
//!
//! Owns: making, finding, identifying and entering namespaces. The kernel removes a namespace, with
//! every link, route and table in it, when the last descriptor and the last thread in it are gone.
//!
//! Invariant: `run`, `thread` and `spawn` enter on a thread of their own, never on the caller's.
#![allow(unsafe_code, reason = "unshare(2) and the nsfs ioctl have no safe wrapper")]

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread::{self, JoinHandle};

use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};
use thiserror::Error;

use crate::loopback_up;

#[cfg(test)]
mod tests;

/// `NS_GET_NSTYPE` of `linux/nsfs.h`: `_IO(0xb7, 0x3)`.
const NS_GET_NSTYPE: libc::Ioctl = 0xb703;

/// The calling thread's namespace. `/proc/self` would be that of the process' first thread.
const CURRENT: &str = "/proc/thread-self/ns/net";

/// Why a namespace could not be made, found or entered.
#[derive(Debug, Error)]
pub enum NamespaceError {
    /// unshare(2) refused.
    #[error("cannot create a network namespace (it takes root, or a user namespace of our own)")]
    Create(#[source] io::Error),
    /// The path cannot be opened.
    #[error("cannot open the network namespace {}", path.display())]
    Open {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The path leads to something else.
    #[error("{} is not a network namespace", .0.display())]
    NotOne(PathBuf),
    /// setns(2) refused.
    #[error("cannot enter network namespace {identity}")]
    Enter {
        /// Which one.
        identity: Identity,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No thread could be started.
    #[error("cannot start a thread for a network namespace")]
    Thread(#[source] io::Error),
    /// `lo` stayed down.
    #[error("cannot bring lo up in a new network namespace")]
    Loopback(#[source] io::Error),
    /// The command could not be started.
    #[error("cannot run {program}")]
    Spawn {
        /// The program's name or path.
        program: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// What tells namespaces apart, for as long as somebody holds them open: device and inode
/// (namespaces(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// The device number of nsfs.
    pub device: u64,
    /// The inode, the number in `net:[4026531840]`.
    pub inode: u64,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "net:[{}]", self.inode)
    }
}

/// A network namespace, which lives at least as long as this value.
#[derive(Debug)]
pub struct Namespace {
    handle: OwnedFd,
    identity: Identity,
}

impl Namespace {
    /// A new, empty namespace, with `lo` up.
    pub fn create() -> Result<Self, NamespaceError> {
        on_a_thread(|| {
            // SAFETY: moves this thread, which is ours alone, to a new network namespace; file
            // descriptors stay shared, which is what makes `unshare` of CLONE_FILES unsafe.
            unsafe { unshare_unsafe(UnshareFlags::NEWNET) }
                .map_err(|errno| NamespaceError::Create(errno.into()))?;
            loopback_up().map_err(NamespaceError::Loopback)?;
            Self::current()
        })?
    }

    /// The namespace of the calling thread.
    pub fn current() -> Result<Self, NamespaceError> {
        Self::open(CURRENT)
    }

    /// The namespace that a path leads to: a bind mount such as `/run/netns/NAME`, or
    /// `/proc/PID/ns/net`.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, NamespaceError> {
        let path = path.as_ref();
        let failed = |source| NamespaceError::Open { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        // SAFETY: the ioctl takes no argument; a file that is not of nsfs refuses it (ENOTTY).
        if unsafe { libc::ioctl(file.as_raw_fd(), NS_GET_NSTYPE) } != libc::CLONE_NEWNET {
            return Err(NamespaceError::NotOne(path.to_owned()));
        }
        let metadata = file.metadata().map_err(failed)?;
        let identity = Identity { device: metadata.dev(), inode: metadata.ino() };
        Ok(Self { handle: file.into(), identity })
    }

    /// The namespace of a process' first thread.
    pub fn of_pid(pid: u32) -> Result<Self, NamespaceError> {
        Self::open(format!("/proc/{pid}/ns/net"))
    }

    /// What tells this namespace from others.
    pub const fn identity(&self) -> Identity {
        self.identity
    }

    /// A path by which any process that may look into ours can open the namespace, while this
    /// value lives.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), self.handle.as_raw_fd()))
    }

    /// Another handle of the same namespace.
    pub fn try_clone(&self) -> Result<Self, NamespaceError> {
        let handle = self
            .handle
            .try_clone()
            .map_err(|source| NamespaceError::Open { path: self.path(), source })?;
        Ok(Self { handle, identity: self.identity })
    }

    /// Moves the calling thread into the namespace, for good. For threads made for that, such as a
    /// test's; never for one that runs others' work.
    pub fn enter_on_this_thread(&self) -> Result<(), NamespaceError> {
        move_into_link_name_space(self.handle.as_fd(), Some(LinkNameSpaceType::Network)).map_err(
            |errno| NamespaceError::Enter { identity: self.identity, source: errno.into() },
        )
    }

    /// Does the work inside the namespace, on a thread of its own, and waits for it. Sockets that
    /// it opens belong to the namespace for their whole life. A panic of the work goes on here.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, NamespaceError> {
        on_a_thread(|| {
            self.enter_on_this_thread()?;
            Ok(work())
        })?
    }

    /// Starts a thread inside the namespace.
    pub fn thread<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<JoinHandle<T>, NamespaceError> {
        // A thread starts in the network namespace of the thread that makes it (clone(2)).
        self.run(|| thread::Builder::new().name(name.to_owned()).spawn(work))?
            .map_err(NamespaceError::Thread)
    }

    /// Starts a command whose process lives in the namespace.
    pub fn spawn(&self, command: &mut Command) -> Result<Child, NamespaceError> {
        // A child starts in the network namespace of the thread that forks it (clone(2)).
        self.run(|| command.spawn())?.map_err(|source| NamespaceError::Spawn {
            program: command.get_program().to_string_lossy().into_owned(),
            source,
        })
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

impl PartialEq for Namespace {
    fn eq(&self, other: &Self) -> bool {
        self.identity == other.identity
    }
}
impl Eq for Namespace {}

/// Does the work on a thread of its own and waits for it.
fn on_a_thread<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, NamespaceError> {
    thread::scope(|scope| {
        let running = thread::Builder::new()
            .name("netns".to_owned())
            .spawn_scoped(scope, work)
            .map_err(NamespaceError::Thread)?;
        running.join().map_or_else(|panic| std::panic::resume_unwind(panic), Ok)
    })
}
