//! Owns the small values that rules are made of: negatable tests, networks, ports, interfaces,
//! protocols, bit sets, bytes.
//!
//! Each of them has one text, the one iptables-save prints, and serialises as that text where it is
//! one word.

mod bits;
mod hex;
mod iface;
mod net;
mod ports;
mod proto;

use serde::{Deserialize, Serialize};

pub(crate) use self::{bits::named_bits, net::push_address};
pub use self::{
    bits::{AddrTypes, CtEvents, CtStates, CtStatus, LogFlags, TcpFlags},
    hex::Hex,
    iface::Iface,
    net::{Net, address_text},
    ports::{PortRange, PortRanges},
    proto::Proto,
};

/// A condition or its opposite (`!`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Test<T> {
    /// Holds if it is so.
    Is(T),
    /// Holds if it is not so.
    Not(T),
}

impl<T> Test<T> {
    /// `Not` if `not`.
    pub fn new(not: bool, value: T) -> Self {
        if not { Self::Not(value) } else { Self::Is(value) }
    }

    /// What is tested.
    pub fn value(&self) -> &T {
        match self {
            Self::Is(value) | Self::Not(value) => value,
        }
    }

    /// Whether there is a `!`.
    pub fn is_not(&self) -> bool {
        matches!(self, Self::Not(_))
    }

    /// `" !"` or nothing.
    pub(crate) fn bang(&self) -> &'static str {
        if self.is_not() { " !" } else { "" }
    }
}

/// A 32-bit value under a mask, printed as marks are: `0x1/0xff`, without the mask if it is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Masked {
    /// The value.
    pub value: u32,
    /// The bits that count.
    pub mask: u32,
}

impl Masked {
    /// With the mask in any case.
    pub(crate) fn full_text(self) -> String {
        format!("{:#x}/{:#x}", self.value, self.mask)
    }

    /// Decimal, `0x` and octal numbers, as the tools take them.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.split_once('/') {
            Some((value, mask)) => Some(Self { value: number(value)?, mask: number(mask)? }),
            None => Some(Self { value: number(text)?, mask: u32::MAX }),
        }
    }
}

impl std::fmt::Display for Masked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#x}", self.value)?;
        if self.mask == u32::MAX { Ok(()) } else { write!(f, "/{:#x}", self.mask) }
    }
}

/// A number as `strtoul` with base 0 reads it.
pub(crate) fn number(text: &str) -> Option<u32> {
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return u32::from_str_radix(hex, 16).ok();
    }
    match text.strip_prefix('0') {
        Some(octal) if !octal.is_empty() => u32::from_str_radix(octal, 8).ok(),
        _ => text.parse().ok(),
    }
}

/// Serialises as the text that `Display` prints and `FromStr` reads.
macro_rules! as_text {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use as_text;

/// A text that is not such a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {what}")]
pub struct NotA {
    /// What was expected.
    pub what: &'static str,
    /// What was there.
    pub text: String,
}

impl NotA {
    pub(crate) fn new(what: &'static str, text: &str) -> Self {
        Self { what, text: text.chars().take(80).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_the_tools_read_them() {
        assert_eq!(number("0x1F"), Some(31));
        assert_eq!(number("010"), Some(8));
        assert_eq!(number("10"), Some(10));
        assert_eq!(number("0"), Some(0));
        assert_eq!(number("-1"), None);
    }

    #[test]
    fn a_full_mask_is_not_printed() {
        assert_eq!(Masked { value: 1, mask: u32::MAX }.to_string(), "0x1");
        assert_eq!(Masked { value: 0, mask: 0xff }.to_string(), "0x0/0xff");
        assert_eq!(Masked::parse("0x1/255"), Some(Masked { value: 1, mask: 255 }));
    }
}
