//! Owns DNAT, SNAT, MASQUERADE and REDIRECT: linux/netfilter/nf_nat.h.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{
    info::{Info, Of},
    matches::Extension,
    text::options::Options,
    value::{PortRange, named_bits, push_address},
    view::Family,
};

/// New addresses and ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Nat {
    /// First and last address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addresses: Option<(IpAddr, IpAddr)>,
    /// Ports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<PortRange>,
    /// The port that becomes the first of them: a range is shifted as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<u16>,
    /// How one of several is chosen.
    #[serde(default)]
    pub flags: NatFlags,
}

named_bits! {
    /// How one of several addresses or ports is chosen, `NF_NAT_RANGE_*`.
    NatFlags(u32) = "random" 1 << 2, "random-fully" 1 << 4, "persistent" 1 << 3,
}

const MAP_IPS: u32 = 1;
const PORTS: u32 = 2;
const OFFSET: u32 = 1 << 5;

impl Nat {
    /// To one address and port.
    pub fn to(&self) -> Option<(IpAddr, Option<u16>)> {
        let (min, max) = self.addresses?;
        let port = self.ports.map(|ports| (ports.min == ports.max).then_some(ports.min));
        match port {
            Some(None) => None,
            port => (min == max).then_some((min, port.flatten())),
        }
    }

    /// `--to-ports` has no colon.
    pub(crate) fn save_as(&self, name: &str, out: &mut String) {
        if self.addresses.is_some() || self.ports.is_some() {
            for piece in [" ", name, " "] {
                *out += piece;
            }
        }
        if let Some((min, max)) = self.addresses {
            let brackets = min.is_ipv6() && self.ports.is_some();
            *out += if brackets { "[" } else { "" };
            push_address(min, out);
            if min != max {
                out.push('-');
                push_address(max, out);
            }
            *out += if brackets { "]" } else { "" };
        }
        if let Some(ports) = self.ports {
            if self.addresses.is_some() || name != "--to-ports" {
                out.push(':');
            }
            ports.push_dashed(out);
            if let Some(base) = self.base {
                put!(out, "/{base}");
            }
        }
        for flag in self.flags.names() {
            *out += " --";
            *out += flag;
        }
    }

    fn read_ports(&mut self, text: &str) -> Option<()> {
        let (ports, base) = match text.split_once('/') {
            Some((ports, base)) => (ports, Some(base.parse().ok()?)),
            None => (text, None),
        };
        (self.ports, self.base) = (Some(PortRange::from_dashed(ports)?), base);
        Some(())
    }

    fn read_addresses(&mut self, text: &str) -> Option<()> {
        let (min, max) = text.split_once('-').unwrap_or((text, text));
        self.addresses = Some((min.parse().ok()?, max.parse().ok()?));
        Some(())
    }

    /// `address[-address][:port[-port][/base]]`, IPv6 with ports in brackets.
    fn read_range(&mut self, text: &str, family: Family) -> Option<()> {
        if let Some(inner) = text.strip_prefix('[') {
            let (addresses, ports) = inner.split_once(']')?;
            self.read_addresses(addresses)?;
            return match ports.strip_prefix(':') {
                Some(ports) => self.read_ports(ports),
                None => ports.is_empty().then_some(()),
            };
        }
        let (addresses, ports) = match (family, text.split_once(':')) {
            (_, Some(("", ports))) if !ports.contains(':') => ("", Some(ports)),
            (Family::V4, Some((addresses, ports))) => (addresses, Some(ports)),
            _ => (text, None),
        };
        if !addresses.is_empty() {
            self.read_addresses(addresses)?;
        }
        ports.map_or(Some(()), |ports| self.read_ports(ports))
    }
}

impl Extension for Nat {
    /// Revision 0 of IPv4 is `struct nf_nat_ipv4_multi_range_compat`, the others are
    /// `struct nf_nat_range` and, from revision 2 on, `struct nf_nat_range2`.
    fn decode(info: Info<'_>, of: Of) -> Option<Self> {
        let old = of.revision == 0 && of.family == Family::V4;
        if old && info.u32(0)? != 1 {
            return None;
        }
        let (flags, min, max, ports) =
            if old { (info.u32(4)?, 8, 12, 16) } else { (info.u32(0)?, 4, 20, 36) };
        let known = MAP_IPS | PORTS | if of.revision >= 2 { OFFSET } else { 0 };
        let named = NatFlags(flags & !known);
        let addresses = (info.address(min, of.family)?, info.address(max, of.family)?);
        let range = PortRange { min: info.be16(ports)?, max: info.be16(ports + 2)? };
        let base = if flags & OFFSET != 0 { Some(info.be16(ports + 4)?) } else { None };
        named.is_known().then_some(Self {
            addresses: (flags & MAP_IPS != 0).then_some(addresses),
            ports: (flags & PORTS != 0).then_some(range),
            base,
            flags: named,
        })
    }

    fn save(&self, out: &mut String) {
        self.save_as("--to-destination", out);
    }

    fn read(options: &mut Options, family: Family) -> Option<Self> {
        let mut nat = Self::default();
        let words = |text: &str| Some(text.to_owned());
        if let Some(range) = options.value(&["to-destination", "to-source"], words)? {
            nat.read_range(&range, family)?;
        }
        if let Some(ports) = options.value(&["to-ports"], words)? {
            nat.read_ports(&ports)?;
        }
        for (name, bit) in [("random", 1 << 2), ("random-fully", 1 << 4), ("persistent", 1 << 3)] {
            nat.flags.0 |= if options.switch(name)? { bit } else { 0 };
        }
        Some(nat)
    }
}
