//! Sets of ipset, read only: which there are, how full they are, what is in them.
//!
//! Asking the kernel loads ipset's module if it is not there; ask only where it is.
//!
//! ```no_run
//! let mut socket = nfnl::Socket::open()?;
//! for set in socket.ipsets(100)? {
//!     println!("{} {}: {} of {:?}", set.name, set.kind, set.count, set.limit);
//! }
//! # Ok::<(), nfnl::Error>(())
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{
    Error, Socket,
    consts::{
        IPSET_ATTR_ADT, IPSET_ATTR_CADT_FLAGS, IPSET_ATTR_CIDR, IPSET_ATTR_CIDR2, IPSET_ATTR_DATA,
        IPSET_ATTR_ETHER, IPSET_ATTR_FAMILY, IPSET_ATTR_IFACE, IPSET_ATTR_IP, IPSET_ATTR_IP2,
        IPSET_ATTR_IPADDR_IPV4, IPSET_ATTR_IPADDR_IPV6, IPSET_ATTR_MARK, IPSET_ATTR_MAXELEM,
        IPSET_ATTR_NAME, IPSET_ATTR_PORT, IPSET_ATTR_PROTO, IPSET_ATTR_PROTOCOL,
        IPSET_ATTR_REFERENCES, IPSET_ATTR_SETNAME, IPSET_ATTR_TYPENAME, IPSET_CMD_LIST,
        IPSET_FLAG_PHYSDEV, NFNL_SUBSYS_IPSET, NFPROTO_IPV4, NFPROTO_IPV6,
    },
    socket::{Request, Style},
    wire::{Attribute, Attributes, DecodeError},
};

/// The oldest protocol that kernels speak: all of them take it for lists.
const PROTOCOL: u8 = 6;

/// A set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IpSet {
    /// Its name.
    pub name: String,
    /// `hash:ip,port` and so on.
    pub kind: String,
    /// `NFPROTO_IPV4` or `NFPROTO_IPV6`; 0 for a kind without addresses, or with any.
    pub family: u8,
    /// Most entries it may have; bitmaps and lists do not say.
    pub limit: Option<u32>,
    /// How many rules and sets refer to it.
    pub references: Option<u32>,
    /// How many entries it has.
    pub count: u64,
    /// The first entries.
    pub entries: Vec<Entry>,
}

/// An entry: each field is there if the set's kind has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry {
    /// Address or network.
    pub ip: Option<(IpAddr, Option<u8>)>,
    /// Second address or network.
    pub ip2: Option<(IpAddr, Option<u8>)>,
    /// Protocol that the port belongs to.
    pub protocol: Option<u8>,
    /// Port; of ICMP type and code.
    pub port: Option<u16>,
    /// Mark.
    pub mark: Option<u32>,
    /// Link-layer address.
    pub ether: Option<[u8; 6]>,
    /// Interface.
    pub interface: Option<String>,
    /// Another set, in a list of sets.
    pub name: Option<String>,
    /// `IPSET_FLAG_*`
    pub flags: u32,
}

impl Socket {
    /// All sets of the network namespace, with at most `entries` entries each.
    ///
    /// # Errors
    /// [`Error`].
    pub fn ipsets(&mut self, entries: usize) -> Result<Vec<IpSet>, Error> {
        let request = Request::new("list sets of ipset", NFPROTO_IPV4, Style::Dump);
        let mut sets: Vec<IpSet> = Vec::new();
        let put = |w: &mut crate::wire::Writer| w.put_u8(IPSET_ATTR_PROTOCOL, PROTOCOL);
        self.exchange(NFNL_SUBSYS_IPSET, IPSET_CMD_LIST, &request, put, |message| {
            take(&mut sets, entries, message.netfilter()?.1)?;
            Ok(())
        })?;
        Ok(sets)
    }
}

