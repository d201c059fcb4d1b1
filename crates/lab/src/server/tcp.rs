//! The TCP server: any number of connections, each answered line by line, on one thread.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};

use super::wait;
use crate::talk;

struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    unfinished: Vec<u8>,
}

pub(super) fn serve(listener: &TcpListener, stop: &OwnedFd, who: &str) {
    let mut connections: Vec<Connection> = Vec::new();
    loop {
        let sources: Vec<_> = std::iter::once(listener.as_fd())
            .chain(connections.iter().map(|connection| connection.stream.as_fd()))
            .collect();
        let Some(ready) = wait(stop, &sources) else { return };
        let mut has_something = ready.into_iter();
        let has_callers = has_something.next().unwrap_or(false);
        connections.retain_mut(|connection| {
            !has_something.next().unwrap_or(false) || connection.answer(who).is_some()
        });
        if has_callers {
            while let Ok((stream, peer)) = listener.accept() {
                if stream.set_nonblocking(true).is_ok() {
                    let _ = stream.set_nodelay(true);
                    connections.push(Connection { stream, peer, unfinished: Vec::new() });
                }
            }
        }
    }
}

impl Connection {
    /// Answers what has come; none once the connection is over.
    fn answer(&mut self, who: &str) -> Option<()> {
        let mut buffer = [0; 4096];
        let length = match self.stream.read(&mut buffer) {
            Ok(0) => return None,
            Ok(length) => length,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Some(()),
            Err(_) => return None,
        };
        self.unfinished.extend_from_slice(&buffer[..length]);
        while let Some(end) = self.unfinished.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.unfinished.drain(..=end).collect();
            let question = String::from_utf8_lossy(&line[..end]).into_owned();
            let answer = talk::answer(who, self.peer, &question) + "\n";
            // A peer that does not read is dropped: answers are small and buffers are not.
            self.stream.write_all(answer.as_bytes()).ok()?;
        }
        Some(())
    }
}
