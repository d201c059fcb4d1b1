//! Owns what registers, set keys and set data hold: short byte strings and verdicts.
//!
//! Invariant: a [`Value`] is at most 64 bytes (`NFT_DATA_VALUE_MAXLEN`) and needs no allocation.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::{
    consts::{
        NF_ACCEPT, NF_DROP, NFT_BREAK, NFT_CONTINUE, NFT_DATA_VALUE_MAXLEN, NFT_GOTO, NFT_JUMP,
        NFT_RETURN, NFTA_DATA_VALUE, NFTA_DATA_VERDICT, NFTA_VERDICT_CHAIN, NFTA_VERDICT_CODE,
    },
    wire::{Attributes, DecodeError, Writer, align},
};

/// Bytes for a register, key or datum do not fit the 64 bytes that nf_tables has for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("value of {bytes} bytes, nf_tables holds at most 64")]
pub struct ValueTooLong {
    /// Bytes it would need.
    pub bytes: usize,
}

/// The bytes of a register, key or datum: at most 64, in the order the packet has them.
///
/// ```
/// use nfnl::Value;
/// let port = Value::from(8080_u16.to_be_bytes());
/// let key = Value::concat(&[&[6], port.bytes()])?; // inet_proto . inet_service
/// assert_eq!(key.bytes(), [6, 0, 0, 0, 0x1f, 0x90, 0, 0]);
/// # Ok::<(), nfnl::ValueTooLong>(())
/// ```
#[derive(Clone, Copy)]
pub struct Value {
    len: u8,
    bytes: [u8; NFT_DATA_VALUE_MAXLEN],
}

impl Value {
    /// No bytes.
    pub const EMPTY: Self = Self { len: 0, bytes: [0; NFT_DATA_VALUE_MAXLEN] };

    /// Copies `bytes`.
    pub fn new(bytes: &[u8]) -> Result<Self, ValueTooLong> {
        let mut value = Self::EMPTY;
        value.push(bytes)?;
        Ok(value)
    }

    /// A concatenation: each part padded with zeros to a multiple of 4 bytes, as `a . b` in nft.
    pub fn concat(parts: &[&[u8]]) -> Result<Self, ValueTooLong> {
        let mut value = Self::EMPTY;
        for part in parts {
            value.push(part)?;
            value.push(&[0; 3][..align(part.len()) - part.len()])?;
        }
        Ok(value)
    }

    fn push(&mut self, part: &[u8]) -> Result<(), ValueTooLong> {
        let start = usize::from(self.len);
        let end = start + part.len();
        let place = self.bytes.get_mut(start..end).ok_or(ValueTooLong { bytes: end })?;
        place.copy_from_slice(part);
        self.len = end as u8; // at most 64: the slice above exists
        Ok(())
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len).min(NFT_DATA_VALUE_MAXLEN)]
    }
}

impl Default for Value {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for Value {}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.bytes().cmp(other.bytes())
    }
}

impl std::hash::Hash for Value {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.bytes().hash(state);
    }
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("0x")?;
        self.bytes().iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl<const N: usize> From<[u8; N]> for Value {
    fn from(from: [u8; N]) -> Self {
        const { assert!(N <= NFT_DATA_VALUE_MAXLEN, "longer than a register") };
        let mut bytes = [0; NFT_DATA_VALUE_MAXLEN];
        bytes[..N].copy_from_slice(&from);
        Self { len: N as u8, bytes }
    }
}

impl From<Ipv4Addr> for Value {
    fn from(address: Ipv4Addr) -> Self {
        Self::from(address.octets())
    }
}

impl From<Ipv6Addr> for Value {
    fn from(address: Ipv6Addr) -> Self {
        Self::from(address.octets())
    }
}

/// What happens to the packet.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// Accept; ends this base chain.
    Accept,
    /// Drop.
    Drop,
    /// Go on with the next rule.
    Continue,
    /// Stop evaluating this rule.
    Break,
    /// Call the chain and come back.
    Jump(String),
    /// Go to the chain and do not come back.
    Goto(String),
    /// Back to the calling chain.
    Return,
    /// A code this crate has no name for (queue, or from a newer kernel).
    Other(i32),
}

