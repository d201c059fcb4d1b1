//! Desired against programmed: only the differences are stored.
//!
//! A key that is not in here is programmed exactly as the ledger's winner wants it, value and
//! mark. So a node in steady state keeps no second copy of anything, and a plan costs what
//! changed.
//!
//! Owns: what the kernel holds where that is not what is wanted; why; what the kernel refused.
//! Deliberately not here: the order of changes (`order`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{Change, FindingCode, Key, Owner, Value};

use crate::cause::Cause;
use crate::ledger::{Claim, Ledger};

/// The ledger of elements.
pub type Keys = Ledger<Key, Value>;

/// An element as the kernel holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programmed {
    /// Its value.
    pub value: Value,
    /// The owner that its mark names, if it names one.
    pub mark: Option<Arc<Owner>>,
}

impl Programmed {
    fn is(&self, claim: &Claim<Value>) -> bool {
        self.value == claim.value && self.mark.as_ref() == Some(&claim.owner)
    }
}

impl From<&Claim<Value>> for Programmed {
    fn from(claim: &Claim<Value>) -> Self {
        Self { value: claim.value, mark: Some(Arc::clone(&claim.owner)) }
    }
}

/// A change that the kernel refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// What kind of refusal.
    pub code: FindingCode,
    /// The kernel's message.
    pub message: Box<str>,
}

/// A key whose element is not as wanted.
#[derive(Debug, Clone)]
pub struct Difference {
    /// What the kernel holds.
    pub programmed: Option<Programmed>,
    /// Why it is not what is wanted.
    pub cause: Cause,
    /// Set if the kernel refused the change; it is not planned until retried.
    pub rejected: Option<Box<Rejection>>,
    /// Whose mark the last plan gave it.
    planned: Option<Arc<Owner>>,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct Diff {
    dirty: BTreeMap<Key, Difference>,
    /// The keys in there by the owner whose mark the kernel holds under them: an owner's end costs
    /// what the owner has.
    marked: BTreeMap<Arc<Owner>, BTreeSet<Key>>,
}

impl Diff {
    /// Enters a difference under a key that has none.
    fn enter(&mut self, key: Key, programmed: Option<Programmed>, cause: Cause) {
        self.note(key, programmed.as_ref());
        self.dirty.insert(key, Difference { programmed, cause, rejected: None, planned: None });
    }

    /// The key is as wanted.
    fn settle(&mut self, key: &Key) {
        if let Some(difference) = self.dirty.remove(key) {
            self.unnote(key, difference.programmed.as_ref());
        }
    }

    fn note(&mut self, key: Key, programmed: Option<&Programmed>) {
        if let Some(mark) = programmed.and_then(|programmed| programmed.mark.as_ref()) {
            self.marked.entry(Arc::clone(mark)).or_default().insert(key);
        }
    }

    fn unnote(&mut self, key: &Key, programmed: Option<&Programmed>) {
        let Some(mark) = programmed.and_then(|programmed| programmed.mark.as_ref()) else { return };
        let Some(keys) = self.marked.get_mut(mark) else { return };
        keys.remove(key);
        if keys.is_empty() {
            self.marked.remove(mark);
        }
    }

    /// Tells that the winner of a key changed. A refusal of the older wish is forgotten.
    pub fn desire(
        &mut self,
        key: Key,
        before: Option<&Claim<Value>>,
        after: Option<&Claim<Value>>,
        cause: Cause,
    ) {
        if let Some(difference) = self.dirty.get_mut(&key) {
            difference.rejected = None;
            // A drift that is not mended yet stays the reason for as long as something is wanted.
            if after.is_none() || !matches!(difference.cause, Cause::Drift(_)) {
                difference.cause = cause;
            }
            let differs = match (&difference.programmed, after) {
                (None, None) => false,
                (Some(programmed), Some(claim)) => !programmed.is(claim),
                _ => true,
            };
            if !differs {
                self.settle(&key);
            }
        } else if before != after {
            self.enter(key, before.map(Programmed::from), cause);
        }
    }

    /// Tells that an owner has ended: what nobody wanted of it any more, for whatever reason, is now
    /// not wanted for this one.
    pub fn ended(&mut self, owner: &Owner, keys: &Keys, cause: &Cause) {
        let unwanted = self.marked.get(owner).into_iter().flatten();
        for key in unwanted.filter(|key| keys.winner(key).is_none()) {
            if let Some(difference) = self.dirty.get_mut(key)
                && !matches!(difference.cause, Cause::Drift(_))
            {
                difference.cause = cause.clone();
            }
        }
    }

    /// Tells what the kernel holds under a key. Answers whether that is news.
    pub fn found(
        &mut self,
        key: Key,
        desired: Option<&Claim<Value>>,
        found: Option<Programmed>,
        cause: &Cause,
    ) -> bool {
        let news = self.programmed(&key, desired) != found;
        let fits = match (&found, desired) {
            (None, None) => true,
            (Some(found), Some(claim)) => found.is(claim),
            _ => false,
        };
        if fits {
            self.settle(&key);
        } else if let Some(difference) = self.dirty.get_mut(&key) {
            let before = std::mem::replace(&mut difference.programmed, found.clone());
            if news && matches!(cause, Cause::Drift(_)) {
                difference.cause = cause.clone();
            }
            self.unnote(&key, before.as_ref());
            self.note(key, found.as_ref());
        } else {
            self.enter(key, found, cause.clone());
        }
        news
    }

