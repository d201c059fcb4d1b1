//! Owns what is in the registers of the nf_tables machine while a rule is being read.

use std::collections::BTreeMap;

use nfnl::{
    Data, Expr, Verdict,
    expr::{Bitwise, BitwiseOp, Cmp, CmpOp, MetaKey, PayloadBase, Register},
};

/// Where a register's value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    /// Of the packet.
    Payload { base: PayloadBase, offset: u32, len: u32 },
    /// About the packet.
    Meta(MetaKey),
    /// A number given in the rule, or something that no option asks for.
    Other,
}

/// A register's value.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    pub(crate) load: Load,
    /// Mask, if one was put over it.
    pub(crate) mask: Option<Vec<u8>>,
    /// How it was made, for people.
    pub(crate) words: String,
    /// A condition was read from it.
    pub(crate) used: bool,
}

impl Loaded {
    const fn is_interface(&self) -> bool {
        matches!(self.load, Load::Meta(MetaKey::IifName | MetaKey::OifName)) && self.mask.is_none()
    }
}

/// The registers.
#[derive(Debug, Default)]
pub(crate) struct Registers(BTreeMap<u32, Loaded>);

impl Registers {
    pub(crate) fn put(&mut self, register: Register, load: Load, expression: &Expr) {
        let loaded = Loaded { load, mask: None, words: words(expression), used: false };
        self.0.insert(register.number(), loaded);
    }

    /// Forgets everything: something unknown may have written anywhere.
    pub(crate) fn forget(&mut self) {
        self.0.clear();
    }

    /// What is in a register, to become something else.
    fn source(&mut self, register: Register, becomes: Register) -> Loaded {
        let Some(source) = self.0.get_mut(&register.number()) else {
            let words = "a register".to_owned();
            return Loaded { load: Load::Other, mask: None, words, used: false };
        };
        let loaded = source.clone();
        source.used |= register != becomes;
        Loaded { used: false, ..loaded }
    }

    /// A value made out of another one, in a way that no option asks for.
    pub(crate) fn derive(&mut self, from: Register, to: Register, expression: &Expr) {
        let mut loaded = self.source(from, to);
        loaded.load = Load::Other;
        loaded.words = format!("{} {}", loaded.words, words(expression));
        self.0.insert(to.number(), loaded);
    }

    /// Puts a mask over a register's value. Everything but a plain mask makes it something that no
    /// option asks for.
    pub(crate) fn mask(&mut self, bitwise: &Bitwise, expression: &Expr) {
        let mut loaded = self.source(bitwise.sreg, bitwise.dreg);
        let plain = bitwise.op.is_none_or(|op| op == BitwiseOp::MaskXor)
            && value(bitwise.xor.as_ref()).is_some_and(|xor| xor.iter().all(|byte| *byte == 0));
        match value(bitwise.mask.as_ref()) {
            Some(mask) if plain && loaded.mask.is_none() => loaded.mask = Some(mask.to_vec()),
            _ => loaded.load = Load::Other,
        }
        loaded.words = format!("{} {}", loaded.words, words(expression));
        self.0.insert(bitwise.dreg.number(), loaded);
    }

    /// What a condition asks about.
    pub(crate) fn ask(&mut self, register: Register) -> Option<&Loaded> {
        let loaded = self.0.get_mut(&register.number())?;
        loaded.used = true;
        Some(loaded)
    }

    /// Values that no condition asked about. The name of an interface is none of them: `-i +`, which
    /// every name fits, is what iptables-nft writes so, and it asks for nothing.
    pub(crate) fn unused(&self) -> impl Iterator<Item = &str> {
        let left = self.0.values().filter(|loaded| !loaded.used && !loaded.is_interface());
        left.map(|loaded| loaded.words.as_str())
    }
}

/// The bytes of a datum that is no verdict.
pub(crate) fn value(data: Option<&Data>) -> Option<&[u8]> {
    match data? {
        Data::Value(value) => Some(value.bytes()),
        Data::Verdict(_) => None,
    }
}

/// An expression for people, close to how nft writes it.
pub(crate) fn words(expression: &Expr) -> String {
    match expression {
        Expr::Payload(load) => {
            let base = match load.base {
                PayloadBase::Link => "link",
                PayloadBase::Network => "network",
                PayloadBase::Transport => "transport",
                _ => "inner",
            };
            let verb = if load.sreg.is_some() { "set " } else { "" };
            format!("{verb}{} bytes at {} of the {base} header", load.len, load.offset)
        }
        Expr::Meta(meta) => {
            let verb = if meta.sreg.is_some() { "set meta" } else { "meta" };
            format!("{verb} {:?}", meta.key).to_lowercase()
        }
        Expr::Bitwise(bitwise) => {
            let mask = value(bitwise.mask.as_ref()).map(hex).unwrap_or_default();
            let xor = value(bitwise.xor.as_ref()).filter(|xor| xor.iter().any(|byte| *byte != 0));
            let xor = xor.map(|xor| format!(" ^ {}", hex(xor))).unwrap_or_default();
            format!("& {mask}{xor}")
        }
        Expr::Cmp(cmp) => format!("{} {}", sign(cmp), datum(&cmp.data)),
        Expr::Range(range) => {
            let not = if range.op == nfnl::expr::RangeOp::Neq { "not " } else { "" };
            format!("{not}from {} to {}", datum(&range.from), datum(&range.to))
        }
        Expr::Lookup(lookup) => {
            let not = if lookup.flags.0 == 0 { "" } else { "not " };
            format!("{not}in set {}", lookup.set)
        }
        Expr::Immediate(immediate) => datum(&immediate.data),
        Expr::Ct(ct) => format!("ct {:?}", ct.key).to_lowercase(),
        Expr::Fib(fib) => format!("fib {:?} flags {:#x}", fib.result, fib.flags).to_lowercase(),
        Expr::Byteorder(order) => format!("{:?}", order.op).to_lowercase(),
        Expr::Log(log) => format!("log {}", log.prefix.as_deref().unwrap_or_default()),
        Expr::Raw(raw) => format!("{} {}", raw.name, hex(&raw.body)),
        other => format!("{other:?}"),
    }
}

fn sign(cmp: &Cmp) -> &'static str {
    match cmp.op {
        CmpOp::Eq => "==",
        CmpOp::Neq => "!=",
        CmpOp::Lt => "<",
        CmpOp::Lte => "<=",
        CmpOp::Gt => ">",
        CmpOp::Gte => ">=",
        _ => "?",
    }
}

fn datum(data: &Data) -> String {
    match data {
        Data::Value(value) => hex(value.bytes()),
        Data::Verdict(Verdict::Jump(chain)) => format!("jump {chain}"),
        Data::Verdict(Verdict::Goto(chain)) => format!("goto {chain}"),
        Data::Verdict(verdict) => format!("{verdict:?}").to_lowercase(),
    }
}

fn hex(bytes: &[u8]) -> String {
    format!("0x{}", crate::Hex(bytes.to_vec()))
}
