//! Owns the commit: one send, as few receives as possible, and the meaning of the kernel's answers.
//!
//! nfnetlink handles a batch inside `sendmsg`, so all answers are in the queue when it returns. Asked for an ack at the
//! end of the batch, kernels since 6.10 send one after a successful commit, behind all errors; older ones send nothing.
//! There the last real message asks for the ack; its success means success of the batch only if no error came with it.
//! The first commit of a socket asks for both and so learns which kernel it has.

use std::io;

use super::{Batch, BatchError, Denied, Rejection, Sent, locate};
use crate::{
    Errno, Socket,
    consts::{
        NFNL_BATCH_GENID, NFNL_MSG_BATCH_BEGIN, NFNL_MSG_BATCH_END, NFNL_SUBSYS_NFTABLES,
        NLM_F_ACK, NLM_F_REQUEST, NLMSG_ERROR,
    },
    socket::EndAck,
    sys::Wait,
    wire::{Ack, Messages},
};

#[cfg(test)]
mod tests;

/// Most refusals that are kept; the rest adds nothing.
const MOST_REJECTIONS: usize = 256;

/// Bytes of begin (with generation) and end.
pub(super) const FRAME: usize = 28 + 20;

/// A refusal of the batch's first header stands for the whole batch.
#[derive(Debug)]
struct Whole {
    errno: i32,
    text: String,
}

/// What the answers said so far.
#[derive(Debug, Default)]
struct Answers {
    whole: Option<Whole>,
    rejections: Vec<Rejection>,
    last_acked: bool,
    ended: bool,
    lost: bool,
}

impl Socket {
    /// Applies a batch. It is left as it is: [`Batch::clear`] it to use it again, or commit it once more.
    ///
    /// An empty batch is not sent.
    ///
    /// # Errors
    /// [`BatchError`].
    pub fn commit(&mut self, batch: &mut Batch) -> Result<(), BatchError> {
        let Some(last) = batch.sent.last().copied() else { return Ok(()) };
        let count = batch.sent.len() as u32 + 2;
        let first = self.next_sequences(count);
        let end_sequence = first.wrapping_add(count - 1);
        for (sent, i) in batch.sent.iter().zip(1..) {
            batch.w.set_sequence(sent.offset, first.wrapping_add(i));
        }
        let (set, clear) =
            if self.end_ack == EndAck::Yes { (0, NLM_F_ACK) } else { (NLM_F_ACK, 0) };
        batch.w.set_flags(last.offset, set, clear);
        let (begin, begin_len) = begin(first, batch.generation);
        let end = header(20, NFNL_MSG_BATCH_END, NLM_F_ACK, end_sequence);
        let begin = &begin[..begin_len];
        let bytes = begin.len() + batch.w.len() + end.len();
        if bytes > self.send_limit() {
            return Err(BatchError::TooLarge { bytes, limit: self.send_limit() });
        }
        match self.send([begin, batch.w.bytes(), &end]) {
            Ok(()) => {}
            Err(e) if e.raw_os_error() == Some(libc::EMSGSIZE) => {
                return Err(BatchError::TooLarge { bytes, limit: self.send_limit() });
            }
            Err(e) => return Err(BatchError::Io(e)),
        }
        self.outcome(batch, first, count)
    }

    fn outcome(&mut self, batch: &Batch, first: u32, count: u32) -> Result<(), BatchError> {
        let mut answers = Answers::default();
        while !answers.ended {
            let datagram = match self.receive(Wait::Poll) {
                Ok(datagram) => datagram,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => {
                    answers.lost = true; // ENOBUFS: answers were dropped, the others are still in the queue
                    continue;
                }
            };
            for message in Messages::new(datagram) {
                let message = message?;
                let index = message.header.sequence.wrapping_sub(first);
                if index < count && message.header.kind == NLMSG_ERROR {
                    answers.take(batch, index, count, &message.ack()?);
                } // else it is left over from an earlier exchange
            }
        }
        self.end_ack = match self.end_ack {
            EndAck::Unknown if answers.ended => EndAck::Yes,
            EndAck::Unknown if answers.last_confirms() => EndAck::No,
            known => known,
        };
        answers.verdict(self.end_ack)
    }
}

