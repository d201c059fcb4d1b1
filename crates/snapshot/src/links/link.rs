//! Owns a link and an address, as `ip -d link` and `ip addr` show them.

use std::collections::BTreeMap;

use doctor::snapshot::{Address, Link, Prefix};
use rtnetlink::packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use rtnetlink::packet_route::link::{
    InfoData, InfoVxlan, LinkAttribute, LinkFlags, LinkInfo, LinkMessage, Prop,
};

use super::words;

type Names = BTreeMap<u32, String>;

/// Number and name.
pub(super) fn name(message: &LinkMessage) -> (u32, String) {
    let name = message.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.clone()),
        _ => None,
    });
    (message.header.index, name.unwrap_or_else(|| format!("if{}", message.header.index)))
}

pub(super) fn read(message: &LinkMessage, names: &Names) -> Link {
    let name_of = |index: u32| names.get(&index).cloned().unwrap_or_else(|| format!("if{index}"));
    let (index, name) = name(message);
    let mut link = Link { index, name, flags: flags(message.header.flags), ..Link::default() };
    let (mut lower, mut elsewhere) = (None, false);
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::Mtu(mtu) => link.mtu = Some(*mtu),
            LinkAttribute::OperState(state) => link.state = Some(state.to_string()),
            LinkAttribute::Address(bytes) if !bytes.is_empty() => {
                link.mac = Some(words::hardware(bytes));
            }
            LinkAttribute::Controller(index) => link.master = Some(name_of(*index)),
            // 0 is nothing, as for tunnels on any link
            LinkAttribute::Link(index) if *index != 0 => lower = Some(*index),
            LinkAttribute::LinkNetNsId(_) => elsewhere = true,
            LinkAttribute::LinkInfo(info) => details(&mut link, info, &name_of),
            LinkAttribute::PropList(properties) => {
                link.other_names.extend(properties.iter().filter_map(|property| match property {
                    Prop::AltIfName(name) => Some(name.clone()),
                    _ => None,
                }));
            }
            _ => {}
        }
    }
    // the number of a peer in another namespace means nothing here
    if let (Some(index), false) = (lower, elsewhere)
        && index != link.index
    {
        link.lower = Some(name_of(index));
    }
    link
}

fn details(link: &mut Link, info: &[LinkInfo], name_of: &impl Fn(u32) -> String) {
    for part in info {
        match part {
            LinkInfo::Kind(kind) => link.kind = Some(kind.to_string()),
            LinkInfo::Data(InfoData::Vxlan(fields)) => {
                let over = fields.iter().find_map(|field| match field {
                    InfoVxlan::Link(index) if *index != 0 => Some(*index),
                    _ => None,
                });
                link.lower = over.map(name_of).or(link.lower.take());
            }
            _ => {}
        }
    }
}

/// In the order of iproute2's `print_link_flags`.
fn flags(flags: LinkFlags) -> Vec<String> {
    const NAMES: [(LinkFlags, &str); 18] = [
        (LinkFlags::Loopback, "LOOPBACK"),
        (LinkFlags::Broadcast, "BROADCAST"),
        (LinkFlags::Pointopoint, "POINTOPOINT"),
        (LinkFlags::Multicast, "MULTICAST"),
        (LinkFlags::Noarp, "NOARP"),
        (LinkFlags::Allmulti, "ALLMULTI"),
        (LinkFlags::Promisc, "PROMISC"),
        (LinkFlags::Controller, "MASTER"),
        (LinkFlags::Port, "SLAVE"),
        (LinkFlags::Debug, "DEBUG"),
        (LinkFlags::Dynamic, "DYNAMIC"),
        (LinkFlags::Automedia, "AUTOMEDIA"),
        (LinkFlags::Portsel, "PORTSEL"),
        (LinkFlags::Notrailers, "NOTRAILERS"),
        (LinkFlags::Up, "UP"),
        (LinkFlags::LowerUp, "LOWER_UP"),
        (LinkFlags::Dormant, "DORMANT"),
        (LinkFlags::Echo, "ECHO"),
    ];
    let dead = flags.contains(LinkFlags::Up) && !flags.contains(LinkFlags::Running);
    let named = NAMES.iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, name)| *name);
    dead.then_some("NO-CARRIER").into_iter().chain(named).map(str::to_owned).collect()
}

/// An address and the number of its link.
pub(super) fn address(message: &AddressMessage) -> Option<(u32, Address)> {
    let (mut local, mut remote) = (None, None);
    let mut flags = AddressFlags::from_bits_retain(message.header.flags.bits().into());
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(address) => local = Some(*address),
            AddressAttribute::Address(address) => remote = Some(*address),
            AddressAttribute::Flags(all) => flags = *all,
            _ => {}
        }
    }
    // of a point-to-point link the other is the peer's
    let prefix = Prefix::new(local.or(remote)?, message.header.prefix_len)?;
    let scope = words::scope(message.header.scope.into());
    Some((message.header.index, Address { prefix, scope, flags: address_flags(flags, prefix) }))
}

fn address_flags(flags: AddressFlags, prefix: Prefix) -> Vec<String> {
    let secondary = if prefix.address.is_ipv6() { "temporary" } else { "secondary" };
    let names = [
        (AddressFlags::Secondary, secondary),
        (AddressFlags::Nodad, "nodad"),
        (AddressFlags::Optimistic, "optimistic"),
        (AddressFlags::Dadfailed, "dadfailed"),
        (AddressFlags::Homeaddress, "home"),
        (AddressFlags::Deprecated, "deprecated"),
        (AddressFlags::Tentative, "tentative"),
        (AddressFlags::Managetempaddr, "mngtmpaddr"),
        (AddressFlags::Noprefixroute, "noprefixroute"),
        (AddressFlags::Mcautojoin, "autojoin"),
        (AddressFlags::StablePrivacy, "stable-privacy"),
    ];
    let set = names.iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, name)| *name);
    let lasts = flags.contains(AddressFlags::Permanent);
    set.chain((!lasts).then_some("dynamic")).map(str::to_owned).collect()
}
