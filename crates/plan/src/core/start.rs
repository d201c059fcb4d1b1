//! How a core starts: what the kernel holds is adopted, what the journal remembers is trusted,
//! and owners that nobody confirms are let go once every source is in sync.
//!
//! All of this is thrown away at the first time in sync.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use model::npl::Published;
use model::owner::{Life, Sandbox, Stay};
use model::{Key, Mapping, NodePort, Owner, OwnerKind, Rank, Reason, Uid, Value};

use super::{Core, ObservedElement, Which};
use crate::annotation;
use crate::cause::Cause;
use crate::diff::Programmed;
use crate::journal::Lease;
use crate::ledger::Delta;
use crate::ports::{LeaseState, Level, Target};

/// The weakest rank: any object beats an owner that only the kernel knows.
const REMEMBERED: Rank =
    Rank { life: Life::Remembered, sandbox: Sandbox::Unproven, started: 0, stay: Stay::Leaving };

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Start {
    /// Owners known from the kernel's marks only, and their elements.
    pub(super) remembered: BTreeMap<Uid, (Arc<Owner>, BTreeMap<Key, Value>)>,
    /// What each Pod's annotation claimed when we first saw it.
    claimed: BTreeMap<Uid, (Level, Vec<Published>)>,
    /// The annotation that each Pod had when we last ran.
    seen: BTreeMap<Uid, String>,
}

impl Start {
    pub(super) fn forget(&mut self, uid: &Uid) {
        self.remembered.remove(uid);
        self.claimed.remove(uid);
    }

    /// The port that the Pod's annotation claims for a mapping.
    pub(super) fn annotated(&self, uid: &Uid, target: Target) -> Option<(Level, NodePort)> {
        let (level, claims) = self.claimed.get(uid)?;
        let claim = claims.iter().find(|c| {
            Target { pod_port: c.pod_port, protocol: c.protocol, family: c.family } == target
        })?;
        Some((*level, claim.node_port))
    }

    /// Takes in the annotation of a Pod at its first sight. It counts for more if we know that it
    /// is not what we last saw there: then somebody wrote it while we were not running.
    fn see(&mut self, uid: &Uid, text: Option<&str>) {
        if self.claimed.contains_key(uid) {
            return;
        }
        let changed = self.seen.get(uid).is_some_and(|seen| seen != text.unwrap_or_default());
        let level = if changed { Level::Changed } else { Level::Annotated };
        let claims = text.map(annotation::parse).unwrap_or_default();
        self.claimed.insert(uid.clone(), (level, claims));
    }
}

impl Core {
    pub(super) fn see_annotation(&mut self, uid: &Uid, text: Option<&str>) {
        if let Some(start) = &mut self.start {
            start.see(uid, text);
        }
        self.publisher.shown(uid, text);
    }

    pub(super) fn take_memory(&mut self, mut leases: Vec<Lease>, seen: BTreeMap<Uid, String>) {
        leases.sort();
        for lease in &leases {
            self.ports.remember(lease, LeaseState::Journaled);
        }
        if let Some(start) = &mut self.start {
            start.seen.extend(seen);
        }
    }

    pub(super) fn know_annotation(&mut self, uid: &Uid, text: &str) {
        if let Some(start) = &mut self.start {
            start.seen.insert(uid.clone(), text.to_owned());
        }
    }

    pub(super) fn observe_all(&mut self, elements: Vec<ObservedElement>, why: &Reason) {
        let mut found: BTreeMap<Key, Programmed> = elements
            .into_iter()
            .map(|(key, value, mark)| (key, Programmed { value, mark }))
            .collect();
        let adopted = self.adopt(&found);
        let mut keys: BTreeSet<Key> = found.keys().copied().collect();
        keys.extend(self.keys.winners().map(|(key, _)| *key));
        keys.extend(self.diff.iter().map(|(key, _)| *key));
        for key in keys {
            let mark = self.mark(&key);
            let winner = self.keys.winner(&key);
            let found = found.remove(&key);
            let cause = match (why, &found, winner) {
                (Reason::Drift(_), ..) => Cause::of(why),
                (_, _, None) => Cause::Unowned,
                (_, None, Some(_)) => Cause::Wanted,
                (_, Some(_), Some(_)) => Cause::Repointed,
            };
            if self.diff.found(key, winner, found, &cause) {
                self.after_news(&key, mark.as_ref());
            }
        }
        for uid in adopted {
            self.resolve(&uid);
        }
    }

