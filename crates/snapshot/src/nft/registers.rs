//! Owns what is in the registers of the nf_tables machine while a rule is read.

use std::collections::BTreeMap;

use nfnl::expr::{CtKey, MetaKey, Register};
use serde_json::Value;

use super::fields::Field;
use super::types::Type;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// Named bytes of the packet; more than one field if they lie side by side.
    Fields(Vec<Field>),
    Meta(MetaKey),
    Ct(CtKey),
    /// Bytes given in the rule.
    Given(Vec<u8>),
    Other,
}

/// A value in a register.
#[derive(Debug, Clone)]
pub(super) struct Loaded {
    pub(super) origin: Origin,
    /// In nft's JSON.
    pub(super) json: Value,
    pub(super) kind: Type,
    /// Bytes; 0 is one word at least.
    pub(super) len: usize,
    /// Mask and what is turned over behind it.
    pub(super) mask: Option<(Vec<u8>, Vec<u8>)>,
}

/// The registers, by their first word.
#[derive(Debug, Default)]
pub(super) struct Registers(BTreeMap<u32, Loaded>);

/// 1 to 4 name four words each, 8 to 23 one (linux/netfilter/nf_tables.h).
fn word(register: Register) -> u32 {
    match register.number() {
        number @ 1..=4 => (number - 1) * 4,
        number => number.saturating_sub(8),
    }
}

impl Registers {
    pub(super) fn put(&mut self, register: Register, loaded: Loaded) {
        let first = word(register);
        let words = (loaded.len.div_ceil(4) as u32).max(1);
        // what is written over is gone
        for other in first..first + words {
            self.0.remove(&other);
        }
        self.0.insert(first, loaded);
    }

    pub(super) fn get(&self, register: Register) -> Option<&Loaded> {
        self.0.get(&word(register))
    }

    /// The values that lie from here on in so many bytes, one or several.
    pub(super) fn row(&self, register: Register, len: usize) -> Vec<&Loaded> {
        let mut at = word(register);
        let end = at + len.div_ceil(4).max(1) as u32;
        let mut row = Vec::new();
        while at < end {
            let Some(loaded) = self.0.get(&at) else { break };
            row.push(loaded);
            at += loaded.len.div_ceil(4).max(1) as u32;
        }
        row
    }

    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}
