//! Owns the question whether what was read back is what was meant. Pure.

use std::collections::{BTreeMap, BTreeSet};

use xt::ChainKind;

use crate::image::{Image, Part};

/// How many differences are told.
const TOLD: usize = 5;

/// What was read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Exactly what was meant.
    AsMeant,
    /// What was meant, and something that somebody else added in the meantime.
    OthersAdded(String),
    /// Something else: differences.
    Different(Vec<String>),
}

/// Chains by name: builtin or not, policy, and the keys of their rules.
pub(crate) type Expected = BTreeMap<String, (ChainKind, Vec<Vec<u8>>)>;

/// All of a table.
pub(crate) fn contents(image: &Image) -> Expected {
    let chains = image.table.chains.iter().map(|chain| {
        let held = image.held.get(&chain.name).map(Vec::as_slice).unwrap_or_default();
        let keys = held.iter().map(|held| held.key.clone()).collect();
        (chain.name.clone(), (chain.kind.clone(), keys))
    });
    chains.collect()
}

/// What must be there once the part is gone.
pub(crate) fn without(image: &Image, part: &Part) -> Expected {
    let mut expected = contents(image);
    expected.retain(|chain, _| !part.chains.contains(chain));
    for (chain, (_, keys)) in &mut expected {
        let mut position = 0;
        keys.retain(|_| {
            position += 1;
            !part.takes(chain, position)
        });
    }
    expected
}

/// Compares; `names` tells a key's text for people.
pub(crate) fn compare(expected: &Expected, now: &Image) -> Verdict {
    let found = contents(now);
    if found == *expected {
        return Verdict::AsMeant;
    }
    let (mut wrong, mut added) = (Vec::new(), Vec::new());
    let table = format!("{} {}", now.family, now.table.name);
    for (chain, (kind, keys)) in expected {
        let Some((found_kind, found_keys)) = found.get(chain) else {
            // an empty builtin chain and none are the same (nft)
            if *kind == ChainKind::User || !keys.is_empty() {
                wrong.push(format!("{table}: chain {chain} is missing"));
            }
            continue;
        };
        if kind != found_kind {
            wrong.push(format!("{table}: the policy of {chain} is another"));
        }
        if found_keys == keys {
            continue;
        }
        if is_within(keys, found_keys) {
            added
                .push(format!("{table}: {chain} has {} rules more", found_keys.len() - keys.len()));
        } else {
            wrong.push(format!("{table}: {}", difference(chain, keys, found_keys)));
        }
    }
    let known: BTreeSet<&String> = expected.keys().collect();
    let new = found.keys().filter(|chain| !known.contains(chain));
    added.extend(new.map(|chain| format!("{table}: there is a chain {chain} more")));
    if wrong.is_empty() {
        Verdict::OthersAdded(added.join("; "))
    } else {
        wrong.truncate(TOLD);
        Verdict::Different(wrong)
    }
}

/// Whether `part` is in `all`, in order.
fn is_within(part: &[Vec<u8>], all: &[Vec<u8>]) -> bool {
    let mut rest = all.iter();
    part.iter().all(|key| rest.any(|found| found == key))
}

fn difference(chain: &str, expected: &[Vec<u8>], found: &[Vec<u8>]) -> String {
    let same = expected.iter().zip(found).take_while(|(one, other)| one == other).count();
    format!(
        "{chain} should have {} rules and has {}; the first that is not the expected one is at {}",
        expected.len(),
        found.len(),
        same + 1
    )
}