    /// Adopts marked elements before the first time in sync. Answers whom to resolve.
    fn adopt(&mut self, found: &BTreeMap<Key, Programmed>) -> BTreeSet<Uid> {
        let mut touched = BTreeSet::new();
        let Some(start) = &mut self.start else { return touched };
        for (key, Programmed { value, mark }) in found {
            let Some(owner) = mark.as_ref().filter(|owner| owner.kind == OwnerKind::Pod) else {
                continue;
            };
            touched.insert(owner.uid.clone());
            if let (Key::Npl { family, protocol, port: node_port }, Value::Endpoint { port, .. }) =
                (*key, *value)
            {
                let owner = Arc::clone(owner);
                let mapping = Mapping { owner, pod_port: port, protocol, family };
                self.ports.remember(&Lease { mapping, port: node_port }, LeaseState::Marked);
            }
            if self.state.pod(&owner.uid).is_none() {
                let remembered = start.remembered.entry(owner.uid.clone());
                let (_, elements) =
                    remembered.or_insert_with(|| (Arc::clone(owner), BTreeMap::new()));
                elements.insert(*key, *value);
            }
        }
        let mut work = touched.clone();
        for uid in touched {
            let Some((owner, elements)) = start.remembered.get(&uid) else { continue };
            let ips: BTreeSet<IpAddr> =
                elements.iter().map(|(key, value)| address(*key, *value)).collect();
            let ips = ips.into_iter().map(|ip| (ip, ()));
            for delta in self.addresses.replace(owner, REMEMBERED, ips) {
                work.extend(
                    delta.before.into_iter().chain(delta.after).map(|c| c.owner.uid.clone()),
                );
            }
        }
        work
    }

    /// What owners known from the kernel only had when it was looked at.
    pub(crate) fn remembered(&self) -> impl Iterator<Item = (&Owner, Key, Value)> {
        let owners = self.start.iter().flat_map(|start| start.remembered.values());
        owners.flat_map(|(owner, elements)| {
            elements.iter().map(|(key, value)| (&**owner, *key, *value))
        })
    }

    /// An owner known from the kernel only wants what it has, as far as it owns the IPs.
    pub(super) fn resolve_remembered(&mut self, uid: &Uid) {
        let Some(start) = &self.start else { return };
        let Some((owner, elements)) = start.remembered.get(uid) else { return };
        let owner = Arc::clone(owner);
        let is_held =
            |(key, value): &(Key, Value)| self.addresses.wins(&address(*key, *value), &owner);
        let claims: Vec<_> = elements.iter().map(|(k, v)| (*k, *v)).filter(is_held).collect();
        for Delta { key, before, after } in self.keys.replace(&owner, REMEMBERED, claims) {
            let cause = if after.is_some() { Cause::Wanted } else { Cause::AddressLost };
            self.diff.desire(key, before.as_ref(), after.as_ref(), cause);
        }
    }

    pub(super) fn lose(&mut self, which: Which<'_>, writer: &str) {
        let lost: BTreeSet<Key> = match which {
            Which::Keys(keys) => keys.iter().copied().collect(),
            Which::Owner(uid) => {
                let of = |key: &Key| self.mark(key).is_some_and(|mark| mark.uid == *uid);
                self.known_keys().filter(of).collect()
            }
            Which::All => self.known_keys().collect(),
        };
        let cause = Cause::Drift(writer.into());
        for key in lost {
            let mark = self.mark(&key);
            if self.diff.found(key, self.keys.winner(&key), None, &cause) {
                self.after_news(&key, mark.as_ref());
            }
        }
    }

    fn known_keys(&self) -> impl Iterator<Item = Key> {
        let wanted = self.keys.winners().map(|(key, _)| *key);
        wanted.chain(self.diff.iter().map(|(key, _)| *key))
    }

    /// Every source is in sync for the first time.
    pub(super) fn finish_start(&mut self) {
        let Some(start) = self.start.take() else { return };
        let mut work = BTreeSet::new();
        for (owner, _) in start.remembered.values() {
            self.drop_owner(owner, &Cause::Unconfirmed, &mut work);
        }
        let leaving = self.ports.expire();
        self.free_gone(leaving);
        for uid in work {
            self.resolve(&uid);
        }
    }
}

/// The IP that an element is about.
const fn address(key: Key, value: Value) -> IpAddr {
    match (key, value) {
        (_, Value::Endpoint { ip, .. }) | (Key::Hairpin(ip), _) => ip,
        // A map element always has an endpoint; were one without, it would belong to no Pod.
        (Key::Npl { .. }, Value::Present) => IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
    }
}
