//! Owns the difference of two snapshots, by meaning: what is particular to a node (addresses, names
//! of Pod links, handles, counters) does not count, order counts where it matters.
//!
//! Both snapshots become lines under headings; a heading is an owner and a place. Comparing is one
//! pass over two sorted maps.

mod lines;
mod normal;
mod show;

use std::collections::BTreeMap;

use serde::Serialize;

use self::lines::{Heading, Lines};
use crate::snapshot::Snapshot;

/// What two snapshots differ in.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Diff {
    /// By the system that the difference belongs to.
    pub groups: Vec<Group>,
    /// Parts that one or both do not have.
    pub not_compared: Vec<NotCompared>,
}

/// Differences of one system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// Whose.
    pub owner: String,
    /// What differs.
    pub changes: Vec<Change>,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Chain, set, or part of the system.
    pub place: String,
    /// In what way.
    pub kind: ChangeKind,
    /// The line, with what is particular to a node replaced.
    pub text: String,
    /// How many more times it is there.
    pub count: usize,
}

/// In what way two snapshots differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// The first has it, or has it more often.
    OnlyInA,
    /// The second has it, or has it more often.
    OnlyInB,
    /// Both have it, at another place in the order.
    Order,
}

/// A part that was not compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NotCompared {
    /// Which.
    pub part: String,
    /// Why.
    pub why: String,
}

impl Diff {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// For people. `-` is only in the first, `+` only in the second, `~` at another place.
    pub fn text(&self) -> String {
        show::text(self)
    }
}

/// Compares two snapshots.
pub fn diff(a: &Snapshot, b: &Snapshot) -> Diff {
    let mut result = Diff::default();
    // what only one of them says about the node would make the same text two
    let links = a.links.known().is_some() && b.links.known().is_some();
    let routes = a.routes.known().is_some() && b.routes.known().is_some();
    let (mut a, mut b) = (lines::of(a, links, routes), lines::of(b, links, routes));
    let parts: std::collections::BTreeSet<&str> =
        a.absent.keys().chain(b.absent.keys()).copied().collect();
    for part in parts {
        let why = match (a.absent.get(part), b.absent.get(part)) {
            (Some(why), Some(_)) => format!("in neither: {why}"),
            (Some(why), None) => format!("not in the first: {why}"),
            (None, Some(why)) => format!("not in the second: {why}"),
            (None, None) => continue,
        };
        result.not_compared.push(NotCompared { part: part.to_owned(), why });
    }
    // a line that only one has may be one that the other had to leave out
    let half: std::collections::BTreeSet<&str> =
        a.half.keys().chain(b.half.keys()).copied().collect();
    for part in &half {
        let whys = [("first", a.half.get(part)), ("second", b.half.get(part))];
        let whys = whys.into_iter().filter_map(|(which, why)| {
            Some(format!("of the {which} only a part is known: {}", why?))
        });
        let why = whys.collect::<Vec<_>>().join("; ");
        result.not_compared.push(NotCompared { part: (*part).to_owned(), why });
    }
    let left_out = |heading: &Heading| {
        half.contains(heading.part)
            || a.absent.contains_key(heading.part)
            || b.absent.contains_key(heading.part)
    };
    let mut headings: Vec<Heading> =
        a.headings.keys().chain(b.headings.keys()).filter(|h| !left_out(h)).cloned().collect();
    headings.sort();
    headings.dedup();
    let mut groups: BTreeMap<String, Vec<Change>> = BTreeMap::new();
    for heading in headings {
        let old = a.headings.remove(&heading).unwrap_or_default();
        let new = b.headings.remove(&heading).unwrap_or_default();
        for (owner, change) in compare(&heading, &old, &new) {
            groups.entry(owner).or_default().push(change);
        }
    }
    result.groups = groups.into_iter().map(|(owner, changes)| Group { owner, changes }).collect();
    result
}

fn compare(heading: &Heading, old: &Lines, new: &Lines) -> Vec<(String, Change)> {
    let mut counts: BTreeMap<&(String, String), (usize, usize)> = BTreeMap::new();
    for line in &old.lines {
        counts.entry(line).or_default().0 += 1;
    }
    for line in &new.lines {
        counts.entry(line).or_default().1 += 1;
    }
    let mut changes = Vec::new();
    for ((owner, text), (old, new)) in &counts {
        let (kind, count) = match old.cmp(new) {
            std::cmp::Ordering::Greater => (ChangeKind::OnlyInA, old - new),
            std::cmp::Ordering::Less => (ChangeKind::OnlyInB, new - old),
            std::cmp::Ordering::Equal => continue,
        };
        let place = heading.place.clone();
        changes.push((owner.clone(), Change { place, kind, text: text.clone(), count }));
    }
    if old.ordered || new.ordered {
        changes.extend(order(heading, old, new, &counts));
    }
    changes
}

/// The first line that both have and that stands elsewhere in the second.
fn order(
    heading: &Heading,
    old: &Lines,
    new: &Lines,
    counts: &BTreeMap<&(String, String), (usize, usize)>,
) -> Option<(String, Change)> {
    let common = |lines: &Lines| {
        let both = |line: &&(String, String)| {
            counts.get(line).is_some_and(|(old, new)| *old > 0 && *new > 0)
        };
        let mut seen = std::collections::BTreeSet::new();
        lines
            .lines
            .iter()
            .filter(both)
            .filter(|line| seen.insert((*line).clone()))
            .cloned()
            .collect()
    };
    let old: Vec<(String, String)> = common(old);
    let new: Vec<(String, String)> = common(new);
    let at = old.iter().zip(&new).position(|(old, new)| old != new)?;
    let (owner, text) = old.get(at)?.clone();
    let before = new.get(at).map(|(_, text)| text.as_str()).unwrap_or_default();
    let text = format!("{text} (in the second, {before} comes first)");
    let place = heading.place.clone();
    Some((owner, Change { place, kind: ChangeKind::Order, text, count: 1 }))
}
