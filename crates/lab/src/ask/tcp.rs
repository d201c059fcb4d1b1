//! Asking by TCP: a connection, a line, an answer.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::Instant;

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with, sockopt};

use super::{Answer, AskError, Question, wait_until};
use crate::talk;

pub(super) fn ask(question: &Question, deadline: Instant) -> Result<Answer, AskError> {
    let mut stream = open(question, deadline)?;
    stream.write_all(b"who\n")?;
    let mut said = Vec::new();
    let mut buffer = [0; 512];
    while !said.ends_with(b"\n") {
        wait_until(stream.as_fd(), PollFlags::IN, deadline)?;
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => said.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
    let said = String::from_utf8_lossy(&said).into_owned();
    talk::parse(&said).map(Answer::from).ok_or(AskError::Garbled(said))
}

/// A connected, non-blocking stream, made in the calling thread's namespace.
pub(crate) fn open(question: &Question, deadline: Instant) -> io::Result<TcpStream> {
    let target = question.target;
    let domain = if target.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(domain, SocketType::STREAM, flags, None)?;
    if let Some(port) = question.source_port {
        // An earlier question from the same port may still linger in TIME_WAIT.
        sockopt::set_socket_reuseaddr(&socket, true)?;
        bind(&socket, &any_address(target, port))?;
    }
    match connect(&socket, &target) {
        Ok(()) => {}
        Err(Errno::INPROGRESS) => {
            wait_until(socket.as_fd(), PollFlags::OUT, deadline)?;
            sockopt::socket_error(&socket)??;
        }
        Err(errno) => return Err(errno.into()),
    }
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The wildcard address of the target's family, with a port.
pub(crate) fn any_address(target: SocketAddr, port: u16) -> SocketAddr {
    let any: IpAddr = match target {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    SocketAddr::new(any, port)
}
