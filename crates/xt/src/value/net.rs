//! Owns addresses under masks, and the text of addresses as the C library prints them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::{NotA, as_text};

/// An address and a mask of the same family. The mask need not be a prefix, and the address may
/// have bits outside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Net {
    /// The address.
    pub address: IpAddr,
    /// The bits of it that count.
    pub mask: IpAddr,
}

impl Net {
    /// All bits count.
    pub fn host(address: IpAddr) -> Self {
        let mask = match address {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::BROADCAST),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(u128::MAX)),
        };
        Self { address, mask }
    }

    /// Length of the mask, if it is a prefix.
    pub fn prefix(&self) -> Option<u8> {
        let (ones, all) = match self.mask {
            IpAddr::V4(mask) => (mask.to_bits().leading_ones(), mask.to_bits().count_ones()),
            IpAddr::V6(mask) => (mask.to_bits().leading_ones(), mask.to_bits().count_ones()),
        };
        (ones == all).then_some(ones as u8)
    }

    /// Whether the address is in it.
    pub fn covers(&self, address: IpAddr) -> bool {
        match (self.address, self.mask, address) {
            (IpAddr::V4(net), IpAddr::V4(mask), IpAddr::V4(address)) => {
                net.to_bits() & mask.to_bits() == address.to_bits() & mask.to_bits()
            }
            (IpAddr::V6(net), IpAddr::V6(mask), IpAddr::V6(address)) => {
                net.to_bits() & mask.to_bits() == address.to_bits() & mask.to_bits()
            }
            _ => false,
        }
    }

    /// Whether no bit counts.
    pub(crate) fn is_any(&self) -> bool {
        self.mask.is_unspecified()
    }

    /// As conntrack's options print it: no mask if all bits count.
    pub(crate) fn short_text(&self) -> String {
        match self.prefix() {
            Some(32) if self.address.is_ipv4() => address_text(self.address),
            Some(128) => address_text(self.address),
            _ => self.to_string(),
        }
    }
}

/// Appends what [`address_text`] is.
pub(crate) fn push_address(address: IpAddr, out: &mut String) {
    put!(out, "{}", Printed(address));
}

/// An address as `inet_ntop` prints it.
pub fn address_text(address: IpAddr) -> String {
    Printed(address).to_string()
}

/// Prints an address as `inet_ntop` does: as Rust, but for the IPv4-compatible ones of IPv6.
struct Printed(IpAddr);

impl fmt::Display for Printed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => write_v4(address, None, f),
            IpAddr::V6(address) => match address.segments() {
                [0, 0, 0, 0, 0, 0, high, low] if high != 0 => {
                    f.write_str("::")?;
                    let address = u32::from(high) << 16 | u32::from(low);
                    write_v4(Ipv4Addr::from_bits(address), None, f)
                }
                _ => address.fmt(f),
            },
        }
    }
}

/// In one piece: rules are mostly addresses, and tables have tens of thousands of them.
fn write_v4(address: Ipv4Addr, prefix: Option<u8>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    // each number with what is before it, but for the first
    let mut text = [0; 20];
    let mut end = 0;
    let octets = address.octets().into_iter().map(|octet| (b'.', octet));
    for (before, number) in octets.chain(prefix.map(|prefix| (b'/', prefix))) {
        text[end] = before;
        end += 1;
        for unit in [100, 10, 1] {
            if number >= unit || unit == 1 {
                text[end] = b'0' + number / unit % 10;
                end += 1;
            }
        }
    }
    // digits, dots and a slash are text
    f.write_str(std::str::from_utf8(&text[1..end]).unwrap_or_default())
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = self.prefix();
        if let (IpAddr::V4(address), Some(_)) = (self.address, prefix) {
            return write_v4(address, prefix, f);
        }
        Printed(self.address).fmt(f)?;
        match prefix {
            Some(length) => write!(f, "/{length}"),
            None => write!(f, "/{}", Printed(self.mask)),
        }
    }
}

impl FromStr for Net {
    type Err = NotA;

    fn from_str(text: &str) -> Result<Self, NotA> {
        let bad = || NotA::new("an address or network", text);
        let (address, mask) = match text.split_once('/') {
            Some((address, mask)) => (address, Some(mask)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        let Some(mask) = mask else { return Ok(Self::host(address)) };
        let mask = match (address, mask.parse::<u32>()) {
            (IpAddr::V4(_), Ok(length @ 0..=32)) => {
                IpAddr::V4(Ipv4Addr::from_bits(u32::MAX.checked_shl(32 - length).unwrap_or(0)))
            }
            (IpAddr::V6(_), Ok(length @ 0..=128)) => {
                IpAddr::V6(Ipv6Addr::from_bits(u128::MAX.checked_shl(128 - length).unwrap_or(0)))
            }
            (_, Ok(_)) => return Err(bad()),
            (_, Err(_)) => mask.parse().map_err(|_| bad())?,
        };
        if mask.is_ipv4() == address.is_ipv4() { Ok(Self { address, mask }) } else { Err(bad()) }
    }
}

as_text!(Net);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_octet_is_printed_as_the_standard_library_does() {
        for octet in 0..=u8::MAX {
            let address = Ipv4Addr::new(octet, 0, 255 - octet, octet);
            assert_eq!(address_text(address.into()), address.to_string());
        }
    }

    #[test]
    fn networks_come_back_in_the_text_of_the_tools() {
        for text in [
            "10.0.0.0/8",
            "1.2.3.4/32",
            "0.0.0.0/0",
            "10.0.0.1/255.0.255.0",
            "fd00::/8",
            "::1/128",
            "::/0",
            "fe80::1/ffff::ff",
            "::1.2.3.4/128",
            "::ffff:1.2.3.4/128",
        ] {
            assert_eq!(text.parse::<Net>().unwrap().to_string(), text);
        }
        assert_eq!("10.0.0.0/255.0.0.0".parse::<Net>().unwrap().to_string(), "10.0.0.0/8");
        assert_eq!("1.2.3.4".parse::<Net>().unwrap().to_string(), "1.2.3.4/32");
        for text in ["1.2.3.4/33", "1.2.3.4/::", "x", "", "::/129", "1.2.3.4/-1"] {
            assert!(text.parse::<Net>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_network_covers_its_addresses() {
        let net: Net = "10.1.0.0/255.255.0.0".parse().unwrap();
        assert!(
            net.covers("10.1.2.3".parse().unwrap()) && !net.covers("10.2.0.0".parse().unwrap())
        );
        assert!(!net.covers("::1".parse().unwrap()));
    }
}
