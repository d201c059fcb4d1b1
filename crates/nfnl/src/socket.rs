//! Owns the request socket: its options and limits, and one request-answer exchange.
//!
//! nfnetlink answers inside the sending system call: when `sendmsg` returns, every answer but the later parts of a dump
//! is already in the receive queue. So nothing here needs a timeout: a queue that is empty too early means that
//! answers were lost.

mod dump;
mod elements;
mod generation;

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
};

pub use self::{elements::Moved, generation::Generation};
use crate::{
    Errno, Error,
    consts::{
        NETLINK_CAP_ACK, NETLINK_EXT_ACK, NFNL_SUBSYS_NFTABLES, NLM_F_ACK, NLM_F_DUMP,
        NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR,
    },
    sys::{self, Wait},
    wire::{Message, Messages, NfHeader, Writer},
};

/// Sizes of a socket's buffers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketOptions {
    /// Wanted kernel-side send buffer in bytes: the largest batch. The kernel grants it only with CAP_NET_ADMIN in the
    /// initial user namespace; otherwise the limit of `net.core.wmem_max` applies (see [`Socket::send_limit`]).
    pub send_buffer: usize,
    /// Wanted kernel-side receive buffer in bytes, limited likewise by `net.core.rmem_max`.
    pub receive_buffer: usize,
    /// Size of the buffer one datagram is read into. The kernel's largest are 32 KiB.
    pub datagram: usize,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self { send_buffer: 64 << 20, receive_buffer: 8 << 20, datagram: 64 << 10 }
    }
}

/// What is known about the kernel's answers to the end of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndAck {
    /// Nothing yet.
    Unknown,
    /// It answers (since 6.10).
    Yes,
    /// It does not.
    No,
}

/// A socket for requests: batches, dumps, single reads. One request at a time; use one socket per thread.
///
/// It stays bound to the network namespace it was opened in, wherever it is used later. Keep it open: closing a socket
/// that has changed nf_tables waits for an RCU grace period.
///
/// ```no_run
/// let mut socket = nfnl::Socket::open()?;
/// for table in socket.tables(nfnl::Family::ANY)? {
///     println!("{} {}", table.family, table.name);
/// }
/// # Ok::<(), nfnl::Error>(())
/// ```
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    port: u32,
    sequence: u32,
    send_limit: usize,
    receive_buffer: usize,
    datagram: Vec<u8>,
    request: Writer,
    pub(crate) end_ack: EndAck,
    compared_by: generation::ComparedBy,
}

/// How an exchange went on, decided by the handler of its messages.
pub(crate) enum Exchange {
    /// The kernel confirmed or finished.
    Done,
    /// The dump ran across a change.
    Interrupted,
}

