//! Owns a route, as `ip route show table all` shows it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use doctor::snapshot::{Prefix, Route};
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteNextHop, RouteNextHopFlags,
    RouteProtocol, RouteVia,
};

use super::words;

/// Nothing for what is no route of the tables: copies that the kernel made for single destinations.
pub(super) fn read(message: &RouteMessage, names: &BTreeMap<u32, String>) -> Option<Route> {
    let header = &message.header;
    let family = match header.address_family {
        AddressFamily::Inet => xt::Family::V4,
        AddressFamily::Inet6 => xt::Family::V6,
        _ => return None,
    };
    if header.flags.contains(RouteFlags::Cloned) {
        return None;
    }
    let name_of = |index: u32| names.get(&index).cloned().unwrap_or_else(|| format!("if{index}"));
    let mut route = Route {
        kind: words::kind(header.kind.into()),
        to: None,
        family,
        via: Vec::new(),
        links: Vec::new(),
        table: words::table(header.table.into()),
        // `ip` leaves out what a person added without saying who
        protocol: (header.protocol != RouteProtocol::Boot)
            .then(|| words::protocol(header.protocol.into())),
        metric: None,
        source: None,
        flags: flags(header.flags),
    };
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(to) => {
                route.to =
                    address(to).and_then(|to| Prefix::new(to, header.destination_prefix_length));
            }
            RouteAttribute::Gateway(_) | RouteAttribute::Via(_) => {
                route.via.extend(router(attribute));
            }
            RouteAttribute::Oif(index) => route.links.push(name_of(*index)),
            RouteAttribute::Table(table) => route.table = words::table(*table),
            RouteAttribute::Priority(metric) => route.metric = Some(*metric),
            RouteAttribute::PrefSource(source) => route.source = address(source),
            RouteAttribute::MultiPath(hops) => {
                for hop in hops {
                    take_hop(&mut route, hop, &name_of);
                }
            }
            _ => {}
        }
    }
    // fe80::/64 of several links and ff00::/8 have a length and an address; ::/0 has neither
    Some(route)
}

fn take_hop(route: &mut Route, hop: &RouteNextHop, name_of: &impl Fn(u32) -> String) {
    route.links.push(name_of(hop.interface_index));
    route.via.extend(hop.attributes.iter().filter_map(router));
    for (flag, name) in [
        (RouteNextHopFlags::Dead, "dead"),
        (RouteNextHopFlags::Onlink, "onlink"),
        (RouteNextHopFlags::Linkdown, "linkdown"),
    ] {
        if hop.flags.contains(flag) && !route.flags.iter().any(|known| known == name) {
            route.flags.push(name.to_owned());
        }
    }
}

fn router(attribute: &RouteAttribute) -> Option<IpAddr> {
    match attribute {
        RouteAttribute::Gateway(gateway) => address(gateway),
        RouteAttribute::Via(RouteVia::Inet(gateway)) => Some((*gateway).into()),
        RouteAttribute::Via(RouteVia::Inet6(gateway)) => Some((*gateway).into()),
        _ => None,
    }
}

fn address(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some((*address).into()),
        RouteAddress::Inet6(address) => Some((*address).into()),
        _ => None,
    }
}

fn flags(flags: RouteFlags) -> Vec<String> {
    let names = [
        (RouteFlags::Dead, "dead"),
        (RouteFlags::Onlink, "onlink"),
        (RouteFlags::Linkdown, "linkdown"),
    ];
    let set = names.iter().filter(|(flag, _)| flags.contains(*flag));
    set.map(|(_, name)| (*name).to_owned()).collect()
}
