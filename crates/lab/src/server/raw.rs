//! A raw socket for SCTP packets of one IP family.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use model::IpFamily;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, ipproto, recvfrom, sendto,
    socket_with,
};

use crate::sctp::Packet;

/// A non-blocking raw socket, which sees every SCTP packet to its namespace.
#[derive(Debug)]
pub(crate) struct RawSctp {
    family: IpFamily,
    socket: OwnedFd,
}

impl RawSctp {
    /// Opens one in the calling thread's network namespace.
    pub(crate) fn open(family: IpFamily) -> io::Result<Self> {
        let domain = match family {
            IpFamily::V4 => AddressFamily::INET,
            IpFamily::V6 => AddressFamily::INET6,
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(domain, SocketType::RAW, flags, Some(ipproto::SCTP))?;
        Ok(Self { family, socket })
    }

    /// Fixes the peer: only its packets arrive, and ICMP errors about packets to it do.
    pub(crate) fn connect(&self, to: IpAddr) -> io::Result<()> {
        // A raw socket has no port; IPv6 refuses one.
        Ok(rustix::net::connect(&self.socket, &SocketAddr::new(to, 0))?)
    }

    /// Sends a packet.
    pub(crate) fn send(&self, packet: &Packet, to: IpAddr) -> io::Result<()> {
        let to = SocketAddr::new(to, 0);
        sendto(&self.socket, &packet.encode(), SendFlags::empty(), &to)?;
        Ok(())
    }

    /// The next packet that has come, and from where; none if there is none. Packets that are no
    /// SCTP that we understand are passed over.
    pub(crate) fn receive(&self) -> Option<(Packet, IpAddr)> {
        loop {
            match self.try_receive() {
                Ok(Some(packet)) => return Some(packet),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                // Passed over, or an ICMP error about an earlier packet; the socket goes on.
                Ok(None) | Err(_) => {}
            }
        }
    }

    /// As `receive`, but tells of ICMP errors, and gives `None` for a packet it passed over.
    pub(crate) fn try_receive(&self) -> io::Result<Option<(Packet, IpAddr)>> {
        let mut buffer = [0; 2048];
        let (length, _, from) = recvfrom(&self.socket, &mut buffer[..], RecvFlags::empty())?;
        let from = from.map(SocketAddr::try_from).transpose()?;
        let bytes = &buffer[..length];
        let payload = match self.family {
            // raw(7): with IPv4 the IP header comes first; its length is in units of four bytes.
            IpFamily::V4 => {
                bytes.first().and_then(|first| bytes.get(usize::from(first & 15) * 4..))
            }
            IpFamily::V6 => Some(bytes),
        };
        Ok(payload.and_then(Packet::decode).zip(from.map(|from| from.ip())))
    }
}

impl AsFd for RawSctp {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