/// Borrowed form of [`Data`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataRef<'a> {
    /// Plain bytes.
    Value(&'a [u8]),
    /// A verdict: its code and, for jump and goto, the chain.
    Verdict {
        /// `NFT_JUMP`, `NF_ACCEPT`, …
        code: i32,
        /// Target chain, or empty.
        chain: &'a str,
    },
}

/// What a map holds for a key, or what `immediate` loads.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Data {
    /// Plain bytes.
    Value(Value),
    /// A verdict.
    Verdict(Verdict),
}

impl From<Value> for Data {
    fn from(value: Value) -> Self {
        Self::Value(value)
    }
}

impl From<Verdict> for Data {
    fn from(verdict: Verdict) -> Self {
        Self::Verdict(verdict)
    }
}

impl Verdict {
    fn parts(&self) -> (i32, &str) {
        match self {
            Self::Accept => (NF_ACCEPT, ""),
            Self::Drop => (NF_DROP, ""),
            Self::Continue => (NFT_CONTINUE, ""),
            Self::Break => (NFT_BREAK, ""),
            Self::Jump(chain) => (NFT_JUMP, chain),
            Self::Goto(chain) => (NFT_GOTO, chain),
            Self::Return => (NFT_RETURN, ""),
            Self::Other(code) => (*code, ""),
        }
    }

    fn from_parts(code: i32, chain: &str) -> Self {
        match code {
            NF_ACCEPT => Self::Accept,
            NF_DROP => Self::Drop,
            NFT_CONTINUE => Self::Continue,
            NFT_BREAK => Self::Break,
            NFT_JUMP => Self::Jump(chain.to_owned()),
            NFT_GOTO => Self::Goto(chain.to_owned()),
            NFT_RETURN => Self::Return,
            code => Self::Other(code),
        }
    }
}

impl Data {
    /// Borrows.
    pub fn as_ref(&self) -> DataRef<'_> {
        match self {
            Self::Value(value) => DataRef::Value(value.bytes()),
            Self::Verdict(verdict) => {
                let (code, chain) = verdict.parts();
                DataRef::Verdict { code, chain }
            }
        }
    }
}

impl<'a> DataRef<'a> {
    /// An owned copy.
    pub fn to_owned(&self) -> Result<Data, ValueTooLong> {
        Ok(match self {
            Self::Value(bytes) => Data::Value(Value::new(bytes)?),
            Self::Verdict { code, chain } => Data::Verdict(Verdict::from_parts(*code, chain)),
        })
    }

    pub(crate) fn put(&self, w: &mut Writer, kind: u16) {
        w.nest(kind, |w| match self {
            Self::Value(bytes) => w.put(NFTA_DATA_VALUE, bytes),
            Self::Verdict { code, chain } => w.nest(NFTA_DATA_VERDICT, |w| {
                w.put(NFTA_VERDICT_CODE, &code.to_be_bytes());
                if !chain.is_empty() {
                    w.put_str(NFTA_VERDICT_CHAIN, chain);
                }
            }),
        });
    }

    pub(crate) fn get(attributes: Attributes<'a>) -> Result<Self, DecodeError> {
        let missing = DecodeError::Missing { of: "data", kind: NFTA_DATA_VALUE };
        let attribute = attributes.into_iter().next().ok_or(missing)??;
        match attribute.kind {
            NFTA_DATA_VALUE => Ok(Self::Value(attribute.payload)),
            NFTA_DATA_VERDICT => {
                let (mut code, mut chain) = (None, "");
                for a in attribute.nested() {
                    let a = a?;
                    match a.kind {
                        NFTA_VERDICT_CODE => code = Some(a.be32()?.cast_signed()),
                        NFTA_VERDICT_CHAIN => chain = a.str(),
                        _ => {}
                    }
                }
                let missing = DecodeError::Missing { of: "verdict", kind: NFTA_VERDICT_CODE };
                Ok(Self::Verdict { code: code.ok_or(missing)?, chain })
            }
            _ => Err(missing),
        }
    }
}
