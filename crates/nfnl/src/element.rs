//! Owns set elements, owned and borrowed, and messages that list them.
//!
//! [`ElementRef`] is what the hot paths use: writing one or reading a dump of many needs no allocation.

use crate::{
    Data, DataRef, Expr, Family, SetId, Value,
    consts::{
        NFT_SET_ELEM_INTERVAL_END, NFTA_LIST_ELEM, NFTA_SET_ELEM_DATA, NFTA_SET_ELEM_EXPIRATION,
        NFTA_SET_ELEM_EXPR, NFTA_SET_ELEM_EXPRESSIONS, NFTA_SET_ELEM_FLAGS, NFTA_SET_ELEM_KEY,
        NFTA_SET_ELEM_KEY_END, NFTA_SET_ELEM_LIST_ELEMENTS, NFTA_SET_ELEM_LIST_SET,
        NFTA_SET_ELEM_LIST_TABLE, NFTA_SET_ELEM_OBJREF, NFTA_SET_ELEM_TIMEOUT,
        NFTA_SET_ELEM_USERDATA, NLA_F_NESTED,
    },
    data::ValueTooLong,
    expr::{Depth, decode_list, decode_one, encode_one},
    family::flag_word,
    wire::{Attributes, DecodeError, NfHeader, Writer},
};

flag_word! {
    /// Flags of an element.
    ElementFlags {
        /// Marks the end (exclusive) of the range that the previous element starts.
        INTERVAL_END = NFT_SET_ELEM_INTERVAL_END,
        /// Matches every key that no other element matches; has no key itself.
        CATCHALL = NFT_SET_ELEM_CATCHALL,
    }
}

/// Expressions of an element as they are on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ElementExpressions<'a> {
    /// None.
    #[default]
    None,
    /// The content of `NFTA_SET_ELEM_EXPR`: one expression.
    One(&'a [u8]),
    /// The content of `NFTA_SET_ELEM_EXPRESSIONS`: a list.
    Many(&'a [u8]),
}

impl ElementExpressions<'_> {
    /// Decodes them.
    pub fn decode(&self) -> Result<Vec<Expr>, DecodeError> {
        match self {
            Self::None => Ok(Vec::new()),
            Self::One(bytes) => Ok(vec![decode_one(Attributes::new(bytes), Depth::Outer)?]),
            Self::Many(bytes) => decode_list(Attributes::new(bytes), Depth::Outer),
        }
    }
}

/// An element, borrowed.
///
/// ```
/// use nfnl::ElementRef;
/// let key = [6, 0, 0, 0, 0x1f, 0x90, 0, 0];
/// let element = ElementRef::new(&key).with_value(&[10, 0, 0, 1, 0, 80, 0, 0]);
/// assert_eq!(element.key, key);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ElementRef<'a> {
    /// Key, or start of the range; empty for a catch-all.
    pub key: &'a [u8],
    /// End of the range (inclusive), in sets of concatenated ranges.
    pub key_end: Option<&'a [u8]>,
    /// Datum of a map.
    pub data: Option<DataRef<'a>>,
    /// Flags.
    pub flags: ElementFlags,
    /// Timeout in ms.
    pub timeout_ms: Option<u64>,
    /// Time left in ms.
    pub expiration_ms: Option<u64>,
    /// Opaque bytes; see [`crate::userdata`].
    pub userdata: &'a [u8],
    /// Name of the object, in an object map.
    pub object: Option<&'a str>,
    /// Its expressions.
    pub expressions: ElementExpressions<'a>,
}

impl<'a> ElementRef<'a> {
    /// An element with a key only.
    pub fn new(key: &'a [u8]) -> Self {
        Self { key, ..Self::default() }
    }

    /// With a value as its datum.
    #[must_use]
    pub const fn with_value(mut self, value: &'a [u8]) -> Self {
        self.data = Some(DataRef::Value(value));
        self
    }

    /// With opaque bytes.
    #[must_use]
    pub const fn with_userdata(mut self, userdata: &'a [u8]) -> Self {
        self.userdata = userdata;
        self
    }

