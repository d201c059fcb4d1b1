//! What goes wrong on demand.
//!
//! Owns: the kinds of faults, which requests they hit ([`On`]), and how often. Requests are hit in
//! the order in which faults were asked for; one that has been used up is gone.
//!
//! A fault on `watch` hits watches that run already as well, except for answers ([`Fault::Status`],
//! [`Fault::Unserved`], [`Fault::Drop`]), which only a new request can get.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::request::Target;

/// Which requests a fault hits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct On {
    verbs: Vec<String>,
    resource: Option<String>,
    name: Option<String>,
}

impl On {
    /// Every request for objects.
    pub fn everything() -> Self {
        Self::default()
    }

    /// One verb as RBAC names it: `list`, `watch`, `get`, `create`, `update`, `patch`, `delete`.
    pub fn verb(verb: &str) -> Self {
        Self::verbs(&[verb])
    }

    /// Several verbs.
    pub fn verbs(verbs: &[&str]) -> Self {
        Self { verbs: verbs.iter().map(|verb| (*verb).to_owned()).collect(), ..Self::default() }
    }

    /// Of one resource: `pods`, `pods/status`, `leases`.
    #[must_use]
    pub fn resource(mut self, resource: &str) -> Self {
        self.resource = Some(resource.into());
        self
    }

    /// Of one object: `NAMESPACE/NAME`.
    #[must_use]
    pub fn object(mut self, name: &str) -> Self {
        self.name = Some(name.into());
        self
    }

    fn hits(&self, target: &Target) -> bool {
        (self.verbs.is_empty() || self.verbs.iter().any(|verb| verb == target.verb))
            && self.resource.as_ref().is_none_or(|resource| *resource == target.subject())
            && self.name.as_ref().is_none_or(|name| *name == target.key())
    }
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The connection stays open and not one byte comes. A watch gets its head, and then neither
    /// events nor bookmarks.
    Stall,
    /// Every answer, every page, and every batch of events of a watch, comes so much later.
    Delay(Duration),
    /// The connection is closed without an answer. In process, where there is no connection, it is
    /// an empty 502.
    Drop,
    /// An answer with this code and the words that the server has for it: 400, 401, 403, 404, 409,
    /// 410, 413, 422, 429 (plain text and `Retry-After: 1`, as priority and fairness answers), 500,
    /// 503, 504, others without a body.
    Status(u16),
    /// 404 in plain text, as a server or a proxy answers for a path that nobody serves.
    Unserved,
    /// 429 with this `Retry-After`.
    TooManyRequests {
        /// Seconds.
        retry_after: u32,
    },
    /// The watch gets an `ERROR` event with 410 and ends; a list gets 410.
    Expired,
    /// The watch ends as by its timeout.
    End,
    /// The connection of the watch breaks between two events.
    CutAtLine,
    /// The connection breaks in the middle of the next event of a watch, or of the list.
    CutMidLine,
    /// A line that is no JSON comes before the next event of a watch; a list is an error page with
    /// code 200.
    Garbage,
    /// The next event, or a list's first object, has a string that is no UTF-8.
    InvalidUtf8,
    /// The next event, or a list's first object, has an annotation of so many bytes.
    Huge(usize),
    /// The next event comes twice.
    Duplicate,
    /// The list is empty.
    EmptyList,
    /// The list is as of this older version, as from a cache that lags.
    OldList {
        /// As [`Api::version`](super::Api::version) told it.
        version: u64,
    },
}

/// When a fault does its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Before the request is looked at.
    Request,
    /// When the answer with objects is made.
    Body,
    /// At any time of a watch.
    Stream,
    /// With the next event of a watch.
    Event,
}

impl Fault {
    fn works_at(&self, stage: Stage, watches: bool) -> bool {
        match self {
            Self::Status(_) | Self::Unserved | Self::TooManyRequests { .. } | Self::Drop => {
                stage == Stage::Request
            }
            Self::Stall | Self::Expired => {
                stage == if watches { Stage::Stream } else { Stage::Request }
            }
            Self::Delay(_) => stage == if watches { Stage::Event } else { Stage::Request },
            Self::End | Self::CutAtLine => stage == Stage::Stream,
            Self::CutMidLine | Self::Garbage | Self::InvalidUtf8 | Self::Huge(_) => {
                stage == if watches { Stage::Event } else { Stage::Body }
            }
            Self::Duplicate => stage == Stage::Event,
            Self::EmptyList | Self::OldList { .. } => stage == Stage::Body && !watches,
        }
    }
}

/// One fault that was asked for.
#[derive(Debug)]
struct Entry {
    on: On,
    fault: Fault,
    /// How often still; none for until it is lifted.
    left: Option<u64>,
    hits: Arc<AtomicU64>,
}

/// All that is to go wrong.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Entry>);

impl Faults {
    pub(super) fn add(&mut self, on: On, fault: Fault, times: Option<u64>) -> Arc<AtomicU64> {
        let hits = Arc::default();
        self.0.push(Entry { on, fault, left: times, hits: Arc::clone(&hits) });
        hits
    }

    pub(super) fn lift(&mut self, hits: &Arc<AtomicU64>) {
        self.0.retain(|entry| !Arc::ptr_eq(&entry.hits, hits));
    }

    pub(super) fn lift_all(&mut self) {
        self.0.clear();
    }

    /// The fault that hits now, which is counted.
    pub(super) fn hit(&mut self, target: &Target, stage: Stage) -> Option<Fault> {
        let watches = target.verb == "watch";
        let at = self.0.iter().position(|entry| {
            entry.left != Some(0) && entry.fault.works_at(stage, watches) && entry.on.hits(target)
        })?;
        let entry = &mut self.0[at];
        entry.hits.fetch_add(1, Ordering::Relaxed);
        entry.left = entry.left.map(|left| left - 1);
        Some(entry.fault.clone())
    }

    /// Whether this stall still holds whom it holds.
    pub(super) fn stalls(&self, target: &Target, stage: Stage) -> bool {
        self.0.iter().any(|entry| {
            entry.fault == Fault::Stall
                && entry.fault.works_at(stage, target.verb == "watch")
                && entry.on.hits(target)
        })
    }
}
