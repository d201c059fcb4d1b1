//! Ports, protocols and IP families: the numbers that must not be mixed.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A port number outside 1-65535.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{0} is not a port (1-65535)")]
pub struct InvalidPort(pub i64);

macro_rules! port_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "i64", into = "u16")]
        pub struct $name(NonZeroU16);

        impl $name {
            /// The number, never 0.
            pub const fn get(self) -> u16 {
                self.0.get()
            }
        }

        impl TryFrom<i64> for $name {
            type Error = InvalidPort;
            fn try_from(number: i64) -> Result<Self, InvalidPort> {
                u16::try_from(number).ok().and_then(NonZeroU16::new).map(Self).ok_or(InvalidPort(number))
            }
        }

        impl From<NonZeroU16> for $name {
            fn from(number: NonZeroU16) -> Self {
                Self(number)
            }
        }

        impl From<$name> for u16 {
            fn from(port: $name) -> u16 {
                port.get()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

port_type! {
    /// A port on the node.
    NodePort
}
port_type! {
    /// A port inside a Pod.
    PodPort
}

/// A transport protocol that NodePortLocal can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP, IANA protocol number 6.
    Tcp,
    /// UDP, IANA protocol number 17.
    Udp,
    /// SCTP, IANA protocol number 132.
    Sctp,
}

impl Protocol {
    /// Every protocol, in the order used everywhere.
    pub const ALL: [Self; 3] = [Self::Tcp, Self::Udp, Self::Sctp];

    /// The IANA protocol number (`IPPROTO_*` of `linux/in.h`).
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }

    /// The protocol with this IANA number, if it is one of ours.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            6 => Some(Self::Tcp),
            17 => Some(Self::Udp),
            132 => Some(Self::Sctp),
            _ => None,
        }
    }

    /// Lower case, as the Pod annotation spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A protocol name that is none of TCP, UDP and SCTP.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is not a protocol (TCP, UDP or SCTP)")]
pub struct InvalidProtocol(pub String);

impl FromStr for Protocol {
    type Err = InvalidProtocol;
    /// Reads both spellings in use: `TCP` (Kubernetes) and `tcp` (the annotation).
    fn from_str(text: &str) -> Result<Self, InvalidProtocol> {
        match text {
            "TCP" | "tcp" => Ok(Self::Tcp),
            "UDP" | "udp" => Ok(Self::Udp),
            "SCTP" | "sctp" => Ok(Self::Sctp),
            _ => Err(InvalidProtocol(text.to_owned())),
        }
    }
}

/// An IP address family, spelled as Kubernetes spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum IpFamily {
    /// IPv4.
    #[serde(rename = "IPv4")]
    V4,
    /// IPv6.
    #[serde(rename = "IPv6")]
    V6,
}

impl IpFamily {
    /// Both families, IPv4 first.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// The family of an address. An IPv4-mapped IPv6 address is IPv6: the kernel treats it so.
    pub const fn of(ip: &IpAddr) -> Self {
        match ip {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// `IPv4` or `IPv6`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }
}

impl fmt::Display for IpFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The node ports that NodePortLocal may hand out, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PortRange {
    first: NodePort,
    last: NodePort,
}

/// A port range that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidPortRange {
    /// Not of the form `FIRST-LAST`.
    #[error("{0:?} is not a port range: write FIRST-LAST, for example 61000-62000")]
    Form(String),
    /// One end is no port.
    #[error("port range {text:?}: {source}")]
    Port {
        /// The whole text.
        text: String,
        /// What is wrong with the end.
        source: InvalidPort,
    },
    /// The last port is below the first.
    #[error("port range {0:?} ends before it begins")]
    Order(String),
}

impl PortRange {
    /// The default of NodePortLocal: above Linux' default `ip_local_port_range` (32768-60999),
    /// so that outgoing connections of the node never take these ports.
    pub const DEFAULT: Self = Self {
        first: NodePort(NonZeroU16::new(61_000).unwrap()),
        last: NodePort(NonZeroU16::new(62_000).unwrap()),
    };

    /// The range from `first` to `last`; `None` if it ends before it begins.
    pub fn new(first: NodePort, last: NodePort) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    /// The first port.
    pub const fn first(self) -> NodePort {
        self.first
    }

    /// The last port, itself in the range.
    pub const fn last(self) -> NodePort {
        self.last
    }

    /// Whether the port is in the range.
    pub fn contains(self, port: NodePort) -> bool {
        self.first <= port && port <= self.last
    }

    /// How many ports the range has (1-65535).
    #[allow(clippy::len_without_is_empty, reason = "a range is never empty")]
    pub const fn len(self) -> u16 {
        self.last.get() - self.first.get() + 1
    }

    /// The port after this one, wrapping at the end of the range.
    #[must_use]
    pub fn next(self, port: NodePort) -> NodePort {
        if !self.contains(port) || port == self.last {
            return self.first;
        }
        NodePort(port.0.saturating_add(1))
    }
}

impl Default for PortRange {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl FromStr for PortRange {
    type Err = InvalidPortRange;
    fn from_str(text: &str) -> Result<Self, InvalidPortRange> {
        let (first, last) =
            text.split_once('-').ok_or_else(|| InvalidPortRange::Form(text.to_owned()))?;
        let end = |part: &str| {
            let number: i64 =
                part.trim().parse().map_err(|_| InvalidPortRange::Form(text.to_owned()))?;
            NodePort::try_from(number)
                .map_err(|source| InvalidPortRange::Port { text: text.to_owned(), source })
        };
        Self::new(end(first)?, end(last)?).ok_or_else(|| InvalidPortRange::Order(text.to_owned()))
    }
}

impl TryFrom<String> for PortRange {
    type Error = InvalidPortRange;
    fn try_from(text: String) -> Result<Self, InvalidPortRange> {
        text.parse()
    }
}

impl From<PortRange> for String {
    fn from(range: PortRange) -> Self {
        range.to_string()
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_zero_and_port_70000_do_not_exist() {
        assert_eq!(PodPort::try_from(0), Err(InvalidPort(0)));
        assert_eq!(NodePort::try_from(70_000), Err(InvalidPort(70_000)));
    }

    #[test]
    fn a_range_wraps_at_its_end_and_includes_both_ends() {
        let range: PortRange = "61000-61002".parse().unwrap();
        assert_eq!(range.len(), 3);
        assert_eq!(range.next(range.last()), range.first());
        assert!(range.contains(range.last()));
        let whole: PortRange = "1-65535".parse().unwrap();
        assert_eq!(whole.next(whole.last()).get(), 1);
    }

    #[test]
    fn a_reversed_or_malformed_range_says_what_is_wrong() {
        assert!(matches!("9-8".parse::<PortRange>(), Err(InvalidPortRange::Order(_))));
        assert!(matches!("9".parse::<PortRange>(), Err(InvalidPortRange::Form(_))));
        assert!(matches!("0-8".parse::<PortRange>(), Err(InvalidPortRange::Port { .. })));
    }
}
