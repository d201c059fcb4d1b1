//! Owns the nftables backend: the tables and expressions that iptables-nft writes, over netlink.
//!
//! Invariants: reading takes one generation of the ruleset; whatever an expression says that no
//! iptables option says is kept as [`Match::Native`](crate::Match::Native), so that no rule looks
//! wider than it is.

mod base;
mod compat;
mod native;
mod read;
mod registers;
mod remove;
mod save;

pub use self::{
    read::{Beside, NftRead, read, read_beside, read_tables},
    remove::{RemoveError, RuleName, remove},
    save::save,
};
