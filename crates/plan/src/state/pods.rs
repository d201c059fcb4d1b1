//! The Pods of this node: by UID, and by name within their namespace.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{Owner, Uid};

use super::PodRecord;
use crate::packed;

/// An owner that sorts by its name; within one namespace only.
#[derive(Debug)]
struct Named(Arc<Owner>);

impl Borrow<str> for Named {
    fn borrow(&self) -> &str {
        self.0.name()
    }
}
impl PartialEq for Named {
    fn eq(&self, other: &Self) -> bool {
        self.0.name() == other.0.name()
    }
}
impl Eq for Named {}
impl PartialOrd for Named {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Named {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.name().cmp(other.0.name())
    }
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Pods {
    by_uid: BTreeMap<Uid, PodRecord>,
    by_name: BTreeMap<Box<str>, BTreeSet<Named>>,
}

impl Pods {
    pub(super) fn get(&self, uid: &Uid) -> Option<&PodRecord> {
        self.by_uid.get(uid)
    }

    pub(super) fn named(&self, namespace: &str, name: &str) -> Option<&PodRecord> {
        let named = self.by_name.get(namespace)?.get(name)?;
        self.by_uid.get(&named.0.uid)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &PodRecord> {
        self.by_uid.values()
    }

    pub(super) fn uids(&self) -> impl Iterator<Item = Uid> {
        self.by_uid.keys().cloned()
    }

    pub(super) fn in_namespace(&self, namespace: &str) -> impl Iterator<Item = &PodRecord> {
        let names = self.by_name.get(namespace).into_iter().flatten();
        names.filter_map(|named| self.by_uid.get(&named.0.uid))
    }

    /// Rebuilds its maps with full nodes.
    pub(super) fn pack(&mut self) {
        packed::map(&mut self.by_uid);
        self.by_name.values_mut().for_each(packed::set);
    }

    /// Puts the Pod in; one of the same UID, or of the same name, goes.
    pub(super) fn insert(&mut self, pod: PodRecord) {
        self.remove(&pod.owner.uid);
        let named = Named(Arc::clone(&pod.owner));
        if let Some(names) = self.by_name.get_mut(pod.owner.namespace()) {
            names.replace(named);
        } else {
            self.by_name.insert(pod.owner.namespace().into(), BTreeSet::from([named]));
        }
        self.by_uid.insert(pod.owner.uid.clone(), pod);
    }

    pub(super) fn remove(&mut self, uid: &Uid) -> Option<PodRecord> {
        let pod = self.by_uid.remove(uid)?;
        if let Some(names) = self.by_name.get_mut(pod.owner.namespace()) {
            names.remove(pod.owner.name());
            if names.is_empty() {
                self.by_name.remove(pod.owner.namespace());
            }
        }
        Some(pod)
    }
}
