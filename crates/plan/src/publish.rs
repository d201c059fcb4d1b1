//! What is to be said on the objects, and what is said there now.
//!
//! Invariant: what is in place is compared exactly, never by a hash: somebody may have written it
//! to look like ours. Text of our own form is stored as numbers, so it takes a few bytes a mapping.
//! Deliberately not here: writing it (`agent`), and which mappings are verified (`core`).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use model::npl::Published;
use model::{IpFamily, NodePort, Uid};

use crate::annotation;
use crate::packed;
use crate::ports::Target;

/// What the annotation of a Pod shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Annotation {
    /// This text.
    Set(String),
    /// There shall be none.
    Remove,
}

/// One annotation to write. The UID is a precondition: a newer Pod of the same name is not meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The Pod's namespace.
    pub namespace: Box<str>,
    /// The Pod's name.
    pub name: Box<str>,
    /// The Pod's UID.
    pub uid: Uid,
    /// What its annotation shall be.
    pub annotation: Annotation,
}

/// The text of an annotation.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// Text of our own form: one node address a family.
    Ours { node_ips: [Option<IpAddr>; 2], entries: Box<[(Target, NodePort)]> },
    /// Any other text, word for word.
    Theirs(Box<str>),
}

impl Said {
    /// The text on an object.
    pub(crate) fn read(text: &str) -> Self {
        let mappings = annotation::parse(text);
        if annotation::format(&mappings).as_deref() == Some(text) {
            Self::of(&mappings).unwrap_or_else(|| Self::Theirs(text.into()))
        } else {
            Self::Theirs(text.into())
        }
    }

    /// What we would write for these mappings, sorted; `None` for none.
    pub(crate) fn of(mappings: &[Published]) -> Option<Self> {
        let node_ip = |family| mappings.iter().find(|m| m.family == family).map(|m| m.node_ip);
        let node_ips = [node_ip(IpFamily::V4), node_ip(IpFamily::V6)];
        let uniform = mappings.iter().all(|m| node_ip(m.family) == Some(m.node_ip));
        if mappings.is_empty() {
            return None;
        }
        if !uniform {
            return annotation::format(mappings).map(|text| Self::Theirs(text.into()));
        }
        let entries = mappings.iter().map(|m| {
            let Published { pod_port, protocol, family, node_port, .. } = *m;
            (Target { pod_port, protocol, family }, node_port)
        });
        Some(Self::Ours { node_ips, entries: entries.collect() })
    }

    /// The mappings that it says, where it is of our own form.
    pub(crate) fn entries(&self) -> &[(Target, NodePort)] {
        match self {
            Self::Ours { entries, .. } => entries,
            Self::Theirs(_) => &[],
        }
    }
}

/// What is on one Pod.
#[derive(Debug, Default)]
struct InPlace {
    /// What is said, as far as we know: by our last publication or as found.
    said: Option<Arc<Said>>,
    /// What the last event showed.
    shown: Shown,
}

/// What the last event on a Pod showed.
#[derive(Debug, Default, PartialEq)]
enum Shown {
    /// There was no event yet.
    #[default]
    Nothing,
    /// This annotation, or none.
    Text(Option<Arc<Said>>),
}

/// What is said on every Pod, and of which Pods that may have to change.
#[derive(Debug, Default)]
pub(crate) struct Publisher {
    pods: BTreeMap<Uid, InPlace>,
    touched: BTreeSet<Uid>,
    /// Of these nobody knows what is in place: it is said again, whatever it is.
    doubted: BTreeSet<Uid>,
}

impl Publisher {
    /// Rebuilds its map with full nodes.
    pub(crate) fn pack(&mut self) {
        packed::map(&mut self.pods);
    }

    /// Takes in the annotation that an event shows. Only a change to what the last event showed
    /// is news: a source that does not carry our writings back (a folder) shows the same for ever.
    /// A source that does (the API) shows each of our writings before any later one of others.
    pub(crate) fn shown(&mut self, uid: &Uid, text: Option<&str>) {
        let is_told = self.pods.contains_key(uid);
        let place = self.pods.entry(uid.clone()).or_default();
        let said = text.map(Said::read);
        if let Shown::Text(shown) = &place.shown
            && shown.as_deref() == said.as_ref()
        {
            return;
        }
        let shared = if said.as_ref() == place.said.as_deref() {
            place.said.clone()
        } else {
            said.map(Arc::new)
        };
        let first = place.shown == Shown::Nothing;
        place.shown = Shown::Text(shared.clone());
        if !(first && is_told) {
            place.said = shared;
            self.touched.insert(uid.clone());
        }
    }

