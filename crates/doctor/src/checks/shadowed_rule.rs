//! Owns `shadowed-rule`: rules that no packet reaches, because an earlier rule of the chain takes all
//! packets that they would meet.

use model::{Finding, FindingCode, Severity};
use xt::{Chain, Target};

use super::{Found, Outcome, duplicate_rules, limited, need_rules, wrong_order};
use crate::host::{Host, Shadow, TableView, translates};

pub(super) fn check(host: &Host<'_>) -> Outcome {
    need_rules(host)?;
    let mut findings = Vec::new();
    for view in &host.tables {
        for (number, shadows) in view.shadowed() {
            let Some(chain) = view.table.chains.get(*number) else { continue };
            let mut by_taker: Vec<(&xt::Rule, Vec<Shadow<'_>>)> = Vec::new();
            for shadow in shadows {
                if is_of_another_check(shadow) || is_refused_before(view, shadow) {
                    continue;
                }
                match by_taker.iter_mut().find(|(by, _)| by.position == shadow.by.position) {
                    Some((_, all)) => all.push(*shadow),
                    None => by_taker.push((shadow.by, vec![*shadow])),
                }
            }
            for (_, all) in by_taker {
                findings.push(finding(view, chain, &all, view.is_reached(*number)));
            }
        }
    }
    Ok(limited(findings))
}

/// Copies are `duplicate-rules`; exceptions behind what they except from are `wrong-order`.
fn is_of_another_check(shadow: &Shadow<'_>) -> bool {
    let text = duplicate_rules::without_comments;
    wrong_order::is_exception_too_late(shadow) || text(shadow.rule) == text(shadow.by)
}

/// Behind a chain that refuses whatever comes to its end, one more refusal changes nothing: firewalls end so
/// (firewalld, behind the chains of its zones).
fn is_refused_before(view: &TableView<'_>, shadow: &Shadow<'_>) -> bool {
    let refuses = |rule: &xt::Rule| matches!(rule.target, Some(Target::Drop | Target::Reject(_)));
    let next = shadow.by.target.as_ref().and_then(Target::chain);
    let taker = next.and_then(|next| view.taker(view.number(next)?));
    refuses(shadow.rule) && taker.is_some_and(|(_, rule)| refuses(rule))
}

fn finding(view: &TableView<'_>, chain: &Chain, all: &[Shadow<'_>], reached: bool) -> Finding {
    let by = all[0].by;
    let worst = all.iter().map(|shadow| severity(shadow, reached)).max();
    let rules = super::count(all.len(), "rule");
    let mut evidence = vec![view.show(chain, by)];
    evidence.extend(all.iter().take(8).map(|shadow| view.show(chain, shadow.rule)));
    let mut message = format!(
        "{rules} behind rule {} {} reached by no packet: {}",
        by.position,
        if all.len() == 1 { "is" } else { "are" },
        takes(view, by)
    );
    if let Some(lost) = destination(view, all[0].rule) {
        message = format!("{message}, and {lost} is not reached this way");
    }
    Found::new(
        FindingCode::ShadowedRule,
        worst.unwrap_or(Severity::Info),
        format!("{} {}", view.place(), chain.name),
        message,
    )
    .evidence(evidence)
    .advice(
        "packets that the later rule was made for get the earlier one's verdict; if the earlier one \
         is a leftover (its container, Pod or peer is gone), remove it, else move it behind",
    )
}

/// What the earlier rule does with the packets.
fn takes(view: &TableView<'_>, by: &xt::Rule) -> String {
    match (destination(view, by), &by.target) {
        (Some(to), _) => format!("the first match goes to {to}"),
        (None, Some(target)) => format!("{} takes them all", target.name()),
        (None, None) => "it takes them all".to_owned(),
    }
}

/// Where a rule sends packets, itself or through the chain it jumps to.
fn destination(view: &TableView<'_>, rule: &xt::Rule) -> Option<String> {
    let text = |(address, port): crate::host::NatBackend| match port {
        Some(port) if address.is_ipv6() => format!("[{address}]:{port}"),
        Some(port) => format!("{address}:{port}"),
        None => address.to_string(),
    };
    match rule.target.as_ref()? {
        Target::Dnat(nat) => nat.to().map(text),
        Target::Jump(next) | Target::Goto(next) => {
            let chain = view.chain(next)?;
            let mut to = chain.rules.iter().filter_map(|rule| match &rule.target {
                Some(Target::Dnat(nat)) => nat.to(),
                _ => None,
            });
            to.next().map(|to| format!("{} ({next})", text(to)))
        }
        _ => None,
    }
}

fn severity(shadow: &Shadow<'_>, reached: bool) -> Severity {
    if !reached {
        // nobody comes here anyway
        return Severity::Warning;
    }
    if shadow.rule.target == shadow.by.target {
        return Severity::Info;
    }
    let leads = matches!(shadow.rule.target, Some(Target::Jump(_) | Target::Goto(_)));
    if translates(shadow.rule) || translates(shadow.by) || leads {
        Severity::Error
    } else {
        Severity::Warning
    }
}
