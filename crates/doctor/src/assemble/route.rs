//! Owns the text of `ip addr`, `ip link`, `ip route`, `ip rule` and `ip neigh`.

use std::net::IpAddr;

use xt::Family;

use super::words::{after, destination};
use super::{Assembler, text};
use crate::snapshot::{Address, Link, Neighbour, PartName, Route, RoutingRule};

/// Kinds of routes that stand before the destination.
const KINDS: [&str; 10] = [
    "unicast",
    "local",
    "broadcast",
    "multicast",
    "anycast",
    "throw",
    "unreachable",
    "prohibit",
    "blackhole",
    "nat",
];
/// States of neighbours, as ip prints them.
const NUD: [&str; 8] =
    ["PERMANENT", "NOARP", "REACHABLE", "STALE", "NONE", "INCOMPLETE", "DELAY", "FAILED"];
/// Kinds of links that `ip -d` prints at the start of a line below the link.
const LINK_KINDS: [&str; 21] = [
    "bridge",
    "veth",
    "vxlan",
    "vlan",
    "bond",
    "dummy",
    "ipip",
    "sit",
    "gre",
    "gretap",
    "geneve",
    "macvlan",
    "ipvlan",
    "tun",
    "wireguard",
    "vrf",
    "openvswitch",
    "ifb",
    "erspan",
    "xfrm",
    "vti",
];

/// `2: eth0@if5: <BROADCAST,UP> mtu 1500 …`
pub(super) fn starts_link(line: &str) -> bool {
    let mut parts = line.splitn(3, ": ");
    let number = parts.next().is_some_and(|number| number.parse::<u32>().is_ok());
    number && parts.next().is_some() && parts.next().is_some_and(|rest| rest.starts_with('<'))
}

pub(super) fn take_link(all: &mut Assembler, file: &str, at: usize, line: &str) -> bool {
    if starts_link(line) {
        let Some(found) = link(line) else { return false };
        let held = all.snapshot.links.known().map_or(0, Vec::len);
        if all.room(held, file, at, PartName::Links) {
            add_link(all, found);
        }
        return true;
    }
    if !line.starts_with(' ') {
        return false;
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    let Some(at) = all.open_link else { return false };
    all.snapshot.links.fill(|links| {
        let Some(open) = links.get_mut(at) else { return false };
        detail(open, &words);
        true
    })
}

/// The same link can come from `ip link` and from `ip addr`.
pub(super) fn add_link(all: &mut Assembler, link: Link) {
    let known = all.links.get(&link.name).copied();
    let by_name = &mut all.links;
    let at = all.snapshot.links.fill(|links| {
        let Some((at, known)) = known.and_then(|at| Some((at, links.get_mut(at)?))) else {
            by_name.insert(link.name.clone(), links.len());
            links.push(link);
            return links.len() - 1;
        };
        known.kind = known.kind.take().or(link.kind);
        known.master = known.master.take().or(link.master);
        known.lower = known.lower.take().or(link.lower);
        known.mac = known.mac.take().or(link.mac);
        for address in link.addresses {
            add_address(known, address);
        }
        at
    });
    all.open_link = Some(at);
}

fn add_address(link: &mut Link, address: Address) {
    if !link.addresses.iter().any(|known| known.prefix == address.prefix) {
        link.addresses.push(address);
    }
}

fn link(line: &str) -> Option<Link> {
    let mut parts = line.splitn(3, ": ");
    let index = parts.next()?.parse().ok()?;
    let (name, lower) = match parts.next()?.split_once('@') {
        // a peer in another namespace has no name, only a number
        Some((name, lower)) if is_number_of_peer(lower) || lower == "NONE" => (name, None),
        Some((name, lower)) => (name, Some(lower.to_owned())),
        None => (line.split(": ").nth(1)?, None),
    };
    let rest = parts.next()?;
    let (flags, rest) = rest.strip_prefix('<')?.split_once('>')?;
    let words: Vec<&str> = rest.split_whitespace().collect();
    Some(Link {
        index,
        name: name.to_owned(),
        flags: flags.split(',').map(str::to_owned).collect(),
        master: after(&words, "master").map(str::to_owned),
        lower,
        mtu: after(&words, "mtu").and_then(|mtu| mtu.parse().ok()),
        state: after(&words, "state").map(str::to_owned),
        ..Link::default()
    })
}

fn is_number_of_peer(lower: &str) -> bool {
    lower.strip_prefix("if").is_some_and(|number| number.bytes().all(|c| c.is_ascii_digit()))
}

/// A line below a link.
fn detail(link: &mut Link, words: &[&str]) {
    match words {
        ["inet" | "inet6", prefix, ..] => {
            let Ok(prefix) = prefix.parse() else { return };
            let scope = after(words, "scope").unwrap_or_default().to_owned();
            let known = ["tentative", "dadfailed", "secondary", "deprecated", "dynamic", "nodad"];
            let flags = words.iter().filter(|word| known.contains(word));
            let flags = flags.map(|word| (*word).to_owned()).collect();
            add_address(link, Address { prefix, scope, flags });
        }
        ["altname", name, ..] => link.other_names.push((*name).to_owned()),
        [kind, mac, ..] if kind.starts_with("link/") => link.mac = Some((*mac).to_owned()),
        [kind, ..] if LINK_KINDS.contains(kind) && link.kind.is_none() => {
            link.kind = Some((*kind).to_owned());
            if *kind == "vxlan" || *kind == "geneve" {
                link.lower = after(words, "dev").map(str::to_owned).or(link.lower.take());
            }
        }
        _ => {}
    }
}

/// `default via …`, `10.0.0.0/8 dev …`, `blackhole …`
pub(super) fn starts_route(line: &str) -> bool {
    route(line).is_some()
}

pub(super) fn take_route(all: &mut Assembler, file: &str, at: usize, line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    if words.first() == Some(&"nexthop") {
        return all.snapshot.routes.fill(|routes| {
            let Some(route) = routes.last_mut() else { return false };
            route.via.extend(after(&words, "via").and_then(|via| via.parse::<IpAddr>().ok()));
            route.links.extend(after(&words, "dev").map(str::to_owned));
            true
        });
    }
    let Some(route) = route(line) else { return false };
    let held = all.snapshot.routes.known().map_or(0, Vec::len);
    if all.room(held, file, at, PartName::Routes) {
        let in_file = file.contains("ip6") || file.contains("ip-6") || file.contains("ipv6");
        all.snapshot.routes.fill(|routes| {
            let mut route = route;
            let default_six = route.to.is_none() && route.via.is_empty();
            if default_six && (in_file || line.contains(" pref ")) {
                route.family = Family::V6;
            }
            routes.push(route);
        });
    }
    true
}

fn route(line: &str) -> Option<Route> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (kind, words) = match words.split_first()? {
        (kind, rest) if KINDS.contains(kind) => (*kind, rest),
        _ => ("unicast", words.as_slice()),
    };
    let to = destination(words.first()?)?;
    let keys = [
        "via", "dev", "proto", "nhid", "table", "metric", "scope", "src", "encap", "onlink", "mtu",
    ];
    let follows = words.get(1).is_none_or(|key| keys.contains(key) || *key == "nexthop");
    if !follows || words.len() == 1 && kind == "unicast" && to.is_some() {
        return None;
    }
    if words.contains(&"lladdr") || words.last().is_some_and(|last| NUD.contains(last)) {
        return None;
    }
    let via = after(words, "via").map(|via| if via == "inet6" { "" } else { via });
    let via: Vec<IpAddr> = via.and_then(|via| via.parse().ok()).into_iter().collect();
    let six = to.map(|to| to.address).or(via.first().copied()).is_some_and(|ip| ip.is_ipv6());
    let flags = ["linkdown", "dead", "onlink"].into_iter().filter(|flag| words.contains(flag));
    Some(Route {
        kind: kind.to_owned(),
        to,
        family: if six { Family::V6 } else { Family::V4 },
        via,
        links: after(words, "dev").map(str::to_owned).into_iter().collect(),
        table: after(words, "table").unwrap_or("main").to_owned(),
        protocol: after(words, "proto").map(str::to_owned),
        metric: after(words, "metric").and_then(|metric| metric.parse().ok()),
        source: after(words, "src").and_then(|source| source.parse().ok()),
        flags: flags.map(str::to_owned).collect(),
    })
}