    /// An owned copy.
    ///
    /// # Errors
    /// [`DecodeError`] if a value is over 64 bytes or an expression is malformed.
    pub fn to_element(&self) -> Result<Element, DecodeError> {
        let long = |_: ValueTooLong| DecodeError::Value { of: "element", kind: NFTA_SET_ELEM_KEY };
        Ok(Element {
            key: Value::new(self.key).map_err(long)?,
            key_end: self.key_end.map(Value::new).transpose().map_err(long)?,
            data: self.data.map(|data| data.to_owned()).transpose().map_err(long)?,
            flags: self.flags,
            timeout_ms: self.timeout_ms,
            expiration_ms: self.expiration_ms,
            userdata: self.userdata.to_vec(),
            object: self.object.map(str::to_owned),
            expressions: self.expressions.decode()?,
        })
    }

    /// Writes the content of one `NFTA_LIST_ELEM`.
    pub(crate) fn put(&self, w: &mut Writer) {
        if !self.key.is_empty() {
            DataRef::Value(self.key).put(w, NFTA_SET_ELEM_KEY);
        }
        if let Some(end) = self.key_end {
            DataRef::Value(end).put(w, NFTA_SET_ELEM_KEY_END);
        }
        if let Some(data) = &self.data {
            data.put(w, NFTA_SET_ELEM_DATA);
        }
        if self.flags != ElementFlags::NONE {
            w.put_be32(NFTA_SET_ELEM_FLAGS, self.flags.bits());
        }
        if let Some(timeout) = self.timeout_ms {
            w.put_be64(NFTA_SET_ELEM_TIMEOUT, timeout);
        }
        if let Some(expiration) = self.expiration_ms {
            w.put_be64(NFTA_SET_ELEM_EXPIRATION, expiration);
        }
        if !self.userdata.is_empty() {
            w.put(NFTA_SET_ELEM_USERDATA, self.userdata);
        }
        if let Some(object) = self.object {
            w.put_str(NFTA_SET_ELEM_OBJREF, object);
        }
        match self.expressions {
            ElementExpressions::None => {}
            ElementExpressions::One(bytes) => w.put(NFTA_SET_ELEM_EXPR | NLA_F_NESTED, bytes),
            ElementExpressions::Many(bytes) => {
                w.put(NFTA_SET_ELEM_EXPRESSIONS | NLA_F_NESTED, bytes);
            }
        }
    }

    /// Reads the content of one `NFTA_LIST_ELEM`.
    pub(crate) fn get(attributes: Attributes<'a>) -> Result<Self, DecodeError> {
        let mut element = Self::default();
        for attribute in attributes {
            let a = attribute?;
            match a.kind {
                NFTA_SET_ELEM_KEY => element.key = key(a.nested())?,
                NFTA_SET_ELEM_KEY_END => element.key_end = Some(key(a.nested())?),
                NFTA_SET_ELEM_DATA => element.data = Some(DataRef::get(a.nested())?),
                NFTA_SET_ELEM_FLAGS => element.flags = ElementFlags::from_bits(a.be32()?),
                NFTA_SET_ELEM_TIMEOUT => element.timeout_ms = Some(a.be64()?),
                NFTA_SET_ELEM_EXPIRATION => element.expiration_ms = Some(a.be64()?),
                NFTA_SET_ELEM_USERDATA => element.userdata = a.payload,
                NFTA_SET_ELEM_OBJREF => element.object = Some(a.str()),
                NFTA_SET_ELEM_EXPR => element.expressions = ElementExpressions::One(a.payload),
                NFTA_SET_ELEM_EXPRESSIONS => {
                    element.expressions = ElementExpressions::Many(a.payload);
                }
                _ => {}
            }
        }
        Ok(element)
    }
}

fn key(attributes: Attributes<'_>) -> Result<&[u8], DecodeError> {
    match DataRef::get(attributes)? {
        DataRef::Value(bytes) => Ok(bytes),
        DataRef::Verdict { .. } => {
            Err(DecodeError::Value { of: "element", kind: NFTA_SET_ELEM_KEY })
        }
    }
}

