//! What is known of one kind: which objects there are, which cannot be read, and what a new list
//! means beside an old one. Pure.
//!
//! Invariants: an object that was told of is taken back only by name and UID; one that cannot be
//! read any more stays as it was last; a list takes objects back only once it is complete.

use std::collections::{BTreeMap, BTreeSet};

use manifest::api::ApiObject;
use manifest::{Limits, ObjectName, Problem, STATUS_LOST, Status};
use model::object::NplRequest;
use model::{Event, Finding, FindingCode, Object, ObjectKind, Severity, Uid};

use crate::lines::Encoding;
use crate::wire::Head;

/// Findings of one kind that are shown; more are only counted.
const FINDINGS_MAX: usize = 100;
/// What makes a Service ours to look at.
const NPL_ENABLED: &str = "nodeportlocal.antrea.io/enabled";

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Known {
    kind: ObjectKind,
    /// The objects that were told of, by name.
    told: BTreeMap<ObjectName, (Status, Uid)>,
    /// Objects that exist and were never understood.
    unknown: BTreeSet<ObjectName>,
    /// What is wrong with single objects.
    problems: BTreeMap<ObjectName, Finding>,
    /// The names that the list being read has so far.
    listing: Option<BTreeSet<ObjectName>>,
}

impl Known {
    pub(crate) const fn new(kind: ObjectKind) -> Self {
        Self {
            kind,
            told: BTreeMap::new(),
            unknown: BTreeSet::new(),
            problems: BTreeMap::new(),
            listing: None,
        }
    }

    /// How many objects were told of.
    pub(crate) fn count(&self) -> usize {
        self.told.len()
    }

    /// What is wrong with single objects.
    pub(crate) fn problems(&self) -> impl Iterator<Item = &Finding> {
        self.problems.values().take(FINDINGS_MAX)
    }

    /// Objects that exist and were never understood.
    pub(crate) fn unknown(&self) -> impl Iterator<Item = &ObjectName> {
        self.unknown.iter()
    }

    /// A list begins.
    pub(crate) fn begin_list(&mut self) {
        self.listing = Some(BTreeSet::new());
    }

    /// A list is not going to be complete: what it said stays, what it did not say means nothing.
    pub(crate) fn give_up_list(&mut self) {
        self.listing = None;
    }

    /// Whether a list is being read.
    pub(crate) const fn is_listing(&self) -> bool {
        self.listing.is_some()
    }

    /// How many objects the list being read has named so far.
    pub(crate) fn listed(&self) -> usize {
        self.listing.as_ref().map_or(0, BTreeSet::len)
    }

    /// The list is complete: what it did not name is gone.
    pub(crate) fn end_list(&mut self) -> Vec<Event> {
        let Some(listed) = self.listing.take() else { return Vec::new() };
        self.unknown.retain(|name| listed.contains(name));
        self.problems.retain(|name, _| listed.contains(name));
        let gone = self.told.extract_if(.., |name, _| !listed.contains(name));
        gone.map(|(name, (_, uid))| deleted(name, Some(uid))).collect()
    }

    /// An object is there, or is so now.
    pub(crate) fn applied(&mut self, json: &str, encoding: Encoding) -> Option<Event> {
        let ApiObject { name, mut object, status, mut problems } =
            manifest::api::object(self.kind, json, &Limits::default());
        // An object that does not say which one it is may still say its name.
        let name = name.or_else(|| {
            let head: Head<'_> = serde_json::from_str(json).ok()?;
            (!head.metadata.name.is_empty()).then(|| head.metadata.name(self.kind))
        });
        if let Some(listing) = &mut self.listing {
            listing.extend(name.clone());
        }
        let Some(name) = name else {
            tracing::warn!(kind = self.kind.as_str(), "an object without a name was passed over");
            return None;
        };
        if encoding == Encoding::Replaced && json.contains('\u{fffd}') {
            tracing::debug!(%name, "bytes that are no UTF-8 were replaced");
            problems.push(problem(&name, "", NOT_TEXT));
        }
        if let (Some(Object::Pod(pod)), Status::Missing) = (&object, status) {
            let before = self.told.get(&name);
            let is_lost = before
                .is_some_and(|(before, uid)| status.is_lost(&pod.meta.uid, &name, (*before, uid)));
            problems.push(problem(&name, "status", if is_lost { STATUS_LOST } else { NO_STATUS }));
            object = object.filter(|_| !is_lost);
        }
        let concerns_us = match &object {
            Some(Object::Service(service)) => service.npl == NplRequest::Enabled,
            Some(_) => true,
            None => self.kind != ObjectKind::Service || json.contains(NPL_ENABLED),
        };
        if !concerns_us && !self.told.contains_key(&name) {
            self.forget(&name);
            return None;
        }
        self.note(&name, &problems, object.is_none());
        let object = object?;
        if concerns_us {
            self.told.insert(name, (status, object.meta().uid.clone()));
        } else {
            self.told.remove(&name);
        }
        Some(Event::Applied(object))
    }

