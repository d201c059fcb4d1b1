//! The agent: everything that runs, around the pure core.
//!
//! Owns: sources of objects, the loop, the gates, port reservations, publishing, health, metrics
//! and the local socket. The same [`keeper::Keeper`] serves `netkeep agent`, `apply` and `plan`.
//!
//! Invariants: only the loop's thread touches the core and the nftables socket; every other thread
//! sends it messages. What is published was read back from the kernel.
//!
//! Deliberately not here: decisions (`plan`), netlink (`drivers`), words on a screen (`cli`).

#![forbid(unsafe_code)]

pub mod checks;
pub mod config;
pub mod control;
pub mod failpoint;
mod http;
pub mod keeper;
pub mod kernel;
pub mod lock;
pub mod log_level;
mod metrics;
pub mod once;
pub mod publish;
pub mod run;
pub mod source;
pub mod state_lock;
pub mod uninstall;
