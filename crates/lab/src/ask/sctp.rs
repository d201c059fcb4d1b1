//! Asking by SCTP: an INIT there, an INIT ACK back.

use std::hash::{BuildHasher, RandomState};
use std::os::fd::AsFd;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use model::IpFamily;
use rustix::event::PollFlags;

use super::{Answer, AskError, Question, wait_until};
use crate::sctp::{Chunk, Packet};
use crate::server::RawSctp;
use crate::talk;

/// Source ports of questions that name none: this one and those above it.
const FIRST_PORT: u16 = 49_152;

/// How long after an ABORT an INIT ACK may still come: a kernel with SCTP sockets answers for
/// ports that only a raw socket serves.
const GRACE: Duration = Duration::from_millis(100);

/// The next tag, starting anywhere: the kernel hands out ports of raw sockets to nobody, so each
/// question takes its own.
static NEXT: LazyLock<AtomicU32> =
    LazyLock::new(|| AtomicU32::new(RandomState::new().hash_one(0) as u32));

pub(super) fn ask(question: &Question, mut deadline: Instant) -> Result<Answer, AskError> {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let port = FIRST_PORT + (number % u32::from(u16::MAX - FIRST_PORT)) as u16;
    let target = question.target;
    let init = Packet {
        source: question.source_port.unwrap_or(port),
        destination: target.port(),
        // RFC 9260, 8.5.1: the tag of an INIT is 0. The tag it asks for must not be.
        verification: 0,
        chunk: Chunk::Init { tag: number.max(1) },
    };
    let socket = RawSctp::open(IpFamily::of(&target.ip()))?;
    socket.connect(target.ip())?;
    socket.send(&init, target.ip())?;
    let mut refused = false;
    loop {
        match wait_until(socket.as_fd(), PollFlags::IN, deadline) {
            Err(_) if refused => return Err(AskError::Refused),
            other => other?,
        }
        let Some((packet, _)) = socket.try_receive()? else { continue };
        if packet.source != init.destination || packet.destination != init.source {
            continue;
        }
        match packet.chunk {
            Chunk::InitAck { cookie } if packet.verification == number.max(1) => {
                let said = String::from_utf8_lossy(&cookie).into_owned();
                return talk::parse(&said).map(Answer::from).ok_or(AskError::Garbled(said));
            }
            Chunk::Abort => {
                refused = true;
                deadline = deadline.min(Instant::now() + GRACE);
            }
            _ => {}
        }
    }
}
