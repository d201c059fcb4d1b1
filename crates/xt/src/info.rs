//! Owns reading the kernel's structures out of bytes, with no assumption about their length.
//!
//! The layouts are those of linux/netfilter*/ (uapi), in the byte order and alignment of this
//! machine; `tests/layouts.rs` compares sizes and offsets with the installed headers.

use std::borrow::Cow;
use std::ffi::CStr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::view::Family;

/// Bytes of one structure of the kernel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Info<'a>(pub(crate) &'a [u8]);

impl<'a> Info<'a> {
    pub(crate) fn bytes(self, at: usize, length: usize) -> Option<&'a [u8]> {
        self.0.get(at..)?.get(..length)
    }

    fn array<const N: usize>(self, at: usize) -> Option<[u8; N]> {
        self.0.get(at..)?.first_chunk().copied()
    }

    pub(crate) fn u8(self, at: usize) -> Option<u8> {
        self.0.get(at).copied()
    }

    pub(crate) fn u16(self, at: usize) -> Option<u16> {
        self.array(at).map(u16::from_ne_bytes)
    }

    pub(crate) fn be16(self, at: usize) -> Option<u16> {
        self.array(at).map(u16::from_be_bytes)
    }

    pub(crate) fn u32(self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_ne_bytes)
    }

    pub(crate) fn i32(self, at: usize) -> Option<i32> {
        self.array(at).map(i32::from_ne_bytes)
    }

    pub(crate) fn u64(self, at: usize) -> Option<u64> {
        self.array(at).map(u64::from_ne_bytes)
    }

    /// A text that ends at the first NUL or at the end of its field.
    pub(crate) fn text(self, at: usize, length: usize) -> Option<String> {
        self.borrowed(at, length).map(Cow::into_owned)
    }

    /// [`Self::text`] without a copy, unless some of its bytes are no text.
    pub(crate) fn borrowed(self, at: usize, length: usize) -> Option<Cow<'a, str>> {
        let field = self.bytes(at, length)?;
        let bytes = CStr::from_bytes_until_nul(field).map_or(field, CStr::to_bytes);
        Some(std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::from))
    }

    /// An address at the start of its field: `struct in_addr`, `struct in6_addr` or the
    /// `union nf_inet_addr` of both.
    pub(crate) fn address(self, at: usize, family: Family) -> Option<IpAddr> {
        Some(match family {
            Family::V4 => IpAddr::V4(Ipv4Addr::from_octets(self.array(at)?)),
            Family::V6 => IpAddr::V6(Ipv6Addr::from_octets(self.array(at)?)),
        })
    }
}

/// What is being decoded: the words around the bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Of {
    pub(crate) family: Family,
    pub(crate) revision: u8,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_read_behind_the_end() {
        let info = Info(&[1, 0, 0, 0, b'a', 0, b'b']);
        assert_eq!(info.u32(0), Some(u32::from_ne_bytes([1, 0, 0, 0])));
        assert_eq!(info.u32(4), None);
        assert_eq!(info.u64(usize::MAX), None);
        assert_eq!(info.text(4, 3), Some("a".into()));
        assert_eq!(info.text(6, 1), Some("b".into()));
        assert_eq!(info.text(6, 2), None);
    }
}
