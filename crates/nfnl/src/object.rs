//! Owns what all nf_tables objects share: how a batch names, makes and deletes them. Also named objects themselves.

use crate::{
    Expr, Family,
    consts::{
        NFT_MSG_DELOBJ, NFT_MSG_DESTROYOBJ, NFT_MSG_NEWOBJ, NFT_OBJECT_COUNTER, NFT_OBJECT_QUOTA,
        NFT_OBJECT_UNSPEC, NFTA_OBJ_DATA, NFTA_OBJ_HANDLE, NFTA_OBJ_NAME, NFTA_OBJ_TABLE,
        NFTA_OBJ_TYPE, NFTA_OBJ_USE, NFTA_OBJ_USERDATA,
    },
    expr::{Counter, Kind, Quota},
    wire::{Attributes, DecodeError, NfHeader, Writer},
};

/// Message numbers of one kind of object.
#[derive(Debug, Clone, Copy)]
pub struct Operations {
    pub(crate) new: u8,
    pub(crate) delete: u8,
    pub(crate) destroy: u8,
}

/// Something a batch can delete: it has a family and a key. Implemented by this crate's types only.
pub trait Named: sealed::Sealed {
    /// Message numbers.
    #[doc(hidden)]
    const OPERATIONS: Operations;
    /// Its family.
    fn family(&self) -> Family;
    /// Writes the attributes that name it.
    #[doc(hidden)]
    fn put_key(&self, w: &mut Writer);
}

/// Something a batch can create.
pub trait Object: Named {
    /// Writes all its attributes.
    #[doc(hidden)]
    fn put_new(&self, w: &mut Writer);
}

pub(crate) mod sealed {
    /// Closes [`super::Named`].
    pub trait Sealed {}
}

/// Names a stateful object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StatefulId {
    /// Family of the table.
    pub family: Family,
    /// Name of the table.
    pub table: String,
    /// `NFT_OBJECT_*`.
    pub kind: u32,
    /// Its name.
    pub name: String,
}

/// What a stateful object holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatefulData {
    /// A counter.
    Counter(Counter),
    /// A quota.
    Quota(Quota),
    /// Another kind (`NFT_OBJECT_*`), as bytes.
    Raw {
        /// `NFT_OBJECT_*`.
        kind: u32,
        /// The attributes inside `NFTA_OBJ_DATA`.
        body: Vec<u8>,
    },
}

impl StatefulData {
    /// `NFT_OBJECT_*`.
    pub const fn kind(&self) -> u32 {
        match self {
            Self::Counter(_) => NFT_OBJECT_COUNTER,
            Self::Quota(_) => NFT_OBJECT_QUOTA,
            Self::Raw { kind, .. } => *kind,
        }
    }

    fn decode(kind: u32, body: &[u8]) -> Self {
        let typed = match kind {
            NFT_OBJECT_COUNTER => Counter::get_body(Attributes::new(body)).map(Self::Counter),
            NFT_OBJECT_QUOTA => Quota::get_body(Attributes::new(body)).map(Self::Quota),
            _ => None,
        };
        typed.unwrap_or_else(|| Self::Raw { kind, body: body.to_vec() })
    }
}

/// A named counter, quota, … that rules and maps refer to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stateful {
    /// Family of the table.
    pub family: Family,
    /// Name of the table.
    pub table: String,
    /// Its name.
    pub name: String,
    /// What it holds.
    pub data: StatefulData,
    /// Opaque bytes; see [`crate::userdata`].
    pub userdata: Vec<u8>,
    /// The kernel's handle (read only).
    pub handle: Option<u64>,
    /// How many rules and elements refer to it (read only).
    pub uses: Option<u32>,
}

impl Stateful {
    /// A new object.
    pub fn new(
        family: Family,
        table: impl Into<String>,
        name: impl Into<String>,
        data: StatefulData,
    ) -> Self {
        Self {
            family,
            table: table.into(),
            name: name.into(),
            data,
            userdata: Vec::new(),
            handle: None,
            uses: None,
        }
    }

    /// An expression that runs it.
    pub fn reference(&self) -> Expr {
        crate::expr::Objref::named(self.data.kind(), &self.name).into()
    }

    /// Reads the attributes of a message about an object.
    pub fn decode(nf: NfHeader, attributes: Attributes<'_>) -> Result<Self, DecodeError> {
        let missing = |kind| DecodeError::Missing { of: "object", kind };
        let (mut table, mut name, mut kind, mut body) = (None, None, None, &[][..]);
        let (mut userdata, mut handle, mut uses) = (Vec::new(), None, None);
        for attribute in attributes {
            let a = attribute?;
            match a.kind {
                NFTA_OBJ_TABLE => table = Some(a.string()),
                NFTA_OBJ_NAME => name = Some(a.string()),
                NFTA_OBJ_TYPE => kind = Some(a.be32()?),
                NFTA_OBJ_DATA => body = a.payload,
                NFTA_OBJ_USERDATA => userdata = a.payload.to_vec(),
                NFTA_OBJ_HANDLE => handle = Some(a.be64()?),
                NFTA_OBJ_USE => uses = Some(a.be32()?),
                _ => {}
            }
        }
        // the event of a deletion does not say
        let kind = kind.unwrap_or(NFT_OBJECT_UNSPEC);
        Ok(Self {
            family: Family::from_number(nf.family),
            table: table.ok_or(missing(NFTA_OBJ_TABLE))?,
            name: name.ok_or(missing(NFTA_OBJ_NAME))?,
            data: StatefulData::decode(kind, body),
            userdata,
            handle,
            uses,
        })
    }
}

const OPERATIONS: Operations =
    Operations { new: NFT_MSG_NEWOBJ, delete: NFT_MSG_DELOBJ, destroy: NFT_MSG_DESTROYOBJ };

fn put_key(w: &mut Writer, table: &str, name: &str, kind: u32) {
    w.put_str(NFTA_OBJ_TABLE, table);
    w.put_str(NFTA_OBJ_NAME, name);
    w.put_be32(NFTA_OBJ_TYPE, kind);
}

impl sealed::Sealed for StatefulId {}
impl sealed::Sealed for Stateful {}

impl Named for StatefulId {
    const OPERATIONS: Operations = OPERATIONS;
    fn family(&self) -> Family {
        self.family
    }
    fn put_key(&self, w: &mut Writer) {
        put_key(w, &self.table, &self.name, self.kind);
    }
}

impl Named for Stateful {
    const OPERATIONS: Operations = OPERATIONS;
    fn family(&self) -> Family {
        self.family
    }
    fn put_key(&self, w: &mut Writer) {
        put_key(w, &self.table, &self.name, self.data.kind());
    }
}

impl Object for Stateful {
    fn put_new(&self, w: &mut Writer) {
        self.put_key(w);
        if !self.userdata.is_empty() {
            w.put(NFTA_OBJ_USERDATA, &self.userdata);
        }
        match &self.data {
            StatefulData::Counter(counter) => w.nest(NFTA_OBJ_DATA, |w| counter.put_body(w)),
            StatefulData::Quota(quota) => w.nest(NFTA_OBJ_DATA, |w| quota.put_body(w)),
            StatefulData::Raw { body, .. } => {
                w.put(NFTA_OBJ_DATA | crate::consts::NLA_F_NESTED, body);
            }
        }
    }
}
