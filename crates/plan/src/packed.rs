//! Maps without slack.
//!
//! Objects come sorted, from a list, and a B-tree that is filled in order is half empty: a full node
//! is split in the middle, and nothing more goes into its first half. Rebuilt from its entries, which
//! come out sorted, its nodes are full: nearly half the memory, and fewer nodes on the way to a key.

use std::collections::{BTreeMap, BTreeSet};

/// Rebuilds the map with full nodes. Takes time and memory in proportion to its size.
pub fn map<K: Ord, V>(map: &mut BTreeMap<K, V>) {
    // `collect` builds from the bottom up what is sorted already.
    *map = std::mem::take(map).into_iter().collect();
}

/// As [`map`] for a set.
pub fn set<K: Ord>(set: &mut BTreeSet<K>) {
    *set = std::mem::take(set).into_iter().collect();
}

/// When to pack again: not before there is a good deal more than the last time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Packed(usize);

impl Packed {
    /// Below this many it is not worth it.
    const FEW: usize = 1_000;

    /// Whether to pack now that there are so many entries; then it is noted as done.
    pub fn is_due(&mut self, entries: usize) -> bool {
        let due = entries >= Self::FEW && entries > self.0 + self.0 / 4;
        if due || entries < self.0 {
            self.0 = entries;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_what_was_there() {
        let mut numbers: BTreeMap<u32, u32> = (0..5_000).map(|n| (n * 3, n)).collect();
        let (before, mut keys) = (numbers.clone(), numbers.keys().copied().collect());
        map(&mut numbers);
        set(&mut keys);
        assert_eq!(numbers, before);
        assert!(keys.iter().eq(before.keys()));
        map(&mut BTreeMap::<u32, u32>::new());
    }

    #[test]
    fn packing_is_due_after_growth_and_not_again_without() {
        let mut packed = Packed::default();
        assert!(!packed.is_due(999));
        assert!(packed.is_due(10_000) && !packed.is_due(10_000) && !packed.is_due(12_500));
        assert!(packed.is_due(12_501));
        assert!(!packed.is_due(2_000) && packed.is_due(2_501));
    }
}
