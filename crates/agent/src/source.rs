//! Sources: where objects come from, and the one shape in which they tell of them.
//!
//! Owns: the message that every source sends. Each source is a module of its own.

pub mod dir;
pub mod kube;

use std::collections::BTreeSet;
use std::time::Instant;

pub use manifest::ObjectName;
use model::{Event, Finding, Hold};

/// What a source says, each time something has changed.
#[derive(Debug, Clone)]
pub struct SourceMessage {
    /// What happened to objects, in order. The first events of a source's life are one
    /// [`Event::Listed`] of every kind; deltas follow. While a source has never been read there
    /// are none.
    pub events: Vec<Event>,
    /// Everything that is wrong with the source now; replaces what the message before said.
    pub problems: Vec<Finding>,
    /// Why nothing may be deleted now, if so; replaces what the message before said.
    pub hold: Option<Hold>,
    /// Something that has never been understood since the start may tell of more objects. What the
    /// kernel holds for owners that nobody has told of should stay; what is told to be gone, is.
    pub unread: Option<Hold>,
    /// Objects that the source knows to exist without knowing what they say, because they were
    /// never valid since the start. What the kernel holds for them should stay.
    pub unknown: BTreeSet<ObjectName>,
    /// Which source, and how fresh what it says is.
    pub freshness: Freshness,
    /// When the source learned of it: the start of the way from event to kernel.
    pub received: Instant,
}

/// How fresh what a source says is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Freshness {
    /// A folder: fresh or not as a whole, which the hold says.
    Folder,
    /// The Kubernetes API: each kind by itself.
    Kinds(Vec<(model::ObjectKind, bool)>),
}
