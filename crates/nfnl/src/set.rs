//! Owns sets and maps: types, sizes, flags, and the userdata that makes `nft list` print them well.

mod datatype;

pub use datatype::{ByteOrder, DataType, TypeSpec};

use crate::{
    Expr, Family,
    consts::{
        NFT_DATA_VERDICT, NFT_MSG_DELSET, NFT_MSG_DESTROYSET, NFT_MSG_NEWSET, NFTA_LIST_ELEM,
        NFTA_SET_COUNT, NFTA_SET_DATA_LEN, NFTA_SET_DATA_TYPE, NFTA_SET_DESC, NFTA_SET_DESC_CONCAT,
        NFTA_SET_DESC_SIZE, NFTA_SET_EXPR, NFTA_SET_EXPRESSIONS, NFTA_SET_FIELD_LEN,
        NFTA_SET_FLAGS, NFTA_SET_GC_INTERVAL, NFTA_SET_HANDLE, NFTA_SET_ID, NFTA_SET_KEY_LEN,
        NFTA_SET_KEY_TYPE, NFTA_SET_NAME, NFTA_SET_OBJ_TYPE, NFTA_SET_POLICY, NFTA_SET_TABLE,
        NFTA_SET_TIMEOUT, NFTA_SET_USERDATA,
    },
    expr::{Depth, decode_list, decode_one, encode_list, encode_one},
    family::flag_word,
    object::{Named, Object, Operations, sealed::Sealed},
    userdata,
    wire::{Attributes, DecodeError, NfHeader, Writer},
};

flag_word! {
    /// Flags of a set.
    SetFlags {
        /// Made for one rule.
        ANONYMOUS = NFT_SET_ANONYMOUS,
        /// Never changes once a rule uses it.
        CONSTANT = NFT_SET_CONSTANT,
        /// Holds ranges.
        INTERVAL = NFT_SET_INTERVAL,
        /// Is a map.
        MAP = NFT_SET_MAP,
        /// Elements may time out.
        TIMEOUT = NFT_SET_TIMEOUT,
        /// Rules change it.
        EVAL = NFT_SET_EVAL,
        /// Is a map to objects.
        OBJECT = NFT_SET_OBJECT,
        /// Holds ranges of concatenations.
        CONCAT = NFT_SET_CONCAT,
        /// Elements have expressions.
        EXPR = NFT_SET_EXPR,
    }
}

/// What a map holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetData {
    /// Values.
    Value {
        /// Type number of nft.
        datatype: u32,
        /// Bytes.
        len: u32,
    },
    /// Verdicts.
    Verdict,
    /// Objects of this `NFT_OBJECT_*`.
    Object(u32),
}

/// Names a set.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SetId {
    /// Family of the table.
    pub family: Family,
    /// Name of the table.
    pub table: String,
    /// Its name.
    pub name: String,
}

impl SetId {
    /// Names a set.
    pub fn new(family: Family, table: impl Into<String>, name: impl Into<String>) -> Self {
        Self { family, table: table.into(), name: name.into() }
    }
}

/// A set or map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// Family of the table.
    pub family: Family,
    /// Name of the table.
    pub table: String,
    /// Its name. A `%d` in it is replaced by the kernel (anonymous sets).
    pub name: String,
    /// Its flags. MAP, OBJECT and CONCAT are set by the constructors.
    pub flags: SetFlags,
    /// Type number of nft for the key.
    pub key_type: u32,
    /// Bytes of the key.
    pub key_len: u32,
    /// What it holds, if it is a map.
    pub data: Option<SetData>,
    /// Bytes of each part of a concatenated key; only for sets of concatenated ranges.
    pub fields: Vec<u32>,
    /// Most elements it may have. Also a hint: it picks the kernel's fastest hash.
    pub size: Option<u32>,
    /// Default timeout of an element in ms.
    pub timeout_ms: Option<u64>,
    /// How often timed out elements are collected, in ms.
    pub gc_interval_ms: Option<u32>,
    /// `NFT_SET_POL_*`.
    pub policy: Option<u32>,
    /// Expressions of every element.
    pub expressions: Vec<Expr>,
    /// Opaque bytes; see [`crate::userdata`].
    pub userdata: Vec<u8>,
    /// Number by which rules of the same batch may refer to it; the batch picks one if absent.
    pub id: Option<u32>,
    /// The kernel's handle (read only).
    pub handle: Option<u64>,
    /// How many elements it has (read only; since Linux 6.16).
    pub count: Option<u32>,
}

impl Set {
    /// A set of these keys.
    pub fn new(
        family: Family,
        table: impl Into<String>,
        name: impl Into<String>,
        key: &TypeSpec,
    ) -> Self {
        let mut set = Self::empty(family, table.into(), name.into());
        set.key_type = key.datatype;
        set.key_len = key.len;
        set.fields.clone_from(&key.fields);
        let order = key.order.number().to_ne_bytes();
        set.push_userdata(userdata::SET_KEY_BYTEORDER, &order);
        set
    }