    /// Takes in what the publisher found in place.
    pub(crate) fn told(&mut self, uid: &Uid, text: Option<&str>) {
        let place = self.pods.entry(uid.clone()).or_default();
        let said = text.map(Said::read);
        if said.as_ref() != place.said.as_deref() {
            place.said = said.map(Arc::new);
            self.touched.insert(uid.clone());
        }
    }

    /// What is said may no longer be true.
    pub(crate) fn touch(&mut self, uid: &Uid) {
        self.touched.insert(uid.clone());
    }

    /// What is in place is not known any more.
    pub(crate) fn doubt(&mut self, uid: &Uid) {
        self.doubted.insert(uid.clone());
        self.touched.insert(uid.clone());
    }

    /// Whether this is said on a Pod, beyond doubt.
    pub(crate) fn says(&self, uid: &Uid, said: Option<&Said>) -> bool {
        self.said(uid) == said && !self.doubted.contains(uid)
    }

    /// The Pod is gone.
    pub(crate) fn forget(&mut self, uid: &Uid) {
        self.pods.remove(uid);
        self.touched.remove(uid);
        self.doubted.remove(uid);
    }

    /// The Pods whose annotation may have to change.
    pub(crate) fn take_touched(&mut self) -> BTreeSet<Uid> {
        std::mem::take(&mut self.touched)
    }

    /// What is said on a Pod.
    pub(crate) fn said(&self, uid: &Uid) -> Option<&Said> {
        self.pods.get(uid)?.said.as_deref()
    }

    /// From now on this is said.
    pub(crate) fn say(&mut self, uid: &Uid, said: Option<Said>) {
        self.pods.entry(uid.clone()).or_default().said = said.map(Arc::new);
        self.doubted.remove(uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = r#"[{"podPort":80,"nodeIP":"10.0.0.1","nodePort":61000,"protocol":"tcp","ipFamily":"IPv4"}]"#;

    #[test]
    fn text_of_our_form_is_kept_as_numbers_and_any_other_word_for_word() {
        assert!(matches!(Said::read(OURS), Said::Ours { .. }));
        let spaced = OURS.replace(':', ": ");
        assert_eq!(Said::read(&spaced), Said::Theirs(spaced.as_str().into()));
        assert_ne!(Said::read(OURS), Said::read(&spaced));
        assert_eq!(Said::of(&annotation::parse(OURS)), Some(Said::read(OURS)));
    }

    #[test]
    fn an_event_that_shows_the_same_as_before_does_not_undo_what_was_told() {
        let uid = Uid::new("a");
        let mut publisher = Publisher::default();
        publisher.shown(&uid, None);
        publisher.say(&uid, Some(Said::read(OURS)));
        publisher.take_touched();
        publisher.shown(&uid, None);
        assert!(publisher.take_touched().is_empty());
        assert_eq!(publisher.said(&uid), Some(&Said::read(OURS)));
        publisher.shown(&uid, Some("tampered"));
        assert_eq!(publisher.take_touched().len(), 1);
        assert_eq!(publisher.said(&uid), Some(&Said::read("tampered")));
    }

    #[test]
    fn what_is_doubted_is_not_said_until_it_is_said_again() {
        let uid = Uid::new("a");
        let mut publisher = Publisher::default();
        publisher.shown(&uid, Some(OURS));
        publisher.take_touched();
        assert!(publisher.says(&uid, Some(&Said::read(OURS))));
        publisher.doubt(&uid);
        assert_eq!(publisher.take_touched().len(), 1);
        assert!(!publisher.says(&uid, Some(&Said::read(OURS))));
        publisher.say(&uid, Some(Said::read(OURS)));
        assert!(publisher.says(&uid, Some(&Said::read(OURS))));
    }

    #[test]
    fn what_the_publisher_found_before_the_first_event_counts() {
        let uid = Uid::new("a");
        let mut publisher = Publisher::default();
        publisher.told(&uid, Some(OURS));
        publisher.shown(&uid, None);
        assert_eq!(publisher.said(&uid), Some(&Said::read(OURS)));
    }
}
