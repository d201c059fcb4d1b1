//! nf_tables and conntrack over raw netlink: typed messages, atomic batches, dumps, events, extended acks.
//!
//! No C library, no child process, no async runtime: blocking calls on sockets that can be polled ([`std::os::fd::AsFd`]).
//!
//! # What is where
//! * [`Socket`] asks: it commits a [`Batch`], lists [`Table`]s, [`Chain`]s, [`Rule`]s, [`Set`]s, [`Element`]s and
//!   [`Stateful`] objects, reads single elements, the [`Generation`], conntrack (see [`conntrack`]) and [`ipset`]s.
//! * [`Batch`] collects changes; the kernel applies all of them or none, if wanted only on an expected generation. A
//!   [`BatchError`] names the change, and the element in it, that was refused.
//! * [`EventSocket`] listens: what changed, and which socket and process changed it.
//! * [`expr`] has the expressions of rules, [`userdata`] the comments, [`wire`] the bytes.
//!
//! # Example
//! A map that `nft` lists with its types and comments, and one rule that uses it:
//!
//! ```no_run
//! use nfnl::{
//!     BaseChain, Batch, Chain, DataType, Element, Family, Hook, Rule, Set, Socket, Table, TypeSpec,
//!     Value, consts, expr::{Lookup, Meta, MetaKey, Nat, Payload, Register}, userdata,
//! };
//!
//! let mut batch = Batch::new();
//! batch.add(&Table::new(Family::Inet, "demo"))?;
//! let nat = BaseChain::new("nat", Hook::Prerouting, -100);
//! batch.add(&Chain::new(Family::Inet, "demo", "pre").with_base(nat))?;
//! let key = TypeSpec::concat(&[DataType::INET_PROTO, DataType::INET_SERVICE]);
//! let data = TypeSpec::concat(&[DataType::IPV4_ADDR, DataType::INET_SERVICE]);
//! let ports = Set::map(Family::Inet, "demo", "ports", &key, &data).with_size(65_536);
//! batch.add(&ports)?;
//! let (word1, v4) = (Register::word(1), consts::NFPROTO_IPV4);
//! batch.add(&Rule::new(Family::Inet, "demo", "pre", [
//!     Meta::load(MetaKey::L4Proto, Register::R1).into(),
//!     Payload::th_dport(word1).into(),
//!     Lookup::map("ports", Register::R1, Register::R1).into(),
//!     Nat::dnat(v4, Register::R1, Some(word1)).into(),
//! ]))?;
//! let element = Element::map(
//!     Value::concat(&[&[6], &8080_u16.to_be_bytes()])?,
//!     Value::concat(&[&[10, 0, 0, 1], &80_u16.to_be_bytes()])?,
//! ).with_userdata(userdata::comment("pod a")?);
//! batch.add_elements(&ports.set_id(), [element.as_ref()])?;
//! Socket::open()?.commit(&mut batch)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Network namespaces and privileges
//! A socket belongs to the network namespace of the thread that opened it, for good. Everything needs CAP_NET_ADMIN in
//! the user namespace that owns the network namespace, so all of it works rootless in `unshare --user --net`; only the
//! buffers stay small there ([`Socket::send_limit`]).

mod batch;
mod chain;
pub mod conntrack;
pub mod consts;
mod data;
mod element;
mod error;
mod event;
pub mod expr;
mod family;
pub mod ipset;
mod object;
mod rule;
mod set;
mod socket;
mod sys;
mod table;
#[cfg(test)]
mod tests;
pub mod userdata;
pub mod wire;

pub use self::{
    batch::{Batch, BatchError, ChangeIndex, Denied, Rejection},
    chain::{BaseChain, Chain, ChainId, Hook, Policy},
    data::{Data, DataRef, Value, ValueTooLong, Verdict},
    element::{Element, ElementExpressions, ElementFlags, ElementList, ElementRef},
    error::{Errno, Error},
    event::{Event, EventSocket, Group, Happened, Subject},
    expr::Expr,
    family::Family,
    object::{Named, Object, Operations, Stateful, StatefulData, StatefulId},
    rule::{Compat, Rule, RuleId},
    set::{ByteOrder, DataType, Set, SetData, SetFlags, SetId, TypeSpec},
    socket::{Generation, Moved, Socket, SocketOptions},
    table::{Table, TableFlags, TableId},
};
