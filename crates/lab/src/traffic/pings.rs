//! Datagrams: a numbered one out each time, numbered answers in.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{Clock, PATIENCE, Shared, Tally};
use crate::ask::udp;
use crate::talk;

/// Where datagrams come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourcePort {
    /// All from this port: one flow to conntrack (0: a port that the kernel picks once).
    Fixed(u16),
    /// Each from another: a flow of its own.
    Fresh,
}

/// The sockets in use, by the number of the question they were made for. With a fixed port there
/// is one, under 0.
type Sockets = BTreeMap<u64, UdpSocket>;

pub(super) fn run(target: SocketAddr, every: Duration, source: SourcePort, shared: &Shared) {
    let mut sockets = Sockets::new();
    let mut clock = Clock::new(every);
    let mut number = 0;
    while !shared.is_stopped() {
        number += 1;
        shared.note(|tally| tally.sent(number, Instant::now()));
        if let Err(error) = send(&mut sockets, number, target, source) {
            refuse_or_lose(&error, number, shared);
        }
        let next = Instant::now() + clock.until_next();
        listen(&mut sockets, next, shared, || false);
        for expired in shared.note(|tally| tally.expire(Instant::now(), PATIENCE)) {
            sockets.remove(&expired);
        }
    }
    listen(&mut sockets, Instant::now() + PATIENCE, shared, || shared.note(|t| t.is_settled()));
}

fn send(
    sockets: &mut Sockets,
    number: u64,
    target: SocketAddr,
    source: SourcePort,
) -> io::Result<()> {
    let (key, port) = match source {
        SourcePort::Fixed(port) => (0, port),
        SourcePort::Fresh => (number, 0),
    };
    let socket = match sockets.entry(key) {
        std::collections::btree_map::Entry::Occupied(there) => there.into_mut(),
        std::collections::btree_map::Entry::Vacant(place) => place.insert(udp::open(target, port)?),
    };
    let question = number.to_string();
    // udp(7): an ICMP error about an earlier datagram is reported by the next call, which then
    // does nothing else; so it is tried once more, and the error stands for an earlier question.
    match socket.send(question.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            socket.send(question.as_bytes()).and(Err(error))
        }
        other => other.map(drop),
    }
}

fn refuse_or_lose(error: &io::Error, number: u64, shared: &Shared) {
    shared.note(|tally| {
        if error.kind() == io::ErrorKind::ConnectionRefused {
            tally.refused_before(number);
        } else {
            tally.lost(number);
        }
    });
}

/// Takes in answers until the time has come or enough came.
fn listen(sockets: &mut Sockets, until: Instant, shared: &Shared, enough: impl Fn() -> bool) {
    while !enough() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        let keys: Vec<u64> = sockets.keys().copied().collect();
        let mut polled: Vec<PollFd<'_>> =
            sockets.values().map(|socket| PollFd::new(socket, PollFlags::IN)).collect();
        let Ok(left) = Timespec::try_from(left) else { return };
        match poll(&mut polled, Some(&left)) {
            Ok(0) => return,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return,
        }
        let ready: Vec<u64> = keys
            .into_iter()
            .zip(&polled)
            .filter(|(_, polled)| !polled.revents().is_empty())
            .map(|(key, _)| key)
            .collect();
        drop(polled);
        for key in ready {
            let done =
                sockets.get(&key).is_some_and(|socket| shared.note(|t| take(socket, key, t)));
            if done {
                sockets.remove(&key);
            }
        }
    }
}

/// Takes one datagram or error off the socket; whether the socket, made for one question only
/// (key over 0), has done its work.
fn take(socket: &UdpSocket, key: u64, tally: &mut Tally) -> bool {
    let mut buffer = [0; 2048];
    match socket.recv(&mut buffer) {
        Ok(length) => {
            let said = talk::parse(&String::from_utf8_lossy(&buffer[..length]));
            let numbered = said.and_then(|said| said.question.parse().ok().map(|n| (said, n)));
            if let Some((said, number)) = numbered {
                tally.answered(number, &said.who, said.peer, Instant::now());
            }
            key > 0
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
        Err(_) if key > 0 => {
            tally.refused(key);
            true
        }
        Err(_) => {
            tally.refused_before(u64::MAX);
            false
        }
    }
}
