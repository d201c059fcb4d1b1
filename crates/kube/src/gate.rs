//! What may be believed: which kinds are fresh, and what follows for deletions. Pure.
//!
//! Invariant: nothing may be deleted before every kind has been listed once, nor while any kind is
//! not fresh, but for what a Pod's own object proves (deleted, finished, another address): that
//! depends on no other object, and no later word takes it back.

use std::collections::BTreeMap;

use model::{Finding, FindingCode, Hold, HoldScope, ObjectKind, Severity};

/// The kinds that are watched.
pub(crate) const KINDS: [ObjectKind; 3] = [ObjectKind::Node, ObjectKind::Pod, ObjectKind::Service];
/// A watch that is lost once comes back within moments and nobody need know. Said from here on.
const TELL_AT: u32 = 2;

/// How much a kind can be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// It has never been listed; why not, if it was tried, and how often.
    Unlisted {
        /// What went wrong last.
        why: Option<String>,
        /// How often in a row.
        failures: u32,
    },
    /// Everything is known as it is.
    Fresh,
    /// What is known may be old.
    Stale {
        /// What went wrong last.
        why: String,
        /// How often in a row.
        failures: u32,
    },
    /// The list came back empty though objects were known: nobody believes it.
    Emptied {
        /// How many were known.
        known: usize,
    },
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Gate {
    kinds: BTreeMap<ObjectKind, State>,
    listed: bool,
}

impl Gate {
    pub(crate) fn new() -> Self {
        let unlisted = |kind| (kind, State::Unlisted { why: None, failures: 0 });
        Self { kinds: KINDS.into_iter().map(unlisted).collect(), listed: false }
    }

    /// A kind is so now. Answers whether that is news.
    pub(crate) fn set(&mut self, kind: ObjectKind, state: State) -> bool {
        let before = self.kinds.insert(kind, state.clone());
        before != Some(state)
    }

    /// What goes wrong with a kind went wrong again.
    pub(crate) fn failed(&mut self, kind: ObjectKind, why: String) {
        let state = match self.kinds.get(&kind) {
            None | Some(State::Unlisted { .. }) => {
                State::Unlisted { why: Some(why), failures: self.failures(kind) + 1 }
            }
            Some(State::Emptied { known }) => State::Emptied { known: *known },
            Some(State::Fresh | State::Stale { .. }) => {
                State::Stale { why, failures: self.failures(kind) + 1 }
            }
        };
        self.kinds.insert(kind, state);
    }

    fn failures(&self, kind: ObjectKind) -> u32 {
        match self.kinds.get(&kind) {
            Some(State::Unlisted { failures, .. } | State::Stale { failures, .. }) => *failures,
            _ => 0,
        }
    }

    /// Whether every kind has been listed once; stays so. Answers `true` for the first time once.
    pub(crate) fn is_first_time_in_sync(&mut self) -> bool {
        let all = !self.kinds.values().any(|state| matches!(state, State::Unlisted { .. }));
        let first = all && !self.listed;
        self.listed |= all;
        first
    }

    /// Whether every kind has been listed once.
    pub(crate) const fn is_listed(&self) -> bool {
        self.listed
    }

    /// Whether a kind is fresh.
    pub(crate) fn is_fresh(&self, kind: ObjectKind) -> bool {
        self.kinds.get(&kind) == Some(&State::Fresh)
    }

    /// Why nothing may be deleted, if so.
    pub(crate) fn hold(&self) -> Option<Hold> {
        let reasons: Vec<String> =
            self.kinds.iter().filter_map(|(kind, state)| reason(*kind, state)).collect();
        if reasons.is_empty() {
            return None;
        }
        let scope = if self.listed { HoldScope::AllButProven } else { HoldScope::All };
        Some(Hold { reason: reasons.join("; "), scope })
    }

