//! The floor: nf_tables over a bare netlink socket, with bytes laid out by hand and a straight
//! loop. No code of the product is in it, so it is what the product is measured against.
//!
//! The layout is that of `linux/netfilter/nf_tables.h` and `linux/netfilter/nfnetlink.h`.

mod bytes;
mod events;
mod objects;
mod socket;
mod structure;

pub(crate) use events::Events;
pub(crate) use objects::{Elements, MAP, Part, TABLE, load};
pub(crate) use socket::Raw;