/// `32766: from all lookup main`
pub(super) fn starts_rule(line: &str) -> bool {
    rule(line).is_some()
}

fn rule(line: &str) -> Option<RoutingRule> {
    let (priority, rest) = line.split_once(':')?;
    let priority = priority.parse().ok()?;
    let rest = rest.trim();
    if !rest.starts_with("from ") && !rest.starts_with("not from ") {
        return None;
    }
    let does = ["lookup ", "goto ", "unreachable", "blackhole", "prohibit", "nop", "[unresolved]"];
    let at = does.iter().filter_map(|word| rest.find(word)).min().unwrap_or(rest.len());
    let (asks, does) = rest.split_at(at);
    let (does, protocol) = match does.split_once(" proto ") {
        Some((does, protocol)) => (does, Some(protocol.trim().to_owned())),
        None => (does, None),
    };
    let asks = asks.split_whitespace().collect::<Vec<_>>().join(" ");
    Some(RoutingRule { priority, asks, does: does.trim().to_owned(), protocol })
}

pub(super) fn take_rule(all: &mut Assembler, file: &str, line: &str) -> bool {
    let Some(rule) = rule(line) else { return false };
    let six = rule.asks.split(' ').any(|word| word.contains(':'));
    let rules = match text::rule_family(file) {
        Some(Family::V6) => &mut all.snapshot.routing_rules.v6,
        None if six => &mut all.snapshot.routing_rules.v6,
        _ => &mut all.snapshot.routing_rules.v4,
    };
    let limit = all.limits.entries;
    rules.fill(|rules| {
        if rules.len() < limit {
            rules.push(rule);
        }
    });
    true
}

/// `10.244.0.5 dev cni0 lladdr 02:… REACHABLE`
pub(super) fn starts_neighbour(line: &str) -> bool {
    neighbour(line).is_some()
}

fn neighbour(line: &str) -> Option<Neighbour> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [address, "dev", by, .., last] = words.as_slice() else { return None };
    let state = NUD.contains(last).then(|| (*last).to_owned());
    let mac = after(&words, "lladdr");
    if state.is_none() && mac.is_none() {
        return None;
    }
    Some(Neighbour {
        address: address.parse().ok()?,
        link: (*by).to_owned(),
        mac: mac.map(str::to_owned),
        state,
    })
}

pub(super) fn take_neighbour(all: &mut Assembler, file: &str, at: usize, line: &str) -> bool {
    let Some(neighbour) = neighbour(line) else { return false };
    let held = all.snapshot.neighbours.known().map_or(0, Vec::len);
    if all.room(held, file, at, PartName::Neighbours) {
        all.snapshot.neighbours.fill(|known| known.push(neighbour));
    }
    true
}
