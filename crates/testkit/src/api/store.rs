//! The objects, and what happened to them.
//!
//! Owns: one version counter for all kinds; per kind the objects in the order in which etcd keeps
//! them (by `NAMESPACE/NAME` as text), and a bounded log of changes from which watches and lists of
//! older versions are served.
//!
//! Invariant: the log of a kind is complete after its last lost change; undoing it backwards from the
//! objects gives every version from the floor on, which is never below that.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::Value;

/// How many changes of a kind are kept; who is further behind lists again, as with a real server's
/// watch cache.
const LOG: usize = 8192;
/// The version of an empty store. Zero means "any version" to clients, so this is not near it.
const FIRST: u64 = 100;

/// One change of one object.
#[derive(Debug)]
pub(super) struct Change {
    /// The version that it made.
    pub(super) version: u64,
    pub(super) key: String,
    pub(super) before: Option<Arc<Value>>,
    pub(super) after: Option<Arc<Value>>,
}

impl Change {
    /// What a watch shows that loses the object by this change: as it was, with the new version.
    pub(super) fn farewell(&self) -> Option<Arc<Value>> {
        let mut last = self.before.as_deref()?.clone();
        last["metadata"]["resourceVersion"] = self.version.to_string().into();
        Some(Arc::new(last))
    }
}

/// The objects of one kind.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    objects: BTreeMap<String, Arc<Value>>,
    log: VecDeque<Arc<Change>>,
    floor: u64,
    lost: u64,
}

impl Bucket {
    pub(super) const fn objects(&self) -> &BTreeMap<String, Arc<Value>> {
        &self.objects
    }

    /// The oldest version from which a new watch can begin.
    pub(super) const fn floor(&self) -> u64 {
        self.floor
    }

    /// The version of the last change that the log no longer has. Compaction does not end watches
    /// that are up to date, so this can be below the floor.
    pub(super) const fn lost(&self) -> u64 {
        self.lost
    }

    /// The changes after a version, which must not be below the last one that is lost.
    pub(super) fn since(&self, version: u64) -> impl Iterator<Item = &Arc<Change>> {
        self.log.range(self.log.partition_point(|change| change.version <= version)..)
    }

    /// The objects as they were, or nothing if that is below the floor.
    pub(super) fn at(&self, version: u64) -> Option<BTreeMap<String, Arc<Value>>> {
        if version < self.floor {
            return None;
        }
        let mut objects = self.objects.clone();
        for change in self.log.iter().rev().take_while(|change| change.version > version) {
            match &change.before {
                Some(before) => objects.insert(change.key.clone(), Arc::clone(before)),
                None => objects.remove(&change.key),
            };
        }
        Some(objects)
    }
}

/// Everything that is stored.
#[derive(Debug)]
pub(super) struct Store {
    version: u64,
    uids: u64,
    buckets: BTreeMap<String, Bucket>,
    nothing: Bucket,
}

impl Default for Store {
    fn default() -> Self {
        // What was before the server started it does not know.
        let nothing = Bucket { floor: FIRST, ..Bucket::default() };
        Self { version: FIRST, uids: 0, buckets: BTreeMap::new(), nothing }
    }
}

impl Store {
    /// The latest version.
    pub(super) const fn version(&self) -> u64 {
        self.version
    }

    /// Lets the counter run on, as writes of kinds that are not here do.
    pub(super) fn advance(&mut self, by: u64) {
        self.version += by;
    }

    /// A new UID. Counted, so that a failing test fails with the same words again.
    pub(super) fn new_uid(&mut self) -> String {
        self.uids += 1;
        format!("5eed0000-0000-4000-8000-{:012x}", self.uids)
    }

    /// Five characters as `generateName` appends them.
    pub(super) fn new_suffix(&mut self) -> String {
        const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
        self.uids += 1;
        let mut left = self.uids.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16;
        let mut suffix = String::new();
        for _ in 0..5 {
            suffix.push(char::from(ALPHABET[(left % 27) as usize]));
            left /= 27;
        }
        suffix
    }

