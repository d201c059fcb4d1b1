//! Owns turning a message into an event. Total: whatever the bytes, the answer is an event.

use super::{Event, Happened, Subject};
use crate::{
    Chain, ElementList, Generation, Rule, Set, Stateful, Table,
    conntrack::Entry,
    consts::{
        IPCTNL_MSG_CT_DELETE, IPCTNL_MSG_CT_NEW, NFNL_SUBSYS_CTNETLINK, NFNL_SUBSYS_NFTABLES,
        NFT_MSG_DELCHAIN, NFT_MSG_DELOBJ, NFT_MSG_DELRULE, NFT_MSG_DELSET, NFT_MSG_DELSETELEM,
        NFT_MSG_DELTABLE, NFT_MSG_NEWCHAIN, NFT_MSG_NEWGEN, NFT_MSG_NEWOBJ, NFT_MSG_NEWRULE,
        NFT_MSG_NEWSET, NFT_MSG_NEWSETELEM, NFT_MSG_NEWTABLE, NLMSG_OVERRUN,
    },
    wire::{DecodeError, Message, Messages},
};

use Happened::{Deleted, New};

impl Event {
    /// All events of a datagram.
    pub fn all(datagram: &[u8]) -> impl Iterator<Item = Self> + '_ {
        Messages::new(datagram).map(Self::of)
    }

    pub(super) fn of(message: Result<Message<'_>, DecodeError>) -> Self {
        message.and_then(|message| Self::decode(&message)).unwrap_or_else(Self::Unreadable)
    }

    fn decode(message: &Message<'_>) -> Result<Self, DecodeError> {
        let header = message.header;
        if header.kind == NLMSG_OVERRUN {
            return Ok(Self::Overrun);
        }
        let port = header.port;
        let changed = match header.subsystem() {
            NFNL_SUBSYS_NFTABLES if header.operation() == NFT_MSG_NEWGEN => {
                let generation = Generation::decode(message.netfilter()?.1)?;
                return Ok(Self::Committed { generation, port });
            }
            NFNL_SUBSYS_NFTABLES => nftables(message)?,
            NFNL_SUBSYS_CTNETLINK => conntrack(message)?,
            _ => None,
        };
        Ok(match changed {
            Some((happened, subject)) => Self::Changed { happened, subject, port },
            None => {
                Self::Other { subsystem: header.subsystem(), operation: header.operation(), port }
            }
        })
    }
}

/// Whether this tells of a change in nf_tables, and not of the commit that it belongs to.
pub(super) const fn is_nftables_change(message: &Message<'_>) -> bool {
    let header = message.header;
    header.subsystem() == NFNL_SUBSYS_NFTABLES && header.operation() != NFT_MSG_NEWGEN
}

fn nftables(message: &Message<'_>) -> Result<Option<(Happened, Subject)>, DecodeError> {
    let (nf, attributes) = message.netfilter()?;
    Ok(Some(match message.header.operation() {
        NFT_MSG_NEWTABLE => (New, Subject::Table(Table::decode(nf, attributes)?)),
        NFT_MSG_DELTABLE => (Deleted, Subject::Table(Table::decode(nf, attributes)?)),
        NFT_MSG_NEWCHAIN => (New, Subject::Chain(Chain::decode(nf, attributes)?)),
        NFT_MSG_DELCHAIN => (Deleted, Subject::Chain(Chain::decode(nf, attributes)?)),
        NFT_MSG_NEWRULE => (New, Subject::Rule(Rule::decode(nf, attributes)?)),
        NFT_MSG_DELRULE => (Deleted, Subject::Rule(Rule::decode(nf, attributes)?)),
        NFT_MSG_NEWSET => (New, Subject::Set(Set::decode(nf, attributes)?)),
        NFT_MSG_DELSET => (Deleted, Subject::Set(Set::decode(nf, attributes)?)),
        NFT_MSG_NEWOBJ => (New, Subject::Stateful(Stateful::decode(nf, attributes)?)),
        NFT_MSG_DELOBJ => (Deleted, Subject::Stateful(Stateful::decode(nf, attributes)?)),
        NFT_MSG_NEWSETELEM => (New, elements(&ElementList::decode(nf, attributes)?)?),
        NFT_MSG_DELSETELEM => (Deleted, elements(&ElementList::decode(nf, attributes)?)?),
        _ => return Ok(None),
    }))
}

fn elements(list: &ElementList<'_>) -> Result<Subject, DecodeError> {
    // Room for the one that nearly every message of an event has: for more at once the allocator
    // would tidy up, a message at a time.
    let mut elements = Vec::with_capacity(1);
    for element in list.elements() {
        elements.push(element?.to_element()?);
    }
    Ok(Subject::Elements { set: list.set_id(), elements })
}

fn conntrack(message: &Message<'_>) -> Result<Option<(Happened, Subject)>, DecodeError> {
    let happened = match message.header.operation() {
        IPCTNL_MSG_CT_NEW => New,
        IPCTNL_MSG_CT_DELETE => Deleted,
        _ => return Ok(None),
    };
    let (nf, attributes) = message.netfilter()?;
    Ok(Some((happened, Subject::Conntrack(Entry::decode(nf, attributes)?))))
}
