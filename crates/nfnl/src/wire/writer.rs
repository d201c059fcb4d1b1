//! Owns writing messages and attributes into one growing buffer.
//!
//! Invariant: an attribute longer than 65,535 bytes (the width of `nla_len`) is never written short; the writer
//! remembers the fault and [`Writer::finish`] or [`Writer::take_fault`] returns it.

use super::align;
use crate::consts::NLA_F_NESTED;

/// An attribute does not fit the 16 bits of its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("attribute {kind} needs {bytes} bytes, a netlink attribute holds at most 65535")]
pub struct TooLong {
    /// Attribute number.
    pub kind: u16,
    /// Bytes it would need, header included.
    pub bytes: usize,
}

/// A position in a [`Writer`] at which a message or nest was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark(usize);

impl Mark {
    /// Offset in the buffer.
    pub const fn offset(self) -> usize {
        self.0
    }
}

/// Appends netlink messages and attributes to a buffer that is kept between uses.
#[derive(Debug, Default, Clone)]
pub struct Writer {
    buf: Vec<u8>,
    fault: Option<TooLong>,
}

impl Writer {
    /// An empty writer.
    pub const fn new() -> Self {
        Self { buf: Vec::new(), fault: None }
    }

    /// An empty writer with room for `bytes`.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { buf: Vec::with_capacity(bytes), fault: None }
    }

    /// Forgets the content, keeps the allocation.
    pub fn clear(&mut self) {
        self.buf.clear();
        self.fault = None;
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.buf.len()
    }

    /// Nothing written yet.
    pub fn is_empty(&self) -> bool {
        self.buf.is_empty()
    }

    /// The bytes written so far.
    pub fn bytes(&self) -> &[u8] {
        &self.buf
    }

    /// Cuts back to `len` bytes, for instance after a fault.
    pub fn truncate(&mut self, len: usize) {
        self.buf.truncate(len);
    }

    /// Appends bytes that are already encoded.
    pub fn append(&mut self, encoded: &[u8]) {
        self.buf.extend_from_slice(encoded);
    }

    /// Writes the sequence number of the message whose header is at `offset`.
    pub fn set_sequence(&mut self, offset: usize, sequence: u32) {
        self.patch(offset + 8, &sequence.to_ne_bytes());
    }

    /// The first attribute that did not fit, if any; clears it.
    pub fn take_fault(&mut self) -> Option<TooLong> {
        self.fault.take()
    }

    /// The bytes, unless an attribute did not fit.
    ///
    /// # Errors
    /// [`TooLong`] with the first attribute that did not fit.
    pub fn finish(self) -> Result<Vec<u8>, TooLong> {
        self.fault.map_or(Ok(self.buf), Err)
    }

    /// Opens a message: `nlmsghdr` and `nfgenmsg`. Close it with [`Self::end_message`].
    pub fn begin_message(
        &mut self,
        kind: u16,
        flags: u16,
        sequence: u32,
        nf: super::NfHeader,
    ) -> Mark {
        let mark = Mark(self.buf.len());
        let mut header = [0; 20];
        header[4..6].copy_from_slice(&kind.to_ne_bytes());
        header[6..8].copy_from_slice(&flags.to_ne_bytes());
        header[8..12].copy_from_slice(&sequence.to_ne_bytes());
        header[16] = nf.family;
        header[17] = nf.version;
        header[18..20].copy_from_slice(&nf.resource.to_be_bytes());
        self.buf.extend_from_slice(&header);
        mark
    }

    /// Closes a message: writes its length.
    pub fn end_message(&mut self, mark: Mark) {
        let len = u32::try_from(self.buf.len() - mark.0).unwrap_or(u32::MAX);
        self.patch(mark.0, &len.to_ne_bytes());
    }

    /// Sets or clears bits in the flags of the message whose header is at `offset`.
    pub fn set_flags(&mut self, offset: usize, set: u16, clear: u16) {
        if let Some(at) = self.buf.get_mut(offset + 6..offset + 8) {
            let old = u16::from_ne_bytes([at[0], at[1]]);
            at.copy_from_slice(&(old & !clear | set).to_ne_bytes());
        }
    }

    fn patch(&mut self, at: usize, bytes: &[u8]) {
        if let Some(place) = self.buf.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }

    /// Appends an attribute with these bytes as its payload.
    pub fn put(&mut self, kind: u16, payload: &[u8]) {
        self.put_parts(kind, payload, &[]);
    }

    fn put_parts(&mut self, kind: u16, head: &[u8], tail: &[u8]) {
        let bytes = 4 + head.len() + tail.len();
        let Ok(len) = u16::try_from(bytes) else {
            self.fault.get_or_insert(TooLong { kind, bytes });
            return;
        };
        let [l0, l1] = len.to_ne_bytes();
        let [k0, k1] = kind.to_ne_bytes();
        self.buf.extend_from_slice(&[l0, l1, k0, k1]);
        self.buf.extend_from_slice(head);
        self.buf.extend_from_slice(tail);
        self.buf.resize(align(self.buf.len()), 0);
    }

    /// Appends a NUL-terminated string.
    pub fn put_str(&mut self, kind: u16, text: &str) {
        self.put_parts(kind, text.as_bytes(), &[0]);
    }

    /// Appends one byte.
    pub fn put_u8(&mut self, kind: u16, value: u8) {
        self.put(kind, &[value]);
    }

    /// Appends a 16-bit number in network order.
    pub fn put_be16(&mut self, kind: u16, value: u16) {
        self.put(kind, &value.to_be_bytes());
    }

    /// Appends a 32-bit number in network order.
    pub fn put_be32(&mut self, kind: u16, value: u32) {
        self.put(kind, &value.to_be_bytes());
    }

    /// Appends a 64-bit number in network order.
    pub fn put_be64(&mut self, kind: u16, value: u64) {
        self.put(kind, &value.to_be_bytes());
    }

    /// Appends a 32-bit number in the machine's order.
    pub fn put_ne32(&mut self, kind: u16, value: u32) {
        self.put(kind, &value.to_ne_bytes());
    }

    /// Appends a nested attribute whose content `inside` writes.
    pub fn nest(&mut self, kind: u16, inside: impl FnOnce(&mut Self)) {
        let mark = self.begin_nest(kind);
        inside(self);
        self.end_nest(mark);
    }

    /// Opens a nest; close it with [`Self::end_nest`].
    pub fn begin_nest(&mut self, kind: u16) -> Mark {
        let mark = Mark(self.buf.len());
        let [k0, k1] = (kind | NLA_F_NESTED).to_ne_bytes();
        self.buf.extend_from_slice(&[0, 0, k0, k1]);
        mark
    }

    /// Closes a nest. One that grew over 65,535 bytes is taken out again and remembered as a fault.
    pub fn end_nest(&mut self, mark: Mark) {
        let bytes = self.buf.len() - mark.0;
        if let Ok(len) = u16::try_from(bytes) {
            self.patch(mark.0, &len.to_ne_bytes());
        } else {
            let kind = self
                .buf
                .get(mark.0 + 2..mark.0 + 4)
                .map_or(0, |k| u16::from_ne_bytes([k[0], k[1]]) & !NLA_F_NESTED);
            self.fault.get_or_insert(TooLong { kind, bytes });
            self.buf.truncate(mark.0);
        }
    }
}
