//! Owns chains: regular ones, and base chains with hook, priority, type and policy.

use crate::{
    Family,
    consts::{
        NF_ACCEPT, NF_DROP, NFT_CHAIN_BASE, NFT_MSG_DELCHAIN, NFT_MSG_DESTROYCHAIN,
        NFT_MSG_NEWCHAIN, NFTA_CHAIN_FLAGS, NFTA_CHAIN_HANDLE, NFTA_CHAIN_HOOK, NFTA_CHAIN_NAME,
        NFTA_CHAIN_POLICY, NFTA_CHAIN_TABLE, NFTA_CHAIN_TYPE, NFTA_CHAIN_USE, NFTA_CHAIN_USERDATA,
        NFTA_DEVICE_NAME, NFTA_HOOK_DEV, NFTA_HOOK_DEVS, NFTA_HOOK_HOOKNUM, NFTA_HOOK_PRIORITY,
    },
    expr::numbers,
    object::{Named, Object, Operations, sealed::Sealed},
    wire::{Attributes, DecodeError, NfHeader, Writer},
};

numbers! {
    /// Where a base chain is attached. The numbers are those of the IP families;
    /// netdev chains use [`Hook::Other`] with 0 (ingress) or 1 (egress).
    Hook:
    /// Before routing.
    Prerouting = NF_INET_PRE_ROUTING,
    /// To the machine itself.
    Input = NF_INET_LOCAL_IN,
    /// Through the machine.
    Forward = NF_INET_FORWARD,
    /// From the machine itself.
    Output = NF_INET_LOCAL_OUT,
    /// After routing.
    Postrouting = NF_INET_POST_ROUTING,
    /// Ingress of an inet table.
    Ingress = NF_INET_INGRESS,
}

/// What happens to a packet at the end of a base chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Policy {
    /// Accept it.
    Accept,
    /// Drop it.
    Drop,
}

/// What makes a chain a base chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseChain {
    /// `filter`, `nat` or `route`.
    pub kind: String,
    /// Where it is attached.
    pub hook: Hook,
    /// Order among the chains of one hook; lower first.
    pub priority: i32,
    /// Absent: accept, or unchanged.
    pub policy: Option<Policy>,
    /// Interfaces, for netdev and ingress chains.
    pub devices: Vec<String>,
}

impl BaseChain {
    /// A chain of `kind` (`filter`, `nat`, `route`) at `hook`.
    pub fn new(kind: impl Into<String>, hook: Hook, priority: i32) -> Self {
        Self { kind: kind.into(), hook, priority, policy: None, devices: Vec::new() }
    }
}

/// Names a chain.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChainId {
    /// Family of the table.
    pub family: Family,
    /// Name of the table.
    pub table: String,
    /// Its name.
    pub name: String,
}

impl ChainId {
    /// Names a chain.
    pub fn new(family: Family, table: impl Into<String>, name: impl Into<String>) -> Self {
        Self { family, table: table.into(), name: name.into() }
    }
}

/// A chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Family of the table.
    pub family: Family,
    /// Name of the table.
    pub table: String,
    /// Its name.
    pub name: String,
    /// Set for a base chain.
    pub base: Option<BaseChain>,
    /// Opaque bytes; see [`crate::userdata`].
    pub userdata: Vec<u8>,
    /// The kernel's handle (read only).
    pub handle: Option<u64>,
    /// Rules and references (read only).
    pub uses: Option<u32>,
}

impl Chain {
    /// A regular chain.
    pub fn new(family: Family, table: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            family,
            table: table.into(),
            name: name.into(),
            base: None,
            userdata: Vec::new(),
            handle: None,
            uses: None,
        }
    }

    /// As a base chain.
    #[must_use]
    pub fn with_base(mut self, base: BaseChain) -> Self {
        self.base = Some(base);
        self
    }

    /// Its name.
    pub fn id(&self) -> ChainId {
        ChainId::new(self.family, &self.table, &self.name)
    }

    /// Reads the attributes of a message about a chain.
    pub fn decode(nf: NfHeader, attributes: Attributes<'_>) -> Result<Self, DecodeError> {
        let mut chain = Self::new(Family::from_number(nf.family), "", "");
        let (mut table, mut name, mut kind, mut policy) = (None, None, None, None);
        let mut base = None;
        for attribute in attributes {
            let a = attribute?;
            match a.kind {
                NFTA_CHAIN_TABLE => table = Some(a.string()),
                NFTA_CHAIN_NAME => name = Some(a.string()),
                NFTA_CHAIN_TYPE => kind = Some(a.string()),
                NFTA_CHAIN_POLICY => policy = policy_of(a.be32()?),
                NFTA_CHAIN_HOOK => base = Some(decode_hook(a.nested())?),
                NFTA_CHAIN_USERDATA => chain.userdata = a.payload.to_vec(),
                NFTA_CHAIN_HANDLE => chain.handle = Some(a.be64()?),
                NFTA_CHAIN_USE => chain.uses = Some(a.be32()?),
                _ => {}
            }
        }
        let missing = |kind| DecodeError::Missing { of: "chain", kind };
        chain.table = table.ok_or(missing(NFTA_CHAIN_TABLE))?;
        chain.name = name.ok_or(missing(NFTA_CHAIN_NAME))?;
        chain.base = base.map(|base| BaseChain { kind: kind.unwrap_or_default(), policy, ..base });
        Ok(chain)
    }
}

