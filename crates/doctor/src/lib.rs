//! What is wrong with a node's network, whoever made it: pure checks over a [`Snapshot`] of a host,
//! and the difference of two snapshots.
//!
//! # What is where
//! * [`snapshot`] is all that is looked at; [`assemble`] makes one of text dumps.
//! * [`run`] asks every check; each is a module under `checks/`, a function of the [`host::Host`].
//! * [`diff`] compares two snapshots by meaning; [`owners`] knows who makes what.
//!
//! # Deliberately not here
//! Looking at a live node, and mending it.

#![forbid(unsafe_code)]

pub mod assemble;
mod checks;
pub mod diff;
pub mod host;
pub mod owners;
mod pages;
pub mod proc_net;
mod report;
pub mod snapshot;
pub mod spell;

pub use self::{
    pages::page,
    report::{Report, Skipped, run},
    snapshot::{Part, Snapshot},
};
