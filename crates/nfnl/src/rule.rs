//! Owns rules: a list of expressions at a place in a chain.

use crate::{
    Expr, Family,
    consts::{
        NFT_MSG_DELRULE, NFT_MSG_DESTROYRULE, NFT_MSG_NEWRULE, NFTA_RULE_CHAIN,
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
