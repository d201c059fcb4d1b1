//! Owns entries: both tuples of a connection and what is known about it.

use super::Tuple;
use crate::{
    consts::{
        CTA_ID, CTA_MARK, CTA_PROTOINFO, CTA_PROTOINFO_TCP, CTA_PROTOINFO_TCP_STATE, CTA_STATUS,
        CTA_TIMEOUT, CTA_TUPLE_ORIG, CTA_TUPLE_REPLY, CTA_ZONE,
    },
    family::flag_word,
    wire::{Attributes, DecodeError, NfHeader, Writer},
};

flag_word! {
    /// Status bits of an entry (`IPS_*`).
    Status {
        /// Was expected by a helper.
        EXPECTED = IPS_EXPECTED,
        /// Packets were seen in both directions.
        SEEN_REPLY = IPS_SEEN_REPLY,
        /// Is not dropped early when the table is full.
        ASSURED = IPS_ASSURED,
        /// Its first packet has left the machine.
        CONFIRMED = IPS_CONFIRMED,
        /// Its source is translated.
        SRC_NAT = IPS_SRC_NAT,
        /// Its destination is translated.
        DST_NAT = IPS_DST_NAT,
        /// It is going away.
        DYING = IPS_DYING,
        /// It is handled by a flow table.
        OFFLOAD = IPS_OFFLOAD,
    }
}

/// A conntrack entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The direction of the first packet.
    pub orig: Tuple,
    /// The direction of replies, NAT included.
    pub reply: Tuple,
    /// Status bits.
    pub status: Status,
    /// Seconds until it is dropped.
    pub timeout_s: Option<u32>,
    /// Connection mark.
    pub mark: u32,
    /// Zone of both directions; 0 is the default zone.
    pub zone: u16,
    /// The kernel's id: tells an entry from a later one with the same tuple.
    pub id: Option<u32>,
    /// State of TCP (`TCP_CONNTRACK_*`; 3 is established).
    pub tcp_state: Option<u8>,
}

impl Entry {
    /// An entry without NAT, to be inserted: assured, with this timeout in seconds. TCP is established.
    pub const fn new(orig: Tuple, timeout_s: u32) -> Self {
        const TCP: u8 = 6;
        const ESTABLISHED: u8 = 3;
        Self {
            orig,
            reply: orig.reversed(),
            status: Status::ASSURED.with(Status::CONFIRMED).with(Status::SEEN_REPLY),
            timeout_s: Some(timeout_s),
            mark: 0,
            zone: 0,
            id: None,
            tcp_state: if orig.protocol == TCP { Some(ESTABLISHED) } else { None },
        }
    }

    /// Writes its attributes as for an insert.
    pub(crate) fn put(&self, w: &mut Writer) {
        self.orig.put(w, CTA_TUPLE_ORIG);
        self.reply.put(w, CTA_TUPLE_REPLY);
        w.put_be32(CTA_STATUS, self.status.bits());
        if let Some(timeout) = self.timeout_s {
            w.put_be32(CTA_TIMEOUT, timeout);
        }
        if self.mark != 0 {
            w.put_be32(CTA_MARK, self.mark);
        }
        if self.zone != 0 {
            w.put_be16(CTA_ZONE, self.zone);
        }
        if let Some(id) = self.id {
            w.put_be32(CTA_ID, id);
        }
        if let Some(state) = self.tcp_state {
            w.nest(CTA_PROTOINFO, |w| {
                w.nest(CTA_PROTOINFO_TCP, |w| w.put_u8(CTA_PROTOINFO_TCP_STATE, state));
            });
        }
    }

    /// Writes what names it in a delete: the tuple, the zone, and the id if known.
    pub(crate) fn put_key(&self, w: &mut Writer) {
        self.orig.put(w, CTA_TUPLE_ORIG);
        if self.zone != 0 {
            w.put_be16(CTA_ZONE, self.zone);
        }
        if let Some(id) = self.id {
            w.put_be32(CTA_ID, id);
        }
    }

    /// Reads the attributes of a message about an entry.
    pub fn decode(_: NfHeader, attributes: Attributes<'_>) -> Result<Self, DecodeError> {
        let (mut orig, mut reply) = (None, None);
        let mut status = Status::NONE;
        let (mut timeout_s, mut mark, mut zone, mut id, mut tcp_state) = (None, 0, 0, None, None);
        for attribute in attributes {
            let a = attribute?;
            match a.kind {
                CTA_TUPLE_ORIG => orig = Some(Tuple::get(a.nested())?),
                CTA_TUPLE_REPLY => reply = Some(Tuple::get(a.nested())?),
                CTA_STATUS => status = Status::from_bits(a.be32()?),
                CTA_TIMEOUT => timeout_s = Some(a.be32()?),
                CTA_MARK => mark = a.be32()?,
                CTA_ZONE => zone = a.be16()?,
                CTA_ID => id = Some(a.be32()?),
                CTA_PROTOINFO => tcp_state = get_tcp_state(a.nested())?,
                _ => {}
            }
        }
        let missing = |kind| DecodeError::Missing { of: "conntrack entry", kind };
        Ok(Self {
            orig: orig.ok_or(missing(CTA_TUPLE_ORIG))?,
            reply: reply.ok_or(missing(CTA_TUPLE_REPLY))?,
            status,
            timeout_s,
            mark,
            zone,
            id,
            tcp_state,
        })
    }
}

fn get_tcp_state(attributes: Attributes<'_>) -> Result<Option<u8>, DecodeError> {
    for attribute in attributes {
        let a = attribute?;
        if a.kind == CTA_PROTOINFO_TCP {
            for field in a.nested() {
                let field = field?;
                if field.kind == CTA_PROTOINFO_TCP_STATE {
                    return field.u8().map(Some);
                }
            }
        }
    }
    Ok(None)
}
