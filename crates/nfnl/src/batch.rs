//! Owns batches: changes that the kernel applies all together or not at all.
//!
//! Invariants: no message is larger than a 16-bit nest allows (elements of one change are spread over several messages);
//! every refusal is traced back to the change, and the element in it, that caused it. A batch is reusable: clearing it
//! keeps its memory.

mod commit;
mod error;
mod locate;

pub use self::error::{BatchError, Denied, Rejection};
pub(crate) use self::locate::element_at;

use crate::{
    ElementRef, SetId,
    consts::{
        NFNL_SUBSYS_NFTABLES, NFT_MSG_DELRULE, NFT_MSG_DELSETELEM, NFT_MSG_DESTROYSETELEM,
        NFT_MSG_NEWRULE, NFT_MSG_NEWSETELEM, NFTA_LIST_ELEM, NFTA_RULE_CHAIN, NFTA_RULE_TABLE,
        NFTA_SET_ELEM_LIST_ELEMENTS, NFTA_SET_ELEM_LIST_SET, NFTA_SET_ELEM_LIST_SET_ID,
        NFTA_SET_ELEM_LIST_TABLE, NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE,
        NLM_F_REQUEST,
    },
    object::{Named, Object},
    rule::Rule,
    wire::{Mark, NfHeader, TooLong, Writer},
};

/// Bytes of elements in one message. The kernel's own limit for the nest is 65,535.
const NEST_LIMIT: usize = 65_532;

/// Number of a change in its batch, counted from 0 in the order of the calls. Errors name changes by it.
pub type ChangeIndex = usize;

/// Where a message of the batch is and what it belongs to.
#[derive(Debug, Clone, Copy)]
struct Sent {
    /// Offset of its header.
    offset: usize,
    /// The change it is part of.
    change: ChangeIndex,
    /// Number of its first element in the change.
    first_element: usize,
}

