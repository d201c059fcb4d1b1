//! Owns tuples: the addresses, protocol and ports of one direction.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{
    consts::{
        CTA_IP_V4_DST, CTA_IP_V4_SRC, CTA_IP_V6_DST, CTA_IP_V6_SRC, CTA_PROTO_DST_PORT,
        CTA_PROTO_ICMP_CODE, CTA_PROTO_ICMP_ID, CTA_PROTO_ICMP_TYPE, CTA_PROTO_ICMPV6_CODE,
        CTA_PROTO_ICMPV6_ID, CTA_PROTO_ICMPV6_TYPE, CTA_PROTO_NUM, CTA_PROTO_SRC_PORT,
        CTA_TUPLE_IP, CTA_TUPLE_PROTO, CTA_TUPLE_ZONE, NFPROTO_IPV4, NFPROTO_IPV6,
    },
    wire::{Attribute, Attributes, DecodeError, Writer},
};

const ICMPV6: u8 = 58;

/// What follows the protocol number in a tuple.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum L4 {
    /// Nothing: a protocol without ports.
    None,
    /// TCP, UDP, SCTP, …; for GRE the keys.
    Ports {
        /// Source port.
        src: u16,
        /// Destination port.
        dst: u16,
    },
    /// ICMP and ICMPv6.
    Icmp {
        /// Identifier.
        id: u16,
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
    },
}

/// One direction of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tuple {
    /// Source address.
    pub src: IpAddr,
    /// Destination address, of the same family.
    pub dst: IpAddr,
    /// IP protocol number.
    pub protocol: u8,
    /// Ports or ICMP identity.
    pub l4: L4,
    /// Zone of this direction only.
    pub zone: Option<u16>,
}

impl Tuple {
    /// A tuple with ports.
    pub const fn new(protocol: u8, src: IpAddr, src_port: u16, dst: IpAddr, dst_port: u16) -> Self {
        Self { src, dst, protocol, l4: L4::Ports { src: src_port, dst: dst_port }, zone: None }
    }

    /// The same with its ends swapped, as replies look without NAT. ICMP types are left as they are.
    #[must_use]
    pub const fn reversed(self) -> Self {
        let l4 = match self.l4 {
            L4::Ports { src, dst } => L4::Ports { src: dst, dst: src },
            other => other,
        };
        Self { src: self.dst, dst: self.src, l4, ..self }
    }

    /// Source port, if there is one.
    pub const fn src_port(&self) -> Option<u16> {
        match self.l4 {
            L4::Ports { src, .. } => Some(src),
            _ => None,
        }
    }

    /// Destination port, if there is one.
    pub const fn dst_port(&self) -> Option<u16> {
        match self.l4 {
            L4::Ports { dst, .. } => Some(dst),
            _ => None,
        }
    }

    pub(crate) const fn family(&self) -> u8 {
        family_of(self.src)
    }

    pub(crate) fn put(&self, w: &mut Writer, kind: u16) {
        w.nest(kind, |w| {
            w.nest(CTA_TUPLE_IP, |w| {
                put_address(w, End::Src, self.src);
                put_address(w, End::Dst, self.dst);
            });
            w.nest(CTA_TUPLE_PROTO, |w| {
                w.put_u8(CTA_PROTO_NUM, self.protocol);
                self.put_l4(w);
            });
            if let Some(zone) = self.zone {
                w.put_be16(CTA_TUPLE_ZONE, zone);
            }
        });
    }

    fn put_l4(&self, w: &mut Writer) {
        match self.l4 {
            L4::None => {}
            L4::Ports { src, dst } => {
                w.put_be16(CTA_PROTO_SRC_PORT, src);
                w.put_be16(CTA_PROTO_DST_PORT, dst);
            }
            L4::Icmp { id, kind, code } if self.protocol == ICMPV6 => {
                w.put_be16(CTA_PROTO_ICMPV6_ID, id);
                w.put_u8(CTA_PROTO_ICMPV6_TYPE, kind);
                w.put_u8(CTA_PROTO_ICMPV6_CODE, code);
            }
            L4::Icmp { id, kind, code } => {
                w.put_be16(CTA_PROTO_ICMP_ID, id);
                w.put_u8(CTA_PROTO_ICMP_TYPE, kind);
                w.put_u8(CTA_PROTO_ICMP_CODE, code);
            }
        }
    }

