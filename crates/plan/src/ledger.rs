//! The ledger: every claim, and one winner a key.
//!
//! Invariants:
//! - an owner's claims are replaced as a whole, and only its own;
//! - the winner of a key is the claimant of the greatest (rank, UID), whatever the order of calls;
//! - a key without claims is not in the ledger;
//! - a call yields the keys whose winner (its owner or its value) changed, and nothing else.
//!
//! Most keys have exactly one claimant, so that case takes no allocation of its own.
//! Deliberately not here: what keys and values mean.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{Owner, Rank, Uid};

use crate::packed;

/// What one owner wants under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim<V> {
    /// Who wants it.
    pub owner: Arc<Owner>,
    /// What is wanted.
    pub value: V,
}

/// A key whose winner changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delta<K, V> {
    /// The key.
    pub key: K,
    /// Who won it before.
    pub before: Option<Claim<V>>,
    /// Who wins it now.
    pub after: Option<Claim<V>>,
}

/// The claims on one key, the winner first.
#[derive(Debug, Clone)]
enum Claims<V> {
    One(Claim<V>),
    /// At least two.
    Many(Box<[Claim<V>]>),
}

impl<V> Claims<V> {
    fn as_slice(&self) -> &[Claim<V>] {
        match self {
            Self::One(claim) => std::slice::from_ref(claim),
            Self::Many(claims) => claims,
        }
    }

    fn into_vec(self) -> Vec<Claim<V>> {
        match self {
            Self::One(claim) => vec![claim],
            Self::Many(claims) => claims.into_vec(),
        }
    }

    fn into_first(self) -> Option<Claim<V>> {
        match self {
            Self::One(claim) => Some(claim),
            Self::Many(claims) => claims.into_iter().next(),
        }
    }

    fn is_of_one(&self, owner: &Owner) -> bool {
        matches!(self, Self::One(claim) if *claim.owner == *owner)
    }
}

/// What one owner has in the ledger.
#[derive(Debug, Clone)]
struct Holding<K> {
    rank: Rank,
    /// Sorted.
    keys: Box<[K]>,
}

/// All claims on keys of one kind. See the module's documentation.
#[derive(Debug, Clone)]
pub struct Ledger<K, V> {
    claims: BTreeMap<K, Claims<V>>,
    holdings: BTreeMap<Arc<Owner>, Holding<K>>,
    /// The keys with more than one claimant.
    contested: BTreeSet<K>,
}

impl<K, V> Default for Ledger<K, V> {
    fn default() -> Self {
        Self { claims: BTreeMap::new(), holdings: BTreeMap::new(), contested: BTreeSet::new() }
    }
}

