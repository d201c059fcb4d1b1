//! The elements of our nftables maps: the part of the kernel state that follows the objects.
//!
//! Everything else in the table (chains, rules, the maps themselves) is one constant, the schema,
//! which the nft driver owns. Names here are the names that `nft list ruleset` shows.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;

use crate::owner::Owner;
use crate::port::{IpFamily, NodePort, PodPort, Protocol};

/// A map or set of the table `inet netkeep`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MapName {
    /// (protocol, node port) -> (Pod IPv4, Pod port).
    Npl4,
    /// (protocol, node port) -> (Pod IPv6, Pod port).
    Npl6,
    /// (Pod IPv4, the same IPv4): a Pod that reaches itself through its node port.
    Hairpin4,
    /// (Pod IPv6, the same IPv6).
    Hairpin6,
}

impl MapName {
    /// All maps and sets, in the order in which they are created.
    pub const ALL: [Self; 4] = [Self::Npl4, Self::Npl6, Self::Hairpin4, Self::Hairpin6];

    /// The name in the kernel.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Npl4 => "npl4",
            Self::Npl6 => "npl6",
            Self::Hairpin4 => "hairpin4",
            Self::Hairpin6 => "hairpin6",
        }
    }

    /// The map with this name in the kernel.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|map| map.as_str() == name)
    }

    /// The IP family of its elements.
    pub const fn family(self) -> IpFamily {
        match self {
            Self::Npl4 | Self::Hairpin4 => IpFamily::V4,
            Self::Npl6 | Self::Hairpin6 => IpFamily::V6,
        }
    }
}

impl fmt::Display for MapName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The key of an element: at most one element in the kernel, at most one winner in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A NodePortLocal mapping.
    Npl {
        /// The family of node and Pod address.
        family: IpFamily,
        /// The protocol.
        protocol: Protocol,
        /// The port on the node.
        port: NodePort,
    },
    /// The masquerading of a Pod's connections to itself.
    Hairpin(IpAddr),
}

impl Key {
    /// The map that holds the element.
    pub const fn map(&self) -> MapName {
        match self {
            Self::Npl { family: IpFamily::V4, .. } => MapName::Npl4,
            Self::Npl { family: IpFamily::V6, .. } => MapName::Npl6,
            Self::Hairpin(IpAddr::V4(_)) => MapName::Hairpin4,
            Self::Hairpin(IpAddr::V6(_)) => MapName::Hairpin6,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Npl { protocol, port, .. } => write!(f, "{} {protocol} . {port}", self.map()),
            Self::Hairpin(ip) => write!(f, "{} {ip} . {ip}", self.map()),
        }
    }
}

/// The value of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// Where a mapping leads.
    Endpoint {
        /// The Pod's IP.
        ip: IpAddr,
        /// The port in the Pod.
        port: PodPort,
    },
    /// A set element has no value but its presence.
    Present,
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoint { ip: IpAddr::V6(ip), port } => write!(f, "[{ip}]:{port}"),
            Self::Endpoint { ip: IpAddr::V4(ip), port } => write!(f, "{ip}:{port}"),
            Self::Present => f.write_str("present"),
        }
    }
}

/// An element with its owner, as wanted or as read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// The key.
    pub key: Key,
    /// The value.
    pub value: Value,
    /// Whom it belongs to.
    pub owner: Arc<Owner>,
}

impl Serialize for Key {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Value {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