/// Takes one message: a set comes in one or more, one after another.
fn take(sets: &mut Vec<IpSet>, most: usize, all: Attributes<'_>) -> Result<(), DecodeError> {
    let mut head = IpSet::default();
    let (mut data, mut list) = (None, None);
    for attribute in all {
        let a = attribute?;
        match a.kind {
            IPSET_ATTR_SETNAME => head.name = a.string(),
            IPSET_ATTR_TYPENAME => head.kind = a.string(),
            IPSET_ATTR_FAMILY => head.family = a.u8()?,
            IPSET_ATTR_DATA => data = Some(a.nested()),
            IPSET_ATTR_ADT => list = Some(a.nested()),
            _ => {}
        }
    }
    if sets.last().is_none_or(|set| set.name != head.name) {
        sets.push(head);
    }
    let Some(set) = sets.last_mut() else { return Ok(()) };
    for attribute in data.into_iter().flatten() {
        let a = attribute?;
        match a.kind {
            IPSET_ATTR_MAXELEM => set.limit = Some(a.be32()?),
            IPSET_ATTR_REFERENCES => set.references = Some(a.be32()?),
            _ => {}
        }
    }
    // IPSET_ATTR_ELEMENTS counts timed out entries too, and older kernels do not have it
    for attribute in list.into_iter().flatten() {
        let a = attribute?;
        if a.kind != IPSET_ATTR_DATA {
            continue;
        }
        set.count += 1;
        if set.entries.len() < most {
            set.entries.push(entry(a.nested())?);
        }
    }
    Ok(())
}

fn entry(attributes: Attributes<'_>) -> Result<Entry, DecodeError> {
    let mut entry = Entry::default();
    let (mut ip, mut cidr, mut ip2, mut cidr2) = (None, None, None, None);
    for attribute in attributes {
        let a = attribute?;
        match a.kind {
            IPSET_ATTR_IP => ip = address(&a)?,
            IPSET_ATTR_CIDR => cidr = Some(a.u8()?),
            IPSET_ATTR_IP2 => ip2 = address(&a)?,
            IPSET_ATTR_CIDR2 => cidr2 = Some(a.u8()?),
            IPSET_ATTR_PROTO => entry.protocol = Some(a.u8()?),
            IPSET_ATTR_PORT => entry.port = Some(a.be16()?),
            IPSET_ATTR_MARK => entry.mark = Some(a.be32()?),
            IPSET_ATTR_ETHER => entry.ether = a.payload.first_chunk().copied(),
            IPSET_ATTR_IFACE => entry.interface = Some(a.string()),
            IPSET_ATTR_NAME => entry.name = Some(a.string()),
            IPSET_ATTR_CADT_FLAGS => entry.flags = a.be32()?,
            _ => {}
        }
    }
    entry.ip = ip.map(|ip| (ip, cidr));
    entry.ip2 = ip2.map(|ip| (ip, cidr2));
    Ok(entry)
}

fn address(attribute: &Attribute<'_>) -> Result<Option<IpAddr>, DecodeError> {
    for inner in attribute.nested() {
        let a = inner?;
        match a.kind {
            IPSET_ATTR_IPADDR_IPV4 => return Ok(Some(Ipv4Addr::from_bits(a.be32()?).into())),
            IPSET_ATTR_IPADDR_IPV6 => {
                let octets: Option<[u8; 16]> = a.payload.first_chunk().copied();
                return Ok(octets.map(|octets| Ipv6Addr::from_octets(octets).into()));
            }
            _ => {}
        }
    }
    Ok(None)
}

impl IpSet {
    /// The family as `ipset` names it; kinds without one have none.
    pub fn family_name(&self) -> Option<&'static str> {
        // bitmaps are of IPv4 only, and are listed without it
        match self.family {
            _ if !self.kind.starts_with("hash:") => None,
            NFPROTO_IPV4 => Some("inet"),
            NFPROTO_IPV6 => Some("inet6"),
            _ => None,
        }
    }
}

