//! Asking by UDP: a datagram there, a datagram back.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use super::tcp::any_address;
use super::{Answer, AskError, Question, wait_until};
use crate::talk;

/// Between two attempts to take a port.
const PAUSE: Duration = Duration::from_millis(1);

pub(super) fn ask(question: &Question, deadline: Instant) -> Result<Answer, AskError> {
    let socket = open_until(question, deadline)?;
    socket.send(b"who")?;
    let mut buffer = [0; 2048];
    wait_until(socket.as_fd(), PollFlags::IN, deadline)?;
    let length = socket.recv(&mut buffer)?;
    let said = String::from_utf8_lossy(&buffer[..length]).into_owned();
    talk::parse(&said).map(Answer::from).ok_or(AskError::Garbled(said))
}

/// A program that is being started has a copy of every socket of ours until its exec: the port of
/// an earlier question may stay taken for a moment.
fn open_until(question: &Question, deadline: Instant) -> io::Result<UdpSocket> {
    let port = question.source_port.unwrap_or(0);
    loop {
        match open(question.target, port) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < deadline => {
                thread::sleep(PAUSE);
            }
            outcome => return outcome,
        }
    }
}

/// A connected, non-blocking socket, made in the calling thread's namespace. Connected, so that
/// ICMP errors arrive (udp(7)).
pub(crate) fn open(target: SocketAddr, source_port: u16) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(any_address(target, source_port))?;
    socket.connect(target)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}