    pub(super) fn bucket(&self, bucket: &str) -> &Bucket {
        self.buckets.get(bucket).unwrap_or(&self.nothing)
    }

    pub(super) fn get(&self, bucket: &str, key: &str) -> Option<Arc<Value>> {
        self.bucket(bucket).objects.get(key).cloned()
    }

    /// Stores an object, with a new version, and returns it.
    pub(super) fn set(&mut self, bucket: &str, key: &str, mut object: Value) -> Arc<Value> {
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        let object = Arc::new(object);
        self.change(bucket, key, Some(Arc::clone(&object)));
        object
    }

    /// Removes an object, and returns it as its last watchers see it.
    pub(super) fn remove(&mut self, bucket: &str, key: &str) -> Option<Arc<Value>> {
        self.get(bucket, key)?;
        self.version += 1;
        self.change(bucket, key, None).farewell()
    }

    /// Records one change that makes the current version.
    fn change(&mut self, bucket: &str, key: &str, after: Option<Arc<Value>>) -> Arc<Change> {
        let version = self.version;
        let floor = self.nothing.floor;
        let bucket = self
            .buckets
            .entry(bucket.to_owned())
            .or_insert_with(|| Bucket { floor, ..Bucket::default() });
        let before = match &after {
            Some(after) => bucket.objects.insert(key.to_owned(), Arc::clone(after)),
            None => bucket.objects.remove(key),
        };
        let change = Arc::new(Change { version, key: key.to_owned(), before, after });
        bucket.log.push_back(Arc::clone(&change));
        if bucket.log.len() > LOG
            && let Some(oldest) = bucket.log.pop_front()
        {
            bucket.lost = oldest.version;
            bucket.floor = bucket.floor.max(oldest.version);
        }
        change
    }

    /// Forgets the past of all kinds: new watches from older versions and continued lists are
    /// refused.
    pub(super) fn compact(&mut self) {
        for bucket in self.buckets.values_mut() {
            bucket.floor = self.version;
        }
        self.nothing.floor = self.version;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names(objects: &BTreeMap<String, Arc<Value>>) -> Vec<&String> {
        objects.keys().collect()
    }

    #[test]
    fn every_version_from_the_floor_on_can_be_seen_again() {
        let mut store = Store::default();
        let empty = store.version();
        store.set("pods", "x/a", json!({ "n": 1 }));
        let one = store.version();
        store.set("pods", "x/a", json!({ "n": 2 }));
        store.set("pods", "x/b", json!({}));
        store.remove("pods", "x/a");
        let bucket = store.bucket("pods");
        assert!(bucket.at(empty).unwrap().is_empty());
        assert_eq!(bucket.at(one).unwrap()["x/a"]["n"], 1);
        assert_eq!(names(&bucket.at(store.version() - 1).unwrap()), ["x/a", "x/b"]);
        assert_eq!(names(&bucket.at(store.version()).unwrap()), ["x/b"]);
        store.compact();
        assert_eq!(store.bucket("pods").at(one), None);
        assert_eq!(store.bucket("nodes").floor(), store.version());
        assert_eq!(store.bucket("pods").lost(), 0);
    }

    #[test]
    fn the_log_is_bounded_and_knows_what_it_lost() {
        let mut store = Store::default();
        for number in 0..LOG + 10 {
            store.set("pods", "x/a", json!({ "n": number }));
        }
        let bucket = store.bucket("pods");
        let oldest = bucket.since(0).next().unwrap().version;
        assert_eq!((bucket.floor(), bucket.lost()), (oldest - 1, oldest - 1));
        assert_eq!(bucket.since(0).count(), LOG);
    }

    #[test]
    fn names_and_uids_are_given_once() {
        let mut store = Store::default();
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..2000 {
            assert!(seen.insert(store.new_uid()));
            assert!(seen.insert(store.new_suffix()));
        }
        assert_eq!(store.new_uid().len(), 36);
    }
}
