//! Owns nft's type numbers, lengths and byte orders, and how they make up a concatenation.
//!
//! The kernel does not look at these numbers; `nft list` prints keys and data by them. Source of the numbers and of
//! the 6 bits per part: nftables, `include/datatype.h`.

use crate::wire::align;

/// Byte order of a value as nft notes it with a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ByteOrder {
    /// A concatenation: each part has its own.
    Mixed,
    /// The machine's.
    Host,
    /// Network order.
    Network,
}

impl ByteOrder {
    /// nft's number.
    pub const fn number(self) -> u32 {
        match self {
            Self::Mixed => 0,
            Self::Host => 1,
            Self::Network => 2,
        }
    }
}

/// One type of nft.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DataType {
    /// nft's number (6 bits).
    pub number: u32,
    /// Bytes of a value.
    pub len: u32,
    /// Byte order of a value.
    pub order: ByteOrder,
}

impl DataType {
    const fn network(number: u32, len: u32) -> Self {
        Self { number, len, order: ByteOrder::Network }
    }

    const fn host(number: u32, len: u32) -> Self {
        Self { number, len, order: ByteOrder::Host }
    }

    /// `nf_proto`
    pub const NF_PROTO: Self = Self::host(2, 1);
    /// `integer` of 4 bytes in the machine's order
    pub const INTEGER: Self = Self::host(4, 4);
    /// `ipv4_addr`
    pub const IPV4_ADDR: Self = Self::network(7, 4);
    /// `ipv6_addr`
    pub const IPV6_ADDR: Self = Self::network(8, 16);
    /// `ether_addr`
    pub const ETHER_ADDR: Self = Self::network(9, 6);
    /// `ether_type`
    pub const ETHER_TYPE: Self = Self::network(10, 2);
    /// `inet_proto`
    pub const INET_PROTO: Self = Self::network(12, 1);
    /// `inet_service`
    pub const INET_SERVICE: Self = Self::network(13, 2);
    /// `icmp_type`
    pub const ICMP_TYPE: Self = Self::network(14, 1);
    /// `mark`
    pub const MARK: Self = Self::host(19, 4);
    /// `iface_index`
    pub const IFACE_INDEX: Self = Self::host(20, 4);
    /// `ct_state`
    pub const CT_STATE: Self = Self::host(26, 4);
    /// `icmpv6_type`
    pub const ICMPV6_TYPE: Self = Self::network(29, 1);
    /// `ifname`: 16 bytes, padded with NUL
    pub const IFNAME: Self = Self::host(41, 16);

    /// As the only part.
    pub fn spec(self) -> TypeSpec {
        TypeSpec { datatype: self.number, len: self.len, fields: vec![self.len], order: self.order }
    }
}

/// Type of a key or datum: one [`DataType`] or a concatenation.
///
/// ```
/// use nfnl::{DataType, TypeSpec};
/// let key = TypeSpec::concat(&[DataType::INET_PROTO, DataType::INET_SERVICE]);
/// assert_eq!((key.datatype, key.len), (0x30d, 8));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeSpec {
    /// nft's number: 6 bits a part.
    pub datatype: u32,
    /// Bytes, each part of a concatenation padded to a multiple of 4.
    pub len: u32,
    /// Bytes of each part.
    pub fields: Vec<u32>,
    /// Byte order.
    pub order: ByteOrder,
}

impl TypeSpec {
    /// `a . b . …`; one part alone is not padded.
    pub fn concat(parts: &[DataType]) -> Self {
        if let [one] = parts {
            return one.spec();
        }
        Self {
            datatype: parts.iter().fold(0, |number, part| number << 6 | part.number),
            len: parts.iter().map(|part| align(part.len as usize) as u32).sum(),
            fields: parts.iter().map(|part| part.len).collect(),
            order: ByteOrder::Mixed,
        }
    }
}

impl From<DataType> for TypeSpec {
    fn from(one: DataType) -> Self {
        one.spec()
    }
}