/// Changes to nf_tables that are applied together or not at all, in the order in which they were added.
///
/// ```no_run
/// use nfnl::{Batch, DataType, ElementRef, Family, Set, Socket, Table, TypeSpec};
///
/// let mut socket = Socket::open()?;
/// let mut batch = Batch::new();
/// batch.add(&Table::new(Family::Inet, "demo"))?;
/// let set = Set::new(Family::Inet, "demo", "hosts", &TypeSpec::from(DataType::IPV4_ADDR));
/// batch.add(&set)?;
/// batch.add_elements(&set.set_id(), [ElementRef::new(&[10, 0, 0, 1])])?;
/// socket.commit(&mut batch)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct Batch {
    w: Writer,
    sent: Vec<Sent>,
    changes: usize,
    generation: Option<u32>,
    spill: Vec<u8>,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets all changes and the expected generation, keeps the memory.
    pub fn clear(&mut self) {
        self.w.clear();
        self.sent.clear();
        self.changes = 0;
        self.generation = None;
    }

    /// Makes the commit conditional: it fails with [`BatchError::Stale`] unless the ruleset still has this generation.
    pub fn expect_generation(&mut self, id: u32) {
        self.generation = Some(id);
    }

    /// Number of changes.
    pub fn len(&self) -> usize {
        self.changes
    }

    /// No changes.
    pub fn is_empty(&self) -> bool {
        self.changes == 0
    }

    /// Bytes that a commit sends.
    pub fn bytes(&self) -> usize {
        self.w.len() + commit::FRAME
    }

    /// Creates the object unless it exists (then it must be compatible; flags of a table and policy of a chain are
    /// updated). A rule is appended to its chain.
    ///
    /// # Errors
    /// [`TooLong`]; the batch is as before then.
    pub fn add<T: Object>(&mut self, object: &T) -> Result<ChangeIndex, TooLong> {
        self.object(object, NLM_F_CREATE | NLM_F_APPEND)
    }

    /// Creates the object; the batch fails if it exists already.
    ///
    /// # Errors
    /// [`TooLong`]; the batch is as before then.
    pub fn create<T: Object>(&mut self, object: &T) -> Result<ChangeIndex, TooLong> {
        self.object(object, NLM_F_CREATE | NLM_F_EXCL | NLM_F_APPEND)
    }

    fn object<T: Object>(&mut self, object: &T, flags: u16) -> Result<ChangeIndex, TooLong> {
        let family = object.family().number();
        self.change(T::OPERATIONS.new, flags, family, |w| object.put_new(w))
    }

    /// Deletes the object; the batch fails if it does not exist. A table goes with all that is in it. A rule is named
    /// by its handle.
    ///
    /// # Errors
    /// [`TooLong`]; the batch is as before then.
    pub fn delete<T: Named>(&mut self, object: &T) -> Result<ChangeIndex, TooLong> {
        self.change(T::OPERATIONS.delete, 0, object.family().number(), |w| object.put_key(w))
    }

    /// Deletes the object if it exists (since 6.3).
    ///
    /// # Errors
    /// [`TooLong`]; the batch is as before then.
    pub fn destroy<T: Named>(&mut self, object: &T) -> Result<ChangeIndex, TooLong> {
        self.change(T::OPERATIONS.destroy, 0, object.family().number(), |w| object.put_key(w))
    }

    /// Puts a rule at the start of its chain, or before the rule at its position.
    ///
    /// # Errors
    /// [`TooLong`]; the batch is as before then.
    pub fn insert_rule(&mut self, rule: &Rule) -> Result<ChangeIndex, TooLong> {
        self.object(rule, NLM_F_CREATE)
    }

    /// Puts a rule in the place of the one with its handle.
    ///
    /// # Errors
    /// [`TooLong`]; the batch is as before then.
    pub fn replace_rule(&mut self, rule: &Rule) -> Result<ChangeIndex, TooLong> {
        self.change(NFT_MSG_NEWRULE, NLM_F_REPLACE, rule.family.number(), |w| {
            rule.put_key(w);
            rule.put_content(w);
        })
    }

    /// Deletes all rules of a chain.
    ///
    /// # Errors
    /// [`TooLong`]; the batch is as before then.
    pub fn flush_chain(&mut self, chain: &crate::ChainId) -> Result<ChangeIndex, TooLong> {
        self.change(NFT_MSG_DELRULE, 0, chain.family.number(), |w| {
            w.put_str(NFTA_RULE_TABLE, &chain.table);
            w.put_str(NFTA_RULE_CHAIN, &chain.name);
        })
    }

    /// Adds elements; ones that exist with the same datum are left alone.
    ///
    /// To change the datum of an existing key, delete and add it in one batch.
    ///
    /// # Errors
    /// [`TooLong`]; the batch is as before then.
    pub fn add_elements<'e>(
        &mut self,
        set: &SetId,
        elements: impl IntoIterator<Item = ElementRef<'e>>,
    ) -> Result<ChangeIndex, TooLong> {
        self.elements(NFT_MSG_NEWSETELEM, NLM_F_CREATE, (set, None), elements)
    }

    /// Adds elements; the batch fails if one exists already.
    ///
    /// # Errors
    /// [`TooLong`]; the batch is as before then.
    pub fn create_elements<'e>(
        &mut self,
        set: &SetId,
        elements: impl IntoIterator<Item = ElementRef<'e>>,
    ) -> Result<ChangeIndex, TooLong> {
        self.elements(NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL, (set, None), elements)
    }

    /// Adds elements to a set that this batch makes with this [`crate::Set::id`]: the only way to name an anonymous
    /// one, whose name the kernel picks.
    ///
    /// # Errors
    /// [`TooLong`]; the batch is as before then.
    pub fn create_elements_of<'e>(
        &mut self,
        set: &SetId,
        id: u32,
        elements: impl IntoIterator<Item = ElementRef<'e>>,
    ) -> Result<ChangeIndex, TooLong> {
        let of = (set, Some(id));
        self.elements(NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL, of, elements)
    }

    /// Deletes elements by key; the batch fails if one does not exist.
    ///
    /// # Errors
    /// [`TooLong`]; the batch is as before then.
    pub fn delete_elements<'e>(
        &mut self,
        set: &SetId,
        elements: impl IntoIterator<Item = ElementRef<'e>>,
    ) -> Result<ChangeIndex, TooLong> {
        self.elements(NFT_MSG_DELSETELEM, 0, (set, None), elements)
    }

    /// Deletes elements by key if they exist (since 6.3).
    ///
    /// # Errors
    /// [`TooLong`]; the batch is as before then.
    pub fn destroy_elements<'e>(
        &mut self,
        set: &SetId,
        elements: impl IntoIterator<Item = ElementRef<'e>>,
    ) -> Result<ChangeIndex, TooLong> {
        self.elements(NFT_MSG_DESTROYSETELEM, 0, (set, None), elements)
    }

    /// Deletes all elements of a set.
    ///
    /// # Errors
    /// [`TooLong`]; the batch is as before then.
    pub fn flush_set(&mut self, set: &SetId) -> Result<ChangeIndex, TooLong> {
        self.change(NFT_MSG_DELSETELEM, 0, set.family.number(), |w| {
            w.put_str(NFTA_SET_ELEM_LIST_TABLE, &set.table);
            w.put_str(NFTA_SET_ELEM_LIST_SET, &set.name);
        })
    }

    /// Adds one change of one message.
    fn change(
        &mut self,
        operation: u8,
        flags: u16,
        family: u8,
        put: impl FnOnce(&mut Writer),
    ) -> Result<ChangeIndex, TooLong> {
        let mark = self.begin(operation, flags, family, 0);
        put(&mut self.w);
        self.w.end_message(mark);
        self.finish_change(self.sent.len() - 1)
    }

    fn begin(&mut self, operation: u8, flags: u16, family: u8, first_element: usize) -> Mark {
        let kind = u16::from(NFNL_SUBSYS_NFTABLES) << 8 | u16::from(operation);
        let nf = NfHeader { family, ..NfHeader::default() };
        let mark = self.w.begin_message(kind, NLM_F_REQUEST | flags, 0, nf);
        self.sent.push(Sent { offset: mark.offset(), change: self.changes, first_element });
        mark
    }

    /// Counts the change whose messages start at `first_message`, or takes them out again if one did not fit.
    fn finish_change(&mut self, first_message: usize) -> Result<ChangeIndex, TooLong> {
        if let Some(fault) = self.w.take_fault() {
            if let Some(sent) = self.sent.get(first_message) {
                self.w.truncate(sent.offset);
            }
            self.sent.truncate(first_message);
            return Err(fault);
        }
        self.changes += 1;
        Ok(self.changes - 1)
    }

    fn begin_elements(
        &mut self,
        operation: u8,
        flags: u16,
        (set, id): (&SetId, Option<u32>),
        first_element: usize,
    ) -> (Mark, Mark) {
        let message = self.begin(operation, flags, set.family.number(), first_element);
        self.w.put_str(NFTA_SET_ELEM_LIST_TABLE, &set.table);
        self.w.put_str(NFTA_SET_ELEM_LIST_SET, &set.name);
        if let Some(id) = id {
            self.w.put_be32(NFTA_SET_ELEM_LIST_SET_ID, id);
        }
        (message, self.w.begin_nest(NFTA_SET_ELEM_LIST_ELEMENTS))
    }

    fn end_elements(&mut self, (message, nest): (Mark, Mark)) {
        self.w.end_nest(nest);
        self.w.end_message(message);
    }

    /// Adds one change of as many messages as the elements need. Without elements nothing is sent: to the kernel a
    /// delete without elements would mean all of them.
    fn elements<'e>(
        &mut self,
        operation: u8,
        flags: u16,
        set: (&SetId, Option<u32>),
        elements: impl IntoIterator<Item = ElementRef<'e>>,
    ) -> Result<ChangeIndex, TooLong> {
        let first_message = self.sent.len();
        let mut elements = elements.into_iter().enumerate().peekable();
        if elements.peek().is_none() {
            return self.finish_change(first_message);
        }
        let mut open = self.begin_elements(operation, flags, set, 0);
        for (number, element) in elements {
            let start = self.w.len();
            self.w.nest(NFTA_LIST_ELEM, |w| element.put(w));
            if self.w.len() - open.1.offset() > NEST_LIMIT {
                let mut spill = std::mem::take(&mut self.spill);
                spill.clear();
                spill.extend_from_slice(&self.w.bytes()[start..]);
                self.w.truncate(start);
                self.end_elements(open);
                open = self.begin_elements(operation, flags, set, number);
                self.w.append(&spill);
                self.spill = spill;
            }
        }
        self.end_elements(open);
        self.finish_change(first_message)
    }
}
