//! Owns `drop-without-established`: INPUT drops what it does not know, and does not accept answers to
//! what the node itself asked.

use model::{FindingCode, Severity};
use xt::{Match, Policy, Target};

use super::{Found, Outcome, need_rules};
use crate::host::{Host, TableView, ends_all};

pub(super) fn check(host: &Host<'_>) -> Outcome {
    if host.snapshot.nft.known().is_none() {
        need_rules(host)?;
    }
    let mut findings = Vec::new();
    for view in host.tables.iter().filter(|view| view.name() == "filter" && view.is_whole()) {
        let Some(input) = view.chain("INPUT") else { continue };
        let stop = input.rules.iter().find(|rule| ends_all(rule));
        let drops = match stop.map(|rule| &rule.target) {
            Some(Some(Target::Drop | Target::Reject(_))) => true,
            Some(_) => false,
            None => input.kind.policy() == Some(Policy::Drop),
        };
        if !drops || accepts_answers(view) {
            continue;
        }
        findings.push(finding(
            format!("{} INPUT", view.place()),
            input.rules.iter().map(|rule| view.show(input, rule)).collect(),
        ));
    }
    let tables = host.snapshot.nft.known().into_iter().flat_map(|nft| &nft.tables);
    for table in tables.filter(|table| !table.is_of_iptables()) {
        let input = table.chains.iter().find(|chain| {
            let base = chain.base.as_ref();
            base.is_some_and(|b| b.hook == "input" && b.policy.as_deref() == Some("drop"))
        });
        let Some(input) = input else { continue };
        let mut rules = table.chains.iter().flat_map(|chain| &chain.rules);
        if !rules.any(|rule| rule.text.contains("established")) {
            let place = format!("table {} {} chain {}", table.family, table.name, input.name);
            let lines = input.rules.iter().map(|rule| format!("{place}: {}", rule.text));
            findings.push(finding(place.clone(), lines.collect()));
        }
    }
    Ok(findings)
}

fn finding(place: String, rules: Vec<String>) -> model::Finding {
    Found::new(
        FindingCode::DropWithoutEstablished,
        Severity::Warning,
        place,
        "what is not known is dropped, and no rule accepts answers to connections of the node",
    )
    .evidence(rules)
    .advice(
        "the node cannot reach the API server, DNS or an image registry unless their ports are open \
         towards it; accept RELATED,ESTABLISHED first",
    )
}

fn accepts_answers(view: &TableView<'_>) -> bool {
    view.chains().any(|(number, chain)| {
        view.is_reached_from(number, "INPUT")
            && chain.rules.iter().any(|rule| {
                let accepts = rule.target == Some(Target::Accept);
                let answers = rule.matches.iter().any(|found| match found {
                    Match::Conntrack(test) => {
                        test.state.is_some_and(|s| !s.is_not() && s.value().has("ESTABLISHED"))
                    }
                    Match::State(state) => !state.is_not() && state.value().has("ESTABLISHED"),
                    _ => false,
                });
                let all = rule.matches.is_empty() && rule.selector.is_any();
                accepts && (answers || all)
            })
    })
}
