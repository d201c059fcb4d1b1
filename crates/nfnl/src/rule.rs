//! Owns rules: a list of expressions at a place in a chain.

use crate::{
    Expr, Family,
    consts::{
        NFT_MSG_DELRULE, NFT_MSG_DESTROYRULE, NFT_MSG_NEWRULE, NFT_RULE_COMPAT_F_INV,
        NFTA_RULE_CHAIN, NFTA_RULE_COMPAT, NFTA_RULE_COMPAT_FLAGS, NFTA_RULE_COMPAT_PROTO,
        NFTA_RULE_EXPRESSIONS, NFTA_RULE_HANDLE, NFTA_RULE_POSITION, NFTA_RULE_TABLE,
        NFTA_RULE_USERDATA,
    },
    expr::{Depth, decode_list, encode_list},
    object::{Named, Object, Operations, sealed::Sealed},
    wire::{Attributes, DecodeError, NfHeader, Writer},
};

/// Names a rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId {
    /// Family of the table.
    pub family: Family,
    /// Name of the table.
    pub table: String,
    /// Name of the chain.
    pub chain: String,
    /// The kernel's handle.
    pub handle: u64,
}

/// What extensions of x_tables inside a rule are told about its protocol: many refuse to be made
/// without (multiport, TPROXY, REJECT with a TCP reset). The kernel takes it with a new rule and
/// forgets it (nft_compat.c); whoever makes a copy finds it in what the rule compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Compat {
    /// Protocol number.
    pub protocol: u16,
    /// The rule is for every other protocol.
    pub inverted: bool,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Family of the table.
    pub family: Family,
    /// Name of the table.
    pub table: String,
    /// Name of the chain.
    pub chain: String,
    /// What it does, in order.
    pub expressions: Vec<Expr>,
    /// Opaque bytes; see [`crate::userdata`].
    pub userdata: Vec<u8>,
    /// In a request: handle of the rule it goes behind (append) or before (insert). In an answer: handle of the rule
    /// before it.
    pub position: Option<u64>,
    /// For extensions of x_tables. Write only.
    pub compat: Option<Compat>,
    /// The kernel's handle. Read only, except that [`crate::Batch::replace_rule`] and deletes name the rule by it.
    pub handle: Option<u64>,
}

impl Rule {
    /// A rule of these expressions.
    pub fn new(
        family: Family,
        table: impl Into<String>,
        chain: impl Into<String>,
        expressions: impl IntoIterator<Item = Expr>,
    ) -> Self {
        Self {
            family,
            table: table.into(),
            chain: chain.into(),
            expressions: expressions.into_iter().collect(),
            userdata: Vec::new(),
            position: None,
            compat: None,
            handle: None,
        }
    }

    /// With these opaque bytes.
    #[must_use]
    pub fn with_userdata(mut self, userdata: Vec<u8>) -> Self {
        self.userdata = userdata;
        self
    }

    /// Its name, if the kernel gave it one.
    pub fn id(&self) -> Option<RuleId> {
        Some(RuleId {
            family: self.family,
            table: self.table.clone(),
            chain: self.chain.clone(),
            handle: self.handle?,
        })
    }

    /// Reads the attributes of a message about a rule.
    pub fn decode(nf: NfHeader, attributes: Attributes<'_>) -> Result<Self, DecodeError> {
        let mut rule = Self::new(Family::from_number(nf.family), "", "", []);
        let (mut table, mut chain) = (None, None);
        for attribute in attributes {
            let a = attribute?;
            match a.kind {
                NFTA_RULE_TABLE => table = Some(a.string()),
                NFTA_RULE_CHAIN => chain = Some(a.string()),
                NFTA_RULE_EXPRESSIONS => rule.expressions = decode_list(a.nested(), Depth::Outer)?,
                NFTA_RULE_USERDATA => rule.userdata = a.payload.to_vec(),
                NFTA_RULE_POSITION => rule.position = Some(a.be64()?),
                NFTA_RULE_HANDLE => rule.handle = Some(a.be64()?),
                _ => {}
            }
        }
        let missing = |kind| DecodeError::Missing { of: "rule", kind };
        rule.table = table.ok_or(missing(NFTA_RULE_TABLE))?;
        rule.chain = chain.ok_or(missing(NFTA_RULE_CHAIN))?;
        Ok(rule)
    }

    pub(crate) fn put_content(&self, w: &mut Writer) {
        encode_list(&self.expressions, w, NFTA_RULE_EXPRESSIONS);
        if !self.userdata.is_empty() {
            w.put(NFTA_RULE_USERDATA, &self.userdata);
        }
        if let Some(compat) = self.compat {
            let flags = if compat.inverted { NFT_RULE_COMPAT_F_INV } else { 0 };
            w.nest(NFTA_RULE_COMPAT, |w| {
                w.put_be32(NFTA_RULE_COMPAT_PROTO, compat.protocol.into());
                w.put_be32(NFTA_RULE_COMPAT_FLAGS, flags);
            });
        }
    }
}

const OPERATIONS: Operations =
    Operations { new: NFT_MSG_NEWRULE, delete: NFT_MSG_DELRULE, destroy: NFT_MSG_DESTROYRULE };

impl Sealed for RuleId {}
impl Sealed for Rule {}

impl Named for RuleId {
    const OPERATIONS: Operations = OPERATIONS;
    fn family(&self) -> Family {
        self.family
    }
    fn put_key(&self, w: &mut Writer) {
        w.put_str(NFTA_RULE_TABLE, &self.table);
        w.put_str(NFTA_RULE_CHAIN, &self.chain);
        w.put_be64(NFTA_RULE_HANDLE, self.handle);
    }
}

impl Named for Rule {
    const OPERATIONS: Operations = OPERATIONS;
    fn family(&self) -> Family {
        self.family
    }
    fn put_key(&self, w: &mut Writer) {
        w.put_str(NFTA_RULE_TABLE, &self.table);
        w.put_str(NFTA_RULE_CHAIN, &self.chain);
        // a delete without a handle would empty the chain; handle 0 exists nowhere and is refused
        w.put_be64(NFTA_RULE_HANDLE, self.handle.unwrap_or(0));
    }
}

impl Object for Rule {
    fn put_new(&self, w: &mut Writer) {
        w.put_str(NFTA_RULE_TABLE, &self.table);
        w.put_str(NFTA_RULE_CHAIN, &self.chain);
        self.put_content(w);
        if let Some(position) = self.position {
            w.put_be64(NFTA_RULE_POSITION, position);
        }
    }
}
