//! Owns `interval-overlap`: intervals of one nft set that contain each other. Without `auto-merge` the
//! kernel refuses the second one; with it the smaller one is swallowed, and lost with the larger.

use std::net::IpAddr;

use model::{FindingCode, Severity};

use super::{Found, Outcome, limited};
use crate::host::Host;
use crate::snapshot::{NftSet, Prefix};

pub(super) fn check(host: &Host<'_>) -> Outcome {
    let nft = host.snapshot.nft.known();
    let messages = host.snapshot.messages.iter();
    let said: Vec<String> = messages
        .filter(|message| {
            message.text.contains("interval overlaps with an existing one")
                || message.text.contains("conflicting intervals specified")
        })
        .map(|message| format!("{}: {}", message.place, message.text))
        .collect();
    if nft.is_none() && said.is_empty() {
        return Err(super::unknown("nft list ruleset", &host.snapshot.nft));
    }
    let mut findings = Vec::new();
    if !said.is_empty() {
        findings.push(
            Found::new(
                FindingCode::IntervalOverlap,
                Severity::Error,
                "nft",
                "a transaction was refused because intervals of a set overlap: nothing of it is in \
                 force",
            )
            .evidence(said)
            .advice(
                "rules and sets of that transaction are as old as the last good one; whoever fills \
                 the set must leave out what a larger network contains, and try again",
            ),
        );
    }
    for table in nft.into_iter().flat_map(|nft| &nft.tables) {
        for set in table.sets.iter().filter(|set| set.flags.iter().any(|f| f == "interval")) {
            findings.extend(of_set(&format!("table {} {}", table.family, table.name), set));
        }
    }
    Ok(limited(findings))
}

fn of_set(table: &str, set: &NftSet) -> Option<model::Finding> {
    let mut intervals: Vec<(u128, u128, &str)> =
        set.elements.iter().filter_map(|element| interval(element)).collect();
    intervals.sort_unstable_by_key(|(low, high, _)| (*low, u128::MAX - *high));
    let mut inside = Vec::new();
    let mut widest: Option<(u128, &str)> = None;
    for (low, high, text) in intervals {
        match widest {
            Some((end, by)) if low <= end => inside.push(format!("{text} is inside {by}")),
            _ => {}
        }
        if widest.is_none_or(|(end, _)| high > end) {
            widest = Some((high, text));
        }
    }
    let place = format!("{table} set {}", set.name);
    if !inside.is_empty() {
        return Some(
            Found::new(
                FindingCode::IntervalOverlap,
                Severity::Warning,
                place,
                format!("{} inside another", super::count(inside.len(), "interval")),
            )
            .evidence(inside)
            .advice("with the larger one the smaller one is deleted too; keep one of the two"),
        );
    }
    set.auto_merge.then(|| {
        Found::new(
            FindingCode::IntervalOverlap,
            Severity::Info,
            place,
            "intervals are merged (auto-merge): a network inside a larger one is not kept, and is \
             gone when the larger one is deleted",
        )
        .evidence(set.elements.iter().take(4).cloned())
        .advice("whoever fills the set must know which networks it wants, not only what it added")
    })
}

/// First and last address of an element, as numbers. IPv4 and IPv6 never share a set.
fn interval(element: &str) -> Option<(u128, u128, &str)> {
    let key = element.split(' ').next()?;
    let number = |address: IpAddr| match address {
        IpAddr::V4(four) => u128::from(four.to_bits()),
        IpAddr::V6(six) => six.to_bits(),
    };
    if element.contains(" . ") {
        return None;
    }
    if let Some((low, high)) = key.split_once('-') {
        return Some((number(low.parse().ok()?), number(high.parse().ok()?), key));
    }
    let prefix: Prefix = key.parse().ok()?;
    let bits = if prefix.address.is_ipv4() { 32 } else { 128 } - u32::from(prefix.length);
    let low = number(prefix.address);
    let size = 1u128.checked_shl(bits).map_or(u128::MAX, |size| size - 1);
    Some((low, low.saturating_add(size), key))
}
