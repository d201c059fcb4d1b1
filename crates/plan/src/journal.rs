//! What the core asks to be remembered across restarts, as data: the leases.
//!
//! Deliberately not here: the file (`apply`).

use model::{Mapping, NodePort};

/// A node port that a mapping holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lease {
    /// Who holds it and what for.
    pub mapping: Mapping,
    /// The port.
    pub port: NodePort,
}

/// What the journal has to write down.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeaseChange {
    /// The lease is taken: remember it.
    Taken(Lease),
    /// The lease is over: forget it.
    Released(Lease),
}
