//! Owns `incompatible-native-rule`: native rules in a table of iptables-nft. iptables-nft-save either
//! refuses the table or, worse, shows the rule without its condition; saved and restored it is wider.

use model::{FindingCode, Severity};
use xt::Backend;

use super::{Found, Outcome, limited};
use crate::host::{Host, Trait};

pub(super) fn check(host: &Host<'_>) -> Outcome {
    let nft = host.snapshot.nft.known();
    if nft.is_none() && !host.has_rules() {
        return Err(super::unknown("rules", &host.snapshot.nft));
    }
    let mut findings = Vec::new();
    for table in nft.into_iter().flat_map(|nft| &nft.tables).filter(|t| t.is_of_iptables()) {
        let rules = table.chains.iter().flat_map(|chain| {
            chain.rules.iter().filter(|rule| rule.native).map(move |rule| (chain, rule))
        });
        let lines: Vec<String> = rules
            .map(|(chain, rule)| {
                format!("table {} {} chain {}: {}", table.family, table.name, chain.name, rule.text)
            })
            .collect();
        if !lines.is_empty() {
            findings.push(finding(format!("table {} {}", table.family, table.name), lines));
        }
    }
    for view in host.tables.iter().filter(|view| view.backend == Backend::NftCompat) {
        let rules = view.rules_that(Trait::NATIVE);
        let lines: Vec<String> = rules.map(|(chain, rule)| view.show(chain, rule)).collect();
        let place = format!("table {} {}", family_word(view.family), view.name());
        let known = findings.iter().any(|finding: &model::Finding| finding.subject == place);
        if !lines.is_empty() && !known {
            findings.push(finding(place, lines));
        }
    }
    findings.extend(refused(host));
    Ok(limited(findings))
}

fn family_word(family: xt::Family) -> &'static str {
    match family {
        xt::Family::V4 => "ip",
        xt::Family::V6 => "ip6",
    }
}

fn finding(place: String, lines: Vec<String>) -> model::Finding {
    let count = super::count(lines.len(), "native rule");
    Found::new(
        FindingCode::IncompatibleNativeRule,
        Severity::Warning,
        place,
        format!("{count} in a table of iptables-nft, with sets, maps or joined keys"),
    )
    .evidence(lines)
    .advice(
        "iptables-nft-save shows such a rule without that condition and exits 0: save and restore of \
         this table makes it meet every packet, and a DROP cuts the node off; move the rules to a \
         table of their own",
    )
}

/// What iptables-nft itself said of it.
fn refused(host: &Host<'_>) -> Option<model::Finding> {
    let messages = host.snapshot.messages.iter();
    let said: Vec<String> = messages
        .filter(|message| message.text.contains("is incompatible, use 'nft' tool"))
        // of a chain that is not there the tool says the same
        .filter(|message| message.text.to_ascii_lowercase().contains("# table"))
        .map(|message| format!("{}: {}", message.place, message.text))
        .collect();
    if said.is_empty() {
        return None;
    }
    Some(
        Found::new(
            FindingCode::IncompatibleNativeRule,
            Severity::Warning,
            "iptables-nft-save",
            "a table was not shown: it holds native rules, and the tool exits 0 all the same",
        )
        .evidence(said)
        .advice(
            "agents that read the table this way find none of their rules and add them again each \
             time (or crash, as Calico does); move the native rules to a table of their own",
        ),
    )
}
