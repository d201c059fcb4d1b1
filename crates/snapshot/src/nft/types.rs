//! Owns nft's types: their names, and a value of each in nft's JSON.
//!
//! Source of numbers and names: nftables, `include/datatype.h` and the symbol tables of
//! `src/{datatype,ct,meta,fib,proto}.c`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::{Value, json};

/// Names of links by number, for keys that are numbers.
pub(crate) type Links = BTreeMap<u32, String>;

type Names = &'static [(u64, &'static str)];

/// How the bytes of a type are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    V4,
    V6,
    Ether,
    /// A number in network order, with names.
    Network(Names),
    /// A number in the machine's order, with names.
    Host(Names),
    /// A mask in the machine's order (of one byte: in any), with names of its bits.
    Flags(Names),
    /// A link's number.
    Link,
    /// A text that ends with a NUL, or a beginning of one.
    Text,
}

/// A type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Type {
    number: u32,
    pub(super) name: &'static str,
    /// Bytes of a value; of types without a length it is unknown.
    pub(super) len: usize,
    pub(super) form: Form,
}

const fn of(number: u32, name: &'static str, len: usize, form: Form) -> Type {
    Type { number, name, len, form }
}

const NONE: Names = &[];
const ICMP: Names = &[
    (0, "echo-reply"),
    (3, "destination-unreachable"),
    (4, "source-quench"),
    (5, "redirect"),
    (8, "echo-request"),
    (9, "router-advertisement"),
    (10, "router-solicitation"),
    (11, "time-exceeded"),
    (12, "parameter-problem"),
    (13, "timestamp-request"),
    (14, "timestamp-reply"),
    (15, "info-request"),
    (16, "info-reply"),
    (17, "address-mask-request"),
    (18, "address-mask-reply"),
];
const ICMP6: Names = &[
    (1, "destination-unreachable"),
    (2, "packet-too-big"),
    (3, "time-exceeded"),
    (4, "parameter-problem"),
    (128, "echo-request"),
    (129, "echo-reply"),
    (130, "mld-listener-query"),
    (131, "mld-listener-report"),
    (132, "mld-listener-done"),
    (133, "nd-router-solicit"),
    (134, "nd-router-advert"),
    (135, "nd-neighbor-solicit"),
    (136, "nd-neighbor-advert"),
    (137, "nd-redirect"),
    (138, "router-renumbering"),
    (141, "ind-neighbor-solicit"),
    (142, "ind-neighbor-advert"),
    (143, "mld2-listener-report"),
];
const PROTOCOLS: Names = &[
    (1, "icmp"),
    (2, "igmp"),
    (6, "tcp"),
    (17, "udp"),
    (33, "dccp"),
    (47, "gre"),
    (50, "esp"),
    (51, "ah"),
    (58, "ipv6-icmp"),
    (103, "pim"),
    (112, "vrrp"),
    (132, "sctp"),
    (136, "udplite"),
];
const TCP_FLAGS: Names = &[
    (1, "fin"),
    (2, "syn"),
    (4, "rst"),
    (8, "psh"),
    (16, "ack"),
    (32, "urg"),
    (64, "ecn"),
    (128, "cwr"),
];
const CT_STATES: Names =
    &[(1, "invalid"), (8, "new"), (2, "established"), (4, "related"), (64, "untracked")];
const CT_STATUS: Names = &[
    (1, "expected"),
    (2, "seen-reply"),
    (4, "assured"),
    (8, "confirmed"),
    (16, "snat"),
    (32, "dnat"),
    (512, "dying"),
];