    /// An object is gone. A name and UID suffice, whatever else it says.
    pub(crate) fn deleted(&mut self, json: &str) -> Option<Event> {
        let head: Head<'_> = serde_json::from_str(json).ok()?;
        let (name, uid) = (head.metadata.name(self.kind), head.metadata.uid());
        let told = self.told.get(&name).map(|(_, uid)| uid);
        if told.is_some() && uid.is_some() && told != uid.as_ref() {
            // A late word of an older object: the one of this name now stays.
            return Some(deleted(name, uid));
        }
        self.forget(&name);
        self.told.remove(&name).map(|(_, known)| deleted(name, Some(uid.unwrap_or(known))))
    }

    fn forget(&mut self, name: &ObjectName) {
        self.unknown.remove(name);
        self.problems.remove(name);
    }

    fn note(&mut self, name: &ObjectName, problems: &[Problem], refused: bool) {
        self.forget(name);
        let Some(first) = problems.first() else { return };
        let known = self.told.contains_key(name);
        if refused && !known {
            self.unknown.insert(name.clone());
        }
        let advice = match (refused, known) {
            (true, true) => "mend the object; until then what it said before counts",
            (true, false) => "mend the object; until then it is as if it were not there",
            (false, _) => "mend the object; the rest of it counts",
        };
        let finding = Finding {
            code: FindingCode::InvalidObject,
            severity: if refused { Severity::Error } else { Severity::Warning },
            subject: name.to_string(),
            message: first.in_object(),
            evidence: problems.iter().map(Problem::in_object).collect(),
            advice: advice.to_owned(),
            fixable: false,
        };
        self.problems.insert(name.clone(), finding);
    }
}

const NOT_TEXT: &str = "it contains bytes that are no UTF-8; they were replaced by U+FFFD";
const NO_STATUS: &str = "missing; the Pod is taken for pending";

fn problem(name: &ObjectName, path: &str, message: &str) -> Problem {
    Problem {
        file: "".into(),
        position: manifest::Position { line: 0, column: 0 },
        object: Some(name.clone()),
        path: path.to_owned(),
        message: message.to_owned(),
    }
}