    /// A map to values.
    pub fn map(
        family: Family,
        table: impl Into<String>,
        name: impl Into<String>,
        key: &TypeSpec,
        data: &TypeSpec,
    ) -> Self {
        let mut set = Self::new(family, table, name, key);
        set.flags = SetFlags::MAP;
        set.data = Some(SetData::Value { datatype: data.datatype, len: data.len });
        let order = data.order.number().to_ne_bytes();
        set.push_userdata(userdata::SET_DATA_BYTEORDER, &order);
        set
    }

    /// A map to verdicts.
    pub fn verdict_map(
        family: Family,
        table: impl Into<String>,
        name: impl Into<String>,
        key: &TypeSpec,
    ) -> Self {
        let mut set = Self::new(family, table, name, key);
        set.flags = SetFlags::MAP;
        set.data = Some(SetData::Verdict);
        set
    }

    /// A map to objects of this `NFT_OBJECT_*`.
    pub fn object_map(
        family: Family,
        table: impl Into<String>,
        name: impl Into<String>,
        key: &TypeSpec,
        object: u32,
    ) -> Self {
        let mut set = Self::new(family, table, name, key);
        set.flags = SetFlags::OBJECT;
        set.data = Some(SetData::Object(object));
        set
    }

    /// With room for at most `size` elements.
    #[must_use]
    pub fn with_size(mut self, size: u32) -> Self {
        self.size = Some(size);
        self
    }

    /// With these flags too.
    #[must_use]
    pub fn with_flags(mut self, flags: SetFlags) -> Self {
        self.flags = self.flags | flags;
        self
    }

    /// With a comment.
    ///
    /// # Errors
    /// [`userdata::UserdataTooLong`].
    pub fn with_comment(mut self, comment: &str) -> Result<Self, userdata::UserdataTooLong> {
        userdata::push_text(&mut self.userdata, userdata::SET_COMMENT, comment)?;
        Ok(self)
    }

    /// Its name.
    pub fn set_id(&self) -> SetId {
        SetId::new(self.family, &self.table, &self.name)
    }

    fn push_userdata(&mut self, kind: u8, value: &[u8]) {
        // two triples of 6 bytes always fit into 256
        let _ = userdata::push(&mut self.userdata, kind, value);
    }

    fn empty(family: Family, table: String, name: String) -> Self {
        Self {
            family,
            table,
            name,
            flags: SetFlags::NONE,
            key_type: 0,
            key_len: 0,
            data: None,
            fields: Vec::new(),
            size: None,
            timeout_ms: None,
            gc_interval_ms: None,
            policy: None,
            expressions: Vec::new(),
            userdata: Vec::new(),
            id: None,
            handle: None,
            count: None,
        }
    }

    /// Reads the attributes of a message about a set.
    pub fn decode(nf: NfHeader, attributes: Attributes<'_>) -> Result<Self, DecodeError> {
        let mut set = Self::empty(Family::from_number(nf.family), String::new(), String::new());
        let (mut table, mut name) = (None, None);
        let (mut data_type, mut data_len, mut object) = (None, 0, None);
        for attribute in attributes {
            let a = attribute?;
            match a.kind {
                NFTA_SET_TABLE => table = Some(a.string()),
                NFTA_SET_NAME => name = Some(a.string()),
                NFTA_SET_FLAGS => set.flags = SetFlags::from_bits(a.be32()?),
                NFTA_SET_KEY_TYPE => set.key_type = a.be32()?,
                NFTA_SET_KEY_LEN => set.key_len = a.be32()?,
                NFTA_SET_DATA_TYPE => data_type = Some(a.be32()?),
                NFTA_SET_DATA_LEN => data_len = a.be32()?,
                NFTA_SET_OBJ_TYPE => object = Some(a.be32()?),
                NFTA_SET_POLICY => set.policy = Some(a.be32()?),
                NFTA_SET_DESC => set.decode_description(a.nested())?,
                NFTA_SET_TIMEOUT => set.timeout_ms = Some(a.be64()?),
                NFTA_SET_GC_INTERVAL => set.gc_interval_ms = Some(a.be32()?),
                NFTA_SET_USERDATA => set.userdata = a.payload.to_vec(),
                NFTA_SET_HANDLE => set.handle = Some(a.be64()?),
                NFTA_SET_COUNT => set.count = Some(a.be32()?),
                NFTA_SET_ID => set.id = Some(a.be32()?),
                NFTA_SET_EXPR => set.expressions = vec![decode_one(a.nested(), Depth::Outer)?],
                NFTA_SET_EXPRESSIONS => set.expressions = decode_list(a.nested(), Depth::Outer)?,
                _ => {}
            }
        }
        let missing = |kind| DecodeError::Missing { of: "set", kind };
        set.table = table.ok_or(missing(NFTA_SET_TABLE))?;
        set.name = name.ok_or(missing(NFTA_SET_NAME))?;
        set.data = match (object, data_type) {
            (Some(object), _) => Some(SetData::Object(object)),
            (None, Some(NFT_DATA_VERDICT)) => Some(SetData::Verdict),
            (None, Some(number)) => Some(SetData::Value { datatype: number, len: data_len }),
            (None, None) => None,
        };
        Ok(set)
    }

