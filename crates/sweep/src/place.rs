//! Owns where a rule belongs in a chain that may have changed: by its neighbours. Pure.

/// A rule of the chain as it was: its text, and whether it was taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Was<'a> {
    pub(crate) line: &'a str,
    pub(crate) removed: bool,
}

/// Which rules to put back, by their number in `was`, and before which rule of `now` (its length:
/// at the end). In the order of `was`; rules for one place are put there in this order.
pub(crate) fn places(was: &[Was<'_>], now: &[&str]) -> Vec<(usize, usize)> {
    let missing = missing(was, now);
    if !missing.contains(&true) {
        return Vec::new();
    }
    let at = aligned(was, now);
    // the next rule behind that is still there
    let mut next = vec![None; was.len() + 1];
    for index in (0..was.len()).rev() {
        let here = at.get(index).copied().flatten().or(next.get(index + 1).copied().flatten());
        if let Some(place) = next.get_mut(index) {
            *place = here;
        }
    }
    let mut places = Vec::new();
    // behind the last rule before that is still there
    let mut behind = 0;
    for (index, is_missing) in missing.into_iter().enumerate() {
        if let Some(here) = at.get(index).copied().flatten() {
            behind = here + 1;
        }
        if is_missing {
            let place = match next.get(index).copied().flatten() {
                Some(next) => next,
                // nothing of it is left
                None if behind == 0 => now.len(),
                None => behind,
            };
            places.push((index, place));
        }
    }
    places
}

/// Which removed rules are not there: of each text as many as are too few, the first ones.
fn missing(was: &[Was<'_>], now: &[&str]) -> Vec<bool> {
    use std::collections::BTreeMap;
    let mut too_few: BTreeMap<&str, usize> = BTreeMap::new();
    for rule in was {
        *too_few.entry(rule.line).or_default() += 1;
    }
    for line in now {
        if let Some(count) = too_few.get_mut(line) {
            *count = count.saturating_sub(1);
        }
    }
    let take = |rule: &Was<'_>| match too_few.get_mut(rule.line) {
        Some(count) if rule.removed && *count > 0 => {
            *count -= 1;
            true
        }
        _ => false,
    };
    was.iter().map(take).collect()
}

/// Largest table of a comparison of every rule with every other.
const MAX_CELLS: usize = 4 << 20;

/// For each rule that was not taken out, where it is now.
fn aligned(was: &[Was<'_>], now: &[&str]) -> Vec<Option<usize>> {
    let kept: Vec<usize> =
        (0..was.len()).filter(|at| was.get(*at).is_some_and(|w| !w.removed)).collect();
    let line = |kept_at: usize| kept.get(kept_at).and_then(|at| was.get(*at)).map(|was| was.line);
    let same =
        |one: usize, other: usize| line(one).is_some() && line(one) == now.get(other).copied();
    let mut found = vec![None; was.len()];
    let mut put = |one: usize, other: usize| {
        if let Some(place) = kept.get(one).and_then(|at| found.get_mut(*at)) {
            *place = Some(other);
        }
    };
    let most = kept.len().min(now.len());
    let front = (0..most).take_while(|at| same(*at, *at)).count();
    let back =
        (0..most - front).take_while(|at| same(kept.len() - 1 - at, now.len() - 1 - at)).count();
    (0..front).for_each(|at| put(at, at));
    (0..back).for_each(|at| put(kept.len() - 1 - at, now.len() - 1 - at));
    let (ones, others) = (kept.len() - front - back, now.len() - front - back);
    let same = |one: usize, other: usize| same(front + one, front + other);
    if ones.saturating_mul(others) <= MAX_CELLS {
        for (one, other) in longest(ones, others, same) {
            put(front + one, front + other);
        }
    } else {
        let mut from = 0;
        for one in 0..ones {
            if let Some(other) = (from..others.min(from + 4096)).find(|other| same(one, *other)) {
                put(front + one, front + other);
                from = other + 1;
            }
        }
    }
    found
}

/// The longest common subsequence.
fn longest(ones: usize, others: usize, same: impl Fn(usize, usize) -> bool) -> Vec<(usize, usize)> {
    let width = others + 1;
    let mut lengths = vec![0_u32; (ones + 1) * width];
    let at = |one: usize, other: usize| one * width + other;
    for one in (0..ones).rev() {
        for other in (0..others).rev() {
            let length = if same(one, other) {
                lengths[at(one + 1, other + 1)] + 1
            } else {
                lengths[at(one + 1, other)].max(lengths[at(one, other + 1)])
            };
            lengths[at(one, other)] = length;
        }
    }
    let (mut one, mut other, mut pairs) = (0, 0, Vec::new());
    while one < ones && other < others {
        if same(one, other) {
            pairs.push((one, other));
            (one, other) = (one + 1, other + 1);
        } else if lengths[at(one + 1, other)] >= lengths[at(one, other + 1)] {
            one += 1;
        } else {
            other += 1;
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `was` as letters, upper case for those that were taken out.
    fn after(was: &str, now: &str) -> String {
        let lower = was.to_lowercase();
        let was: Vec<Was<'_>> = was
            .char_indices()
            .map(|(at, letter)| Was { line: &lower[at..=at], removed: letter.is_uppercase() })
            .collect();
        let lines: Vec<&str> = (0..now.len()).map(|at| &now[at..=at]).collect();
        let places = places(&was, &lines);
        let mut text = String::new();
        for at in 0..=lines.len() {
            let here = places.iter().filter(|(_, place)| *place == at);
            text.extend(here.map(|(index, _)| was[*index].line));
            text.extend(lines.get(at).copied());
        }
        text
    }

    #[test]
    fn rules_come_back_between_their_neighbours() {
        for (was, now, expected) in [
            ("aBc", "ac", "abc"),
            ("ABC", "", "abc"),
            ("aBCd", "ad", "abcd"),
            // already there
            ("aBc", "abc", "abc"),
            // copies
            ("aAAb", "ab", "aaab"),
            ("abAB", "ab", "abab"),
            // somebody else's rules
            ("aBc", "xacy", "xabcy"),
            ("aBc", "axc", "axbc"),
            ("Bc", "xc", "xbc"),
            ("aB", "ax", "abx"),
            ("AB", "x", "xab"),
            // neighbours that are gone
            ("aBc", "c", "bc"),
            ("aBc", "a", "ab"),
            ("abCd", "ad", "acd"),
        ] {
            assert_eq!(after(was, now), expected, "{was} {now}");
        }
    }

    proptest! {
        #[test]
        fn what_was_taken_out_comes_back_exactly(was in "[abcdABCD]{0,40}") {
            let now: String = was.chars().filter(|letter| letter.is_lowercase()).collect();
            prop_assert_eq!(after(&was, &now), was.to_lowercase());
        }

        #[test]
        fn twice_is_once_whatever_others_added(
            was in "[abcdABCD]{0,20}",
            added in proptest::collection::vec(0..20_usize, 0..10),
        ) {
            let mut now: String = was.chars().filter(|letter| letter.is_lowercase()).collect();
            for at in added {
                now.insert(at.min(now.len()), 'x');
            }
            let once = after(&was, &now);
            prop_assert_eq!(once.replace('x', ""), was.to_lowercase());
            prop_assert_eq!(after(&was, &once), once.clone());
        }
    }
}
