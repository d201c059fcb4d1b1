//! Owns splitting a datagram into messages and reading `nlmsghdr`, `nfgenmsg` and `nlmsgerr`.

use super::{Attributes, DecodeError, align};
use crate::consts::{
    NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_DUMP_INTR, NLMSGERR_ATTR_MSG, NLMSGERR_ATTR_OFFS,
};

/// Size of `struct nlmsghdr`.
pub const NLMSG_HEADER: usize = 16;

/// `struct nlmsghdr` without its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Message type: subsystem in the high byte, operation in the low one.
    pub kind: u16,
    /// `NLM_F_*`.
    pub flags: u16,
    /// The request's sequence number.
    pub sequence: u32,
    /// Port id of the socket that caused the message (0: the kernel).
    pub port: u32,
}

impl Header {
    /// The nfnetlink subsystem, `NFNL_SUBSYS_*`.
    pub const fn subsystem(&self) -> u8 {
        (self.kind >> 8) as u8
    }

    /// The operation inside the subsystem.
    pub const fn operation(&self) -> u8 {
        (self.kind & 0xff) as u8
    }

    /// The dump this belongs to ran across a change and is not consistent.
    pub const fn interrupted(&self) -> bool {
        self.flags & NLM_F_DUMP_INTR != 0
    }
}

/// `struct nfgenmsg`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NfHeader {
    /// `NFPROTO_*`.
    pub family: u8,
    /// nfnetlink version; conntrack uses 1 for "obey the family" in a flush.
    pub version: u8,
    /// Resource id: subsystem of a batch, low 16 bits of the generation in an nf_tables answer.
    pub resource: u16,
}

/// One message, borrowed from the received bytes.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// Its header.
    pub header: Header,
    /// Everything after the header.
    pub body: &'a [u8],
}

/// What an `NLMSG_ERROR` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ack<'a> {
    /// Positive errno; 0 is success.
    pub(crate) errno: i32,
    /// Byte in the request (from its `nlmsghdr`) at which the offending attribute starts.
    pub(crate) offset: Option<u32>,
    /// The kernel's text, or empty.
    pub(crate) text: &'a str,
}

impl<'a> Message<'a> {
    /// `nfgenmsg` and the attributes behind it.
    pub fn netfilter(&self) -> Result<(NfHeader, Attributes<'a>), DecodeError> {
        let Some((head, rest)) = self.body.split_first_chunk::<4>() else {
            return Err(DecodeError::Short { need: 4, have: self.body.len() });
        };
        let [family, version, hi, lo] = *head;
        let nf = NfHeader { family, version, resource: u16::from_be_bytes([hi, lo]) };
        Ok((nf, Attributes::new(rest)))
    }

    /// Reads the body of an `NLMSG_ERROR`.
    pub(crate) fn ack(&self) -> Result<Ack<'a>, DecodeError> {
        let short = DecodeError::Short { need: 4 + NLMSG_HEADER, have: self.body.len() };
        let (error, rest) = self.body.split_first_chunk::<4>().ok_or(short)?;
        let errno = i32::from_ne_bytes(*error).saturating_neg();
        let inner = rest.get(..NLMSG_HEADER).ok_or(short)?;
        let mut ack = Ack { errno, offset: None, text: "" };
        if self.header.flags & NLM_F_ACK_TLVS == 0 {
            return Ok(ack);
        }
        // the request is echoed behind its header only for errors and without NETLINK_CAP_ACK
        let echoed = u32::from_ne_bytes([inner[0], inner[1], inner[2], inner[3]]) as usize;
        let skip = if self.header.flags & NLM_F_CAPPED == 0 && errno != 0 {
            align(echoed)
        } else {
            NLMSG_HEADER
        };
        for attribute in Attributes::new(rest.get(skip..).unwrap_or(&[])) {
            let attribute = attribute?;
            match attribute.kind {
                NLMSGERR_ATTR_MSG => ack.text = attribute.str(),
                NLMSGERR_ATTR_OFFS => ack.offset = attribute.ne32().ok(),
                _ => {}
            }
        }
        Ok(ack)
    }
}

/// Splits one datagram into messages. A malformed header ends the iteration with its error.
#[derive(Debug, Clone)]
pub struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Messages<'a> {
    /// The messages in `datagram`.
    pub const fn new(datagram: &'a [u8]) -> Self {
        Self { rest: datagram }
    }

    /// Bytes not read yet.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest;
        if rest.is_empty() {
            return None;
        }
        self.rest = &[];
        let Some((h, _)) = rest.split_first_chunk::<NLMSG_HEADER>() else {
            return Some(Err(DecodeError::Short { need: NLMSG_HEADER, have: rest.len() }));
        };
        let len = u32::from_ne_bytes([h[0], h[1], h[2], h[3]]) as usize;
        let Some(body) = rest.get(NLMSG_HEADER..len) else {
            return Some(Err(DecodeError::Short { need: len.max(NLMSG_HEADER), have: rest.len() }));
        };
        self.rest = rest.get(align(len)..).unwrap_or(&[]);
        let header = Header {
            kind: u16::from_ne_bytes([h[4], h[5]]),
            flags: u16::from_ne_bytes([h[6], h[7]]),
            sequence: u32::from_ne_bytes([h[8], h[9], h[10], h[11]]),
            port: u32::from_ne_bytes([h[12], h[13], h[14], h[15]]),
        };
        Some(Ok(Message { header, body }))
    }
}
