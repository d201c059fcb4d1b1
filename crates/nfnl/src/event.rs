//! Owns the event socket: what changed in a network namespace, and who changed it.
//!
//! Events are hints: a burst overruns the receive buffer and is lost ([`Event::Overrun`]); then the state must be read
//! again. The generation ([`crate::Socket::generation`]) is the truth.

mod decode;

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
};

use crate::{
    Chain, Element, Error, Generation, Rule, Set, SetId, SocketOptions, Stateful, Table,
    conntrack::Entry,
    consts::{
        NETLINK_ADD_MEMBERSHIP, NFNLGRP_CONNTRACK_DESTROY, NFNLGRP_CONNTRACK_NEW,
        NFNLGRP_CONNTRACK_UPDATE, NFNLGRP_NFTABLES,
    },
    socket::{Buffer, buffer},
    sys::{self, Wait},
    wire::{DecodeError, Message, Messages},
};

/// Which events to receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Group {
    /// Changes of nf_tables.
    Nftables,
    /// New conntrack entries.
    ConntrackNew,
    /// Changes of conntrack entries.
    ConntrackUpdate,
    /// Conntrack entries that went away.
    ConntrackDestroy,
}

impl Group {
    const fn number(self) -> i32 {
        let number = match self {
            Self::Nftables => NFNLGRP_NFTABLES,
            Self::ConntrackNew => NFNLGRP_CONNTRACK_NEW,
            Self::ConntrackUpdate => NFNLGRP_CONNTRACK_UPDATE,
            Self::ConntrackDestroy => NFNLGRP_CONNTRACK_DESTROY,
        };
        number.cast_signed()
    }
}

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Happened {
    /// It was made or changed.
    New,
    /// It was deleted.
    Deleted,
}

/// What an event is about.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Subject {
    /// A table.
    Table(Table),
    /// A chain.
    Chain(Chain),
    /// A rule.
    Rule(Rule),
    /// A set or map.
    Set(Set),
    /// Elements of a set.
    Elements {
        /// The set.
        set: SetId,
        /// Those that changed.
        elements: Vec<Element>,
    },
    /// A stateful object.
    Stateful(Stateful),
    /// A conntrack entry.
    Conntrack(Entry),
}

/// One event.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A commit is complete: everything before this belongs to it.
    Committed {
        /// The new generation, with pid and name of the process that committed.
        generation: Generation,
        /// Port id of the socket that committed.
        port: u32,
    },
    /// Something was made, changed or deleted.
    Changed {
        /// Which of these.
        happened: Happened,
        /// What.
        subject: Subject,
        /// Port id of the socket that did it; 0 is the kernel itself.
        port: u32,
    },
    /// Events were lost: the receive buffer was full. Read the state again.
    Overrun,
    /// An event this crate has no type for.
    Other {
        /// nfnetlink subsystem.
        subsystem: u8,
        /// Its operation.
        operation: u8,
        /// Port id of the socket that caused it.
        port: u32,
    },
    /// An event that could not be decoded. Read the state again.
    Unreadable(DecodeError),
}

/// A socket that receives events.
///
/// ```no_run
/// use nfnl::{Event, EventSocket, Group};
/// let mut events = EventSocket::open(&[Group::Nftables])?;
/// loop {
///     if let Event::Committed { generation, .. } = events.next_event()? {
///         println!("{:?} made generation {}", generation.process, generation.id);
///     }
/// }
/// # Ok::<(), nfnl::Error>(())
/// ```
#[derive(Debug)]
pub struct EventSocket {
    fd: OwnedFd,
    port: u32,
    datagram: Vec<u8>,
    /// What of the datagram has not been given out yet.
    unread: std::ops::Range<usize>,
    /// Whose changes are not told.
    muted: Option<u32>,
}

impl EventSocket {
    /// Opens a socket in the calling thread's network namespace and joins the groups, with a 64 MiB receive buffer if
    /// that is allowed.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(groups: &[Group]) -> Result<Self, Error> {
        let options = SocketOptions { receive_buffer: 64 << 20, ..SocketOptions::default() };
        Self::open_with(groups, options)
    }

    /// Opens a socket with other buffer sizes.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open_with(groups: &[Group], options: SocketOptions) -> Result<Self, Error> {
        // bound already: joining before bind() would silently give no events
        let (fd, port) = sys::open().map_err(Error::io("open a netfilter socket"))?;
        buffer(&fd, Buffer::Receive, options.receive_buffer)
            .map_err(Error::io("size the receive buffer"))?;
        for group in groups {
            sys::set_option(fd.as_fd(), libc::SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group.number())
                .map_err(Error::io("join an event group"))?;
        }
        Ok(Self {
            fd,
            port,
            datagram: vec![0; options.datagram.max(32 << 10)],
            unread: 0..0,
            muted: None,
        })
    }

    /// Leaves out what a socket changes in nf_tables, without decoding it: who writes a thousand elements need not
    /// read each of them twice. That it committed is told as before, and so is that events were lost.
    pub const fn mute(&mut self, port: u32) {
        self.muted = Some(port);
    }

    /// The socket's own port id.
    pub const fn port_id(&self) -> u32 {
        self.port
    }

    /// Waits for the next event.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn next_event(&mut self) -> Result<Event, Error> {
        loop {
            if let Some(event) = self.unread_event() {
                return Ok(event);
            }
            if let Some(event) = self.fill(Wait::Block)? {
                return Ok(event);
            }
        }
    }

    /// The next event, if there is one already. For use with `poll` on the descriptor; call it until it is `None`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn try_event(&mut self) -> Result<Option<Event>, Error> {
        loop {
            if let Some(event) = self.unread_event() {
                return Ok(Some(event));
            }
            match self.fill(Wait::Poll) {
                Ok(None) => {}
                Ok(Some(event)) => return Ok(Some(event)),
                Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Receives one datagram. An event of its own if that failed in a way that is news.
    fn fill(&mut self, wait: Wait) -> Result<Option<Event>, Error> {
        match sys::receive(self.fd.as_fd(), &mut self.datagram, wait) {
            Ok(bytes) if bytes > self.datagram.len() => Ok(Some(Event::Overrun)),
            Ok(bytes) => {
                self.unread = 0..bytes;
                Ok(None)
            }
            Err(e) if e.raw_os_error() == Some(libc::ENOBUFS) => Ok(Some(Event::Overrun)),
            Err(source) => Err(Error::Io { action: "receive events", source }),
        }
    }

    fn unread_event(&mut self) -> Option<Event> {
        let unread = self.datagram.get(self.unread.clone())?;
        let mut messages = Messages::new(unread);
        let is_muted = |message: &Message<'_>| {
            self.muted == Some(message.header.port) && decode::is_nftables_change(message)
        };
        let event = messages.find(|message| !message.as_ref().is_ok_and(is_muted)).map(Event::of);
        self.unread.start = self.unread.end - messages.rest().len();
        event
    }
}

impl AsFd for EventSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for EventSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}
