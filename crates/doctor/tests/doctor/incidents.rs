//! The contract's codes and the page of incidents, held against what there is.

use std::collections::BTreeSet;

use model::FindingCode;

use crate::dumps;

/// All codes that scripts may rely on, of rules and of the agent.
const CONTRACT: &str = "split-backends duplicate-rules stale-rules missing-anchor wrong-order shadowed-rule \
    npl-rule-lost dangling-dnat gateway-state-lost gateway-not-ready flow-restore-wait uplink-is-primary \
    ip-on-enslaved-nic forward-drop dual-stack-asymmetry lock-held incompatible-native-rule set-full \
    legacy-without-binary stale-conntrack reused-ip address-conflict port-conflict range-exhausted \
    invalid-object source-unavailable foreign-write rejected-by-kernel";

/// Those of the agent alone: no state of a node shows them.
const OF_THE_AGENT: [&str; 6] = [
    "gateway-not-ready",
    "range-exhausted",
    "invalid-object",
    "source-unavailable",
    "foreign-write",
    "rejected-by-kernel",
];

/// Codes that some check is made for, whether it could look or not.
fn checks() -> BTreeSet<&'static str> {
    let report = doctor::run(&dumps::of_files(&[]));
    let skipped = report.skipped.iter().filter_map(|skip| skip.code);
    report.checked.iter().copied().chain(skipped).map(FindingCode::as_str).collect()
}

#[test]
fn every_code_of_the_contract_exists_is_explained_and_is_checked_where_a_node_shows_it() {
    let checks = checks();
    assert!(checks.len() >= 25, "{}", checks.len());
    for slug in CONTRACT.split_whitespace() {
        let code = FindingCode::from_slug(slug).unwrap_or_else(|| panic!("there is no {slug}"));
        let page = doctor::page(code);
        assert!(page.starts_with(&format!("# {slug}\n")) && page.len() > 200, "{slug}");
        assert_eq!(!checks.contains(slug), OF_THE_AGENT.contains(&slug), "{slug}");
    }
}

#[test]
fn every_incident_on_the_page_has_a_check_and_nearly_every_check_an_incident() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/design/incidents.md");
    let page = std::fs::read_to_string(path).unwrap();
    let checks = checks();
    let rows = page.lines().filter(|line| line.starts_with("| ")).skip(1);
    let mut named = BTreeSet::new();
    let mut count = 0;
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [incident, left, code] = cells.as_slice() else { panic!("{row}") };
        assert!(!incident.is_empty() && !left.is_empty(), "{row}");
        let code = code.trim_matches('`');
        assert!(checks.contains(code), "{row}: no check is called {code}");
        named.insert(code.to_owned());
        count += 1;
    }
    assert!(count >= 40 && named.len() >= 25, "{count} rows, {} codes", named.len());
}
