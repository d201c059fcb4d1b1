//! Owns `partial-restore`: a restore that stopped in the middle. iptables-restore is atomic a table,
//! not a file: with an error in the second table the first one stays.

use model::{FindingCode, Severity};

use super::{Found, Outcome};
use crate::host::Host;

pub(super) fn check(host: &Host<'_>) -> Outcome {
    let failed: Vec<String> = host
        .snapshot
        .messages
        .iter()
        .filter(|message| {
            let text = &message.text;
            let restore = text.contains("restore") || text.starts_with("Error occurred at line");
            let why = text.contains("Error occurred at line")
                || text.contains("Couldn't load target")
                || text.contains("doesn't exist.");
            restore && why
        })
        .map(|message| format!("{}: {}", message.place, message.text))
        .collect();
    let mut findings = Vec::new();
    if !failed.is_empty() {
        findings.push(
            Found::new(
                FindingCode::PartialRestore,
                Severity::Warning,
                "iptables-restore",
                "a restore of rules failed at a line: tables before that line are new, the others \
                 are old",
            )
            .evidence(failed)
            .advice(
                "one line that the tool does not take (an address of the other family, a chain or \
                 set that is not there) keeps the whole table from changing; mend the line, or the \
                 object that it comes from, and restore again",
            ),
        );
    }
    if !host.has_rules() && findings.is_empty() {
        return Err(super::rules_unknown(host));
    }
    findings.extend(half(host));
    Ok(findings)
}

/// kube-proxy writes filter and nat with one restore: only one of them is the result of a failed one.
fn half(host: &Host<'_>) -> Vec<model::Finding> {
    let mut findings = Vec::new();
    for ruleset in host.snapshot.rules.known() {
        let table = |name| host.table(ruleset.backend, ruleset.family, name);
        let (Some(filter), Some(nat)) = (table("filter"), table("nat")) else { continue };
        let has = |view: &crate::host::TableView<'_>, chain: &str| {
            view.chain(chain).is_some_and(|chain| !chain.rules.is_empty())
        };
        let services = has(nat, "KUBE-SERVICES");
        let forward = has(filter, "KUBE-FORWARD");
        let known = filter.is_whole() && nat.is_whole();
        // the other chain is there, made before the restore, and empty
        let emptied = match (services, forward) {
            (true, false) => filter.chain("KUBE-FORWARD").map(|_| ("KUBE-FORWARD", "filter")),
            (false, true) => nat.chain("KUBE-SERVICES").map(|_| ("KUBE-SERVICES", "nat")),
            _ => None,
        };
        let Some((chain, table)) = emptied.filter(|_| known) else { continue };
        findings.push(
            Found::new(
                FindingCode::PartialRestore,
                Severity::Error,
                format!("{} {}", ruleset.backend, ruleset.family),
                format!("kube-proxy's rules are in one table only: {chain} in {table} is empty"),
            )
            .evidence([format!("{} {} {table}: {chain} has no rule", ruleset.backend, ruleset.family)])
            .advice("Services do not work; see kube-proxy's log for the line that iptables-restore refuses"),
        );
    }
    findings
}
