//! One connection that lives long: a numbered line out each time, numbered answers in.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use super::{Clock, PATIENCE, Shared};
use crate::ask::wait_until;
use crate::talk;

pub(super) fn run(mut stream: TcpStream, every: Duration, shared: &Shared) {
    if let Err(error) = exchange(&mut stream, every, shared) {
        shared.note(|tally| tally.broke(error.to_string()));
    }
}

fn exchange(stream: &mut TcpStream, every: Duration, shared: &Shared) -> io::Result<()> {
    let mut clock = Clock::new(every);
    let mut unfinished = Vec::new();
    let mut number = 0;
    while !shared.is_stopped() {
        number += 1;
        shared.note(|tally| tally.sent(number, Instant::now()));
        match stream.write_all(format!("{number}\n").as_bytes()) {
            // The peer takes nothing any more and the buffer is full: that stays open, and is lost.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            other => other?,
        }
        let next = Instant::now() + clock.until_next();
        listen(stream, &mut unfinished, next, shared, || false)?;
    }
    // Stopped: what is still on its way may arrive.
    listen(stream, &mut unfinished, Instant::now() + PATIENCE, shared, || {
        shared.note(|tally| tally.is_settled())
    })
}

/// Takes in answers until the time has come or enough came.
fn listen(
    stream: &mut TcpStream,
    unfinished: &mut Vec<u8>,
    until: Instant,
    shared: &Shared,
    enough: impl Fn() -> bool,
) -> io::Result<()> {
    let mut buffer = [0; 4096];
    while !enough() {
        match wait_until(stream.as_fd(), PollFlags::IN, until) {
            Err(error) if error.kind() == io::ErrorKind::TimedOut => return Ok(()),
            other => other?,
        }
        match stream.read(&mut buffer) {
            Ok(0) => return Err(io::Error::other("the server closed the connection")),
            Ok(length) => unfinished.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        while let Some(end) = unfinished.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = unfinished.drain(..=end).collect();
            let said = talk::parse(&String::from_utf8_lossy(&line));
            if let Some((said, number)) =
                said.and_then(|said| said.question.parse().ok().map(|number| (said, number)))
            {
                shared.note(|tally| tally.answered(number, &said.who, said.peer, Instant::now()));
            }
        }
    }
    Ok(())
}