fn deleted(name: ObjectName, uid: Option<Uid>) -> Event {
    Event::Deleted { kind: name.kind, namespace: name.namespace, name: name.name, uid }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str, uid: &str) -> String {
        format!(
            r#"{{"metadata":{{"namespace":"d","name":"{name}","uid":"{uid}"}},"status":{{"phase":"Running"}}}}"#
        )
    }

    fn known(pods: &[(&str, &str)]) -> Known {
        let mut known = Known::new(ObjectKind::Pod);
        known.begin_list();
        for (name, uid) in pods {
            known.applied(&pod(name, uid), Encoding::Sound).unwrap();
        }
        assert_eq!(known.end_list(), []);
        known
    }

    fn gone(events: &[Event]) -> Vec<(&str, &str)> {
        let name = |event: &Event| match event {
            Event::Deleted { name, uid: Some(uid), .. } => (name.to_string(), uid.to_string()),
            other => panic!("{other:?}"),
        };
        let names: Vec<_> = events.iter().map(name).collect();
        names.into_iter().map(|(a, b)| (&*a.leak(), &*b.leak())).collect()
    }

    #[test]
    fn what_a_complete_list_does_not_name_is_gone_and_an_incomplete_one_takes_nothing_back() {
        let mut known = known(&[("a", "1"), ("b", "2")]);
        known.begin_list();
        known.applied(&pod("a", "1"), Encoding::Sound);
        known.give_up_list();
        assert_eq!(known.end_list(), []);
        known.begin_list();
        known.applied(&pod("a", "1"), Encoding::Sound);
        assert_eq!(gone(&known.end_list()), [("b", "2")]);
        assert_eq!(known.count(), 1);
    }

    #[test]
    fn an_object_that_becomes_unreadable_keeps_its_last_good_content() {
        let mut known = known(&[("a", "1")]);
        let bad = r#"{"metadata":{"namespace":"d","name":"a","uid":"1","labels":7}}"#;
        assert_eq!(known.applied(bad, Encoding::Sound), None);
        assert_eq!(known.problems().count(), 1);
        assert_eq!(known.unknown().count(), 0);
        known.begin_list();
        known.applied(bad, Encoding::Sound);
        assert_eq!(known.end_list(), []);
        known.applied(&pod("a", "1"), Encoding::Sound).unwrap();
        assert_eq!(known.problems().count(), 0);
    }

    #[test]
    fn a_pod_that_loses_its_status_keeps_it_and_one_that_never_had_one_is_pending() {
        let whole = pod("a", "1");
        let half = whole.replace(r#","status":{"phase":"Running"}"#, "");
        assert!(half.len() < whole.len());
        let mut known = known(&[("a", "1"), ("b", "2")]);
        assert_eq!(known.applied(&half, Encoding::Sound), None);
        let said = |known: &Known| -> Vec<String> {
            known
                .problems()
                .map(|p| format!("{:?} {} {}", p.severity, p.subject, p.message))
                .collect()
        };
        let lost = "Error Pod d/a status: missing, though it was there before: half an object";
        assert_eq!(said(&known), [lost]);
        // Without its UID it is no other Pod; with another one it is.
        assert_eq!(known.applied(&half.replace(r#","uid":"1""#, ""), Encoding::Sound), None);
        assert!(
            known.applied(&half.replace(r#""uid":"1""#, r#""uid":"3""#), Encoding::Sound).is_some()
        );
        let pending = "Warning Pod d/a status: missing; the Pod is taken for pending";
        assert_eq!(said(&known), [pending]);
        assert!(
            known
                .applied(&whole.replace(r#""uid":"1""#, r#""uid":"3""#), Encoding::Sound)
                .is_some()
        );
        assert_eq!(said(&known), [""; 0]);
    }

    #[test]
    fn an_object_that_was_never_readable_is_known_to_exist() {
        let mut known = known(&[]);
        let bad = r#"{"metadata":{"namespace":"d","name":"a","uid":"1","labels":7}}"#;
        known.applied(bad, Encoding::Sound);
        assert_eq!(known.unknown().map(ToString::to_string).collect::<Vec<_>>(), ["Pod d/a"]);
        assert_eq!(known.deleted(bad), None);
        assert_eq!(known.unknown().count(), 0);
    }

    #[test]
    fn a_late_delete_of_an_older_object_leaves_the_newer_one_known() {
        let mut known = known(&[("a", "2")]);
        known.deleted(&pod("a", "1")).unwrap();
        assert_eq!(known.count(), 1);
        assert_eq!(gone(&[known.deleted(&pod("a", "2")).unwrap()]), [("a", "2")]);
        assert_eq!(known.count(), 0);
    }

    #[test]
    fn of_the_services_only_those_that_ask_for_node_port_local_are_kept() {
        let service = |npl: &str| {
            format!(
                r#"{{"metadata":{{"namespace":"d","name":"s","uid":"1","annotations":{{{npl}}}}},"spec":{{}}}}"#
            )
        };
        let enabled = service(r#""nodeportlocal.antrea.io/enabled":"true""#);
        let mut known = Known::new(ObjectKind::Service);
        assert_eq!(known.applied(&service(""), Encoding::Sound), None);
        assert!(known.applied(&enabled, Encoding::Sound).is_some());
        // the switch off must be told, once
        assert!(known.applied(&service(""), Encoding::Sound).is_some());
        assert_eq!(known.applied(&service(""), Encoding::Sound), None);
        // and one that is not ours raises nothing, however bad it is
        let bad = service("").replace(r#""spec":{}"#, r#""spec":[]"#);
        assert_eq!(known.applied(&bad, Encoding::Sound), None);
        assert_eq!(known.problems().count(), 0);
    }

    #[test]
    fn replaced_bytes_are_told_of_the_object_that_has_them() {
        let mut known = known(&[("b", "2")]);
        let bad = pod("a", "1").replace(r#""uid""#, "\"labels\":{\"x\":\"\u{fffd}\"},\"uid\"");
        assert!(known.applied(&bad, Encoding::Replaced).is_some());
        known.applied(&pod("b", "2"), Encoding::Replaced);
        let subjects: Vec<_> = known.problems().map(|p| p.subject.as_str()).collect();
        assert_eq!(subjects, ["Pod d/a"]);
    }
}