impl Socket {
    /// Opens a socket in the calling thread's network namespace.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open() -> Result<Self, Error> {
        Self::open_with(SocketOptions::default())
    }

    /// Opens a socket with other buffer sizes.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open_with(options: SocketOptions) -> Result<Self, Error> {
        let (fd, port) = sys::open().map_err(Error::io("open a netfilter socket"))?;
        for option in [NETLINK_EXT_ACK, NETLINK_CAP_ACK] {
            sys::set_option(fd.as_fd(), libc::SOL_NETLINK, option, 1)
                .map_err(Error::io("ask for extended acks"))?;
        }
        let send = buffer(&fd, Buffer::Send, options.send_buffer)
            .map_err(Error::io("size the send buffer"))?;
        let receive_buffer = buffer(&fd, Buffer::Receive, options.receive_buffer)
            .map_err(Error::io("size the receive buffer"))?;
        Ok(Self {
            fd,
            port,
            sequence: 0,
            // netlink_sendmsg() refuses more than sk_sndbuf - 32
            send_limit: send.saturating_sub(32),
            receive_buffer,
            datagram: vec![0; options.datagram.max(32 << 10)],
            request: Writer::with_capacity(1 << 10),
            end_ack: EndAck::Unknown,
            compared_by: generation::ComparedBy::Itself,
        })
    }

    /// The socket's port id. Events carry the port id of the socket that caused them, and a table with the owner flag
    /// shows that of its owner.
    pub const fn port_id(&self) -> u32 {
        self.port
    }

    /// Largest batch in bytes that the kernel takes from this socket.
    pub const fn send_limit(&self) -> usize {
        self.send_limit
    }

    /// Kernel-side receive buffer in bytes, as granted.
    pub const fn receive_buffer(&self) -> usize {
        self.receive_buffer
    }

    pub(crate) fn next_sequences(&mut self, count: u32) -> u32 {
        let first = self.sequence.wrapping_add(1);
        self.sequence = self.sequence.wrapping_add(count);
        first
    }

    pub(crate) fn send(&self, parts: [&[u8]; 3]) -> io::Result<()> {
        sys::send(self.fd.as_fd(), parts)
    }

    pub(crate) fn receive(&mut self, wait: Wait) -> io::Result<&[u8]> {
        let bytes = sys::receive(self.fd.as_fd(), &mut self.datagram, wait)?;
        self.datagram.get(..bytes).ok_or_else(|| {
            io::Error::other(format!("datagram of {bytes} bytes does not fit the buffer"))
        })
    }

    /// A request of nf_tables.
    fn nft(
        &mut self,
        operation: u8,
        request: &Request,
        put: impl FnOnce(&mut Writer),
        on: impl FnMut(&Message<'_>) -> Result<(), Error>,
    ) -> Result<Exchange, Error> {
        self.exchange(NFNL_SUBSYS_NFTABLES, operation, request, put, on)
    }

    /// Sends one request and gives `on` every message of the answer but acks and the end of the dump.
    ///
    /// An error of `on` is returned after the whole answer has been read.
    pub(crate) fn exchange(
        &mut self,
        subsystem: u8,
        operation: u8,
        request: &Request,
        put: impl FnOnce(&mut Writer),
        on: impl FnMut(&Message<'_>) -> Result<(), Error>,
    ) -> Result<Exchange, Error> {
        let sequence = self.next_sequences(1);
        let kind = u16::from(subsystem) << 8 | u16::from(operation);
        let flags = NLM_F_REQUEST
            | match request.style {
                Style::Dump => NLM_F_DUMP,
                Style::Acked => NLM_F_ACK,
                Style::Single => 0,
            }
            | request.flags;
        self.request.clear();
        let mark = self.request.begin_message(kind, flags, sequence, request.nf);
        put(&mut self.request);
        self.request.end_message(mark);
        if let Some(fault) = self.request.take_fault() {
            return Err(fault.into());
        }
        sys::send(self.fd.as_fd(), [self.request.bytes(), &[], &[]])
            .map_err(Error::io(request.action))?;
        self.answers(sequence, 1, request.style, request.action, on)
    }

    /// Reads the answers to `count` requests that were sent with sequence numbers from `first` on, until the last one
    /// is confirmed or refused.
    pub(crate) fn answers(
        &mut self,
        first: u32,
        count: u32,
        style: Style,
        action: &'static str,
        mut on: impl FnMut(&Message<'_>) -> Result<(), Error>,
    ) -> Result<Exchange, Error> {
        let mut answer = Answer { first, count, style, action, failure: None, interrupted: false };
        loop {
            let bytes = match sys::receive(self.fd.as_fd(), &mut self.datagram, Wait::Poll) {
                Ok(bytes) => bytes,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    return Err(answer.failure.unwrap_or(Error::Lost { action }));
                }
                Err(e) if e.raw_os_error() == Some(libc::ENOBUFS) => {
                    answer.failure.get_or_insert(Error::Lost { action });
                    continue;
                }
                Err(source) => return Err(Error::Io { action, source }),
            };
            let limit = self.datagram.len();
            let Some(datagram) = self.datagram.get(..bytes) else {
                answer.failure.get_or_insert(Error::Truncated { bytes, limit });
                continue;
            };
            for message in Messages::new(datagram) {
                if let Some(end) = answer.take(&message?, &mut on) {
                    return end;
                }
            }
        }
    }
}

/// An answer while it is being read.
struct Answer {
    first: u32,
    count: u32,
    style: Style,
    action: &'static str,
    /// The first thing that went wrong; the rest of the answer is read all the same.
    failure: Option<Error>,
    interrupted: bool,
}

impl Answer {
    /// Takes one message; the result if it was the last one.
    fn take(
        &mut self,
        message: &Message<'_>,
        on: &mut impl FnMut(&Message<'_>) -> Result<(), Error>,
    ) -> Option<Result<Exchange, Error>> {
        let index = message.header.sequence.wrapping_sub(self.first);
        if index >= self.count {
            return None; // left over from an exchange that was given up
        }
        self.interrupted |= message.header.interrupted();
        match message.header.kind {
            NLMSG_ERROR => {
                if let Some(error) = refusal(message, self.action) {
                    self.failure.get_or_insert(error);
                }
                (index == self.count - 1).then(|| self.end(Exchange::Done))
            }
            NLMSG_DONE => {
                let exchange = match done_errno(message.body) {
                    0 if self.interrupted => Exchange::Interrupted,
                    0 => Exchange::Done,
                    libc::EINTR => Exchange::Interrupted,
                    errno => return Some(Err(refused(self.action, errno, "", None))),
                };
                Some(self.end(exchange))
            }
            _ => {
                if self.failure.is_none() {
                    self.failure = on(message).err();
                }
                (self.style == Style::Single).then(|| self.end(Exchange::Done))
            }
        }
    }

    fn end(&mut self, exchange: Exchange) -> Result<Exchange, Error> {
        self.failure.take().map_or(Ok(exchange), Err)
    }
}

/// What one request is.
pub(crate) struct Request {
    pub(crate) action: &'static str,
    pub(crate) nf: NfHeader,
    pub(crate) style: Style,
    pub(crate) flags: u16,
}

/// How a request's answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// With `NLMSG_DONE`.
    Dump,
    /// With an ack.
    Acked,
    /// With its only message, or a refusal: saves a receive.
    Single,
}

impl Request {
    pub(crate) fn new(action: &'static str, family: u8, style: Style) -> Self {
        let nf = NfHeader { family, ..NfHeader::default() };
        Self { action, nf, style, flags: 0 }
    }
}

fn refusal(message: &Message<'_>, action: &'static str) -> Option<Error> {
    match message.ack() {
        Err(error) => Some(error.into()),
        Ok(ack) if ack.errno == 0 => None,
        Ok(ack) => Some(refused(action, ack.errno, ack.text, ack.offset)),
    }
}

fn refused(action: &'static str, errno: i32, text: &str, offset: Option<u32>) -> Error {
    if errno == libc::EPERM {
        return Error::Denied { action };
    }
    Error::Refused { action, errno: Errno(errno), text: text.to_owned(), offset }
}

fn done_errno(body: &[u8]) -> i32 {
    body.first_chunk().map_or(0, |errno| i32::from_ne_bytes(*errno).saturating_neg())
}

/// One of a socket's two kernel-side buffers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Buffer {
    Send,
    Receive,
}

/// Asks for a buffer of `bytes` and returns what was granted.
pub(crate) fn buffer(fd: &OwnedFd, which: Buffer, bytes: usize) -> io::Result<usize> {
    let (force, plain) = match which {
        Buffer::Send => (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF),
        Buffer::Receive => (libc::SO_RCVBUFFORCE, libc::SO_RCVBUF),
    };
    // the kernel doubles the value
    let wanted = i32::try_from(bytes / 2).unwrap_or(i32::MAX / 2);
    if sys::set_option(fd.as_fd(), libc::SOL_SOCKET, force, wanted).is_err() {
        sys::set_option(fd.as_fd(), libc::SOL_SOCKET, plain, wanted)?;
    }
    let granted = sys::option(fd.as_fd(), libc::SOL_SOCKET, plain)?;
    Ok(usize::try_from(granted).unwrap_or(0))
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}
