//! One agent per network namespace.
//!
//! The lock is an abstract unix socket: abstract names belong to the network namespace, exactly the
//! thing of which there may be one agent, and the kernel frees them when their holder dies, however
//! it dies. The same socket answers `netkeep show` when no path is given.
//!
//! Any local user may bind the name first. That would keep the agent from starting, so a holder
//! with another uid that is not root is named and passed over: the table's owner flag is then the
//! second line.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

use thiserror::Error;

/// The abstract name.
const NAME: &[u8] = b"netkeep.dev/agent";

/// The lock cannot be had.
#[derive(Debug, Error)]
pub enum LockError {
    /// Another agent runs here.
    #[error("another netkeep (pid {pid}) already keeps this network namespace; stop it first")]
    Held {
        /// Its process id.
        pid: i32,
    },
    /// The system refused.
    #[error("cannot take the agent's lock")]
    Io(#[source] io::Error),
}

/// The name of the lock in this network namespace.
pub fn address() -> io::Result<SocketAddr> {
    SocketAddr::from_abstract_name(NAME)
}

/// Takes the lock; it is held as long as the listener lives. `None`: somebody without privilege
/// squats on the name; the uid is logged and the agent goes on without.
pub fn acquire() -> Result<Option<UnixListener>, LockError> {
    let address = address().map_err(LockError::Io)?;
    match UnixListener::bind_addr(&address) {
        Ok(listener) => Ok(Some(listener)),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => holder(&address),
        Err(error) => Err(LockError::Io(error)),
    }
}

fn holder(address: &SocketAddr) -> Result<Option<UnixListener>, LockError> {
    let peer = UnixStream::connect_addr(address).map_err(LockError::Io)?;
    let credentials = rustix::net::sockopt::socket_peercred(&peer)
        .map_err(|errno| LockError::Io(errno.into()))?;
    let uid = credentials.uid;
    if uid.is_root() || uid == rustix::process::geteuid() {
        return Err(LockError::Held { pid: credentials.pid.as_raw_nonzero().get() });
    }
    tracing::warn!(
        pid = credentials.pid.as_raw_nonzero().get(),
        uid = uid.as_raw(),
        "an unprivileged process holds the agent's lock name; going on without the lock"
    );
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_agent_in_a_namespace_is_told_the_pid_of_the_first() {
        let namespace = netns::Namespace::create().unwrap();
        namespace
            .run(|| {
                let first = acquire().unwrap();
                assert!(first.is_some());
                match acquire() {
                    Err(LockError::Held { pid }) => {
                        assert_eq!(pid, i32::try_from(std::process::id()).unwrap());
                    }
                    other => panic!("expected the lock to be held, got {other:?}"),
                }
                drop(first);
                assert!(acquire().unwrap().is_some());
            })
            .unwrap();
    }
}
