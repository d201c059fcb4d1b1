//! Owns a neighbour, as `ip neigh` shows it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use doctor::snapshot::Neighbour;
use rtnetlink::packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};

use super::words;

/// Nothing for entries of bridges (they have no address) and for those that need no asking
/// (multicast, loopback), which `ip neigh` does not show either.
pub(super) fn read(message: &NeighbourMessage, names: &BTreeMap<u32, String>) -> Option<Neighbour> {
    let header = &message.header;
    if header.state == NeighbourState::Noarp {
        return None;
    }
    let (mut address, mut mac) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(ip)) => {
                address = Some(IpAddr::from(*ip));
            }
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(ip)) => {
                address = Some(IpAddr::from(*ip));
            }
            NeighbourAttribute::LinkLayerAddress(bytes) if !bytes.is_empty() => {
                mac = Some(words::hardware(bytes));
            }
            _ => {}
        }
    }
    let link = names.get(&header.ifindex).cloned();
    Some(Neighbour {
        address: address?,
        link: link.unwrap_or_else(|| format!("if{}", header.ifindex)),
        mac,
        state: Some(header.state.to_string().to_uppercase()),
    })
}
