//! Holding node ports without serving them.
//!
//! A node port that netfilter redirects to a Pod must not be given to a process of the node as
//! well, so a socket sits on it. The socket never takes part in traffic: with the redirection gone
//! a client is refused at once (TCP reset, ICMP port unreachable) instead of talking to nobody.
//!
//! Owns: these sockets, and why a port could not be had.
//!
//! Invariants: one reservation is one port of one protocol and family on all addresses; neither
//! SO_REUSEADDR nor SO_REUSEPORT is set, so nobody can share it; dropping it frees the port.
//!
//! Deliberately not here: which port to take (`agent`).
#![allow(unsafe_code, reason = "rustix has no SO_BINDTOIFINDEX")]

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};

use model::{IpFamily, NodePort, Protocol};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, ipproto, socket_with, sockopt};
use thiserror::Error;

mod holder;
#[cfg(test)]
mod tests;

pub use holder::{Holder, holder};

/// An interface index that no link has: the kernel numbers links from 1 upwards.
const NO_INTERFACE: libc::c_int = libc::c_int::MAX;

/// Why a port could not be reserved.
#[derive(Debug, Error)]
pub enum ReserveError {
    /// EADDRINUSE: a socket of somebody has it (see [`holder`]).
    #[error("{protocol} port {port} ({family}) is taken by another socket")]
    Taken {
        /// The family.
        family: IpFamily,
        /// The protocol.
        protocol: Protocol,
        /// The port.
        port: NodePort,
    },
    /// EMFILE or ENFILE: no descriptor for the socket. No other port would fare better.
    #[error("no file descriptor left to reserve a port; raise the limit of open files")]
    FileLimit(#[source] io::Error),
    /// EACCES or EPERM: a port below `net.ipv4.ip_unprivileged_port_start`, or a policy.
    #[error("not allowed to reserve {protocol} port {port}; it takes CAP_NET_BIND_SERVICE")]
    Denied {
        /// The protocol.
        protocol: Protocol,
        /// The port.
        port: NodePort,
        /// Which of the two.
        #[source]
        source: io::Error,
    },
    /// Anything else.
    #[error("cannot reserve {protocol} port {port} ({family})")]
    Other {
        /// The family.
        family: IpFamily,
        /// The protocol.
        protocol: Protocol,
        /// The port.
        port: NodePort,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// What keeps others from the port.
#[derive(Debug)]
pub enum Backing {
    /// A bound socket.
    Socket(OwnedFd),
    /// Nothing but our books: the kernel has no sockets of this protocol or family, so there is
    /// nobody to keep away. Packets that netfilter redirects need no socket.
    Books,
}

/// A node port that nobody else can bind while this value lives.
#[derive(Debug)]
pub struct Reservation {
    family: IpFamily,
    protocol: Protocol,
    port: NodePort,
    backing: Backing,
}

impl Reservation {
    /// Takes the port on all addresses of the family, in the calling thread's network namespace.
    pub fn bind(
        family: IpFamily,
        protocol: Protocol,
        port: NodePort,
    ) -> Result<Self, ReserveError> {
        let backing = match bound_socket(family, protocol, port) {
            Ok(socket) => Backing::Socket(socket),
            Err(errno) if is_absent(errno, family, protocol) => Backing::Books,
            Err(errno) => return Err(refused(errno, family, protocol, port)),
        };
        Ok(Self { family, protocol, port, backing })
    }

    /// The family.
    pub const fn family(&self) -> IpFamily {
        self.family
    }

    /// The protocol.
    pub const fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The port.
    pub const fn port(&self) -> NodePort {
        self.port
    }

    /// What keeps others from it.
    pub const fn backing(&self) -> &Backing {
        &self.backing
    }
}

fn bound_socket(family: IpFamily, protocol: Protocol, port: NodePort) -> Result<OwnedFd, Errno> {
    let (domain, wildcard) = match family {
        IpFamily::V4 => {
            (AddressFamily::INET, SocketAddr::from((Ipv4Addr::UNSPECIFIED, port.get())))
        }
        IpFamily::V6 => {
            (AddressFamily::INET6, SocketAddr::from((Ipv6Addr::UNSPECIFIED, port.get())))
        }
    };
    let (kind, number) = match protocol {
        Protocol::Tcp => (SocketType::STREAM, ipproto::TCP),
        Protocol::Udp => (SocketType::DGRAM, ipproto::UDP),
        Protocol::Sctp => (SocketType::STREAM, ipproto::SCTP),
    };
    let socket = socket_with(domain, kind, SocketFlags::CLOEXEC, Some(number))?;
    if family == IpFamily::V6 {
        // IPv4 is another reservation, and may belong to another Pod.
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    bind(&socket, &wildcard)?;
    if protocol == Protocol::Udp {
        // A bound UDP socket would swallow datagrams, where TCP and SCTP sockets that do not
        // listen are refused by the kernel.
        make_unmatchable(&socket)?;
    }
    Ok(socket)
}

/// Ties the socket to an interface that does not exist: no packet arrives there, so none matches
/// the socket, while the port stays taken for everybody who is not tied to an interface
/// (`udp_lib_lport_inuse` of the kernel compares interfaces only if both sockets have one).
///
/// It comes after bind(), because a socket tied to one interface does not conflict with a socket
/// tied to another. For the same reason a UDP socket that is tied to an interface before it binds
/// can still take a reserved port; nothing that we could do to a UDP socket prevents that.
fn make_unmatchable(socket: &OwnedFd) -> Result<(), Errno> {
    let index = NO_INTERFACE;
    // SAFETY: the option's value is an int, and the pointer and length describe one.
    let outcome = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_BINDTOIFINDEX,
            (&raw const index).cast(),
            size_of_val(&index) as libc::socklen_t,
        )
    };
    if outcome == 0 {
        return Ok(());
    }
    Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::INVAL))
}

/// Whether the kernel has no such sockets at all: SCTP is often not built in, IPv6 can be off.
fn is_absent(errno: Errno, family: IpFamily, protocol: Protocol) -> bool {
    match errno {
        Errno::PROTONOSUPPORT | Errno::SOCKTNOSUPPORT => protocol == Protocol::Sctp,
        Errno::AFNOSUPPORT => family == IpFamily::V6,
        _ => false,
    }
}

fn refused(errno: Errno, family: IpFamily, protocol: Protocol, port: NodePort) -> ReserveError {
    let source = io::Error::from(errno);
    match errno {
        Errno::ADDRINUSE => ReserveError::Taken { family, protocol, port },
        Errno::MFILE | Errno::NFILE => ReserveError::FileLimit(source),
        Errno::ACCESS | Errno::PERM => ReserveError::Denied { protocol, port, source },
        _ => ReserveError::Other { family, protocol, port, source },
    }
}
