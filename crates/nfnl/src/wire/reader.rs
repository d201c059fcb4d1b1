//! Owns reading attributes. Total: arbitrary bytes give attributes or a [`DecodeError`], never a panic.

use super::align;
use crate::consts::{NLA_F_NESTED, NLA_F_NET_BYTEORDER};

/// Bytes that are not what the kernel interface promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Fewer bytes than the header or length field says.
    #[error("message or attribute is cut short: {need} bytes announced, {have} present")]
    Short {
        /// Bytes announced.
        need: usize,
        /// Bytes present.
        have: usize,
    },
    /// A fixed-width attribute has another width.
    #[error("attribute {kind} has {len} bytes, expected {expected}")]
    Width {
        /// Attribute number.
        kind: u16,
        /// Its length without header.
        len: usize,
        /// The length it must have.
        expected: usize,
    },
    /// An attribute the message cannot do without is absent.
    #[error("{of}: attribute {kind} is missing")]
    Missing {
        /// What was being decoded.
        of: &'static str,
        /// Attribute number.
        kind: u16,
    },
    /// A value that cannot be represented.
    #[error("{of}: attribute {kind} has a value that makes no sense")]
    Value {
        /// What was being decoded.
        of: &'static str,
        /// Attribute number.
        kind: u16,
    },
}

/// One attribute, borrowed from the received bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Attribute number without the two flag bits.
    pub kind: u16,
    /// Payload without header and padding.
    pub payload: &'a [u8],
}

impl<'a> Attribute<'a> {
    fn fixed<const N: usize>(&self) -> Result<[u8; N], DecodeError> {
        self.payload.try_into().map_err(|_| DecodeError::Width {
            kind: self.kind,
            len: self.payload.len(),
            expected: N,
        })
    }

    /// One byte.
    pub fn u8(&self) -> Result<u8, DecodeError> {
        self.fixed::<1>().map(|[b]| b)
    }

    /// 16 bits in network order.
    pub fn be16(&self) -> Result<u16, DecodeError> {
        self.fixed().map(u16::from_be_bytes)
    }

    /// 32 bits in network order.
    pub fn be32(&self) -> Result<u32, DecodeError> {
        self.fixed().map(u32::from_be_bytes)
    }

    /// 64 bits in network order.
    pub fn be64(&self) -> Result<u64, DecodeError> {
        self.fixed().map(u64::from_be_bytes)
    }

    /// 32 bits in the machine's order.
    pub fn ne32(&self) -> Result<u32, DecodeError> {
        self.fixed().map(u32::from_ne_bytes)
    }

    /// A string up to its first NUL; bytes that are not UTF-8 are replaced.
    pub fn string(&self) -> String {
        let end = self.payload.iter().position(|b| *b == 0).unwrap_or(self.payload.len());
        String::from_utf8_lossy(&self.payload[..end]).into_owned()
    }

    /// The same without a copy; empty if the bytes are not UTF-8.
    pub fn str(&self) -> &'a str {
        let end = self.payload.iter().position(|b| *b == 0).unwrap_or(self.payload.len());
        std::str::from_utf8(&self.payload[..end]).unwrap_or_default()
    }

    /// The attributes nested in this one.
    pub fn nested(&self) -> Attributes<'a> {
        Attributes::new(self.payload)
    }
}

/// Iterates over attributes. A malformed one ends the iteration with its error.
#[derive(Debug, Clone)]
pub struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Attributes<'a> {
    /// The attributes in `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Bytes not read yet.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest;
        if rest.is_empty() {
            return None;
        }
        let Some((header, _)) = rest.split_first_chunk::<4>() else {
            self.rest = &[];
            // the kernel ignores up to three trailing bytes of padding, and so do we
            return (!rest.iter().all(|b| *b == 0))
                .then_some(Err(DecodeError::Short { need: 4, have: rest.len() }));
        };
        let len = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let kind = u16::from_ne_bytes([header[2], header[3]]);
        let Some(payload) = rest.get(4..len) else {
            self.rest = &[];
            return Some(Err(DecodeError::Short { need: len.max(4), have: rest.len() }));
        };
        self.rest = rest.get(align(len)..).unwrap_or(&[]);
        Some(Ok(Attribute { kind: kind & !(NLA_F_NESTED | NLA_F_NET_BYTEORDER), payload }))
    }
}
