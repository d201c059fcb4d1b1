//! Changes and plans: what would be done, to what, for whom and why. Data only; `drivers` performs.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::element::{Key, Value};
use crate::finding::Finding;
use crate::owner::Owner;

/// What a change does to its object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeOp {
    /// The object is not there and will be.
    Add,
    /// The object is there with another content.
    Replace,
    /// The object is there and will not be.
    Delete,
}

impl ChangeOp {
    /// `add`, `replace` or `delete`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Replace => "replace",
            Self::Delete => "delete",
        }
    }
}

impl fmt::Display for ChangeOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a change is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The table or a part of its fixed structure is missing or altered; the text says what.
    Structure(String),
    /// The owner wants it and it is not there.
    Wanted,
    /// The owner's IP or port changed, or another owner now holds the key.
    Repointed,
    /// No owner wants it any more; the text says what happened to the last one.
    Unwanted(String),
    /// Its Pod no longer has it: deleted, finished, elsewhere, at another address. The Pod's own
    /// object proves it, whatever is known of other objects; the text says what happened.
    Ended(String),
    /// Somebody else altered or removed it; the text names the writer.
    Drift(String),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Structure(what) => write!(f, "table structure: {what}"),
            Self::Wanted => f.write_str("wanted and not in the kernel"),
            Self::Repointed => f.write_str("leads elsewhere than wanted"),
            Self::Unwanted(why) | Self::Ended(why) => write!(f, "no longer wanted: {why}"),
            Self::Drift(writer) => write!(f, "altered by {writer}"),
        }
    }
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The fixed structure of the table (chains, rules, empty maps) is built, or built again.
    /// Whatever maps are built again lose their elements: the plan adds those after it.
    Structure {
        /// `Add` where there is no table, else `Replace`.
        op: ChangeOp,
        /// netkeep.
        owner: Arc<Owner>,
        /// What is missing or altered.
        reason: Reason,
    },
    /// One element. `before` and `after` are not both `None`. They differ, or the element's mark
    /// does: then the element is replaced by one of the same value with the owner's mark.
    Element {
        /// The element's key.
        key: Key,
        /// What the kernel holds now.
        before: Option<Value>,
        /// What it shall hold.
        after: Option<Value>,
        /// Whose it will be; for a deletion, whose it was.
        owner: Arc<Owner>,
        /// Why.
        reason: Reason,
    },
}

impl Change {
    /// What the change does.
    pub const fn op(&self) -> ChangeOp {
        match self {
            Self::Structure { op, .. } => *op,
            Self::Element { before: None, .. } => ChangeOp::Add,
            Self::Element { after: None, .. } => ChangeOp::Delete,
            Self::Element { .. } => ChangeOp::Replace,
        }
    }

    /// Whose object it is.
    pub const fn owner(&self) -> &Arc<Owner> {
        match self {
            Self::Structure { owner, .. } | Self::Element { owner, .. } => owner,
        }
    }

    /// Why it is needed.
    pub const fn reason(&self) -> &Reason {
        match self {
            Self::Structure { reason, .. } | Self::Element { reason, .. } => reason,
        }
    }
}

/// Deletions are refused for now, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hold {
    /// What we do not know, in one line.
    pub reason: String,
    /// Which deletions are refused.
    #[serde(skip)]
    pub scope: HoldScope,
}

impl Hold {
    /// A hold on every deletion.
    pub fn all(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), scope: HoldScope::All }
    }
}

/// Which deletions a [`Hold`] refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldScope {
    /// All of them.
    All,
    /// Those that depend on what may be out of date. What a Pod's own object proves goes
    /// ([`Reason::Ended`]): nothing that comes later takes it back.
    AllButProven,
}

/// All that would be done now, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// The changes, in an order of which every prefix is safe.
    pub changes: Vec<Change>,
    /// Deletions that would be done, were it not for the hold.
    pub held: Vec<Change>,
    /// Why they are held.
    pub hold: Option<Hold>,
    /// What a person should know.
    pub findings: Vec<Finding>,
}

impl Plan {
    /// Whether there is nothing to do.
    pub const fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}
