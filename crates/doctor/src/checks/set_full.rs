//! Owns `set-full`: a set that can take no more elements.

use model::{FindingCode, Severity};

use super::{Found, Outcome, limited};
use crate::host::Host;

pub(super) fn check(host: &Host<'_>) -> Outcome {
    let (ipsets, nft) = (host.snapshot.ipsets.known(), host.snapshot.nft.known());
    if ipsets.is_none() && nft.is_none() {
        return Err(super::unknown("sets", &host.snapshot.ipsets));
    }
    let mut findings = Vec::new();
    for set in ipsets.into_iter().flatten() {
        // a list has a size, not a limit that is reached
        if set.kind.starts_with("list:") || set.kind.starts_with("bitmap:") {
            continue;
        }
        findings.extend(of(format!("ipset {}", set.name), set.count, set.limit));
    }
    for table in nft.into_iter().flat_map(|nft| &nft.tables) {
        for set in &table.sets {
            // sets that packets fill forget by themselves
            if set.flags.iter().any(|flag| flag == "dynamic" || flag == "timeout") {
                continue;
            }
            let place = format!("set {} of table {} {}", set.name, table.family, table.name);
            findings.extend(of(place, set.count, set.size));
        }
    }
    Ok(limited(findings))
}

fn of(place: String, count: u64, limit: Option<u64>) -> Option<model::Finding> {
    let limit = limit?;
    // the kernel refuses one more
    let (severity, how) = if count >= limit {
        (Severity::Error, "full")
    } else if count >= limit - limit / 20 && limit >= 1_000 {
        (Severity::Warning, "nearly full")
    } else {
        return None;
    };
    Some(
        Found::new(
            FindingCode::SetFull,
            severity,
            place,
            format!("{how}: {count} of {limit} elements"),
        )
        .evidence([format!("{count} elements, limit {limit}")])
        .advice(
            "what is to be added next is refused: packets of new Pods or peers meet no rule, or the \
             wrong one; raise the limit (maxelem, size) where the set is made, or find out why it grows",
        ),
    )
}
