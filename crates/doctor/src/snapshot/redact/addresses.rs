//! Owns addresses: which of them tell where the node is, and what stands for them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::super::{Address, Link, Prefix, Snapshot};
use crate::owners;

/// The first 16 bits of addresses of IPv6 that stand for others.
const OURS: u16 = 0xfdec;

/// Whether an address is one that can stand for another.
pub(crate) fn stands_for_another(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64,
        IpAddr::V6(v6) => v6.segments()[0] == OURS,
    }
}

/// Networks of the uplinks and addresses on `lo` that others use, and what stands for addresses.
pub(super) struct Addresses {
    uplinks: Vec<Prefix>,
    salt: u64,
    macs: BTreeMap<[u8; 6], [u8; 6]>,
    /// Addresses of the uplinks' networks that the snapshot names.
    pub(super) known: BTreeSet<IpAddr>,
}

fn mac_bytes(text: &str) -> Option<[u8; 6]> {
    let mut bytes = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut bytes {
        let part = parts.next().filter(|part| part.len() == 2)?;
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(bytes)
}

/// `52:54:00:12:34:56`
pub(super) fn mac_text(bytes: [u8; 6]) -> String {
    bytes.map(|byte| format!("{byte:02x}")).join(":")
}

impl Addresses {
    pub(super) fn of(snapshot: &Snapshot, salt: u64) -> Self {
        let links = || snapshot.links.known().into_iter().flatten();
        let neighbours = || snapshot.neighbours.known().into_iter().flatten();
        let uplinks: Vec<Prefix> = links()
            .filter(|link| !owners::is_pod_side_link(link))
            .flat_map(|link| link.addresses.iter().filter(|address| is_own(link, address)))
            .map(|address| address.prefix)
            .collect();
        let own = uplinks.iter().map(|uplink| uplink.address);
        let routes = snapshot.routes.known().into_iter().flatten();
        let of_routes = routes.flat_map(|route| route.via.iter().copied().chain(route.source));
        let others = neighbours().map(|neighbour| neighbour.address);
        let told = |address: &IpAddr| {
            uplinks.iter().any(|net| net.covers(*address)) && !address.is_unspecified()
        };
        let known = own.chain(of_routes).chain(others).filter(told).collect();
        let mut addresses = Self { uplinks, salt, macs: BTreeMap::new(), known };
        let macs = links().map(|link| &link.mac).chain(neighbours().map(|n| &n.mac));
        for mac in macs.flatten().filter_map(|mac| mac_bytes(mac)) {
            addresses.mac(mac);
        }
        addresses
    }

    /// Hardware addresses that the snapshot names, and what stands for them.
    pub(super) fn macs(&self) -> impl Iterator<Item = ([u8; 6], [u8; 6])> {
        self.macs.iter().map(|(mac, instead)| (*mac, *instead))
    }

    fn mac(&mut self, mac: [u8; 6]) -> [u8; 6] {
        if mac == [0; 6] || mac == [0xff; 6] {
            return mac;
        }
        let [_, a, b, c] = (self.macs.len() as u32 + 1).to_be_bytes();
        *self.macs.entry(mac).or_insert([2, 0, 0, a, b, c])
    }

    /// The text with other addresses.
    pub(super) fn replaced(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while !rest.is_empty() {
            let of_address = |c: char| c.is_ascii_hexdigit() || c == ':' || c == '.';
            let end = rest.find(|c| !of_address(c)).unwrap_or(rest.len());
            let (word, behind) = rest.split_at(end);
            out += &self.word(word);
            let next = behind.find(of_address).unwrap_or(behind.len());
            out += &behind[..next];
            rest = &behind[next..];
        }
        out
    }

    /// A word of the letters that addresses have; a full stop or colon behind it ends a sentence.
    fn word(&mut self, word: &str) -> String {
        let body = word.trim_end_matches(['.', ':']);
        // `fd00::` ends so by itself
        let (body, end) =
            if word.ends_with("::") { (word, "") } else { (body, &word[body.len()..]) };
        if let Some(found) = self.whole(body) {
            return found + end;
        }
        self.inside(body) + end
    }

    fn whole(&mut self, word: &str) -> Option<String> {
        if let Some(mac) = mac_bytes(word) {
            return Some(mac_text(self.mac(mac)));
        }
        if let Ok(address) = word.parse::<IpAddr>() {
            return Some(self.address(address).to_string());
        }
        // a port behind
        let (address, port) = word.rsplit_once(':')?;
        port.parse::<u16>().ok()?;
        let address = address.parse::<Ipv4Addr>().ok()?;
        Some(format!("{}:{port}", self.address(address.into())))
    }

    /// Addresses between other letters: of IPv4, and of hardware.
    fn inside(&mut self, word: &str) -> String {
        let bytes = word.as_bytes();
        let (mut out, mut at) = (String::with_capacity(word.len()), 0);
        while at < word.len() {
            if let Some(mac) = word.get(at..at + 17).and_then(mac_bytes) {
                out += &mac_text(self.mac(mac));
                at += 17;
                continue;
            }
            let begins = at == 0 || !bytes[at - 1].is_ascii_digit();
            let dotted = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
            let end = at + bytes[at..].iter().take_while(|byte| dotted(byte)).count();
            let found = word.get(at..end).filter(|_| begins && end > at).and_then(|run| {
                let run = run.trim_end_matches('.');
                let parts: Vec<&str> = run.split('.').collect();
                // of more than four numbers the first four may be one
                let four = parts.get(..4)?.join(".");
                Some((four.parse::<Ipv4Addr>().ok()?, four.len()))
            });
            if let Some((address, length)) = found {
                out += &self.address(address.into()).to_string();
                at += length;
            } else {
                out.push(char::from(bytes[at]));
                at += 1;
            }
        }
        out
    }

    /// What stands for an address.
    pub(super) fn address(&mut self, address: IpAddr) -> IpAddr {
        let of_uplink = self.uplinks.iter().filter(|net| net.covers(address)).map(|net| net.length);
        let moved = match of_uplink.min() {
            Some(length) => self.moved(address, length),
            None if is_public(address) => {
                self.moved(address, if address.is_ipv4() { 32 } else { 128 })
            }
            None => address,
        };
        match (address, moved) {
            (IpAddr::V6(old), IpAddr::V6(new)) => self.without_traces(old, new).into(),
            (_, moved) => moved,
        }
    }

    /// An address of IPv6 may hold one of IPv4 (mapped, translated) or of hardware (EUI-64).
    fn without_traces(&mut self, old: Ipv6Addr, new: Ipv6Addr) -> Ipv6Addr {
        let mut octets = new.octets();
        let v4 = IpAddr::from(Ipv4Addr::from_bits(old.to_bits() as u32));
        let translated = old.to_ipv4_mapped().is_some() || old.segments()[..2] == [0x64, 0xff9b];
        if translated || self.known.contains(&v4) {
            if let IpAddr::V4(v4) = self.address(v4) {
                octets[12..].copy_from_slice(&v4.octets());
            }
        } else if old.octets()[11..13] == [0xff, 0xfe] {
            let o = old.octets();
            let mac = self.mac([o[8] ^ 2, o[9], o[10], o[13], o[14], o[15]]);
            octets[8..].copy_from_slice(&[
                mac[0] ^ 2,
                mac[1],
                mac[2],
                0xff,
                0xfe,
                mac[3],
                mac[4],
                mac[5],
            ]);
        }
        octets.into()
    }

    /// Another network of the same length in a range that is nobody's; the host's bits stay.
    fn moved(&self, address: IpAddr, length: u8) -> IpAddr {
        match address {
            // 100.64.0.0/10, RFC 6598
            IpAddr::V4(v4) => {
                let net = (self.salt as u32 ^ v4.to_bits()) & 0x003f_ffff | 0x6440_0000;
                let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
                Ipv4Addr::from_bits(net & mask | v4.to_bits() & !mask).into()
            }
            // one network of fd00::/8, RFC 4193
            IpAddr::V6(v6) => {
                let salt = u128::from(self.salt) << 64 | u128::from(self.salt.rotate_left(17));
                let net = (salt ^ v6.to_bits()) & (u128::MAX >> 16) | u128::from(OURS) << 112;
                let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
                Ipv6Addr::from_bits(net & mask | v6.to_bits() & !mask).into()
            }
        }
    }
}

/// Whether an address is one that others know the node by. On `lo` its scope does not matter: an address
/// of a router's or of a load balancer is there with any.
fn is_own(link: &Link, address: &Address) -> bool {
    if !link.is_loopback() {
        return address.scope == "global";
    }
    match address.prefix.address {
        IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local(),
        IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local(),
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let shared = v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64;
            let special = v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_documentation()
                || shared;
            // masks look like addresses of class E
            !special && v4.octets()[0] < 224
        }
        IpAddr::V6(v6) => v6.segments()[0] & 0xe000 == 0x2000,
    }
}
