//! Servers that say who they are and whom they saw.
//!
//! Owns: one thread a server, which polls its sockets and ends at once when told to.
//!
//! Invariants: a server listens before `start` returns, on all addresses of both families; dropping
//! it closes its port and every connection.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use model::Protocol;
use netns::Namespace;
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};

use crate::LabError;
use crate::sctp::{Chunk, Packet};
use crate::talk;

mod raw;
mod tcp;

pub(crate) use raw::RawSctp;

/// A running server; dropping it stops it.
///
/// - TCP: answers each line.
/// - UDP: answers each datagram.
/// - SCTP: answers each INIT with an INIT ACK whose cookie is the answer. It speaks over raw
///   sockets, because the kernel may have no others.
#[derive(Debug)]
pub struct Server {
    protocol: Protocol,
    port: u16,
    stop: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a server in the namespace, which answers with this name.
    pub fn start(
        namespace: &Namespace,
        protocol: Protocol,
        port: u16,
        who: &str,
    ) -> Result<Self, LabError> {
        let failed = |source| LabError::Start {
            what: format!("a {protocol} server on port {port}"),
            source,
        };
        // A socket stays in the namespace it was made in; the thread need not be in it.
        let sockets = namespace.run(|| Sockets::open(protocol, port))?.map_err(failed)?;
        let stop = eventfd(0, EventfdFlags::CLOEXEC).map_err(|errno| failed(errno.into()))?;
        let stop = Arc::new(stop);
        let (stopped, who) = (Arc::clone(&stop), who.to_owned());
        let thread = thread::Builder::new()
            .name(format!("{protocol}-{port}"))
            .spawn(move || sockets.serve(&stopped, &who, port))
            .map_err(failed)?;
        Ok(Self { protocol, port, stop, thread: Some(thread) })
    }

    /// The protocol it speaks.
    pub const fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The port it listens on.
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An eventfd takes eight bytes; it refuses only at its maximum, when it is readable anyway.
        let _ = rustix::io::write(&*self.stop, &1_u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            // A server that panicked has closed its sockets too.
            let _ = thread.join();
        }
    }
}

enum Sockets {
    Tcp(TcpListener),
    Udp(UdpSocket),
    Sctp([RawSctp; 2]),
}

impl Sockets {
    fn open(protocol: Protocol, port: u16) -> io::Result<Self> {
        // Takes IPv4 too (net.ipv6.bindv6only is 0 by default).
        let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
        Ok(match protocol {
            Protocol::Tcp => {
                let listener = TcpListener::bind(any)?;
                listener.set_nonblocking(true)?;
                Self::Tcp(listener)
            }
            Protocol::Udp => {
                let socket = UdpSocket::bind(any)?;
                socket.set_nonblocking(true)?;
                Self::Udp(socket)
            }
            Protocol::Sctp => Self::Sctp([
                RawSctp::open(model::IpFamily::V4)?,
                RawSctp::open(model::IpFamily::V6)?,
            ]),
        })
    }

    fn serve(self, stop: &OwnedFd, who: &str, port: u16) {
        match self {
            Self::Tcp(listener) => tcp::serve(&listener, stop, who),
            Self::Udp(socket) => {
                while wait(stop, &[socket.as_fd()]).is_some() {
                    answer_datagrams(&socket, who);
                }
            }
            Self::Sctp(sockets) => {
                while wait(stop, &[sockets[0].as_fd(), sockets[1].as_fd()]).is_some() {
                    for socket in &sockets {
                        answer_inits(socket, who, port);
                    }
                }
            }
        }
    }
}

fn answer_datagrams(socket: &UdpSocket, who: &str) {
    let mut buffer = [0; 2048];
    loop {
        match socket.recv_from(&mut buffer) {
            Ok((length, peer)) => {
                let question = String::from_utf8_lossy(&buffer[..length]);
                // A client that is gone is no reason to stop.
                let _ = socket.send_to(talk::answer(who, peer, &question).as_bytes(), peer);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            // An ICMP error about an earlier answer.
            Err(_) => {}
        }
    }
}

fn answer_inits(socket: &RawSctp, who: &str, port: u16) {
    while let Some((packet, from)) = socket.receive() {
        let Chunk::Init { tag } = packet.chunk else { continue };
        if packet.destination != port {
            continue;
        }
        let peer = SocketAddr::new(IpAddr::to_canonical(&from), packet.source);
        let reply = Packet {
            source: port,
            destination: packet.source,
            verification: tag,
            chunk: Chunk::InitAck { cookie: talk::answer(who, peer, "").into_bytes() },
        };
        // As above.
        let _ = socket.send(&reply, from);
    }
}

/// Waits until one of the descriptors has something to read, and says which; none once the server
/// is to stop.
fn wait(stop: &OwnedFd, sources: &[rustix::fd::BorrowedFd<'_>]) -> Option<Vec<bool>> {
    let mut polled = vec![PollFd::new(stop, PollFlags::IN)];
    polled.extend(sources.iter().map(|source| PollFd::new(source, PollFlags::IN)));
    loop {
        match poll(&mut polled, None) {
            Ok(_) => break,
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return None,
        }
    }
    let ready = |polled: &PollFd<'_>| !polled.revents().is_empty();
    let (first, rest) = polled.split_first()?;
    (!ready(first)).then(|| rest.iter().map(ready).collect())
}