    /// What a person should know of the connection to the API server.
    pub(crate) fn problems(&self) -> Vec<Finding> {
        let told = |state: &State| match state {
            State::Unlisted { why: Some(_), .. } | State::Emptied { .. } => true,
            State::Stale { failures, .. } => *failures >= TELL_AT,
            State::Unlisted { why: None, .. } | State::Fresh => false,
        };
        let finding = |(kind, state): (&ObjectKind, &State)| {
            Some(Finding {
                code: FindingCode::SourceUnavailable,
                severity: Severity::Error,
                subject: subject(*kind),
                message: format!("the source is unavailable: {}", reason(*kind, state)?),
                evidence: Vec::new(),
                advice: advice(*kind, state),
                fixable: false,
            })
        };
        self.kinds.iter().filter(|(_, state)| told(state)).filter_map(finding).collect()
    }
}

fn plural(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Pod => "Pods",
        ObjectKind::Service => "Services",
        ObjectKind::Node => "Nodes",
    }
}

fn subject(kind: ObjectKind) -> String {
    format!("Kubernetes API, {}", plural(kind))
}

fn reason(kind: ObjectKind, state: &State) -> Option<String> {
    let kinds = plural(kind);
    match state {
        State::Fresh => None,
        State::Unlisted { why: None, .. } => Some(format!("the {kinds} are not listed yet")),
        State::Unlisted { why: Some(why), .. } => {
            Some(format!("the {kinds} could not be listed yet: {why}"))
        }
        State::Stale { why, .. } => Some(format!("the {kinds} may be out of date: {why}")),
        State::Emptied { known } if kind == ObjectKind::Node => {
            debug_assert!(*known <= 1, "one Node is ours");
            Some("our Node object is gone".to_owned())
        }
        State::Emptied { known: 0 } => Some(format!(
            "the list of {kinds} is empty, but the kernel holds what some of them want"
        )),
        State::Emptied { known } => {
            Some(format!("the list of {kinds} came back empty, {known} were known"))
        }
    }
}

fn advice(kind: ObjectKind, state: &State) -> String {
    let advice = match state {
        State::Emptied { .. } if kind == ObjectKind::Node => {
            "if the Node was deleted on purpose, stop the agent and run `netkeep uninstall` here; \
             until the Node is back everything stays as it is"
        }
        State::Emptied { .. } => {
            "if they are gone on purpose, say --allow-empty; until one is back everything stays \
             as it is"
        }
        _ => {
            "look at the API server, the network to it and the rights of our account; until it \
             answers what is there stays, and it goes on by itself"
        }
    };
    advice.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh() -> Gate {
        let mut gate = Gate::new();
        for kind in KINDS {
            gate.set(kind, State::Fresh);
        }
        assert!(gate.is_first_time_in_sync());
        gate
    }

    #[test]
    fn nothing_may_be_deleted_before_every_kind_is_listed() {
        let mut gate = Gate::new();
        gate.set(ObjectKind::Pod, State::Fresh);
        gate.set(ObjectKind::Node, State::Fresh);
        assert!(!gate.is_first_time_in_sync());
        assert_eq!(gate.hold().unwrap().scope, HoldScope::All);
        gate.set(ObjectKind::Service, State::Fresh);
        assert!(gate.is_first_time_in_sync());
        assert!(!gate.is_first_time_in_sync());
        assert_eq!(gate.hold(), None);
    }

    #[test]
    fn a_stale_kind_holds_all_but_what_pods_prove() {
        for kind in KINDS {
            let mut gate = fresh();
            gate.failed(kind, "410 Gone".to_owned());
            assert_eq!(gate.hold().unwrap().scope, HoldScope::AllButProven);
        }
    }

    #[test]
    fn a_watch_that_comes_back_at_once_is_no_news_for_a_person() {
        let mut gate = fresh();
        gate.failed(ObjectKind::Pod, "cut".to_owned());
        assert!(gate.hold().is_some());
        assert_eq!(gate.problems(), []);
        gate.failed(ObjectKind::Pod, "refused".to_owned());
        assert_eq!(gate.problems().len(), 1);
        assert!(gate.problems()[0].message.contains("refused"));
    }

    #[test]
    fn an_emptied_kind_stays_so_whatever_fails_meanwhile() {
        let mut gate = fresh();
        gate.set(ObjectKind::Pod, State::Emptied { known: 7 });
        gate.failed(ObjectKind::Pod, "cut".to_owned());
        let problems = gate.problems();
        assert!(problems[0].message.contains("came back empty, 7 were known"), "{problems:?}");
    }
}
