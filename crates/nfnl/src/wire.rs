//! Owns the byte layout of netlink: messages, attributes, alignment.
//!
//! Invariants: the writer never wraps a 16-bit attribute length (it reports [`TooLong`]); the reader is total: any
//! bytes give an answer, never a panic. Deliberately does not know what an attribute means.
//!
//! ```
//! use nfnl::wire::{Attributes, Writer};
//!
//! let mut w = Writer::new();
//! w.nest(1, |w| w.put_be32(2, 7));
//! let bytes = w.finish()?;
//! let outer = Attributes::new(&bytes).next().unwrap()?;
//! let inner = outer.nested().next().unwrap()?;
//! assert_eq!((outer.kind, inner.kind, inner.be32()?), (1, 2, 7));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod message;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use self::message::Ack;
pub use self::{
    message::{Header, Message, Messages, NLMSG_HEADER, NfHeader},
    reader::{Attribute, Attributes, DecodeError},
    writer::{Mark, TooLong, Writer},
};

/// Rounds up to the 4-byte alignment of netlink (`NLMSG_ALIGN`, `NLA_ALIGN`).
pub const fn align(len: usize) -> usize {
    (len + 3) & !3
}
