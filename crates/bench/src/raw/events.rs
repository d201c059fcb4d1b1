//! A listener to what anybody changes in the namespace's ruleset.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::set_socket_recv_buffer_size_force;
use rustix::net::{RecvFlags, recv};

use super::bytes::{NEWGEN, NEWSETELEM};
use super::socket::{RECEIVE, messages, open};

/// The socket.
pub(crate) struct Events {
    fd: OwnedFd,
    buffer: Vec<u8>,
}

/// What was heard.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Heard {
    /// Transactions.
    pub(crate) commits: usize,
    /// Elements that were added.
    pub(crate) added: usize,
    /// Changes of any object, added elements included.
    pub(crate) changes: usize,
    /// When the last of it was received.
    pub(crate) last: Option<Instant>,
}

impl Events {
    /// Joins the group `NFNLGRP_NFTABLES` (7), with room for large transactions.
    pub(crate) fn open() -> Result<Self> {
        let fd = open(1 << 6)?;
        set_socket_recv_buffer_size_force(&fd, 128 << 20).context("netlink receive buffer")?;
        Ok(Self { fd, buffer: vec![0; RECEIVE] })
    }

    /// Listens until nothing has come for `quiet`.
    pub(crate) fn until_quiet(&mut self, quiet: Duration) -> Result<Heard> {
        let mut heard = Heard::default();
        while self.receive(quiet, &mut heard)? {}
        Ok(heard)
    }

    /// Listens until `count` elements were added.
    pub(crate) fn until_added(&mut self, count: usize, limit: Duration) -> Result<Heard> {
        let mut heard = Heard::default();
        let deadline = Instant::now() + limit;
        while heard.added < count || heard.commits == 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if !self.receive(left, &mut heard)? {
                let (added, seconds) = (heard.added, limit.as_secs_f64());
                bail!("{added} elements of {count} were added within {seconds} s");
            }
        }
        Ok(heard)
    }

    /// One receive; whether anything came within the time.
    fn receive(&mut self, within: Duration, heard: &mut Heard) -> Result<bool> {
        let timeout = Timespec::try_from(within).context("timeout")?;
        let mut fds = [PollFd::new(&self.fd, PollFlags::IN)];
        if poll(&mut fds, Some(&timeout))? == 0 {
            return Ok(false);
        }
        let (_, length) = recv(&self.fd, &mut self.buffer[..], RecvFlags::empty())?;
        heard.last = Some(Instant::now());
        for (kind, _) in messages(&self.buffer[..length]) {
            match kind & 0xff {
                NEWGEN => heard.commits += 1,
                NEWSETELEM => {
                    heard.added += 1;
                    heard.changes += 1;
                }
                _ => heard.changes += 1,
            }
        }
        Ok(true)
    }
}
