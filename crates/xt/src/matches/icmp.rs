//! Owns icmp and icmp6: struct ipt_icmp (linux/netfilter_ipv4/ip_tables.h) and struct ip6t_icmp.

use serde::{Deserialize, Serialize};

use super::Extension;
use crate::{
    info::{Info, Of},
    text::options::Options,
    value::Test,
    view::Family,
};

/// `-m icmp`, `-m icmp6`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Icmp {
    /// The type, or any.
    pub kind: Test<IcmpType>,
}

/// A type of ICMP messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IcmpType {
    /// Every type (IPv4 only).
    Any,
    /// One type, and of that one or all codes.
    One {
        /// The type.
        kind: u8,
        /// First and last code; all if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        codes: Option<(u8, u8)>,
    },
}

impl IcmpType {
    fn new(kind: u8, min: u8, max: u8, family: Family) -> Self {
        match (kind, family) {
            (0xff, Family::V4) => Self::Any,
            _ => Self::One { kind, codes: ((min, max) != (0, 0xff)).then_some((min, max)) },
        }
    }

    fn text(self) -> String {
        match self {
            Self::Any => "any".to_owned(),
            Self::One { kind, codes: None } => kind.to_string(),
            Self::One { kind, codes: Some((code, _)) } => format!("{kind}/{code}"),
        }
    }
}

/// Name, type, first and last code.
type Named = (&'static str, u8, u8, u8);

#[rustfmt::skip]
const V4: [Named; 41] = [
    ("any", 0xff, 0, 0xff), ("echo-reply", 0, 0, 0xff), ("pong", 0, 0, 0xff),
    ("destination-unreachable", 3, 0, 0xff), ("network-unreachable", 3, 0, 0),
    ("host-unreachable", 3, 1, 1), ("protocol-unreachable", 3, 2, 2),
    ("port-unreachable", 3, 3, 3), ("fragmentation-needed", 3, 4, 4),
    ("source-route-failed", 3, 5, 5), ("network-unknown", 3, 6, 6), ("host-unknown", 3, 7, 7),
    ("network-prohibited", 3, 9, 9), ("host-prohibited", 3, 10, 10),
    ("TOS-network-unreachable", 3, 11, 11), ("TOS-host-unreachable", 3, 12, 12),
    ("communication-prohibited", 3, 13, 13), ("host-precedence-violation", 3, 14, 14),
    ("precedence-cutoff", 3, 15, 15), ("source-quench", 4, 0, 0xff), ("redirect", 5, 0, 0xff),
    ("network-redirect", 5, 0, 0), ("host-redirect", 5, 1, 1), ("TOS-network-redirect", 5, 2, 2),
    ("TOS-host-redirect", 5, 3, 3), ("echo-request", 8, 0, 0xff), ("ping", 8, 0, 0xff),
    ("router-advertisement", 9, 0, 0xff), ("router-solicitation", 10, 0, 0xff),
    ("time-exceeded", 11, 0, 0xff), ("ttl-exceeded", 11, 0, 0xff),
    ("ttl-zero-during-transit", 11, 0, 0), ("ttl-zero-during-reassembly", 11, 1, 1),
    ("parameter-problem", 12, 0, 0xff), ("ip-header-bad", 12, 0, 0),
    ("required-option-missing", 12, 1, 1), ("timestamp-request", 13, 0, 0xff),
    ("timestamp-reply", 14, 0, 0xff), ("address-mask-request", 17, 0, 0xff),
    ("address-mask-reply", 18, 0, 0xff), ("address-mask-reply", 18, 0, 0xff),
];

#[rustfmt::skip]
const V6: [Named; 28] = [
    ("destination-unreachable", 1, 0, 0xff), ("no-route", 1, 0, 0),
    ("communication-prohibited", 1, 1, 1), ("beyond-scope", 1, 2, 2),
    ("address-unreachable", 1, 3, 3), ("port-unreachable", 1, 4, 4), ("failed-policy", 1, 5, 5),
    ("reject-route", 1, 6, 6), ("packet-too-big", 2, 0, 0xff), ("time-exceeded", 3, 0, 0xff),
    ("ttl-exceeded", 3, 0, 0xff), ("ttl-zero-during-transit", 3, 0, 0),
    ("ttl-zero-during-reassembly", 3, 1, 1), ("parameter-problem", 4, 0, 0xff),
    ("bad-header", 4, 0, 0), ("unknown-header-type", 4, 1, 1), ("unknown-option", 4, 2, 2),
    ("echo-request", 128, 0, 0xff), ("ping", 128, 0, 0xff), ("echo-reply", 129, 0, 0xff),
    ("pong", 129, 0, 0xff), ("router-solicitation", 133, 0, 0xff),
    ("router-advertisement", 134, 0, 0xff), ("neighbour-solicitation", 135, 0, 0xff),
    ("neighbor-solicitation", 135, 0, 0xff), ("neighbour-advertisement", 136, 0, 0xff),
    ("neighbor-advertisement", 136, 0, 0xff), ("redirect", 137, 0, 0xff),
];

fn parse(text: &str, family: Family) -> Option<IcmpType> {
    let names: &[Named] = match family {
        Family::V4 => &V4,
        Family::V6 => &V6,
    };
    if let Some((_, kind, min, max)) = names.iter().find(|(name, ..)| *name == text) {
        return Some(IcmpType::new(*kind, *min, *max, family));
    }
    let (kind, code) = match text.split_once('/') {
        Some((kind, code)) => (kind, Some(code.parse::<u8>().ok()?)),
        None => (text, None),
    };
    let (min, max) = code.map_or((0, 0xff), |code| (code, code));
    Some(IcmpType::new(kind.parse().ok()?, min, max, family))
}

impl Icmp {
    pub(crate) fn save_as(&self, name: &str, out: &mut String) {
        put!(out, "{} {name} {}", self.kind.bang(), self.kind.value().text());
    }
}

impl Extension for Icmp {
    fn decode(info: Info<'_>, of: Of) -> Option<Self> {
        let kind = IcmpType::new(info.u8(0)?, info.u8(1)?, info.u8(2)?, of.family);
        Some(Self { kind: Test::new(info.u8(3)? & 1 != 0, kind) })
    }

    fn save(&self, out: &mut String) {
        self.save_as("--icmp-type", out);
    }

    fn read(options: &mut Options, family: Family) -> Option<Self> {
        let names = ["icmp-type", "icmpv6-type"];
        options.test(&names, |text| parse(text, family))?.map(|kind| Self { kind })
    }
}
