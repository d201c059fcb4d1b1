//! One question, one answer: who is behind an address, and whom do they see?

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use model::Protocol;
use netns::{Namespace, NamespaceError};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::BorrowedFd;
use thiserror::Error;

use crate::talk::Said;

mod sctp;
pub(crate) mod tcp;
pub(crate) mod udp;

/// How long a question waits unless told otherwise.
const PATIENCE: Duration = Duration::from_secs(2);

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The name of the server that answered.
    pub who: String,
    /// The source address that it saw.
    pub seen_peer: SocketAddr,
}

impl From<Said> for Answer {
    fn from(said: Said) -> Self {
        Self { who: said.who, seen_peer: said.peer }
    }
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum AskError {
    /// TCP reset, ICMP port or protocol unreachable, SCTP ABORT: nobody is there, and we are told.
    #[error("refused")]
    Refused,
    /// Nothing came back in time.
    #[error("no answer in time")]
    TimedOut,
    /// Something answered, but not a server of the lab.
    #[error("not an answer of the lab: {0:?}")]
    Garbled(String),
    /// The namespace could not be entered.
    #[error("cannot ask from there")]
    Namespace(#[from] NamespaceError),
    /// Any other failure, such as an unreachable network.
    #[error("cannot ask")]
    Other(#[source] io::Error),
}

impl From<io::Error> for AskError {
    fn from(error: io::Error) -> Self {
        use rustix::io::Errno;
        match error.kind() {
            io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => Self::Refused,
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Self::TimedOut,
            _ => match Errno::from_io_error(&error) {
                // ICMP protocol unreachable, and ICMPv6 unrecognized next header
                // (icmp_err_convert and icmpv6_err_convert of the kernel).
                Some(Errno::NOPROTOOPT | Errno::PROTO) => Self::Refused,
                _ => Self::Other(error),
            },
        }
    }
}

/// A question to an address.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    pub(crate) protocol: Protocol,
    pub(crate) target: SocketAddr,
    pub(crate) source_port: Option<u16>,
    pub(crate) patience: Duration,
}

impl Question {
    /// A question by a protocol, from any source port, that waits two seconds.
    pub const fn new(protocol: Protocol, target: SocketAddr) -> Self {
        Self { protocol, target, source_port: None, patience: PATIENCE }
    }

    /// From this source port: a second question from it is the same flow to conntrack.
    #[must_use]
    pub const fn from_port(mut self, port: u16) -> Self {
        self.source_port = Some(port);
        self
    }

    /// Waits this long.
    #[must_use]
    pub const fn within(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Asks from inside the namespace.
    pub fn ask(&self, from: &Namespace) -> Result<Answer, AskError> {
        from.run(|| self.ask_here())?
    }

    /// Asks from the calling thread's namespace.
    pub(crate) fn ask_here(&self) -> Result<Answer, AskError> {
        let deadline = Instant::now() + self.patience;
        match self.protocol {
            Protocol::Tcp => tcp::ask(self, deadline),
            Protocol::Udp => udp::ask(self, deadline),
            Protocol::Sctp => sctp::ask(self, deadline),
        }
    }
}

/// Connects by TCP from inside the namespace, and asks.
pub fn tcp_ask(
    from: &Namespace,
    target: SocketAddr,
    patience: Duration,
) -> Result<Answer, AskError> {
    Question::new(Protocol::Tcp, target).within(patience).ask(from)
}

/// Sends one UDP datagram from inside the namespace.
pub fn udp_ask(
    from: &Namespace,
    target: SocketAddr,
    patience: Duration,
) -> Result<Answer, AskError> {
    Question::new(Protocol::Udp, target).within(patience).ask(from)
}

/// Sends one SCTP INIT from inside the namespace. In a kernel with SCTP sockets its own ABORT may
/// come first; an INIT ACK that follows it counts.
pub fn sctp_ask(
    from: &Namespace,
    target: SocketAddr,
    patience: Duration,
) -> Result<Answer, AskError> {
    Question::new(Protocol::Sctp, target).within(patience).ask(from)
}

/// Waits for the descriptor; `TimedOut` at the deadline.
pub(crate) fn wait_until(
    socket: BorrowedFd<'_>,
    wanted: PollFlags,
    deadline: Instant,
) -> io::Result<()> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&socket, wanted)], Some(&left)) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}