    pub(crate) fn get(attributes: Attributes<'_>) -> Result<Self, DecodeError> {
        let missing = |kind| DecodeError::Missing { of: "conntrack tuple", kind };
        let (mut addresses, mut proto, mut zone) = ((None, None), None, None);
        for attribute in attributes {
            let a = attribute?;
            match a.kind {
                CTA_TUPLE_IP => addresses = get_addresses(a.nested())?,
                CTA_TUPLE_PROTO => proto = Some(get_proto(a.nested())?),
                CTA_TUPLE_ZONE => zone = Some(a.be16()?),
                _ => {}
            }
        }
        let (Some(src), Some(dst)) = addresses else { return Err(missing(CTA_TUPLE_IP)) };
        let (protocol, l4) = proto.ok_or(missing(CTA_TUPLE_PROTO))?;
        Ok(Self { src, dst, protocol, l4, zone })
    }
}

/// Which end of a tuple.
#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    Src,
    Dst,
}

pub(super) const fn family_of(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => NFPROTO_IPV4,
        IpAddr::V6(_) => NFPROTO_IPV6,
    }
}

pub(super) fn put_address(w: &mut Writer, end: End, address: IpAddr) {
    match (end, address) {
        (End::Src, IpAddr::V4(a)) => w.put(CTA_IP_V4_SRC, &a.octets()),
        (End::Dst, IpAddr::V4(a)) => w.put(CTA_IP_V4_DST, &a.octets()),
        (End::Src, IpAddr::V6(a)) => w.put(CTA_IP_V6_SRC, &a.octets()),
        (End::Dst, IpAddr::V6(a)) => w.put(CTA_IP_V6_DST, &a.octets()),
    }
}

fn get_addresses(
    attributes: Attributes<'_>,
) -> Result<(Option<IpAddr>, Option<IpAddr>), DecodeError> {
    let (mut src, mut dst) = (None, None);
    for attribute in attributes {
        let a = attribute?;
        match a.kind {
            CTA_IP_V4_SRC => src = Some(v4(&a)?),
            CTA_IP_V4_DST => dst = Some(v4(&a)?),
            CTA_IP_V6_SRC => src = Some(v6(&a)?),
            CTA_IP_V6_DST => dst = Some(v6(&a)?),
            _ => {}
        }
    }
    Ok((src, dst))
}

fn v4(a: &Attribute<'_>) -> Result<IpAddr, DecodeError> {
    a.be32().map(|bits| Ipv4Addr::from_bits(bits).into())
}

fn v6(a: &Attribute<'_>) -> Result<IpAddr, DecodeError> {
    let width = DecodeError::Width { kind: a.kind, len: a.payload.len(), expected: 16 };
    let octets: [u8; 16] = a.payload.try_into().map_err(|_| width)?;
    Ok(Ipv6Addr::from(octets).into())
}

fn get_proto(attributes: Attributes<'_>) -> Result<(u8, L4), DecodeError> {
    let mut number = None;
    let (mut src, mut dst, mut id, mut kind, mut code) = (None, None, None, 0, 0);
    for attribute in attributes {
        let a = attribute?;
        match a.kind {
            CTA_PROTO_NUM => number = Some(a.u8()?),
            CTA_PROTO_SRC_PORT => src = Some(a.be16()?),
            CTA_PROTO_DST_PORT => dst = Some(a.be16()?),
            CTA_PROTO_ICMP_ID | CTA_PROTO_ICMPV6_ID => id = Some(a.be16()?),
            CTA_PROTO_ICMP_TYPE | CTA_PROTO_ICMPV6_TYPE => kind = a.u8()?,
            CTA_PROTO_ICMP_CODE | CTA_PROTO_ICMPV6_CODE => code = a.u8()?,
            _ => {}
        }
    }
    let missing = DecodeError::Missing { of: "conntrack tuple", kind: CTA_PROTO_NUM };
    let l4 = match (src, dst, id) {
        (Some(src), Some(dst), _) => L4::Ports { src, dst },
        (_, _, Some(id)) => L4::Icmp { id, kind, code },
        _ => L4::None,
    };
    Ok((number.ok_or(missing)?, l4))
}
