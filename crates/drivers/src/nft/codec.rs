//! Elements as the kernel holds them: keys and values as bytes, both directions.
//!
//! nf_tables keeps each part of a concatenation in whole 4-byte words (`NFT_REG32_SIZE` of
//! `linux/netfilter/nf_tables.h`), in network byte order, padded with zeros. Decoding is total: bytes
//! that we would not have written are nobody's key.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use model::{IpFamily, Key, MapName, NodePort, PodPort, Protocol, Value};

/// The longest key and the longest value.
const BYTES_MAX: usize = 32;

/// A key or a value as the kernel wants it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bytes {
    bytes: [u8; BYTES_MAX],
    len: usize,
}

impl Bytes {
    const EMPTY: Self = Self { bytes: [0; BYTES_MAX], len: 0 };

    fn word(mut self, part: &[u8]) -> Self {
        self.bytes[self.len..self.len + part.len()].copy_from_slice(part);
        self.len += part.len().next_multiple_of(4);
        self
    }

    /// The bytes.
    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// The value of what has none.
pub(super) const NO_BYTES: Bytes = Bytes::EMPTY;

/// The key as bytes: (protocol, port) 8, (IPv4, IPv4) 8, (IPv6, IPv6) 32.
pub(super) fn encode_key(key: &Key) -> Bytes {
    match key {
        Key::Npl { protocol, port, .. } => {
            Bytes::EMPTY.word(&[protocol.number()]).word(&port.get().to_be_bytes())
        }
        Key::Hairpin(ip) => {
            let bytes = encode_ip(Bytes::EMPTY, ip);
            encode_ip(bytes, ip)
        }
    }
}

/// The value as bytes: (IPv4, port) 8, (IPv6, port) 20, none 0.
pub(super) fn encode_value(value: &Value) -> Bytes {
    match value {
        Value::Endpoint { ip, port } => encode_ip(Bytes::EMPTY, ip).word(&port.get().to_be_bytes()),
        Value::Present => Bytes::EMPTY,
    }
}

fn encode_ip(bytes: Bytes, ip: &IpAddr) -> Bytes {
    match ip {
        IpAddr::V4(ip) => bytes.word(&ip.octets()),
        IpAddr::V6(ip) => bytes.word(&ip.octets()),
    }
}

/// The key that the bytes are in this map; `None` if we could not have written it.
pub(super) fn decode_key(map: MapName, bytes: &[u8]) -> Option<Key> {
    match map {
        MapName::Npl4 | MapName::Npl6 => {
            let [protocol, 0, 0, 0, high, low, 0, 0] = *bytes else { return None };
            Some(Key::Npl {
                family: map.family(),
                protocol: Protocol::from_number(protocol)?,
                port: NodePort::try_from(i64::from(u16::from_be_bytes([high, low]))).ok()?,
            })
        }
        MapName::Hairpin4 | MapName::Hairpin6 => {
            let (first, second) = bytes.split_at_checked(bytes.len() / 2)?;
            (first == second).then(|| decode_ip(map.family(), first)).flatten().map(Key::Hairpin)
        }
    }
}

/// The value that the bytes are in this map; `None` if we could not have written it.
pub(super) fn decode_value(map: MapName, bytes: &[u8]) -> Option<Value> {
    match map {
        MapName::Npl4 | MapName::Npl6 => {
            let (ip, port) = bytes.split_at_checked(bytes.len().checked_sub(4)?)?;
            let [high, low, 0, 0] = *port else { return None };
            Some(Value::Endpoint {
                ip: decode_ip(map.family(), ip)?,
                port: PodPort::try_from(i64::from(u16::from_be_bytes([high, low]))).ok()?,
            })
        }
        MapName::Hairpin4 | MapName::Hairpin6 => bytes.is_empty().then_some(Value::Present),
    }
}

fn decode_ip(family: IpFamily, bytes: &[u8]) -> Option<IpAddr> {
    match family {
        IpFamily::V4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).into()),
        IpFamily::V6 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn elements() -> impl Strategy<Value = (Key, Value)> {
        let npl = (any::<IpAddr>(), 0..3usize, 1..=65_535i64, 1..=65_535i64).prop_map(
            |(ip, protocol, port, pod_port)| {
                let key = Key::Npl {
                    family: IpFamily::of(&ip),
                    protocol: Protocol::ALL[protocol],
                    port: NodePort::try_from(port).unwrap(),
                };
                (key, Value::Endpoint { ip, port: PodPort::try_from(pod_port).unwrap() })
            },
        );
        let hairpin = any::<IpAddr>().prop_map(|ip| (Key::Hairpin(ip), Value::Present));
        prop_oneof![npl, hairpin]
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded_to_the_same((key, value) in elements()) {
            let map = key.map();
            prop_assert_eq!(decode_key(map, encode_key(&key).as_slice()), Some(key));
            prop_assert_eq!(decode_value(map, encode_value(&value).as_slice()), Some(value));
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            for map in MapName::ALL {
                if let Some(key) = decode_key(map, &bytes) {
                    let again = encode_key(&key);
                    prop_assert_eq!(again.as_slice(), bytes.as_slice());
                }
                if let Some(value) = decode_value(map, &bytes) {
                    let again = encode_value(&value);
                    prop_assert_eq!(again.as_slice(), bytes.as_slice());
                }
            }
        }
    }
}
