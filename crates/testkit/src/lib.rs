//! What tests of several crates share. For tests only: everything here panics, with what was
//! found, instead of returning an error.
//!
//! Owns: manifests as the API server prints them (`Pod`, `Service`, `Node`), folders of them
//! (`Folder`), the `netkeep` program under test (`AgentProcess`, `netkeep`) on a node of its own
//! (`Stage`, `World`), what the kernel holds (`KernelTable`), writers that are not us (`foreign`), an API
//! server in which everything can go wrong ([`api`]) and waiting with an end (`eventually`).
//!
//! Invariant: what a test makes is its own, and is gone when the value is dropped, after a failure
//! too.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "for tests only")]
#![allow(clippy::missing_panics_doc, reason = "everything panics, as said above")]

pub mod api;
pub mod cluster;
mod folder;
pub mod foreign;
mod fresh;
mod kernel;
mod manifest;
mod poll;
mod program;
pub mod stage;
mod world;

pub use cluster::Cluster;
pub use folder::Folder;
pub use fresh::require_fresh_netns;
pub use kernel::{KernelTable, Leads, generation};
pub use manifest::{Manifest, Node, Pod, Service, Target, documents, list};
pub use poll::{DEADLINE, eventually};
pub use program::{AgentProcess, Output, netkeep, netkeep_for};
pub use stage::{Clients, Stage, Web};
pub use world::{Mapping, Steady, World, changed, manifest_of, serve, service_for};
