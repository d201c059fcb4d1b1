//! Owns tables: name, flags, owner.

use crate::{
    Family,
    consts::{
        NFT_MSG_DELTABLE, NFT_MSG_DESTROYTABLE, NFT_MSG_NEWTABLE, NFTA_TABLE_FLAGS,
        NFTA_TABLE_HANDLE, NFTA_TABLE_NAME, NFTA_TABLE_OWNER, NFTA_TABLE_USE, NFTA_TABLE_USERDATA,
    },
    family::flag_word,
    object::{Named, Object, Operations, sealed::Sealed},
    wire::{Attributes, DecodeError, NfHeader, Writer},
};

flag_word! {
    /// Flags of a table.
    TableFlags {
        /// Its base chains are not hooked.
        DORMANT = NFT_TABLE_F_DORMANT,
        /// Only the socket that made it may change it (since 5.12). It goes away with that socket.
        OWNER = NFT_TABLE_F_OWNER,
        /// It stays when its owner's socket closes; another socket may then claim it (since 6.9).
        PERSIST = NFT_TABLE_F_PERSIST,
    }
}

/// Names a table.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableId {
    /// Its family.
    pub family: Family,
    /// Its name.
    pub name: String,
}

impl TableId {
    /// Names a table.
    pub fn new(family: Family, name: impl Into<String>) -> Self {
        Self { family, name: name.into() }
    }
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its family.
    pub family: Family,
    /// Its name.
    pub name: String,
    /// Its flags.
    pub flags: TableFlags,
    /// Opaque bytes; see [`crate::userdata`].
    pub userdata: Vec<u8>,
    /// The kernel's handle (read only).
    pub handle: Option<u64>,
    /// Port id of the owning socket (read only). Absent in an orphaned table.
    pub owner: Option<u32>,
    /// How many objects it has (read only).
    pub uses: Option<u32>,
}

impl Table {
    /// A table without flags.
    pub fn new(family: Family, name: impl Into<String>) -> Self {
        Self {
            family,
            name: name.into(),
            flags: TableFlags::NONE,
            userdata: Vec::new(),
            handle: None,
            owner: None,
            uses: None,
        }
    }

    /// With these flags.
    #[must_use]
    pub fn with_flags(mut self, flags: TableFlags) -> Self {
        self.flags = flags;
        self
    }

    /// Its name.
    pub fn id(&self) -> TableId {
        TableId::new(self.family, &self.name)
    }

    /// Reads the attributes of a message about a table.
    pub fn decode(nf: NfHeader, attributes: Attributes<'_>) -> Result<Self, DecodeError> {
        let mut table = Self::new(Family::from_number(nf.family), "");
        let mut named = false;
        for attribute in attributes {
            let a = attribute?;
            match a.kind {
                NFTA_TABLE_NAME => {
                    table.name = a.string();
                    named = true;
                }
                NFTA_TABLE_FLAGS => table.flags = TableFlags::from_bits(a.be32()?),
                NFTA_TABLE_USE => table.uses = Some(a.be32()?),
                NFTA_TABLE_HANDLE => table.handle = Some(a.be64()?),
                NFTA_TABLE_USERDATA => table.userdata = a.payload.to_vec(),
                NFTA_TABLE_OWNER => table.owner = Some(a.be32()?),
                _ => {}
            }
        }
        if named {
            Ok(table)
        } else {
            Err(DecodeError::Missing { of: "table", kind: NFTA_TABLE_NAME })
        }
    }
}

const OPERATIONS: Operations =
    Operations { new: NFT_MSG_NEWTABLE, delete: NFT_MSG_DELTABLE, destroy: NFT_MSG_DESTROYTABLE };

impl Sealed for TableId {}
impl Sealed for Table {}

impl Named for TableId {
    const OPERATIONS: Operations = OPERATIONS;
    fn family(&self) -> Family {
        self.family
    }
    fn put_key(&self, w: &mut Writer) {
        w.put_str(NFTA_TABLE_NAME, &self.name);
    }
}

impl Named for Table {
    const OPERATIONS: Operations = OPERATIONS;
    fn family(&self) -> Family {
        self.family
    }
    fn put_key(&self, w: &mut Writer) {
        w.put_str(NFTA_TABLE_NAME, &self.name);
    }
}

impl Object for Table {
    fn put_new(&self, w: &mut Writer) {
        self.put_key(w);
        w.put_be32(NFTA_TABLE_FLAGS, self.flags.bits());
        if !self.userdata.is_empty() {
            w.put(NFTA_TABLE_USERDATA, &self.userdata);
        }
    }
}