impl Entry {
    /// As `ipset save` prints it, in the order of the parts of the set's kind (`hash:ip,port`), without its options.
    pub fn text(&self, kind: &str) -> String {
        let parts = kind.split_once(':').map_or(kind, |(_, parts)| parts);
        let mut second = false;
        let mut words = Vec::new();
        for part in parts.split(',') {
            words.push(match part {
                "ip" | "net" => {
                    let network = if second { self.ip2 } else { self.ip };
                    second = true;
                    network_text(network)
                }
                "port" => self.port_text(),
                "mark" => format!("0x{:08x}", self.mark.unwrap_or_default()),
                "mac" => match self.ether {
                    Some(ether) => ether.map(|byte| format!("{byte:02x}")).join(":"),
                    None => continue,
                },
                "iface" => {
                    let over = if self.flags & IPSET_FLAG_PHYSDEV == 0 { "" } else { "physdev:" };
                    format!("{over}{}", self.interface.as_deref().unwrap_or_default())
                }
                "set" => self.name.clone().unwrap_or_default(),
                _ => "?".to_owned(),
            });
        }
        words.join(",")
    }

    fn port_text(&self) -> String {
        let port = self.port.unwrap_or_default();
        let [kind, code] = port.to_be_bytes();
        match self.protocol {
            None => port.to_string(),
            Some(1) => format!("icmp:{kind}/{code}"),
            Some(58) => format!("icmpv6:{kind}/{code}"),
            Some(6) => format!("tcp:{port}"),
            Some(17) => format!("udp:{port}"),
            Some(132) => format!("sctp:{port}"),
            Some(136) => format!("udplite:{port}"),
            Some(other) => format!("{other}:{port}"),
        }
    }
}

fn network_text(network: Option<(IpAddr, Option<u8>)>) -> String {
    match network {
        None => String::new(),
        Some((ip, Some(length))) if length != if ip.is_ipv4() { 32 } else { 128 } => {
            format!("{ip}/{length}")
        }
        Some((ip, _)) => ip.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_written_as_ipset_saves_them() {
        let ip = |text: &str| text.parse().unwrap();
        let entry = Entry {
            ip: Some((ip("10.0.0.0"), Some(8))),
            ip2: Some((ip("fd00::1"), Some(128))),
            protocol: Some(6),
            port: Some(80),
            mark: Some(16),
            ether: Some([2, 0, 0, 0, 0, 1]),
            interface: Some("eth0".to_owned()),
            name: Some("other".to_owned()),
            flags: IPSET_FLAG_PHYSDEV,
        };
        let cases = [
            ("hash:net,port,ip", "10.0.0.0/8,tcp:80,fd00::1"),
            ("hash:net,iface", "10.0.0.0/8,physdev:eth0"),
            ("hash:ip,mark", "10.0.0.0/8,0x00000010"),
            ("bitmap:ip,mac", "10.0.0.0/8,02:00:00:00:00:01"),
            ("list:set", "other"),
        ];
        for (kind, text) in cases {
            assert_eq!(entry.text(kind), text);
        }
        assert_eq!(Entry { port: Some(5), ..Entry::default() }.text("bitmap:port"), "5");
    }

    #[test]
    fn a_set_in_two_messages_is_one_set_and_only_the_first_entries_are_kept() {
        let message = |entries: u32| {
            let mut w = crate::wire::Writer::new();
            w.put_str(IPSET_ATTR_SETNAME, "a");
            w.put_str(IPSET_ATTR_TYPENAME, "bitmap:port");
            w.nest(IPSET_ATTR_ADT, |w| {
                for _ in 0..entries {
                    w.nest(IPSET_ATTR_DATA, |w| w.put_be16(IPSET_ATTR_PORT, 7));
                }
            });
            w.finish().unwrap()
        };
        let mut sets = Vec::new();
        for bytes in [message(3), message(2)] {
            take(&mut sets, 4, Attributes::new(&bytes)).unwrap();
        }
        assert_eq!((sets.len(), sets[0].count, sets[0].entries.len()), (1, 5, 4));
    }
}
