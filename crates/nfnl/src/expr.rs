//! Owns the expressions of a rule: typed where this crate knows them, name and bytes where it does not.
//!
//! Invariant: decoding loses nothing. An expression this crate does not know, or one that carries an attribute it does
//! not know, becomes [`Expr::Raw`] and encodes to the same bytes again.
//!
//! ```
//! use nfnl::expr::{Cmp, Expr, Meta, MetaKey, Payload, PayloadBase, Register};
//!
//! // tcp dport 443
//! let rule: Vec<Expr> = vec![
//!     Meta::load(MetaKey::L4Proto, Register::R1).into(),
//!     Cmp::eq(Register::R1, [6_u8]).into(),
//!     Payload::load(PayloadBase::Transport, 2, 2, Register::R1).into(),
//!     Cmp::eq(Register::R1, 443_u16.to_be_bytes()).into(),
//! ];
//! # assert_eq!(rule.len(), 4);
//! ```

mod action;
mod compare;
mod field;
mod list;
mod load;
mod nat;
mod stateful;

pub use self::{
    action::{Log, Notrack, Reject, RejectType},
    compare::{Bitwise, BitwiseOp, Byteorder, ByteorderOp, Cmp, CmpOp, Lookup, Range, RangeOp},
    load::{
        Ct, CtKey, Fib, FibResult, Immediate, Meta, MetaKey, Numgen, NumgenType, Payload,
        PayloadBase,
    },
    nat::{Masq, Nat, NatType, Redir, Tproxy},
    stateful::{Counter, Dynset, DynsetOp, Limit, LimitType, Objref, Quota, Single},
};
pub(crate) use self::{
    field::{Field, Kind, numbers},
    list::{Depth, decode_list, decode_one, encode_list, encode_one},
};

/// A register of the nf_tables machine.
///
/// There are 16 words of 4 bytes. Four words in a row can be named as one 16-byte register, and the kernel always
/// prints the first word of such a row by that name; [`Register::word`] does the same, so that what is read back
/// equals what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Register(u32);

impl Register {
    /// The verdict register.
    pub const VERDICT: Self = Self(crate::consts::NFT_REG_VERDICT);
    /// Bytes 0 to 15.
    pub const R1: Self = Self(crate::consts::NFT_REG_1);
    /// Bytes 16 to 31.
    pub const R2: Self = Self(crate::consts::NFT_REG_2);
    /// Bytes 32 to 47.
    pub const R3: Self = Self(crate::consts::NFT_REG_3);
    /// Bytes 48 to 63.
    pub const R4: Self = Self(crate::consts::NFT_REG_4);

    /// The 4-byte word `n` (0 to 15), named as the kernel names it. Words over 15 do not exist; the kernel refuses them.
    pub const fn word(n: u32) -> Self {
        if n.is_multiple_of(4) && n < 16 { Self(1 + n / 4) } else { Self(8 + n) }
    }

    /// A register by its number in the kernel's interface.
    pub const fn from_number(number: u32) -> Self {
        Self(number)
    }

    /// Its number in the kernel's interface.
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// Flags of an expression. None is the same as an absent attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Flags(pub u32);

/// Defines [`Expr`] with one variant for each typed expression, and the conversions.
macro_rules! expressions {
    ($($(#[$meta:meta])* $name:ident,)*) => {
        /// One expression of a rule, dynamic set or set element.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Expr {
            $($(#[$meta])* $name($name),)*
            /// An expression this crate does not know, kept as it came.
            Raw(RawExpr),
        }

        $(impl From<$name> for Expr {
            fn from(expr: $name) -> Self {
                Self::$name(expr)
            }
        })*

        impl Expr {
            /// The kernel's name of the expression.
            pub fn name(&self) -> &str {
                match self {
                    $(Self::$name(_) => $name::NAME,)*
                    Self::Raw(raw) => &raw.name,
                }
            }

            fn put_body(&self, w: &mut crate::wire::Writer) {
                match self {
                    $(Self::$name(expr) => expr.put_body(w),)*
                    Self::Raw(_) => {}
                }
            }

            fn typed(name: &str, body: &crate::wire::Attributes<'_>) -> Option<Self> {
                match name {
                    $($name::NAME => $name::get_body(body.clone()).map(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

expressions! {
    /// Loads or writes packet bytes.
    Payload,
    /// Compares a register with a value.
    Cmp,
    /// Loads a value or gives a verdict.
    Immediate,
    /// Looks a key up in a set or map.
    Lookup,
    /// Loads or sets packet metadata.
    Meta,
    /// Loads or sets conntrack data.
    Ct,
    /// Asks the routing table.
    Fib,
    /// Source or destination NAT.
    Nat,
    /// Masquerade.
    Masq,
    /// Redirect to the machine itself.
    Redir,
    /// Transparent proxy.
    Tproxy,
    /// Bit operations.
    Bitwise,
    /// Byte order conversion.
    Byteorder,
    /// Compares with a range.
    Range,
    /// Counts packets and bytes.
    Counter,
    /// Rate limit.
    Limit,
    /// Byte quota.
    Quota,
    /// Logs the packet.
    Log,
    /// Rejects the packet.
    Reject,
    /// Refers to a named object.
    Objref,
    /// Generates numbers.
    Numgen,
    /// Exempts from conntrack.
    Notrack,
    /// Adds to or removes from a set.
    Dynset,
}

/// An expression as name and bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawExpr {
    /// The kernel's name.
    pub name: String,
    /// The attributes inside `NFTA_EXPR_DATA`, as they were.
    pub body: Vec<u8>,
}

impl From<RawExpr> for Expr {
    fn from(raw: RawExpr) -> Self {
        Self::Raw(raw)
    }
}

impl From<crate::Verdict> for Expr {
    fn from(verdict: crate::Verdict) -> Self {
        Immediate { dreg: Register::VERDICT, data: verdict.into() }.into()
    }
}
