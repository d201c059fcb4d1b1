//! Owns numbers and names of the protocols above IP.

use std::fmt;
use std::str::FromStr;

use super::{NotA, as_text};

/// A protocol by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Proto(pub u16);

impl Proto {
    /// TCP.
    pub const TCP: Self = Self(6);
    /// UDP.
    pub const UDP: Self = Self(17);
    /// SCTP.
    pub const SCTP: Self = Self(132);
    /// ICMP.
    pub const ICMP: Self = Self(1);
    /// ICMP for IPv6.
    pub const ICMP6: Self = Self(58);
}

/// The first name of a number is printed, every name is read. The first twelve are in the tools; the
/// others they take from /etc/protocols, and these are the names Debian has there.
#[rustfmt::skip]
const NAMES: [(&str, u16); 58] = [
    ("tcp", 6), ("sctp", 132), ("udp", 17), ("udplite", 136), ("icmp", 1),
    ("ipv6-icmp", 58), ("icmpv6", 58), ("esp", 50), ("ah", 51), ("mobility-header", 135),
    ("ipv6-mh", 135), ("mh", 135), ("igmp", 2), ("ggp", 3), ("ipencap", 4),
    ("st", 5), ("egp", 8), ("igp", 9), ("pup", 12), ("hmp", 20),
    ("xns-idp", 22), ("rdp", 27), ("iso-tp4", 29), ("dccp", 33), ("xtp", 36),
    ("ddp", 37), ("idpr-cmtp", 38), ("ipv6", 41), ("ipv6-route", 43), ("ipv6-frag", 44),
    ("idrp", 45), ("rsvp", 46), ("gre", 47), ("skip", 57), ("ipv6-nonxt", 59),
    ("ipv6-opts", 60), ("rspf", 73), ("vmtp", 81), ("eigrp", 88), ("ospf", 89),
    ("ax.25", 93), ("ipip", 94), ("etherip", 97), ("encap", 98), ("pim", 103),
    ("ipcomp", 108), ("vrrp", 112), ("l2tp", 115), ("isis", 124), ("fc", 133),
    ("mpls-in-ip", 137), ("manet", 138), ("hip", 139), ("shim6", 140), ("wesp", 141),
    ("rohc", 142), ("ethernet", 143), ("mptcp", 262),
];

impl fmt::Display for Proto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(_, number)| *number == self.0) {
            Some((name, _)) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}

impl FromStr for Proto {
    type Err = NotA;

    fn from_str(text: &str) -> Result<Self, NotA> {
        let named = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        match (named, text) {
            (Some((_, number)), _) => Ok(Self(*number)),
            (None, "all") => Ok(Self(0)),
            (None, _) => text.parse().map(Self).map_err(|_| NotA::new("a protocol", text)),
        }
    }
}

as_text!(Proto);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_name_is_printed_and_every_name_is_read() {
        assert_eq!("icmpv6".parse::<Proto>().unwrap().to_string(), "ipv6-icmp");
        assert_eq!("200".parse::<Proto>().unwrap().to_string(), "200");
        assert!("nosuch".parse::<Proto>().is_err());
    }
}
