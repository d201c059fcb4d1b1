//! Kubernetes manifests (YAML or JSON) as objects, with the place of every problem.
//!
//! Owns: reading what `kubectl get … -o yaml|json` prints and what people write by hand, and saying
//! in which line and column it is wrong. Pure: bytes in, objects and problems out.
//!
//! Invariants: no input makes it panic; memory is bounded by [`Limits`] plus the largest single
//! scalar and not by the size of the input (Lists are taken apart while they are read); one bad
//! object does not hide the good ones, only a syntax error hides the whole file.
//!
//! Deliberately not here: files, what was there before (`agent::source`), and which fields mean
//! what for the network (`plan`).

#![forbid(unsafe_code)]

pub mod api;
mod build;
mod chars;
mod convert;
mod fields;
mod json;
mod node;
mod problem;
mod quick;
mod scalar;
mod text;

use std::io::Read;

use model::{Object, ObjectKind, Uid};

pub use problem::{ObjectName, Position, Problem};
pub use quick::quick;

/// How much of a file is taken before it is refused. The defaults are far above what an API server
/// would accept (about 1.5 MiB an object).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Deepest nesting, aliases followed.
    pub depth: usize,
    /// Most values in one object.
    pub values: usize,
    /// Longest single value, bytes.
    pub scalar_bytes: usize,
    /// Most values that anchors and aliases of one document may stand for, together.
    pub aliased_values: usize,
    /// Most problems listed for one file; the rest are only counted.
    pub problems: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 100,
            values: 200_000,
            scalar_bytes: 1 << 20,
            aliased_values: 100_000,
            problems: 100,
        }
    }
}

/// An object, where it was found, and what was said beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The object, defaulted as the API server would.
    pub object: Object,
    /// Where it begins.
    pub position: Position,
    /// A Pod's annotation `netkeep.dev/netns`: the path of its network namespace.
    pub netns: Option<Box<str>>,
    /// Whether it says its status.
    pub status: Status,
}

/// Whether an object says its status. A Pod without one is pending; one that had one was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It does, if only that there is nothing to say.
    Said,
    /// It has no such field, or a null.
    Missing,
}

/// What is wrong with a Pod that had a status before and has none any more, in the field `status`.
pub const STATUS_LOST: &str = "missing, though it was there before: half an object";

impl Status {
    /// Whether a Pod that says this, and this UID, is what is left of one that said the other before: the
    /// same Pod, as far as it says which, with a status that nobody takes away.
    pub fn is_lost(self, uid: &Uid, name: &ObjectName, before: (Self, &Uid)) -> bool {
        let (status_before, uid_before) = before;
        name.kind == ObjectKind::Pod
            && (self, status_before) == (Self::Missing, Self::Said)
            && (uid == uid_before || *uid == name.uid_unless_said())
    }
}

impl Found {
    /// The object's name.
    pub fn name(&self) -> ObjectName {
        ObjectName::of(&self.object)
    }
}

/// Everything that a file says, apart from its objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Documents that are not empty. Objects of other kinds count.
    pub documents: usize,
    /// What is wrong with single objects. An object that is named here and was found all the same
    /// has a problem that can be lived with; otherwise it was refused.
    pub invalid: Vec<Problem>,
    /// Objects of our kinds in a version that there is not: they were not read.
    pub misversioned: Vec<Problem>,
    /// How many more problems there are than listed.
    pub unlisted: usize,
    /// What makes the file as a whole unreadable; then nothing that was found in it counts.
    pub syntax: Option<Problem>,
}

/// Everything that a file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parsed {
    /// The objects, in order. Empty after a syntax error.
    pub objects: Vec<Found>,
    /// The rest.
    pub summary: Summary,
}

/// Reads a whole file.
pub fn parse(file: &str, bytes: &[u8], limits: &Limits) -> Parsed {
    let mut objects = Vec::new();
    let mut input = bytes;
    let summary = read(file, &mut input, limits, &mut |found| objects.push(found));
    if summary.syntax.is_some() {
        objects.clear();
    }
    Parsed { objects, summary }
}

/// Reads a stream, handing over each object as soon as it is complete. If the summary has a syntax
/// error, what was handed over must be dropped.
pub fn read(
    file: &str,
    input: &mut dyn Read,
    limits: &Limits,
    sink: &mut dyn FnMut(Found),
) -> Summary {
    build::read(file, &mut json::Documents::new(input), limits, sink)
}