#[rustfmt::skip]
const TYPES: [Type; 39] = [
    of(2, "nf_proto", 1, Form::Network(&[(2, "ipv4"), (10, "ipv6")])),
    of(4, "integer", 0, Form::Network(NONE)),
    of(5, "string", 0, Form::Text),
    of(6, "ll_addr", 0, Form::Network(NONE)),
    of(7, "ipv4_addr", 4, Form::V4),
    of(8, "ipv6_addr", 16, Form::V6),
    of(9, "ether_addr", 6, Form::Ether),
    of(10, "ether_type", 2, Form::Network(&[(0x800, "ip"), (0x806, "arp"), (0x86dd, "ip6"), (0x8100, "vlan")])),
    of(11, "arp_op", 2, Form::Network(&[(1, "request"), (2, "reply")])),
    of(12, "inet_proto", 1, Form::Network(PROTOCOLS)),
    of(13, "inet_service", 2, Form::Network(NONE)),
    of(14, "icmp_type", 1, Form::Network(ICMP)),
    of(15, "tcp_flag", 1, Form::Flags(TCP_FLAGS)),
    of(18, "time", 8, Form::Host(NONE)),
    of(19, "mark", 4, Form::Host(NONE)),
    of(20, "iface_index", 4, Form::Link),
    of(21, "iface_type", 2, Form::Host(&[(1, "ether"), (512, "ppp"), (768, "ipip"), (772, "loopback"), (776, "sit"), (778, "ipgre")])),
    of(22, "realm", 4, Form::Host(NONE)),
    of(23, "classid", 4, Form::Host(NONE)),
    of(24, "uid", 4, Form::Host(&[(0, "root")])),
    of(25, "gid", 4, Form::Host(&[(0, "root")])),
    of(26, "ct_state", 4, Form::Flags(CT_STATES)),
    of(27, "ct_dir", 1, Form::Network(&[(0, "original"), (1, "reply")])),
    of(28, "ct_status", 4, Form::Flags(CT_STATUS)),
    of(29, "icmpv6_type", 1, Form::Network(ICMP6)),
    of(31, "pkt_type", 1, Form::Network(&[(0, "host"), (1, "broadcast"), (2, "multicast"), (3, "other")])),
    of(32, "icmp_code", 1, Form::Network(NONE)),
    of(33, "icmpv6_code", 1, Form::Network(NONE)),
    of(34, "icmpx_code", 1, Form::Network(NONE)),
    of(35, "devgroup", 4, Form::Host(&[(0, "default")])),
    of(36, "dscp", 1, Form::Network(NONE)),
    of(37, "ecn", 1, Form::Network(NONE)),
    of(38, "fib_addrtype", 4, Form::Host(&[
        (0, "unspec"), (1, "unicast"), (2, "local"), (3, "broadcast"), (4, "anycast"),
        (5, "multicast"), (6, "blackhole"), (7, "unreachable"), (8, "prohibit"),
    ])),
    of(39, "boolean", 1, Form::Network(&[(0, "missing"), (1, "exists")])),
    of(41, "ifname", 16, Form::Text),
    of(42, "igmp_type", 1, Form::Network(NONE)),
    of(46, "cgroupsv2", 8, Form::Host(NONE)),
    of(16, "dccp_pkttype", 1, Form::Network(NONE)),
    of(17, "mh_type", 1, Form::Network(NONE)),
];

impl Type {
    /// The type of nft's number; what has no name here is a number.
    pub(super) fn of(number: u32) -> Self {
        let known = TYPES.iter().find(|known| known.number == number);
        known.copied().unwrap_or(of(4, "integer", 0, Form::Network(NONE)))
    }

    /// An integer in the machine's order.
    pub(super) const HOST: Self = of(4, "integer", 4, Form::Host(NONE));
    /// An integer in network order.
    pub(super) const INTEGER: Self = of(4, "integer", 0, Form::Network(NONE));

    /// The parts of a joined type: 6 bits each (`TYPE_BITS`).
    pub(super) fn parts(number: u32) -> Vec<Self> {
        let mut parts = Vec::new();
        let mut rest = number;
        while rest != 0 {
            parts.push(Self::of(rest & 0x3f));
            rest >>= 6;
        }
        parts.reverse();
        parts
    }