    /// What was read back after an apply. The mark is taken to be the one that was planned if the
    /// value is the one wanted.
    pub fn verified(
        &mut self,
        key: Key,
        desired: Option<&Claim<Value>>,
        value: Option<Value>,
    ) -> bool {
        let before = self.programmed(&key, desired);
        let planned = self.dirty.get(&key).and_then(|difference| difference.planned.clone());
        let found = value.map(|value| {
            let mark = if planned.is_some() && desired.is_some_and(|claim| claim.value == value) {
                planned
            } else {
                before.filter(|before| before.value == value).and_then(|before| before.mark)
            };
            Programmed { value, mark }
        });
        self.found(key, desired, found, &Cause::Unowned)
    }

    /// Notes that the kernel refused the change of this key.
    pub fn reject(&mut self, key: &Key, code: FindingCode, message: &str) {
        if let Some(difference) = self.dirty.get_mut(key) {
            difference.planned = None;
            difference.rejected = Some(Box::new(Rejection { code, message: message.into() }));
        }
    }

    /// Lets the refused changes for which this holds try again.
    pub fn retry(&mut self, mut which: impl FnMut(&Key, &Difference) -> bool) {
        for (key, difference) in &mut self.dirty {
            if difference.rejected.is_some() && which(key, difference) {
                difference.rejected = None;
            }
        }
    }

    /// What the kernel holds under a key.
    pub fn programmed(&self, key: &Key, desired: Option<&Claim<Value>>) -> Option<Programmed> {
        match self.dirty.get(key) {
            Some(difference) => difference.programmed.clone(),
            None => desired.map(Programmed::from),
        }
    }

    /// Whether the kernel holds anything under a key.
    pub fn is_programmed(&self, key: &Key, desired: Option<&Claim<Value>>) -> bool {
        self.dirty.get(key).map_or(desired.is_some(), |d| d.programmed.is_some())
    }

    /// The difference under a key, if there is one.
    pub fn get(&self, key: &Key) -> Option<&Difference> {
        self.dirty.get(key)
    }

    /// All differences.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Difference)> {
        self.dirty.iter()
    }

    /// How many keys differ.
    pub fn len(&self) -> usize {
        self.dirty.len()
    }

    /// Whether the kernel holds exactly what is wanted.
    pub fn is_empty(&self) -> bool {
        self.dirty.is_empty()
    }

    /// The changes that would mend every difference that is not refused, in the order of keys.
    /// `nobody` stands in for the owner of an element without a mark.
    pub fn changes(&mut self, keys: &Keys, nobody: &Arc<Owner>) -> Vec<Change> {
        let mut changes = Vec::new();
        for (key, difference) in &mut self.dirty {
            if difference.rejected.is_some() {
                continue;
            }
            let winner = keys.winner(key);
            difference.planned = winner.map(|claim| Arc::clone(&claim.owner));
            let mark = || difference.programmed.as_ref().and_then(|p| p.mark.clone());
            changes.push(Change::Element {
                key: *key,
                before: difference.programmed.as_ref().map(|p| p.value),
                after: winner.map(|claim| claim.value),
                owner: match winner {
                    Some(claim) => Arc::clone(&claim.owner),
                    None => mark().unwrap_or_else(|| Arc::clone(nobody)),
                },
                reason: difference.cause.reason(),
            });
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use model::{Rank, Uid};

    use super::*;

    fn owner(name: &str) -> Arc<Owner> {
        Arc::new(Owner::pod("default", name, Uid::new(name)))
    }

    fn key(last: u8) -> Key {
        Key::Hairpin([10, 0, 0, last].into())
    }

    #[test]
    fn an_owners_end_is_told_of_its_own_elements_and_nothing_is_remembered_once_they_are_gone() {
        let (mut diff, keys) = (Diff::default(), Keys::default());
        for last in 0..20 {
            let owner = owner(if last % 2 == 0 { "even" } else { "odd" });
            let found = Programmed { value: Value::Present, mark: Some(owner) };
            diff.found(key(last), None, Some(found), &Cause::Unselected);
        }
        diff.ended(&owner("even"), &keys, &Cause::Deleted);
        for last in 0..20 {
            let cause = if last % 2 == 0 { Cause::Deleted } else { Cause::Unselected };
            assert_eq!(diff.get(&key(last)).unwrap().cause, cause, "{last}");
        }
        // Another owner's element in its place, and then nothing.
        let found = Programmed { value: Value::Present, mark: Some(owner("odd")) };
        diff.found(key(0), None, Some(found), &Cause::Unowned);
        assert_eq!((diff.marked[&owner("even")].len(), diff.marked[&owner("odd")].len()), (9, 11));
        for last in 0..20 {
            assert!(diff.found(key(last), None, None, &Cause::Unowned));
        }
        assert!(diff.is_empty() && diff.marked.is_empty());
    }

    #[test]
    fn what_the_owner_still_wins_is_no_leftover_of_it() {
        let (mut diff, mut keys) = (Diff::default(), Keys::default());
        let rank = Rank {
            life: model::owner::Life::Live,
            sandbox: model::owner::Sandbox::Unproven,
            started: 0,
            stay: model::owner::Stay::Leaving,
        };
        keys.replace(&owner("new"), rank, [(key(1), Value::Present)]);
        let found = Programmed { value: Value::Present, mark: Some(owner("old")) };
        diff.found(key(1), keys.winner(&key(1)), Some(found), &Cause::Repointed);
        diff.ended(&owner("old"), &keys, &Cause::Deleted);
        assert_eq!(diff.get(&key(1)).unwrap().cause, Cause::Repointed);
    }
}
