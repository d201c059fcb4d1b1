//! Owns the expressions that compare and compute: cmp, range, lookup, bitwise, byteorder.

use super::{
    Flags, Register,
    field::{expression, numbers},
};
use crate::{Data, Value};

numbers! {
    /// A comparison. The register is on the left.
    CmpOp:
    /// Equal.
    Eq = NFT_CMP_EQ,
    /// Not equal.
    Neq = NFT_CMP_NEQ,
    /// Less.
    Lt = NFT_CMP_LT,
    /// Less or equal.
    Lte = NFT_CMP_LTE,
    /// Greater.
    Gt = NFT_CMP_GT,
    /// Greater or equal.
    Gte = NFT_CMP_GTE,
}

expression! {
    /// Goes on only if the comparison holds. Bytes are compared as `memcmp` does.
    Cmp = "cmp", pad 0 {
        /// Register to compare.
        sreg: Register = NFTA_CMP_SREG,
        /// How.
        op: CmpOp = NFTA_CMP_OP,
        /// With what.
        data: Data = NFTA_CMP_DATA,
    }
}

impl Cmp {
    /// Register equals value.
    pub fn eq(sreg: Register, value: impl Into<Value>) -> Self {
        Self { sreg, op: CmpOp::Eq, data: Data::Value(value.into()) }
    }

    /// Register differs from value.
    pub fn neq(sreg: Register, value: impl Into<Value>) -> Self {
        Self { sreg, op: CmpOp::Neq, data: Data::Value(value.into()) }
    }
}

numbers! {
    /// Inside or outside of a range.
    RangeOp:
    /// Inside.
    Eq = NFT_RANGE_EQ,
    /// Outside.
    Neq = NFT_RANGE_NEQ,
}

expression! {
    /// Compares a register with a range, both ends included.
    Range = "range", pad 0 {
        /// Register to compare.
        sreg: Register = NFTA_RANGE_SREG,
        /// Inside or outside.
        op: RangeOp = NFTA_RANGE_OP,
        /// Lower end.
        from: Data = NFTA_RANGE_FROM_DATA,
        /// Upper end.
        to: Data = NFTA_RANGE_TO_DATA,
    }
}

expression! {
    /// Looks the key at `sreg` up in a set. In a map the found datum goes to `dreg`.
    Lookup = "lookup", pad 0 {
        /// Name of the set.
        set: String = NFTA_LOOKUP_SET,
        /// Register the key starts at.
        sreg: Register = NFTA_LOOKUP_SREG,
        /// Register for the datum; [`Register::VERDICT`] in a verdict map.
        dreg: Option<Register> = NFTA_LOOKUP_DREG,
        /// Id of an anonymous set made in the same batch.
        set_id: Option<u32> = NFTA_LOOKUP_SET_ID,
        /// `NFT_LOOKUP_F_INV`: go on only if the key is absent.
        flags: Flags = NFTA_LOOKUP_FLAGS,
    }
}

impl Lookup {
    /// Key is in the set.
    pub fn set(set: impl Into<String>, sreg: Register) -> Self {
        Self { set: set.into(), sreg, dreg: None, set_id: None, flags: Flags::default() }
    }

    /// Key is not in the set.
    pub fn not_in(set: impl Into<String>, sreg: Register) -> Self {
        Self { flags: Flags(crate::consts::NFT_LOOKUP_F_INV), ..Self::set(set, sreg) }
    }

    /// Loads the map's datum for the key.
    pub fn map(set: impl Into<String>, sreg: Register, dreg: Register) -> Self {
        Self { dreg: Some(dreg), ..Self::set(set, sreg) }
    }
}

numbers! {
    /// A bit operation.
    BitwiseOp:
    /// `(register & mask) ^ xor`.
    MaskXor = NFT_BITWISE_MASK_XOR,
    /// Shift left by `data`.
    Lshift = NFT_BITWISE_LSHIFT,
    /// Shift right by `data`.
    Rshift = NFT_BITWISE_RSHIFT,
}

expression! {
    /// A bit operation from `sreg` to `dreg`.
    Bitwise = "bitwise", pad 0 {
        /// Source.
        sreg: Register = NFTA_BITWISE_SREG,
        /// Destination.
        dreg: Register = NFTA_BITWISE_DREG,
        /// Bytes.
        len: u32 = NFTA_BITWISE_LEN,
        /// Mask of [`BitwiseOp::MaskXor`].
        mask: Option<Data> = NFTA_BITWISE_MASK,
        /// Xor of [`BitwiseOp::MaskXor`].
        xor: Option<Data> = NFTA_BITWISE_XOR,
        /// Absent means [`BitwiseOp::MaskXor`].
        op: Option<BitwiseOp> = NFTA_BITWISE_OP,
        /// Width of a shift.
        data: Option<Data> = NFTA_BITWISE_DATA,
    }
}

impl Bitwise {
    /// `register & mask`, in place.
    pub fn mask(register: Register, mask: impl Into<Value>) -> Self {
        let mask = mask.into();
        let zeros = [0; crate::consts::NFT_DATA_VALUE_MAXLEN];
        let len = mask.bytes().len();
        let xor = Value::new(&zeros[..len]).unwrap_or_default();
        Self {
            sreg: register,
            dreg: register,
            len: len as u32,
            mask: Some(mask.into()),
            xor: Some(xor.into()),
            op: Some(BitwiseOp::MaskXor),
            data: None,
        }
    }
}

numbers! {
    /// A byte order conversion.
    ByteorderOp:
    /// Network to host.
    Ntoh = NFT_BYTEORDER_NTOH,
    /// Host to network.
    Hton = NFT_BYTEORDER_HTON,
}

expression! {
    /// Converts the byte order.
    Byteorder = "byteorder", pad 0 {
        /// Source.
        sreg: Register = NFTA_BYTEORDER_SREG,
        /// Destination.
        dreg: Register = NFTA_BYTEORDER_DREG,
        /// Direction.
        op: ByteorderOp = NFTA_BYTEORDER_OP,
        /// Bytes in all.
        len: u32 = NFTA_BYTEORDER_LEN,
        /// Bytes of one number: 2, 4 or 8.
        size: u32 = NFTA_BYTEORDER_SIZE,
    }
}
