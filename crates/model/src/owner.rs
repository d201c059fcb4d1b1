//! Owners: who wants a piece of kernel state, and who wins when two want the same.

use std::fmt;

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

pub use crate::uid::{Uid, UidText};

/// What kind of object owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum OwnerKind {
    /// A Pod.
    Pod,
    /// netkeep itself: the table, its chains and rules.
    Netkeep,
}

impl OwnerKind {
    /// The kind as Kubernetes spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pod => "Pod",
            Self::Netkeep => "Netkeep",
        }
    }
}

/// Owner of kernel state. Identity is the UID alone: a name can be given to another object and an
/// IP to another Pod, a UID cannot. The names are carried for people.
#[derive(Debug, Clone)]
pub struct Owner {
    /// The kind of the owning object.
    pub kind: OwnerKind,
    /// Its UID.
    pub uid: Uid,
    names: Names,
}

/// `namespace/name` or a name, in one piece: a start reads ten thousands of owners from the kernel.
#[derive(Debug, Clone)]
struct Names {
    text: Box<str>,
    /// How long the namespace is; 0 is none.
    namespace: usize,
}

impl Owner {
    /// A Pod as an owner.
    pub fn pod(namespace: &str, name: &str, uid: Uid) -> Self {
        Self::of_parts(OwnerKind::Pod, namespace, name, uid)
    }

    /// netkeep as the owner of its own table.
    pub fn netkeep() -> Self {
        Self::of_parts(OwnerKind::Netkeep, "", "netkeep", Uid::new("netkeep"))
    }

    fn of_parts(kind: OwnerKind, namespace: &str, name: &str, uid: Uid) -> Self {
        let text = if namespace.is_empty() { name.into() } else { [namespace, "/", name].concat() };
        let names = Names { text: text.into(), namespace: namespace.len() };
        Self { kind, uid, names }
    }

    /// As [`Self::qualified_name`] spells it: what is before the first `/` is the namespace.
    pub(crate) fn of_qualified_name(kind: OwnerKind, text: &str, uid: Uid) -> Self {
        let names = Names { text: text.into(), namespace: text.find('/').unwrap_or(0) };
        Self { kind, uid, names }
    }

    /// Its namespace; empty if it is in none.
    pub fn namespace(&self) -> &str {
        &self.names.text[..self.names.namespace]
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self.names.namespace {
            0 => &self.names.text,
            slash => &self.names.text[slash + 1..],
        }
    }

    /// `namespace/name`, or the name alone where there is no namespace.
    pub const fn qualified_name(&self) -> &str {
        &self.names.text
    }
}

impl PartialEq for Owner {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && self.uid == other.uid
    }
}
impl Eq for Owner {}
impl PartialOrd for Owner {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Owner {
    #[inline]
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.kind, &self.uid).cmp(&(other.kind, &other.uid))
    }
}

impl Serialize for Owner {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut owner = serializer.serialize_struct("Owner", 4)?;
        owner.serialize_field("kind", &self.kind)?;
        owner.serialize_field("namespace", self.namespace())?;
        owner.serialize_field("name", self.name())?;
        owner.serialize_field("uid", &self.uid)?;
        owner.end()
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            OwnerKind::Netkeep => f.write_str("netkeep"),
            OwnerKind::Pod => write!(f, "{} {}", self.kind.as_str(), self.qualified_name()),
        }
    }
}

/// How strong a claim is. The greatest rank wins a key; between equal ranks the greater UID does,
/// so that the order is total and the same on every machine and after every restart.
///
/// The field order is the documented order: live beats terminal; proof of a local sandbox beats
/// none; the newer start beats the older; of equals the one that is not being deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Rank {
    /// Whether the claiming object still runs (not Succeeded or Failed).
    pub life: Life,
    /// Whether something on this node proves that the object's sandbox exists here.
    pub sandbox: Sandbox,
    /// When it started, seconds since 1970 (0: not known).
    pub started: i64,
    /// Whether its deletion was asked for: of two that started in the same second, the one that
    /// stays has it.
    pub stay: Stay,
}

/// Whether the deletion of the claiming object was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Stay {
    /// It has a deletionTimestamp.
    Leaving,
    /// It has none.
    Staying,
}

/// Whether the claiming object still runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Life {
    /// Known only from the kernel's marks; its object has not been seen since we started.
    Remembered,
    /// Succeeded or Failed: its sandbox is gone and its IP may be given away.
    Terminal,
    /// Pending, Running or Unknown.
    Live,
}

/// Whether local evidence proves the object's sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Sandbox {
    /// Nothing known.
    Unproven,
    /// Its network namespace was seen on this node.
    Proven,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn live_beats_terminal_then_sandbox_then_the_newer_start() {
        let rank = |life, sandbox, started| Rank { life, sandbox, started, stay: Stay::Leaving };
        assert!(rank(Life::Live, Sandbox::Unproven, 1) > rank(Life::Terminal, Sandbox::Proven, 9));
        assert!(rank(Life::Live, Sandbox::Proven, 1) > rank(Life::Live, Sandbox::Unproven, 9));
        assert!(rank(Life::Live, Sandbox::Proven, 2) > rank(Life::Live, Sandbox::Proven, 1));
        let staying = Rank { stay: Stay::Staying, ..rank(Life::Live, Sandbox::Proven, 1) };
        assert!(staying > rank(Life::Live, Sandbox::Proven, 1));
        assert!(staying < rank(Life::Live, Sandbox::Proven, 2));
    }

    #[test]
    fn an_owner_is_its_uid_not_its_name() {
        let first = Owner::pod("default", "web-0", Uid::new("1"));
        let second = Owner::pod("default", "web-0", Uid::new("2"));
        assert_ne!(first, second);
        assert_eq!(first, Owner::pod("default", "renamed", Uid::new("1")));
    }
}
