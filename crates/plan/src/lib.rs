//! The pure core of netkeep: from what the objects say to what the kernel shall hold.
//!
//! The way of the data: events -> state index -> address ledger (who owns an IP) -> resolver (for
//! one Pod, all its claims) -> key ledger (one winner an element) -> difference to what is
//! programmed -> [`model::Plan`].
//!
//! Invariants: no clock, no I/O, no randomness; the same events give the same plan on every
//! machine; an event costs what it touches.
//!
//! Deliberately not here: binding sockets, talking to the kernel, writing annotations (`agent`,
//! `drivers`). Their results come back as calls on [`Core`].

#![forbid(unsafe_code)]

pub mod annotation;
mod cause;
pub mod core;
pub mod diff;
pub mod explain;
mod findings;
pub mod journal;
pub mod ledger;
pub mod npl;
pub mod order;
pub mod packed;
pub mod ports;
pub mod publish;
pub mod render;
pub mod report;
pub mod state;

pub use crate::cause::Cause;
pub use crate::core::{Config, Core, ObservedElement, Which};
pub use crate::explain::{Explanation, InvalidQuery};
pub use crate::journal::{Lease, LeaseChange};
pub use crate::ports::Reserved;
pub use crate::publish::{Annotation, Publication};
pub use crate::report::{Counts, OwnerReport};
