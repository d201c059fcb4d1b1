//! The bare socket: send, receive, look for the error code.

use std::io;
use std::os::fd::OwnedFd;

use anyhow::{Context, Result, bail};
use rustix::net::netlink::{NETFILTER, SocketAddrNetlink};
use rustix::net::sockopt::set_socket_send_buffer_size_force;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send, socket_with,
};

use super::bytes::{Bytes, GETGEN};

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// What the kernel fills at most per receive is 32 KiB; more is never needed.
pub(super) const RECEIVE: usize = 128 << 10;

/// A socket to nf_tables in the namespace of the thread that opened it.
pub(crate) struct Raw {
    fd: OwnedFd,
    reply: Vec<u8>,
}

impl Raw {
    /// Opens it, with a send buffer that takes a whole transaction.
    pub(crate) fn open() -> Result<Self> {
        let fd = open(0)?;
        set_socket_send_buffer_size_force(&fd, 16 << 20).context("netlink send buffer")?;
        Ok(Self { fd, reply: vec![0; RECEIVE] })
    }

    /// Sends, and waits for the (one) acknowledgement or the first error.
    pub(crate) fn acknowledged(&mut self, request: &[u8]) -> Result<()> {
        match self.acknowledged_or_errno(request)? {
            0 => Ok(()),
            errno => Err(io::Error::from_raw_os_error(errno)).context("nf_tables refused"),
        }
    }

    /// Like [`Self::acknowledged`], with a refusal as an errno (0: done).
    pub(crate) fn acknowledged_or_errno(&mut self, request: &[u8]) -> Result<i32> {
        send(&self.fd, request, SendFlags::empty()).context("netlink send")?;
        loop {
            let (_, length) = recv(&self.fd, &mut self.reply[..], RecvFlags::empty())?;
            for (kind, body) in messages(&self.reply[..length]) {
                if kind == NLMSG_ERROR {
                    return Ok(errno(body));
                }
            }
        }
    }

    /// Reads a dump to its end; returns its bytes.
    pub(crate) fn dump(&mut self, request: &[u8]) -> Result<usize> {
        let mut total = 0;
        self.each(request, |body| total += body.len())?;
        Ok(total)
    }

    /// The keys of all elements in a dump.
    pub(crate) fn keys(&mut self, request: &[u8]) -> Result<Vec<[u8; 8]>> {
        let mut keys = Vec::new();
        self.each(request, |body| {
            // struct nfgenmsg, then NFTA_SET_ELEM_LIST_ELEMENTS (3)
            let list =
                body.get(4..).into_iter().flat_map(attributes).filter(|(kind, _)| *kind == 3);
            let elements = list.flat_map(|(_, elements)| attributes(elements));
            keys.extend(elements.filter_map(|(_, element)| key(element)));
        })?;
        Ok(keys)
    }

    fn each(&mut self, request: &[u8], mut work: impl FnMut(&[u8])) -> Result<()> {
        send(&self.fd, request, SendFlags::empty()).context("netlink send")?;
        loop {
            let (_, length) = recv(&self.fd, &mut self.reply[..], RecvFlags::empty())?;
            for (kind, body) in messages(&self.reply[..length]) {
                match kind {
                    NLMSG_DONE => return Ok(()),
                    NLMSG_ERROR => bail!("dump: errno {}", errno(body)),
                    _ => work(body),
                }
            }
        }
    }

    /// The generation of the namespace's ruleset.
    pub(crate) fn generation(&mut self) -> Result<u32> {
        let mut bytes = Bytes(Vec::with_capacity(32));
        let message = bytes.message(GETGEN, 0, 1);
        bytes.end(message);
        send(&self.fd, &bytes.0, SendFlags::empty()).context("netlink send")?;
        let (_, length) = recv(&self.fd, &mut self.reply[..], RecvFlags::empty())?;
        let (_, body) = messages(&self.reply[..length]).next().context("no reply to GETGEN")?;
        // struct nfgenmsg, the header of the attribute NFTA_GEN_ID, its value
        let value = body.get(8..12).and_then(|bytes| bytes.try_into().ok());
        Ok(u32::from_be_bytes(value.context("a short reply to GETGEN")?))
    }
}

pub(super) fn open(groups: u32) -> Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC;
    let fd = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(NETFILTER))
        .context("opening a netlink socket")?;
    bind(&fd, &SocketAddrNetlink::new(0, groups)).context("binding a netlink socket")?;
    Ok(fd)
}

/// The messages in what was received: kind and body.
pub(super) fn messages(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
        let kind = u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?);
        let body = bytes.get(16..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some((kind, body))
    })
}

/// The errno of an `NLMSG_ERROR`, 0 for an acknowledgement.
fn errno(body: &[u8]) -> i32 {
    body.get(..4)
        .and_then(|bytes| bytes.try_into().ok())
        .map_or(0, |bytes| -i32::from_ne_bytes(bytes))
}

/// The attributes in a nest: kind without its flags, and value.
fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes(bytes.get(..2)?.try_into().ok()?));
        let kind = u16::from_ne_bytes(bytes.get(2..4)?.try_into().ok()?) & 0x3fff;
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some((kind, value))
    })
}

/// `NFTA_SET_ELEM_KEY` (1) of an element, and in it `NFTA_DATA_VALUE` (1).
fn key(element: &[u8]) -> Option<[u8; 8]> {
    let (_, key) = attributes(element).find(|(kind, _)| *kind == 1)?;
    let (_, value) = attributes(key).find(|(kind, _)| *kind == 1)?;
    value.try_into().ok()
}
