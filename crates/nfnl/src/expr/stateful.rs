//! Owns the expressions that keep or reach state: counter, limit, quota, objref, dynset.

use super::{
    Expr, Flags, Register,
    field::{expression, numbers},
};

expression! {
    /// Counts packets and bytes.
    #[derive(Default)]
    Counter = "counter", pad 3 {
        /// Bytes so far.
        bytes: u64 = NFTA_COUNTER_BYTES,
        /// Packets so far.
        packets: u64 = NFTA_COUNTER_PACKETS,
    }
}

numbers! {
    /// What a limit counts.
    LimitType:
    /// Packets.
    Packets = NFT_LIMIT_PKTS,
    /// Bytes.
    Bytes = NFT_LIMIT_PKT_BYTES,
}

expression! {
    /// Goes on only below (or, inverted, above) a rate.
    Limit = "limit", pad 6 {
        /// Packets or bytes per unit.
        rate: u64 = NFTA_LIMIT_RATE,
        /// Seconds in a unit.
        unit: u64 = NFTA_LIMIT_UNIT,
        /// Burst above the rate.
        burst: u32 = NFTA_LIMIT_BURST,
        /// Packets or bytes.
        kind: LimitType = NFTA_LIMIT_TYPE,
        /// `NFT_LIMIT_F_INV`: go on above the rate.
        flags: Flags = NFTA_LIMIT_FLAGS,
    }
}

expression! {
    /// Goes on only until (or, inverted, after) so many bytes.
    Quota = "quota", pad 3 {
        /// The limit in bytes.
        bytes: u64 = NFTA_QUOTA_BYTES,
        /// `NFT_QUOTA_F_*`.
        flags: Flags = NFTA_QUOTA_FLAGS,
        /// Bytes used so far.
        consumed: Option<u64> = NFTA_QUOTA_CONSUMED,
    }
}

expression! {
    /// Runs a named object: one by name, or the one a map holds for a key.
    #[derive(Default)]
    Objref = "objref", pad 0 {
        /// `NFT_OBJECT_*` of the object.
        kind: Option<u32> = NFTA_OBJREF_IMM_TYPE,
        /// Name of the object.
        name: Option<String> = NFTA_OBJREF_IMM_NAME,
        /// Register the map's key starts at.
        sreg: Option<Register> = NFTA_OBJREF_SET_SREG,
        /// Name of the map.
        set: Option<String> = NFTA_OBJREF_SET_NAME,
        /// Id of a map made in the same batch.
        set_id: Option<u32> = NFTA_OBJREF_SET_ID,
    }
}

impl Objref {
    /// The object of this type and name.
    pub fn named(kind: u32, name: impl Into<String>) -> Self {
        Self { kind: Some(kind), name: Some(name.into()), ..Self::default() }
    }

    /// The object which the map holds for the key at `sreg`.
    pub fn map(set: impl Into<String>, sreg: Register) -> Self {
        Self { sreg: Some(sreg), set: Some(set.into()), ..Self::default() }
    }
}

numbers! {
    /// What `dynset` does.
    DynsetOp:
    /// Add if absent.
    Add = NFT_DYNSET_OP_ADD,
    /// Add or renew the timeout.
    Update = NFT_DYNSET_OP_UPDATE,
    /// Delete.
    Delete = NFT_DYNSET_OP_DELETE,
}

expression! {
    /// Changes a set from the packet path.
    Dynset = "dynset", pad 8 {
        /// Name of the set.
        set: String = NFTA_DYNSET_SET_NAME,
        /// Id of a set made in the same batch.
        set_id: Option<u32> = NFTA_DYNSET_SET_ID,
        /// What to do.
        op: DynsetOp = NFTA_DYNSET_OP,
        /// Register the key starts at.
        sreg_key: Register = NFTA_DYNSET_SREG_KEY,
        /// Register the datum starts at.
        sreg_data: Option<Register> = NFTA_DYNSET_SREG_DATA,
        /// Timeout of the element in ms.
        timeout_ms: Option<u64> = NFTA_DYNSET_TIMEOUT,
        /// `NFT_DYNSET_F_*`.
        flags: Flags = NFTA_DYNSET_FLAGS,
        /// The element's only expression.
        expression: Option<Single> = NFTA_DYNSET_EXPR,
        /// The element's expressions, if there is more than one.
        expressions: Vec<Expr> = NFTA_DYNSET_EXPRESSIONS,
    }
}

/// One expression inside another. Never a [`Dynset`]: nf_tables has no such nesting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Single(pub Box<Expr>);

impl super::Field for Single {
    fn put(&self, w: &mut crate::wire::Writer, kind: u16) {
        w.nest(kind, |w| super::list::encode_one(&self.0, w));
    }
    fn get(attribute: &crate::wire::Attribute<'_>) -> Option<Self> {
        let expr = super::list::decode_one(attribute.nested(), super::Depth::Inner).ok()?;
        Some(Self(Box::new(expr)))
    }
}
