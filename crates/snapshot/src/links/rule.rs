//! Owns a routing rule, in the words of `ip rule` (iproute2, `print_rule`).

use std::fmt::Write;
use std::net::IpAddr;

use doctor::snapshot::RoutingRule;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::rule::{RuleAction, RuleAttribute, RuleFlags, RuleMessage};

use super::words;

/// What its attributes say.
#[derive(Default)]
struct Parts {
    priority: u32,
    from: Option<IpAddr>,
    to: Option<IpAddr>,
    mark: Option<u32>,
    mask: Option<u32>,
    iif: Option<String>,
    oif: Option<String>,
    l3mdev: bool,
    uids: Option<(u32, u32)>,
    protocol: Option<String>,
    sports: Option<(u16, u16)>,
    dports: Option<(u16, u16)>,
    tunnel: Option<u64>,
    table: u32,
    suppress_prefix: Option<u32>,
    suppress_group: Option<u32>,
    goto: Option<u32>,
    made_by: Option<u8>,
}

pub(super) fn read(message: &RuleMessage) -> RoutingRule {
    let mut parts = Parts { table: message.header.table.into(), ..Parts::default() };
    for attribute in &message.attributes {
        take(&mut parts, attribute);
    }
    RoutingRule {
        priority: parts.priority,
        asks: asks(message, &parts),
        does: does(message, &parts),
        protocol: parts.made_by.filter(|by| *by != 0).map(words::protocol),
    }
}

fn take(parts: &mut Parts, attribute: &RuleAttribute) {
    match attribute {
        RuleAttribute::Priority(priority) => parts.priority = *priority,
        RuleAttribute::Source(address) => parts.from = Some(*address),
        RuleAttribute::Destination(address) => parts.to = Some(*address),
        RuleAttribute::FwMark(mark) => parts.mark = Some(*mark),
        RuleAttribute::FwMask(mask) => parts.mask = Some(*mask),
        RuleAttribute::Iifname(name) => parts.iif = Some(name.clone()),
        RuleAttribute::Oifname(name) => parts.oif = Some(name.clone()),
        RuleAttribute::L3MDev(yes) => parts.l3mdev = *yes,
        RuleAttribute::UidRange(range) => parts.uids = Some((range.start, range.end)),
        RuleAttribute::IpProtocol(protocol) => {
            parts.protocol = Some(protocol_name(u8::from(*protocol)));
        }
        RuleAttribute::SourcePortRange(range) => parts.sports = Some((range.start, range.end)),
        RuleAttribute::DestinationPortRange(range) => parts.dports = Some((range.start, range.end)),
        RuleAttribute::TunId(id) => parts.tunnel = Some(*id),
        RuleAttribute::Table(table) => parts.table = *table,
        RuleAttribute::SuppressPrefixLen(length) => parts.suppress_prefix = Some(*length),
        RuleAttribute::SuppressIfGroup(group) => parts.suppress_group = Some(*group),
        RuleAttribute::Goto(priority) => parts.goto = Some(*priority),
        RuleAttribute::Protocol(by) => parts.made_by = Some(u8::from(*by)),
        _ => {}
    }
}

fn protocol_name(number: u8) -> String {
    let name = match number {
        1 => "icmp",
        6 => "tcp",
        17 => "udp",
        58 => "ipv6-icmp",
        132 => "sctp",
        other => return other.to_string(),
    };
    name.to_owned()
}

fn asks(message: &RuleMessage, parts: &Parts) -> String {
    let header = &message.header;
    let mut text = String::new();
    if header.flags.contains(RuleFlags::Invert) {
        text += "not ";
    }
    // writing to a String does not fail
    text += "from ";
    text += &network(parts.from, header.src_len, header.family).unwrap_or("all".to_owned());
    if let Some(to) = network(parts.to, header.dst_len, header.family) {
        let _ = write!(text, " to {to}");
    }
    if header.tos != 0 {
        let _ = write!(text, " tos {:#x}", header.tos);
    }
    match (parts.mark, parts.mask) {
        (value, Some(mask)) if mask != u32::MAX => {
            let _ = write!(text, " fwmark {:#x}/{mask:#x}", value.unwrap_or_default());
        }
        (Some(mark), _) => {
            let _ = write!(text, " fwmark {mark:#x}");
        }
        _ => {}
    }
    for (word, name, flag) in
        [("iif", &parts.iif, RuleFlags::IifDetached), ("oif", &parts.oif, RuleFlags::OifDetached)]
    {
        if let Some(name) = name {
            let detached = if header.flags.contains(flag) { " [detached]" } else { "" };
            let _ = write!(text, " {word} {name}{detached}");
        }
    }
    if let Some((first, last)) = parts.uids {
        let _ = write!(text, " uidrange {first}-{last}");
    }
    if let Some(protocol) = &parts.protocol {
        let _ = write!(text, " ipproto {protocol}");
    }
    for (word, range) in [("sport", parts.sports), ("dport", parts.dports)] {
        match range {
            Some((first, last)) if first == last => {
                let _ = write!(text, " {word} {first}");
            }
            Some((first, last)) => {
                let _ = write!(text, " {word} {first}-{last}");
            }
            None => {}
        }
    }
    if let Some(tunnel) = parts.tunnel {
        let _ = write!(text, " tun_id {tunnel}");
    }
    text
}

/// `0/8` is a length without an address; no length at all is everything.
fn network(address: Option<IpAddr>, length: u8, family: AddressFamily) -> Option<String> {
    let whole = if family == AddressFamily::Inet6 { 128 } else { 32 };
    match (address, length) {
        (Some(address), length) if length == whole => Some(address.to_string()),
        (Some(address), length) => Some(format!("{address}/{length}")),
        (None, 0) => None,
        (None, length) => Some(format!("0/{length}")),
    }
}

fn does(message: &RuleMessage, parts: &Parts) -> String {
    let header = &message.header;
    let mut text = match header.action {
        RuleAction::ToTable if parts.l3mdev => "lookup [l3mdev-table]".to_owned(),
        RuleAction::ToTable => format!("lookup {}", words::table(parts.table)),
        RuleAction::Goto => {
            let target = parts.goto.map_or("none".to_owned(), |target| target.to_string());
            let lost = header.flags.contains(RuleFlags::Unresolved);
            format!("goto {target}{}", if lost { " [unresolved]" } else { "" })
        }
        RuleAction::Nop => "nop".to_owned(),
        RuleAction::Blackhole => "blackhole".to_owned(),
        RuleAction::Unreachable => "unreachable".to_owned(),
        RuleAction::Prohibit => "prohibit".to_owned(),
        other => format!("action {}", u8::from(other)),
    };
    if let Some(length) = parts.suppress_prefix.filter(|length| *length != u32::MAX) {
        let _ = write!(text, " suppress_prefixlength {length}");
    }
    if let Some(group) = parts.suppress_group.filter(|group| *group != u32::MAX) {
        let _ = write!(text, " suppress_ifgroup {group}");
    }
    text
}