    fn decode_description(&mut self, attributes: Attributes<'_>) -> Result<(), DecodeError> {
        for attribute in attributes {
            let a = attribute?;
            match a.kind {
                NFTA_SET_DESC_SIZE => self.size = Some(a.be32()?),
                NFTA_SET_DESC_CONCAT => {
                    for field in a.nested() {
                        for part in field?.nested() {
                            let part = part?;
                            if part.kind == NFTA_SET_FIELD_LEN {
                                self.fields.push(part.be32()?);
                            }
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The kernel wants the parts only for ranges of concatenations.
    fn has_ranges_of_concatenations(&self) -> bool {
        self.flags.contains(SetFlags::INTERVAL) && self.fields.len() > 1
    }

    fn put_types(&self, w: &mut Writer) {
        let mut flags = self.flags;
        if self.has_ranges_of_concatenations() {
            flags = flags | SetFlags::CONCAT;
        }
        w.put_be32(NFTA_SET_FLAGS, flags.bits());
        w.put_be32(NFTA_SET_KEY_TYPE, self.key_type);
        w.put_be32(NFTA_SET_KEY_LEN, self.key_len);
        match self.data {
            Some(SetData::Value { datatype, len }) => {
                w.put_be32(NFTA_SET_DATA_TYPE, datatype);
                w.put_be32(NFTA_SET_DATA_LEN, len);
            }
            Some(SetData::Verdict) => w.put_be32(NFTA_SET_DATA_TYPE, NFT_DATA_VERDICT),
            Some(SetData::Object(object)) => w.put_be32(NFTA_SET_OBJ_TYPE, object),
            None => {}
        }
    }

    pub(crate) fn put_with_id(&self, w: &mut Writer, id: u32) {
        self.put_key(w);
        self.put_types(w);
        w.put_be32(NFTA_SET_ID, id);
        let concat = self.has_ranges_of_concatenations();
        if self.size.is_some() || concat {
            w.nest(NFTA_SET_DESC, |w| self.put_description(w, concat));
        }
        if let Some(policy) = self.policy {
            w.put_be32(NFTA_SET_POLICY, policy);
        }
        if let Some(timeout) = self.timeout_ms {
            w.put_be64(NFTA_SET_TIMEOUT, timeout);
        }
        if let Some(interval) = self.gc_interval_ms {
            w.put_be32(NFTA_SET_GC_INTERVAL, interval);
        }
        match self.expressions.as_slice() {
            [] => {}
            [one] => w.nest(NFTA_SET_EXPR, |w| encode_one(one, w)),
            many => encode_list(many, w, NFTA_SET_EXPRESSIONS),
        }
        if !self.userdata.is_empty() {
            w.put(NFTA_SET_USERDATA, &self.userdata);
        }
    }

    fn put_description(&self, w: &mut Writer, concat: bool) {
        if let Some(size) = self.size {
            w.put_be32(NFTA_SET_DESC_SIZE, size);
        }
        if concat {
            w.nest(NFTA_SET_DESC_CONCAT, |w| {
                for len in &self.fields {
                    w.nest(NFTA_LIST_ELEM, |w| w.put_be32(NFTA_SET_FIELD_LEN, *len));
                }
            });
        }
    }
}

const OPERATIONS: Operations =
    Operations { new: NFT_MSG_NEWSET, delete: NFT_MSG_DELSET, destroy: NFT_MSG_DESTROYSET };

impl Sealed for SetId {}
impl Sealed for Set {}

impl Named for SetId {
    const OPERATIONS: Operations = OPERATIONS;
    fn family(&self) -> Family {
        self.family
    }
    fn put_key(&self, w: &mut Writer) {
        w.put_str(NFTA_SET_TABLE, &self.table);
        w.put_str(NFTA_SET_NAME, &self.name);
    }
}

impl Named for Set {
    const OPERATIONS: Operations = OPERATIONS;
    fn family(&self) -> Family {
        self.family
    }
    fn put_key(&self, w: &mut Writer) {
        w.put_str(NFTA_SET_TABLE, &self.table);
        w.put_str(NFTA_SET_NAME, &self.name);
    }
}

impl Object for Set {
    /// The id is unique in a batch as long as the caller does not mix own and picked ids: it is the offset at which
    /// the set is written.
    fn put_new(&self, w: &mut Writer) {
        let id = self.id.unwrap_or(w.len() as u32 | 1);
        self.put_with_id(w, id);
    }
}