fn policy_of(number: u32) -> Option<Policy> {
    match number.cast_signed() {
        NF_ACCEPT => Some(Policy::Accept),
        NF_DROP => Some(Policy::Drop),
        _ => None,
    }
}

fn decode_hook(attributes: Attributes<'_>) -> Result<BaseChain, DecodeError> {
    let (mut hook, mut priority, mut devices) = (None, 0, Vec::new());
    for attribute in attributes {
        let a = attribute?;
        match a.kind {
            NFTA_HOOK_HOOKNUM => hook = Some(Hook::from(a.be32()?)),
            NFTA_HOOK_PRIORITY => priority = a.be32()?.cast_signed(),
            NFTA_HOOK_DEV => devices = vec![a.string()],
            NFTA_HOOK_DEVS => {
                devices = a.nested().map(|d| d.map(|d| d.string())).collect::<Result<_, _>>()?;
            }
            _ => {}
        }
    }
    let hook = hook.ok_or(DecodeError::Missing { of: "hook", kind: NFTA_HOOK_HOOKNUM })?;
    Ok(BaseChain { kind: String::new(), hook, priority, policy: None, devices })
}

const OPERATIONS: Operations =
    Operations { new: NFT_MSG_NEWCHAIN, delete: NFT_MSG_DELCHAIN, destroy: NFT_MSG_DESTROYCHAIN };

impl Sealed for ChainId {}
impl Sealed for Chain {}

impl Named for ChainId {
    const OPERATIONS: Operations = OPERATIONS;
    fn family(&self) -> Family {
        self.family
    }
    fn put_key(&self, w: &mut Writer) {
        w.put_str(NFTA_CHAIN_TABLE, &self.table);
        w.put_str(NFTA_CHAIN_NAME, &self.name);
    }
}

impl Named for Chain {
    const OPERATIONS: Operations = OPERATIONS;
    fn family(&self) -> Family {
        self.family
    }
    fn put_key(&self, w: &mut Writer) {
        w.put_str(NFTA_CHAIN_TABLE, &self.table);
        w.put_str(NFTA_CHAIN_NAME, &self.name);
    }
}

impl Object for Chain {
    fn put_new(&self, w: &mut Writer) {
        self.put_key(w);
        if let Some(base) = &self.base {
            put_base(base, w);
        }
        if !self.userdata.is_empty() {
            w.put(NFTA_CHAIN_USERDATA, &self.userdata);
        }
    }
}

fn put_base(base: &BaseChain, w: &mut Writer) {
    w.nest(NFTA_CHAIN_HOOK, |w| {
        w.put_be32(NFTA_HOOK_HOOKNUM, base.hook.into());
        w.put_be32(NFTA_HOOK_PRIORITY, base.priority.cast_unsigned());
        match base.devices.as_slice() {
            [] => {}
            [device] => w.put_str(NFTA_HOOK_DEV, device),
            devices => w.nest(NFTA_HOOK_DEVS, |w| {
                for device in devices {
                    w.put_str(NFTA_DEVICE_NAME, device);
                }
            }),
        }
    });
    w.put_str(NFTA_CHAIN_TYPE, &base.kind);
    w.put_be32(NFTA_CHAIN_FLAGS, NFT_CHAIN_BASE);
    if let Some(policy) = base.policy {
        let number = match policy {
            Policy::Accept => NF_ACCEPT,
            Policy::Drop => NF_DROP,
        };
        w.put_be32(NFTA_CHAIN_POLICY, number.cast_unsigned());
    }
}
