//! Owns filters: which entries are meant, said to the kernel and checked in user space.

use std::net::IpAddr;

use super::{
    Entry, Tuple,
    tuple::{End, family_of, put_address},
};
use crate::{
    consts::{
        CTA_FILTER, CTA_FILTER_F_CTA_IP_DST, CTA_FILTER_F_CTA_IP_SRC,
        CTA_FILTER_F_CTA_PROTO_DST_PORT, CTA_FILTER_F_CTA_PROTO_NUM,
        CTA_FILTER_F_CTA_PROTO_SRC_PORT, CTA_FILTER_ORIG_FLAGS, CTA_FILTER_REPLY_FLAGS, CTA_MARK,
        CTA_MARK_MASK, CTA_PROTO_DST_PORT, CTA_PROTO_NUM, CTA_PROTO_SRC_PORT, CTA_TUPLE_IP,
        CTA_TUPLE_ORIG, CTA_TUPLE_PROTO, CTA_TUPLE_REPLY,
    },
    wire::Writer,
};

/// What one direction must look like. What is absent matches everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TupleFilter {
    /// Source address.
    pub src: Option<IpAddr>,
    /// Destination address.
    pub dst: Option<IpAddr>,
    /// IP protocol number.
    pub protocol: Option<u8>,
    /// Source port.
    pub src_port: Option<u16>,
    /// Destination port.
    pub dst_port: Option<u16>,
}

impl TupleFilter {
    /// Everything to this address, protocol and port.
    pub const fn to(dst: IpAddr, protocol: u8, dst_port: u16) -> Self {
        Self {
            src: None,
            dst: Some(dst),
            protocol: Some(protocol),
            src_port: None,
            dst_port: Some(dst_port),
        }
    }

    /// Everything from this address, protocol and port.
    pub const fn from(src: IpAddr, protocol: u8, src_port: u16) -> Self {
        Self {
            src: Some(src),
            dst: None,
            protocol: Some(protocol),
            src_port: Some(src_port),
            dst_port: None,
        }
    }

    fn matches(&self, tuple: &Tuple) -> bool {
        self.src.is_none_or(|src| tuple.src == src)
            && self.dst.is_none_or(|dst| tuple.dst == dst)
            && self.protocol.is_none_or(|protocol| tuple.protocol == protocol)
            && self.src_port.is_none_or(|port| tuple.src_port() == Some(port))
            && self.dst_port.is_none_or(|port| tuple.dst_port() == Some(port))
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn family(&self) -> Option<u8> {
        self.src.or(self.dst).map(family_of)
    }

    /// The addresses can be left to the kernel. Its comparison of IPv6 addresses is the wrong way round:
    /// `ctnetlink_filter_match_tuple()` leaves out what is equal (5.8 to at least 6.18).
    fn has_kernel_addresses(&self) -> bool {
        self.src.is_none_or(|a| a.is_ipv4()) && self.dst.is_none_or(|a| a.is_ipv4())
    }

    /// The ports can be left to the kernel: it wants the protocol with them and compares those of TCP and UDP only.
    fn has_kernel_ports(&self) -> bool {
        matches!(self.protocol, Some(6 | 17))
    }

    /// The kernel can be told all of this.
    fn is_exact_in_kernel(&self) -> bool {
        let no_ports = self.src_port.is_none() && self.dst_port.is_none();
        self.has_kernel_addresses() && (no_ports || self.has_kernel_ports())
    }

    /// `CTA_FILTER_F_*` of what the kernel can be told.
    fn flags(&self) -> u32 {
        let mut flags = 0;
        let mut flag = |present: bool, bit| flags |= if present { bit } else { 0 };
        let (addresses, ports) = (self.has_kernel_addresses(), self.has_kernel_ports());
        flag(addresses && self.src.is_some(), CTA_FILTER_F_CTA_IP_SRC);
        flag(addresses && self.dst.is_some(), CTA_FILTER_F_CTA_IP_DST);
        flag(self.protocol.is_some(), CTA_FILTER_F_CTA_PROTO_NUM);
        flag(ports && self.src_port.is_some(), CTA_FILTER_F_CTA_PROTO_SRC_PORT);
        flag(ports && self.dst_port.is_some(), CTA_FILTER_F_CTA_PROTO_DST_PORT);
        flags
    }

    fn put(&self, w: &mut Writer, kind: u16) {
        w.nest(kind, |w| {
            if self.has_kernel_addresses() && (self.src.is_some() || self.dst.is_some()) {
                w.nest(CTA_TUPLE_IP, |w| {
                    self.src.iter().for_each(|src| put_address(w, End::Src, *src));
                    self.dst.iter().for_each(|dst| put_address(w, End::Dst, *dst));
                });
            }
            if let Some(protocol) = self.protocol {
                w.nest(CTA_TUPLE_PROTO, |w| {
                    w.put_u8(CTA_PROTO_NUM, protocol);
                    self.src_port.iter().for_each(|port| w.put_be16(CTA_PROTO_SRC_PORT, *port));
                    self.dst_port.iter().for_each(|port| w.put_be16(CTA_PROTO_DST_PORT, *port));
                });
            }
        });
    }
}

/// Which entries are meant. What is absent matches everything; the default matches all entries of both families.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Filter {
    /// The direction of the first packet.
    pub orig: TupleFilter,
    /// The direction of replies.
    pub reply: TupleFilter,
    /// Mark and the mask under which it is compared.
    pub mark: Option<(u32, u32)>,
    /// Zone. Compared in user space.
    pub zone: Option<u16>,
}

impl Filter {
    /// Whether it matches this entry.
    pub fn matches(&self, entry: &Entry) -> bool {
        self.orig.matches(&entry.orig)
            && self.reply.matches(&entry.reply)
            && self.mark.is_none_or(|(mark, mask)| entry.mark & mask == mark & mask)
            && self.zone.is_none_or(|zone| entry.zone == zone)
    }

    /// Matches everything.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The family that the addresses imply, 0 if there are none.
    pub(super) fn family(&self) -> u8 {
        self.orig.family().or(self.reply.family()).unwrap_or(0)
    }

    /// Whether the kernel can be given a useful part of the filter. Tuples need a family, which only addresses tell.
    pub(super) fn has_kernel_form(&self) -> bool {
        self.mark.is_some() || self.family() != 0
    }

    /// Whether the kernel's form says everything that the filter does.
    pub(super) fn is_exact_in_kernel(&self) -> bool {
        let tuples = self.family() != 0 || (self.orig.is_empty() && self.reply.is_empty());
        self.zone.is_none()
            && tuples
            && self.orig.is_exact_in_kernel()
            && self.reply.is_exact_in_kernel()
    }

    pub(super) fn put(&self, w: &mut Writer) {
        if let Some((mark, mask)) = self.mark {
            w.put_be32(CTA_MARK, mark);
            w.put_be32(CTA_MARK_MASK, mask);
        }
        let (orig, reply) = (self.orig.flags(), self.reply.flags());
        if self.family() == 0 || (orig == 0 && reply == 0) {
            return;
        }
        if orig != 0 {
            self.orig.put(w, CTA_TUPLE_ORIG);
        }
        if reply != 0 {
            self.reply.put(w, CTA_TUPLE_REPLY);
        }
        w.nest(CTA_FILTER, |w| {
            // these two are in the machine's order, unlike all other numbers of this interface
            w.put_ne32(CTA_FILTER_ORIG_FLAGS, orig);
            w.put_ne32(CTA_FILTER_REPLY_FLAGS, reply);
        });
    }
}
