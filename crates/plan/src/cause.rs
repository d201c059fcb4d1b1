//! Why an element is not as it should be, in the least room: one is kept for each difference.

use std::sync::Arc;

use model::Reason;

/// Why a difference between desired and programmed exists. Rendered as a [`Reason`] when planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The owner wants it and it was not there.
    Wanted,
    /// The owner's IP changed, or another owner now wins the key.
    Repointed,
    /// Its Pod was deleted.
    Deleted,
    /// Another Pod has the name of its Pod now.
    Replaced,
    /// Its Pod is on another node.
    Elsewhere,
    /// Its Pod is Succeeded or Failed.
    Finished,
    /// No Service asks for it any more.
    Unselected,
    /// Its Pod no longer has the IP.
    AddressGone,
    /// Another Pod owns the IP now.
    AddressLost,
    /// Its mapping has another node port now.
    PortMoved,
    /// Every source is in sync, and no object is its owner.
    Unconfirmed,
    /// It carries no readable mark, or that of somebody who does not want it.
    Unowned,
    /// Somebody else altered or removed it.
    Drift(Arc<str>),
}

impl Cause {
    /// The reason as people read it.
    pub fn reason(&self) -> Reason {
        let unwanted = |text: &str| Reason::Unwanted(text.to_owned());
        let ended = |text: &str| Reason::Ended(text.to_owned());
        match self {
            Self::Wanted => Reason::Wanted,
            Self::Repointed => Reason::Repointed,
            Self::Deleted => ended("its Pod was deleted"),
            Self::Replaced => ended("a newer Pod has its Pod's name"),
            Self::Elsewhere => ended("its Pod is not on this node"),
            Self::Finished => ended("its Pod has finished"),
            Self::Unselected => unwanted("no Service asks for it"),
            Self::AddressGone => ended("its Pod no longer has this IP"),
            Self::AddressLost => ended("another Pod owns this IP now"),
            Self::PortMoved => unwanted("its mapping has another node port now"),
            Self::Unconfirmed => unwanted("its Pod no longer exists"),
            Self::Unowned => unwanted("no known owner"),
            Self::Drift(writer) => Reason::Drift(writer.to_string()),
        }
    }

    /// Keeps the reason of a difference that somebody told us of.
    pub fn of(reason: &Reason) -> Self {
        match reason {
            Reason::Drift(writer) => Self::Drift(writer.as_str().into()),
            Reason::Structure(what) => Self::Drift(what.as_str().into()),
            Reason::Wanted => Self::Wanted,
            Reason::Repointed => Self::Repointed,
            Reason::Unwanted(_) | Reason::Ended(_) => Self::Unowned,
        }
    }
}