impl Answers {
    fn take(&mut self, batch: &Batch, index: u32, count: u32, ack: &Ack<'_>) {
        let message = (index as usize).checked_sub(1).and_then(|i| batch.sent.get(i));
        match (ack.errno, message) {
            (0, _) if index == count - 1 => self.ended = true,
            (0, Some(_)) if index == count - 2 => self.last_acked = true,
            (0, _) => {}
            (errno, Some(sent)) if self.rejections.len() < MOST_REJECTIONS => {
                self.rejections.push(rejection(batch, sent, errno, ack));
            }
            (_, Some(_)) => {}
            (errno, None) => {
                self.whole.get_or_insert(Whole { errno, text: ack.text.to_owned() });
            }
        }
    }

    /// The ack of the last real message says that the batch was applied.
    fn last_confirms(&self) -> bool {
        self.last_acked && !self.lost && self.whole.is_none() && self.rejections.is_empty()
    }

    fn verdict(mut self, end_ack: EndAck) -> Result<(), BatchError> {
        if let Some(first) = self.rejections.first() {
            return Err(if first.errno == Errno::NOT_PERMITTED {
                BatchError::Denied(Denied::OwnedTable(self.rejections.swap_remove(0)))
            } else {
                BatchError::Rejected(self.rejections)
            });
        }
        match self.whole {
            Some(Whole { errno: libc::ERESTART, .. }) => Err(BatchError::Stale),
            Some(Whole { errno: libc::EPERM, .. }) => Err(BatchError::Denied(Denied::Capability)),
            Some(Whole { errno, text }) => Err(BatchError::Refused { errno: Errno(errno), text }),
            None if self.ended => Ok(()),
            None if end_ack != EndAck::Yes && self.last_confirms() => Ok(()),
            None => Err(BatchError::UnknownOutcome),
        }
    }
}

fn rejection(batch: &Batch, sent: &Sent, errno: i32, ack: &Ack<'_>) -> Rejection {
    let message = batch.w.bytes().get(sent.offset..).unwrap_or_default();
    let len = message.first_chunk().map_or(0, |len| u32::from_ne_bytes(*len) as usize);
    let message = message.get(..len).unwrap_or_default();
    let element = locate::element_at(message, ack.offset).map(|i| i + sent.first_element);
    Rejection {
        change: sent.change,
        element,
        errno: Errno(errno),
        offset: ack.offset,
        text: ack.text.to_owned(),
    }
}

/// The begin message, and how many of its bytes are used.
fn begin(sequence: u32, generation: Option<u32>) -> ([u8; 28], usize) {
    let len = if generation.is_some() { 28 } else { 20 };
    let mut bytes = [0; 28];
    bytes[..20].copy_from_slice(&header(len, NFNL_MSG_BATCH_BEGIN, 0, sequence));
    if let Some(id) = generation {
        bytes[20..22].copy_from_slice(&8_u16.to_ne_bytes());
        bytes[22..24].copy_from_slice(&NFNL_BATCH_GENID.to_ne_bytes());
        bytes[24..].copy_from_slice(&id.to_be_bytes());
    }
    (bytes, len as usize)
}

/// `nlmsghdr` and `nfgenmsg` of a begin or end message: the resource id is the subsystem.
fn header(len: u32, kind: u16, flags: u16, sequence: u32) -> [u8; 20] {
    let mut bytes = [0; 20];
    bytes[..4].copy_from_slice(&len.to_ne_bytes());
    bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
    bytes[6..8].copy_from_slice(&(flags | NLM_F_REQUEST).to_ne_bytes());
    bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
    bytes[19] = NFNL_SUBSYS_NFTABLES;
    bytes
}
