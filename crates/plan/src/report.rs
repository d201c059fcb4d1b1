//! What people and metrics are told.

use model::Uid;
use model::owner::{Life, OwnerKind, Sandbox};
use serde::Serialize;

/// How much there is, for the metrics of one feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Elements that have an owner who wants them.
    pub desired: usize,
    /// Of those, the ones that the kernel is known to hold as wanted.
    pub programmed: usize,
    /// Elements that differ from what is wanted (missing, altered or superfluous).
    pub pending: usize,
    /// Elements that the kernel refused.
    pub rejected: usize,
    /// Node ports leased.
    pub leases: usize,
    /// Mappings that wait for a port because there is none to have.
    pub denied: usize,
}

/// One owner of kernel state, for `show owners`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnerReport {
    /// The kind of the owner.
    pub kind: OwnerKind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: Uid,
    /// Live, terminal, or remembered from the kernel only.
    pub life: Life,
    /// Whether its sandbox was seen here.
    pub sandbox: Sandbox,
    /// When it started, seconds since 1970 (0: not known).
    pub started: i64,
    /// The IPs it owns.
    pub ips: Vec<String>,
    /// The elements it owns.
    pub elements: Vec<String>,
}