/// An element, owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// Key, or start of the range; empty for a catch-all.
    pub key: Value,
    /// End of the range (inclusive), in sets of concatenated ranges.
    pub key_end: Option<Value>,
    /// Datum of a map.
    pub data: Option<Data>,
    /// Flags.
    pub flags: ElementFlags,
    /// Timeout in ms.
    pub timeout_ms: Option<u64>,
    /// Time left in ms.
    pub expiration_ms: Option<u64>,
    /// Opaque bytes; see [`crate::userdata`].
    pub userdata: Vec<u8>,
    /// Name of the object, in an object map.
    pub object: Option<String>,
    /// Its expressions. [`Element::as_ref`] cannot carry them; see [`Element::encode_expressions`].
    pub expressions: Vec<Expr>,
}

impl Element {
    /// An element with a key only.
    pub fn new(key: impl Into<Value>) -> Self {
        Self {
            key: key.into(),
            key_end: None,
            data: None,
            flags: ElementFlags::NONE,
            timeout_ms: None,
            expiration_ms: None,
            userdata: Vec::new(),
            object: None,
            expressions: Vec::new(),
        }
    }

    /// An element of a map.
    pub fn map(key: impl Into<Value>, data: impl Into<Data>) -> Self {
        Self { data: Some(data.into()), ..Self::new(key) }
    }

    /// The end (exclusive) of the range that the previous element starts.
    pub fn interval_end(key: impl Into<Value>) -> Self {
        Self { flags: ElementFlags::from_bits(NFT_SET_ELEM_INTERVAL_END), ..Self::new(key) }
    }

    /// With opaque bytes.
    #[must_use]
    pub fn with_userdata(mut self, userdata: Vec<u8>) -> Self {
        self.userdata = userdata;
        self
    }

    /// Borrows everything but the expressions, which have another form on the wire: put the bytes of
    /// [`Element::encode_expressions`] in with [`ElementExpressions::Many`].
    pub fn as_ref(&self) -> ElementRef<'_> {
        ElementRef {
            key: self.key.bytes(),
            key_end: self.key_end.as_ref().map(Value::bytes),
            data: self.data.as_ref().map(Data::as_ref),
            flags: self.flags,
            timeout_ms: self.timeout_ms,
            expiration_ms: self.expiration_ms,
            userdata: &self.userdata,
            object: self.object.as_deref(),
            expressions: ElementExpressions::None,
        }
    }

    /// The expressions as bytes for [`ElementExpressions::Many`].
    pub fn encode_expressions(&self) -> Result<Vec<u8>, crate::wire::TooLong> {
        let mut w = Writer::new();
        for expr in &self.expressions {
            w.nest(NFTA_LIST_ELEM, |w| encode_one(expr, w));
        }
        w.finish()
    }
}

/// A message about elements, borrowed: which set, and where its elements are.
#[derive(Debug, Clone)]
pub struct ElementList<'a> {
    /// Family of the table.
    pub family: Family,
    /// Name of the table.
    pub table: &'a str,
    /// Name of the set.
    pub set: &'a str,
    elements: Attributes<'a>,
}

impl<'a> ElementList<'a> {
    /// Reads the attributes of a message about elements.
    pub fn decode(nf: NfHeader, attributes: Attributes<'a>) -> Result<Self, DecodeError> {
        let (mut table, mut set, mut elements) = (None, None, Attributes::new(&[]));
        for attribute in attributes {
            let a = attribute?;
            match a.kind {
                NFTA_SET_ELEM_LIST_TABLE => table = Some(a.str()),
                NFTA_SET_ELEM_LIST_SET => set = Some(a.str()),
                NFTA_SET_ELEM_LIST_ELEMENTS => elements = a.nested(),
                _ => {}
            }
        }
        let missing = |kind| DecodeError::Missing { of: "element list", kind };
        Ok(Self {
            family: Family::from_number(nf.family),
            table: table.ok_or(missing(NFTA_SET_ELEM_LIST_TABLE))?,
            set: set.ok_or(missing(NFTA_SET_ELEM_LIST_SET))?,
            elements,
        })
    }

    /// The set they belong to.
    pub fn set_id(&self) -> SetId {
        SetId::new(self.family, self.table, self.set)
    }

    /// The elements.
    pub fn elements(&self) -> impl Iterator<Item = Result<ElementRef<'a>, DecodeError>> + use<'a> {
        self.elements.clone().map(|element| ElementRef::get(element?.nested()))
    }
}
