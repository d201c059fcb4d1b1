//! Owns what is known in part only: a dump that is cut, a limit that was reached. Of such a part nothing
//! can be said to be missing, and two of them cannot be compared.

use std::fmt;

use serde::{Deserialize, Serialize};
use xt::{Backend, Family};

use super::{Part, Snapshot};

/// A part of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartName {
    /// Rules of iptables-legacy, IPv4.
    LegacyV4,
    /// Rules of iptables-legacy, IPv6.
    LegacyV6,
    /// Rules of iptables-nft, IPv4.
    NftV4,
    /// Rules of iptables-nft, IPv6.
    NftV6,
    /// All of nf_tables.
    Nft,
    /// Sets of ipset.
    Ipsets,
    /// Links and their addresses.
    Links,
    /// Routes.
    Routes,
    /// Routing rules of IPv4.
    RoutingRulesV4,
    /// Routing rules of IPv6.
    RoutingRulesV6,
    /// Neighbours.
    Neighbours,
    /// Open vSwitch.
    Ovs,
    /// Tracked connections.
    Conntrack,
    /// Sysctls.
    Sysctls,
    /// Sockets that listen.
    Listeners,
    /// Tools.
    Tools,
}

impl PartName {
    /// Rules of a backend and family.
    pub const fn rules(backend: Backend, family: Family) -> Self {
        match (backend, family) {
            (Backend::Legacy, Family::V4) => Self::LegacyV4,
            (Backend::Legacy, Family::V6) => Self::LegacyV6,
            (Backend::NftCompat, Family::V4) => Self::NftV4,
            (Backend::NftCompat, Family::V6) => Self::NftV6,
        }
    }

    /// Routing rules of a family.
    pub const fn routing_rules(family: Family) -> Self {
        match family {
            Family::V4 => Self::RoutingRulesV4,
            Family::V6 => Self::RoutingRulesV6,
        }
    }

    /// As people call it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LegacyV4 => "iptables-legacy IPv4",
            Self::LegacyV6 => "iptables-legacy IPv6",
            Self::NftV4 => "iptables-nft IPv4",
            Self::NftV6 => "iptables-nft IPv6",
            Self::Nft => "nft",
            Self::Ipsets => "ipset",
            Self::Links => "links",
            Self::Routes => "routes",
            Self::RoutingRulesV4 => "routing rules IPv4",
            Self::RoutingRulesV6 => "routing rules IPv6",
            Self::Neighbours => "neighbours",
            Self::Ovs => "Open vSwitch",
            Self::Conntrack => "connections",
            Self::Sysctls => "sysctls",
            Self::Listeners => "sockets",
            Self::Tools => "tools",
        }
    }
}

impl fmt::Display for PartName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A part that is known in part.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Partial {
    /// Which part.
    pub part: PartName,
    /// Which file, and which line of it; or what was asked.
    pub place: String,
    /// Why there is no more.
    pub why: String,
}

impl Snapshot {
    /// Why a part is not whole, if it is not.
    pub fn partial(&self, part: PartName) -> Option<&Partial> {
        self.partial.iter().find(|partial| partial.part == part)
    }

    /// The same without parts of which nothing can be said to be missing: a check that needs one is
    /// skipped, not misled. Rules stay: each table says whether it is whole. Connections, sets,
    /// sockets and sysctls stay: what there is of them is asked for, not what there is not.
    pub(crate) fn without_half_parts(&self) -> Option<Self> {
        const MISLEADING: [PartName; 7] = [
            PartName::Nft,
            PartName::Links,
            PartName::Routes,
            PartName::RoutingRulesV4,
            PartName::RoutingRulesV6,
            PartName::Neighbours,
            PartName::Ovs,
        ];
        let half = self.partial.iter().filter(|partial| MISLEADING.contains(&partial.part));
        let half: Vec<&Partial> = half.collect();
        if half.is_empty() {
            return None;
        }
        let mut rest = self.clone();
        for Partial { part, place, why } in half {
            let why = format!("only a part is known: {place}: {why}");
            match part {
                PartName::Nft => rest.nft = Part::Absent(why),
                PartName::Links => rest.links = Part::Absent(why),
                PartName::Routes => rest.routes = Part::Absent(why),
                PartName::RoutingRulesV4 => rest.routing_rules.v4 = Part::Absent(why),
                PartName::RoutingRulesV6 => rest.routing_rules.v6 = Part::Absent(why),
                PartName::Neighbours => rest.neighbours = Part::Absent(why),
                PartName::Ovs => rest.ovs = Part::Absent(why),
                _ => {}
            }
        }
        Some(rest)
    }
}
