//! Owns `position-deleted-rule`: a chain that has one jump twice, where the jump of another system is
//! missing. That is what deleting by position leaves when somebody inserts in between.

use model::{FindingCode, Severity};
use xt::Target;

use super::{Found, Outcome, duplicate_rules, missing_anchor, need_rules};
use crate::host::Host;
use crate::owners;

pub(super) fn check(host: &Host<'_>) -> Outcome {
    need_rules(host)?;
    let mut findings = Vec::new();
    for view in &host.tables {
        for missing in missing_anchor::missing(view) {
            let Some(number) = view.number(missing.builtin) else { continue };
            let Some(builtin) = view.chain(missing.builtin) else { continue };
            let twice = duplicate_rules::groups(view, number, builtin);
            let twice = twice.iter().find(|group| {
                let to = group.rules[0].target.as_ref().and_then(Target::chain);
                to.is_some_and(|to| owners::of_chain(to) != owners::of_chain(&missing.chain.name))
            });
            let Some(group) = twice else { continue };
            let owner = owners::of_chain(&missing.chain.name);
            findings.push(
                Found::new(
                    FindingCode::PositionDeletedRule,
                    Severity::Error,
                    format!("{} {}", view.place(), missing.builtin),
                    format!(
                        "the jump to {} ({owner}) is gone, and another jump is there {} times: \
                         somebody deleted by position, and positions had shifted",
                        missing.chain.name,
                        group.rules.len()
                    ),
                )
                .evidence(group.rules.iter().map(|rule| view.show(builtin, rule)))
                .advice(format!(
                    "packets that {} works on miss it; restart {owner} so that it puts its jump \
                     back, and find the program that deletes rules by number",
                    missing.chain.name
                )),
            );
        }
    }
    Ok(findings)
}
