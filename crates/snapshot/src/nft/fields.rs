//! Owns the fields of packet headers: which bytes nft calls by which name.

use nfnl::expr::PayloadBase;
use serde_json::{Value, json};

use super::types::Type;

/// What is known about a packet at a place in a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Headers {
    /// `ip`, `ip6`, `arp`
    pub(super) network: Option<&'static str>,
    /// Protocol number.
    pub(super) transport: Option<u8>,
}

/// A field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    header: &'static str,
    name: &'static str,
    offset: u32,
    pub(super) len: u32,
    datatype: u32,
}

/// Header, field, first byte, bytes, nft's type.
#[rustfmt::skip]
const FIELDS: [(&str, &str, u32, u32, u32); 44] = [
    ("ether", "daddr", 0, 6, 9), ("ether", "saddr", 6, 6, 9), ("ether", "type", 12, 2, 10),
    ("ip", "length", 2, 2, 4), ("ip", "id", 4, 2, 4), ("ip", "frag-off", 6, 2, 4), ("ip", "ttl", 8, 1, 4),
    ("ip", "protocol", 9, 1, 12), ("ip", "checksum", 10, 2, 4), ("ip", "saddr", 12, 4, 7), ("ip", "daddr", 16, 4, 7),
    ("ip6", "length", 4, 2, 4), ("ip6", "nexthdr", 6, 1, 12), ("ip6", "hoplimit", 7, 1, 4),
    ("ip6", "saddr", 8, 16, 8), ("ip6", "daddr", 24, 16, 8),
    ("arp", "htype", 0, 2, 4), ("arp", "ptype", 2, 2, 10), ("arp", "hlen", 4, 1, 4), ("arp", "plen", 5, 1, 4),
    ("arp", "operation", 6, 2, 11), ("arp", "saddr ether", 8, 6, 9), ("arp", "saddr ip", 14, 4, 7),
    ("arp", "daddr ether", 18, 6, 9), ("arp", "daddr ip", 24, 4, 7),
    ("tcp", "sport", 0, 2, 13), ("tcp", "dport", 2, 2, 13), ("tcp", "sequence", 4, 4, 4), ("tcp", "ackseq", 8, 4, 4),
    ("tcp", "flags", 13, 1, 15), ("tcp", "window", 14, 2, 4),
    ("udp", "sport", 0, 2, 13), ("udp", "dport", 2, 2, 13), ("udp", "length", 4, 2, 4),
    ("sctp", "sport", 0, 2, 13), ("sctp", "dport", 2, 2, 13),
    ("icmp", "type", 0, 1, 14), ("icmp", "code", 1, 1, 32), ("icmp", "id", 4, 2, 4),
    ("icmpv6", "type", 0, 1, 29), ("icmpv6", "code", 1, 1, 33), ("icmpv6", "id", 4, 2, 4),
    ("th", "sport", 0, 2, 13), ("th", "dport", 2, 2, 13),
];

impl Field {
    pub(super) fn value_type(self) -> Type {
        Type::of(self.datatype)
    }

    /// As nft's JSON has it.
    pub(super) fn json(self) -> Value {
        json!({ "payload": { "protocol": self.header, "field": self.name } })
    }

    pub(super) fn base(self) -> PayloadBase {
        match self.header {
            "ether" => PayloadBase::Link,
            "ip" | "ip6" | "arp" => PayloadBase::Network,
            _ => PayloadBase::Transport,
        }
    }

    /// Whether it is of ICMP or ICMPv6.
    pub(super) fn is_of_icmp(self) -> bool {
        matches!(self.header, "icmp" | "icmpv6")
    }

    /// Whether it is where it is in several protocols (`th dport`).
    pub(super) fn is_of_any_protocol(self) -> bool {
        self.header == "th"
    }

    pub(super) fn is(self, header: &str, name: &str) -> bool {
        (self.header, self.name) == (header, name)
    }
}

impl Headers {
    fn header(self, base: PayloadBase) -> Option<&'static str> {
        match base {
            PayloadBase::Link => Some("ether"),
            PayloadBase::Network => self.network,
            PayloadBase::Transport => Some(match self.transport {
                Some(6) => "tcp",
                Some(17) => "udp",
                Some(132) => "sctp",
                Some(1) => "icmp",
                Some(58) => "icmpv6",
                _ => "th",
            }),
            _ => None,
        }
    }

    /// The fields that lie in these bytes, if they fill them; the last may be there by its first
    /// bytes only.
    pub(super) fn fields(self, base: PayloadBase, offset: u32, len: u32) -> Vec<Field> {
        let Some(header) = self.header(base) else { return Vec::new() };
        let (mut at, mut found) = (offset, Vec::new());
        while at < offset + len {
            let starts = |field: &&(&str, &str, u32, u32, u32)| field.0 == header && field.2 == at;
            let Some(&(header, name, offset, len, datatype)) = FIELDS.iter().find(starts) else {
                return Vec::new();
            };
            found.push(Field { header, name, offset, len, datatype });
            at += len;
        }
        let partial = found.last().is_some_and(|last| last.offset + last.len > offset + len);
        if partial && found.len() > 1 { Vec::new() } else { found }
    }
}

/// Bytes without a name.
pub(super) fn raw(base: PayloadBase, offset: u32, len: u32) -> Value {
    let base = match base {
        PayloadBase::Link => "ll",
        PayloadBase::Network => "nh",
        PayloadBase::Transport => "th",
        _ => "ih",
    };
    json!({ "payload": { "base": base, "offset": offset * 8, "len": len * 8 } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_fields_of_the_header_that_is_known() {
        let tcp = Headers { network: Some("ip"), transport: Some(6) };
        let names = |headers: Headers, base, offset, len| {
            let fields = headers.fields(base, offset, len);
            fields
                .iter()
                .map(|field| format!("{} {}", field.header, field.name))
                .collect::<Vec<_>>()
        };
        assert_eq!(names(tcp, PayloadBase::Network, 12, 8), ["ip saddr", "ip daddr"]);
        assert_eq!(names(tcp, PayloadBase::Transport, 2, 2), ["tcp dport"]);
        assert_eq!(names(Headers::default(), PayloadBase::Transport, 0, 2), ["th sport"]);
        assert_eq!(names(tcp, PayloadBase::Network, 12, 1), ["ip saddr"]);
        assert!(names(tcp, PayloadBase::Network, 12, 5).is_empty());
        assert!(names(Headers::default(), PayloadBase::Network, 12, 4).is_empty());
    }
}
