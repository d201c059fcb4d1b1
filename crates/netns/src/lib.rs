//! Network namespaces, and what can be done only from inside one.
//!
//! Owns: entering namespaces (`Namespace`, `userns`), holding node ports without serving them
//! (`reserve`), small facts of the calling thread's namespace (`addresses`, `loopback_up`), and what
//! the process asks of the system for itself (`raise_file_limit`, `use_one_arena`).
//!
//! Invariants: no thread is moved into another namespace behind its back: work runs on a thread of
//! its own, or the caller asks by name (`enter_on_this_thread`). Apart from `nfnl` this is the only
//! crate with `unsafe`.
//!
//! Deliberately not here: links, routes and rules. This crate never configures a network, except
//! for bringing `lo` up.

mod address;
mod file_limit;
mod loopback;
mod memory;
mod namespace;
pub mod reserve;
pub mod userns;

pub use address::addresses;
pub use file_limit::raise_file_limit;
pub use loopback::loopback_up;
pub use memory::{trim_memory, use_one_arena};
pub use namespace::{Identity, Namespace, NamespaceError};
pub use reserve::{Backing, Reservation, ReserveError};
