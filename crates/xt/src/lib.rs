//! iptables as it is in the kernel, without its tools: read, print, parse and mend both backends.
//!
//! # What is where
//! * [`Ruleset`] is the one view: tables, chains, rules with typed [`Match`]es and [`Target`]s. It
//!   serialises, and it is the same whether it came from the kernel or from a text.
//! * [`legacy`] reads and exchanges the tables of x_tables.
//! * [`nft`] reads the tables of iptables-nft, and takes rules out of them.
//! * [`text`] prints and parses iptables-save's format.
//!
//! # Invariants
//! * Nothing is dropped: what has no type is kept by name and bytes, or by its words.
//!
//! # Deliberately not here
//! What rules mean together (who calls whom, what is shadowed, what is stale) and who owns them.

/// Appends formatted text to a `String`, which cannot fail.
macro_rules! put {
    ($out:expr, $($format:tt)*) => {{
        use std::fmt::Write as _;
        let _ = write!($out, $($format)*);
    }};
}

mod info;
pub mod legacy;
pub mod matches;
pub mod nft;
mod sets;
mod sys;
pub mod target;
pub mod text;
mod value;
mod view;

pub use self::{
    matches::Match,
    sets::{KernelNames, NoNames, SetNames, resolve},
    target::Target,
    value::{
        AddrTypes, CtEvents, CtStates, CtStatus, Hex, Iface, LogFlags, Masked, Net, NotA,
        PortRange, PortRanges, Proto, TcpFlags, Test, address_text,
    },
    view::{
        Backend, Chain, ChainKind, Counters, Extent, Family, Policy, Rule, Ruleset, Selector, Table,
    },
};
