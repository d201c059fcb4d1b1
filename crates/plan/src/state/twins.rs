//! Pods that say the UID of another Pod. In a cluster there are none; in a folder, or behind a
//! broken proxy, there may be.
//!
//! Invariant: of Pods with one UID the first by namespace and name counts, in whatever order they
//! are told of; the others wait, are told of, and take its place when it goes.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{Owner, Uid};

use super::PodRecord;

type Name = (Box<str>, Box<str>);

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Twins(BTreeMap<Uid, BTreeMap<Name, PodRecord>>);

fn name(owner: &Owner) -> Name {
    (owner.namespace().into(), owner.name().into())
}

/// Whether the first of two Pods with one UID counts.
pub(super) fn precedes(a: &Owner, b: &Owner) -> bool {
    (a.namespace(), a.name()) < (b.namespace(), b.name())
}

impl Twins {
    pub(super) fn insert(&mut self, pod: PodRecord) {
        let of_uid = self.0.entry(pod.owner.uid.clone()).or_default();
        of_uid.insert(name(&pod.owner), pod);
    }

    /// Forgets what waits under a name; of one UID, or whatever its UID.
    pub(super) fn remove(&mut self, namespace: &str, name: &str, uid: Option<&Uid>) {
        self.0.retain(|of, pods| {
            if uid.is_none_or(|uid| uid == of) {
                pods.retain(|(n, m), _| (&**n, &**m) != (namespace, name));
            }
            !pods.is_empty()
        });
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The first that waits for this UID.
    pub(super) fn next(&mut self, uid: &Uid) -> Option<PodRecord> {
        let waiting = self.0.get_mut(uid)?;
        let next = waiting.pop_first().map(|(_, pod)| pod);
        if waiting.is_empty() {
            self.0.remove(uid);
        }
        next
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Owner>> {
        self.0.values().flat_map(BTreeMap::values).map(|pod| &pod.owner)
    }
}
