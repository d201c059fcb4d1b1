//! Owns `misread-rule`: iptables-nft-save shows a rule that asks nothing where nft shows conditions.
//! Versions of iptables differ in what they can read back of each other.

use model::{FindingCode, Severity};
use xt::{Backend, Family};

use super::{Found, Outcome, count, need};
use crate::host::{Host, Trait};
use crate::snapshot::NftRule;

pub(super) fn check(host: &Host<'_>) -> Outcome {
    let nft = need(&host.snapshot.nft, "nft list ruleset")?;
    if !host.tables.iter().any(|view| view.backend == Backend::NftCompat) {
        let why = host.snapshot.rules.nft_v4.absent().unwrap_or("there are none");
        return Err(format!("rules of iptables-nft: {why}"));
    }
    let mut findings = Vec::new();
    for view in host.tables.iter().filter(|view| view.backend == Backend::NftCompat) {
        let family = match view.family {
            Family::V4 => "ip",
            Family::V6 => "ip6",
        };
        let Some(table) = nft.table(family, view.name()) else { continue };
        let mut lines = Vec::new();
        for chain in &table.chains {
            let Some(number) = view.number(&chain.name) else { continue };
            let Some(saved) = view.table.chains.get(number) else { continue };
            // rules that one of the two leaves out shift the others: only equal lengths compare
            if saved.rules.len() != chain.rules.len() {
                continue;
            }
            for (at, (rule, kernel)) in saved.rules.iter().zip(&chain.rules).enumerate() {
                // most rules ask something, and are done with
                if view.is(number, at, Trait::ASKS_NOTHING) && lost(rule, kernel) {
                    lines.push(view.show(saved, rule));
                    lines.push(format!("nft: {}", kernel.text));
                }
            }
        }
        if lines.is_empty() {
            continue;
        }
        findings.push(
            Found::new(
                FindingCode::MisreadRule,
                Severity::Warning,
                view.place(),
                format!("{} shown without a condition that the kernel has", count(lines.len() / 2, "rule")),
            )
            .evidence(lines)
            .advice(
                "whoever saves and restores this table with this version of iptables makes the rule \
                 meet every packet; use nft to read it, and the same version of iptables everywhere",
            ),
        );
    }
    Ok(findings)
}

/// Whether the text of a rule that asks nothing has no match, and the kernel asks something.
fn lost(rule: &xt::Rule, kernel: &NftRule) -> bool {
    rule.matches.iter().all(is_comment) && kernel.conditions > 0 && rule.target.is_some()
}

fn is_comment(found: &xt::Match) -> bool {
    matches!(found, xt::Match::Comment(_))
}