impl<K: Ord + Copy, V: Clone + PartialEq> Ledger<K, V> {
    /// Makes these the owner's claims, all of them. Of two claims on one key the last counts.
    pub fn replace(
        &mut self,
        owner: &Arc<Owner>,
        rank: Rank,
        claims: impl IntoIterator<Item = (K, V)>,
    ) -> Vec<Delta<K, V>> {
        let mut wanted: Vec<(K, V)> = claims.into_iter().collect();
        wanted.sort_by_key(|(key, _)| *key);
        wanted.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                std::mem::swap(later, earlier);
            }
            same
        });
        let keys: Box<[K]> = wanted.iter().map(|(key, _)| *key).collect();
        let old = if keys.is_empty() {
            self.holdings.remove(owner)
        } else {
            self.holdings.insert(Arc::clone(owner), Holding { rank, keys })
        };
        let (old_rank, old_keys) = match old {
            Some(holding) => (Some(holding.rank), holding.keys),
            None => (None, Box::default()),
        };
        let mut deltas = Vec::new();
        for key in old_keys {
            if wanted.binary_search_by(|(wanted, _)| wanted.cmp(&key)).is_err() {
                self.change(key, owner, None, &mut deltas);
            }
        }
        for (key, value) in wanted {
            if old_rank == Some(rank) && self.holds(&key, owner, &value) {
                continue;
            }
            self.change(key, owner, Some(value), &mut deltas);
        }
        deltas
    }

    /// Drops all claims of the owner.
    pub fn remove(&mut self, owner: &Arc<Owner>) -> Vec<Delta<K, V>> {
        let Some(holding) = self.holdings.remove(owner) else { return Vec::new() };
        let mut deltas = Vec::new();
        for key in holding.keys {
            self.change(key, owner, None, &mut deltas);
        }
        deltas
    }

    /// Rebuilds its maps with full nodes (see [`crate::packed`]).
    pub fn pack(&mut self) {
        packed::map(&mut self.claims);
        packed::map(&mut self.holdings);
    }

    /// Who wins the key.
    pub fn winner(&self, key: &K) -> Option<&Claim<V>> {
        self.claims.get(key).and_then(|claims| claims.as_slice().first())
    }

    /// Whether this owner wins the key.
    pub fn wins(&self, key: &K, owner: &Owner) -> bool {
        self.winner(key).is_some_and(|claim| *claim.owner == *owner)
    }

    /// All claims on the key with their ranks, the winner first.
    pub fn claims(&self, key: &K) -> impl Iterator<Item = (&Claim<V>, Rank)> {
        self.claims
            .get(key)
            .map(Claims::as_slice)
            .unwrap_or_default()
            .iter()
            .filter_map(|claim| Some((claim, self.rank(&claim.owner)?)))
    }

    /// The keys that more than one owner claims.
    pub fn contested(&self) -> impl Iterator<Item = &K> {
        self.contested.iter()
    }

    /// All keys with their winners.
    pub fn winners(&self) -> impl Iterator<Item = (&K, &Claim<V>)> {
        self.claims.iter().filter_map(|(key, claims)| Some((key, claims.as_slice().first()?)))
    }

    /// How many keys have a winner.
    pub fn len(&self) -> usize {
        self.claims.len()
    }

    /// Whether nobody claims anything.
    pub fn is_empty(&self) -> bool {
        self.claims.is_empty()
    }

    /// All owners with their ranks and the keys they claim (not: win).
    pub fn owners(&self) -> impl Iterator<Item = (&Arc<Owner>, Rank, &[K])> {
        self.holdings.iter().map(|(owner, holding)| (owner, holding.rank, &*holding.keys))
    }

    /// The keys that the owner claims, won or not.
    pub fn keys_of(&self, owner: &Owner) -> &[K] {
        self.holdings.get(owner).map(|holding| &*holding.keys).unwrap_or_default()
    }

    /// How strong the owner's claims are.
    pub fn rank(&self, owner: &Owner) -> Option<Rank> {
        self.holdings.get(owner).map(|holding| holding.rank)
    }

    fn holds(&self, key: &K, owner: &Owner, value: &V) -> bool {
        self.claims.get(key).is_some_and(|claims| {
            claims.as_slice().iter().any(|c| *c.owner == *owner && c.value == *value)
        })
    }

    /// Sets or drops one claim of an owner whose holding is already up to date.
    fn change(
        &mut self,
        key: K,
        owner: &Arc<Owner>,
        value: Option<V>,
        deltas: &mut Vec<Delta<K, V>>,
    ) {
        match (self.claims.entry(key), value) {
            (Entry::Vacant(_), None) => {}
            (Entry::Vacant(place), Some(value)) => {
                let claim = Claim { owner: Arc::clone(owner), value };
                place.insert(Claims::One(claim.clone()));
                deltas.push(Delta { key, before: None, after: Some(claim) });
            }
            (Entry::Occupied(place), None) if place.get().is_of_one(owner) => {
                let before = place.remove().into_first();
                deltas.push(Delta { key, before, after: None });
            }
            (Entry::Occupied(place), value) => {
                let claims = place.remove().into_vec();
                self.contest(key, claims, owner, value, deltas);
            }
        }
    }

    /// As [`Ledger::change`], where others may claim the key too.
    fn contest(
        &mut self,
        key: K,
        mut claims: Vec<Claim<V>>,
        owner: &Arc<Owner>,
        value: Option<V>,
        deltas: &mut Vec<Delta<K, V>>,
    ) {
        let before = claims.first().cloned();
        claims.retain(|claim| claim.owner != *owner);
        if let Some(value) = value {
            claims.push(Claim { owner: Arc::clone(owner), value });
        }
        if claims.len() > 1 {
            claims.sort_by(|a, b| self.strength(b).cmp(&self.strength(a)));
            self.contested.insert(key);
        } else {
            self.contested.remove(&key);
        }
        let after = claims.first().cloned();
        if before != after {
            deltas.push(Delta { key, before, after });
        }
        if claims.len() > 1 {
            self.claims.insert(key, Claims::Many(claims.into_boxed_slice()));
        } else if let Some(claim) = claims.pop() {
            self.claims.insert(key, Claims::One(claim));
        }
    }

    fn strength<'a>(&self, claim: &'a Claim<V>) -> (Option<Rank>, &'a Uid) {
        (self.rank(&claim.owner), &claim.owner.uid)
    }
}

#[cfg(test)]
mod tests;
