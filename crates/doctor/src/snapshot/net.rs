//! Owns links, addresses, routes, routing rules and neighbours, as `ip` lists them.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A network, or an address with the length of its network. Its text is `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix {
    /// The address.
    pub address: IpAddr,
    /// Bits of it that name the network.
    pub length: u8,
}

impl Prefix {
    /// A network; nothing if the family has no such length.
    pub fn new(address: IpAddr, length: u8) -> Option<Self> {
        (length <= if address.is_ipv4() { 32 } else { 128 }).then_some(Self { address, length })
    }

    /// One address.
    pub fn host(address: IpAddr) -> Self {
        Self { address, length: if address.is_ipv4() { 32 } else { 128 } }
    }

    /// Whether it is one address.
    pub fn is_host(&self) -> bool {
        *self == Self::host(self.address)
    }

    /// Whether the address is in it.
    pub fn covers(&self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4()
            && self.high_bits(self.address) == self.high_bits(address)
    }

    fn high_bits(&self, address: IpAddr) -> u128 {
        let (bits, all) = match address {
            IpAddr::V4(v4) => (u128::from(v4.to_bits()), 32),
            IpAddr::V6(v6) => (v6.to_bits(), 128),
        };
        bits.checked_shr(all - u32::from(self.length)).unwrap_or(0)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

impl FromStr for Prefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("{text:?} is not an address or a network");
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        match length {
            None => Ok(Self::host(address)),
            Some(length) => {
                length.parse().ok().and_then(|length| Self::new(address, length)).ok_or_else(bad)
            }
        }
    }
}

impl Serialize for Prefix {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Prefix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A link and its addresses.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Link {
    /// Number.
    pub index: u32,
    /// Name.
    pub name: String,
    /// `UP`, `LOOPBACK` and so on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
    /// `bridge`, `veth`, `vxlan`; nothing if the dump does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The bridge, bond or switch that it is a port of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub master: Option<String>,
    /// The link that it is built on: of a tunnel, a VLAN, a veth of the same namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lower: Option<String>,
    /// Largest packet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// `UP`, `DOWN`, `UNKNOWN`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Hardware address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// Other names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_names: Vec<String>,
    /// Addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<Address>,
}

impl Link {
    /// Whether it was set up.
    pub fn is_up(&self) -> bool {
        self.flags.iter().any(|flag| flag == "UP")
    }

    /// Whether it is the loopback link.
    pub fn is_loopback(&self) -> bool {
        self.name == "lo" || self.flags.iter().any(|flag| flag == "LOOPBACK")
    }

    /// Its addresses that others can use.
    pub fn global_addresses(&self) -> impl Iterator<Item = &Address> {
        self.addresses.iter().filter(|address| address.scope == "global")
    }
}

/// An address of a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Address {
    /// The address with the length of its network.
    pub prefix: Prefix,
    /// `global`, `link`, `host`.
    #[serde(default)]
    pub scope: String,
    /// `tentative`, `dadfailed`, `secondary` and so on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    /// `unicast`, `local`, `blackhole` and so on.
    pub kind: String,
    /// Where to; nothing is the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Prefix>,
    /// Of which family.
    pub family: xt::Family,
    /// Through which routers; nothing for what is on the link.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub via: Vec<IpAddr>,
    /// By which link; more than one for several paths.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<String>,
    /// Table by name or number.
    pub table: String,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// Which of several is taken: the lowest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<u32>,
    /// Source address it proposes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
    /// `linkdown`, `dead`, `onlink`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
}

impl Route {
    /// As `ip route` would print it, shortened.
    pub fn text(&self) -> String {
        let mut text = match self.kind.as_str() {
            "unicast" => String::new(),
            kind => format!("{kind} "),
        };
        text += &self.to.map_or("default".to_owned(), |to| to.to_string());
        for via in &self.via {
            text = format!("{text} via {via}");
        }
        for link in &self.links {
            text = format!("{text} dev {link}");
        }
        if self.table != "main" {
            text = format!("{text} table {}", self.table);
        }
        text
    }
}

/// A routing rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoutingRule {
    /// Place: the lowest is asked first.
    pub priority: u32,
    /// What it asks, as `ip rule` prints it (`from all fwmark 0x200/0xf00`).
    pub asks: String,
    /// What it does (`lookup main`).
    pub does: String,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
}

impl RoutingRule {
    /// The table it looks up.
    pub fn table(&self) -> Option<&str> {
        self.does.strip_prefix("lookup ")?.split(' ').next()
    }

    /// Whether it asks nothing.
    pub fn is_for_all(&self) -> bool {
        self.asks == "from all"
    }
}

impl fmt::Display for RoutingRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {}", self.priority, self.asks, self.does)
    }
}

/// A neighbour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Neighbour {
    /// Its address.
    pub address: IpAddr,
    /// By which link.
    pub link: String,
    /// Its hardware address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// `REACHABLE`, `FAILED` and so on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_covers_its_addresses_and_no_other_family() {
        let net: Prefix = "10.244.0.0/16".parse().unwrap();
        assert!(net.covers("10.244.3.4".parse().unwrap()));
        assert!(!net.covers("10.245.0.1".parse().unwrap()));
        assert!(!net.covers("::1".parse().unwrap()));
        let all: Prefix = "0.0.0.0/0".parse().unwrap();
        assert!(all.covers("192.0.2.1".parse().unwrap()));
        let all6: Prefix = "::/0".parse().unwrap();
        assert!(all6.covers("2001:db8::1".parse().unwrap()));
    }

    #[test]
    fn a_length_beyond_the_family_is_refused() {
        assert!("10.0.0.0/33".parse::<Prefix>().is_err());
        assert!("::/129".parse::<Prefix>().is_err());
        assert!("x".parse::<Prefix>().is_err());
    }
}
