//! One owner in memory for all the elements that are its.
//!
//! A table of the kernel has ten thousands of elements and is read at the start, so this is made for
//! memory that is not in the caches: a slot is four bytes and says at which element the owner was
//! first met; the owner itself is touched only when it is met again.

use std::sync::Arc;

use model::mark::Mark;
use model::{Owner, Uid};

use super::observe::Elements;

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct OwnerIndex {
    /// The place of an element and one more; 0 is free. A power of two, at most half of it used.
    slots: Vec<u32>,
    used: usize,
}

impl OwnerIndex {
    /// For so many owners before it grows.
    pub(super) fn with_room(owners: usize) -> Self {
        Self { slots: vec![0; (owners * 2).next_power_of_two().max(16)], used: 0 }
    }

    /// The owner that the mark names. The element it is for is pushed next.
    pub(super) fn owner(&mut self, mark: Mark<'_>, elements: &Elements) -> Arc<Owner> {
        if self.used * 2 >= self.slots.len() {
            self.grow(elements);
        }
        let mut at = self.start(&mark.uid);
        loop {
            match self.met(at, elements) {
                Some(owner) if owner.kind == mark.kind && owner.uid == mark.uid => {
                    return Arc::clone(owner);
                }
                Some(_) => at = (at + 1) & (self.slots.len() - 1),
                None => break,
            }
        }
        // Far more elements than fit 32 bits do not fit a set of the kernel either.
        self.slots[at] = elements.len() as u32 + 1;
        self.used += 1;
        Arc::new(mark.owner())
    }

    /// Whose slot this is; `None` if it is free.
    fn met<'e>(&self, at: usize, elements: &'e Elements) -> Option<&'e Arc<Owner>> {
        let (.., owner) = elements.get((self.slots[at] as usize).checked_sub(1)?)?;
        owner.as_ref()
    }

    fn start(&self, uid: &Uid) -> usize {
        let hash = if let Some(number) = uid.uuid().map(u128::from_be_bytes) {
            mixed((number >> 64) as u64) ^ mixed(number as u64)
        } else {
            let number =
                |part: &[u8]| part.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
            uid.text().as_bytes().chunks(8).fold(0, |hash, part| mixed(hash ^ number(part)))
        };
        hash as usize & (self.slots.len() - 1)
    }

    fn grow(&mut self, elements: &Elements) {
        let wider = vec![0; self.slots.len() * 2];
        for place in std::mem::replace(&mut self.slots, wider) {
            let owner = elements.get((place as usize).wrapping_sub(1));
            let Some((.., Some(owner))) = owner else { continue };
            let mut at = self.start(&owner.uid);
            while self.slots[at] != 0 {
                at = (at + 1) & (self.slots.len() - 1);
            }
            self.slots[at] = place;
        }
    }
}

/// Every bit of the answer depends on every bit of the word: both halves of its product with an odd
/// number that has bits everywhere (2^64 divided by the golden ratio).
fn mixed(word: u64) -> u64 {
    let product = u128::from(word) * 0x9e37_79b9_7f4a_7c15;
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use model::{Key, Value, mark};

    use super::*;

    #[test]
    fn many_owners_are_each_met_again() {
        let mut index = OwnerIndex::with_room(0);
        let mut elements = Elements::new();
        let owners: Vec<Owner> = (0..1_000_u32)
            .map(|number| {
                let uid = if number % 3 == 0 {
                    format!("word-{number}")
                } else {
                    format!("0a1b2c3d-0000-4000-8000-{number:012x}")
                };
                Owner::pod("d", "w", Uid::new(uid))
            })
            .collect();
        for _ in 0..2 {
            for owner in &owners {
                let bytes = mark::encode(owner);
                let found = index.owner(Mark::read(&bytes).unwrap(), &elements);
                assert_eq!(*found, *owner);
                let key = Key::Hairpin(Ipv4Addr::LOCALHOST.into());
                elements.push((key, Value::Present, Some(found)));
            }
        }
        let (first, second) = elements.split_at(owners.len());
        for (one, other) in first.iter().zip(second) {
            assert!(Arc::ptr_eq(one.2.as_ref().unwrap(), other.2.as_ref().unwrap()));
        }
        assert_eq!(index.used, owners.len());
    }
}