    /// Whether nft writes ranges of it as networks.
    pub(super) fn has_prefixes(self) -> bool {
        matches!(self.form, Form::V4 | Form::V6)
    }

    /// Whether a value is a number in the machine's order.
    pub(super) fn is_host(self) -> bool {
        matches!(self.form, Form::Host(_) | Form::Link)
            || matches!(self.form, Form::Flags(_)) && self.len > 1
    }

    /// A value in nft's JSON.
    pub(super) fn value(self, bytes: &[u8], links: &Links) -> Value {
        match self.form {
            Form::V4 => match bytes.first_chunk::<4>() {
                Some(octets) => Ipv4Addr::from_octets(*octets).to_string().into(),
                None => number(bytes, false).into(),
            },
            Form::V6 => match bytes.first_chunk::<16>() {
                Some(octets) => Ipv6Addr::from_octets(*octets).to_string().into(),
                None => hex(bytes).into(),
            },
            Form::Ether => {
                let words = bytes.iter().map(|byte| format!("{byte:02x}"));
                words.collect::<Vec<_>>().join(":").into()
            }
            Form::Network(names) => named(number(bytes, false), bytes, names),
            Form::Host(names) => named(number(bytes, true), bytes, names),
            Form::Flags(names) => flags(number(bytes, true), names),
            Form::Link => {
                let index = number(bytes, true);
                let name = u32::try_from(index).ok().and_then(|index| links.get(&index));
                name.map_or(index.into(), |name| name.as_str().into())
            }
            Form::Text => text(bytes).into(),
        }
    }
}

/// Up to 8 bytes as a number.
pub(super) fn number(bytes: &[u8], host: bool) -> u64 {
    let bytes = bytes.iter().take(8);
    let join = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    if host && cfg!(target_endian = "little") {
        bytes.rev().fold(0, join)
    } else {
        bytes.fold(0, join)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold("0x".to_owned(), |mut text, byte| {
        // writing to a String does not fail
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn named(number: u64, bytes: &[u8], names: Names) -> Value {
    match names.iter().find(|(known, _)| *known == number) {
        Some((_, name)) => (*name).into(),
        None if bytes.len() > 8 => hex(bytes).into(),
        None => number.into(),
    }
}

/// One name, or a list of names.
fn flags(mask: u64, names: Names) -> Value {
    let set: Vec<&str> =
        names.iter().filter(|(bit, _)| mask & bit != 0).map(|(_, name)| *name).collect();
    let all = names.iter().fold(0, |all, (bit, _)| all | bit);
    match set.as_slice() {
        _ if mask & !all != 0 => mask.into(),
        [] => mask.into(),
        [one] => (*one).into(),
        many => json!(many),
    }
}

/// `lo`, or `eth*` for a beginning.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0);
    let text = String::from_utf8_lossy(&bytes[..end.unwrap_or(bytes.len())]).into_owned();
    if end.is_some() || bytes.len() >= 16 { text } else { format!("{text}*") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_nft() {
        let value = |number, bytes: &[u8]| Type::of(number).value(bytes, &Links::new());
        assert_eq!(value(7, &[10, 0, 0, 1]), json!("10.0.0.1"));
        assert_eq!(value(13, &[0x1f, 0x90]), json!(8080));
        assert_eq!(value(12, &[6]), json!("tcp"));
        assert_eq!(value(26, &6_u32.to_ne_bytes()), json!(["established", "related"]));
        assert_eq!(value(41, b"lo\0"), json!("lo"));
        assert_eq!(value(41, b"eth"), json!("eth*"));
        assert_eq!(value(19, &16_u32.to_ne_bytes()), json!(16));
        assert_eq!(value(999, &[0; 12]), json!("0x000000000000000000000000"));
    }

    #[test]
    fn a_joined_type_has_its_parts_in_order() {
        let names: Vec<&str> = Type::parts(0x30d).iter().map(|part| part.name).collect();
        assert_eq!(names, ["inet_proto", "inet_service"]);
    }
}
