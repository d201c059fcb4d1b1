//! Owns `duplicate-rules`: chains as multisets. Rules that differ in the comment only are twins: what
//! an earlier version left, or what a tool could not find again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use model::{FindingCode, Severity};
use xt::{Chain, Match, Rule, Target, text};

use super::{Found, Outcome, backend_word, count, deletion, limited, need_rules};
use crate::host::{Host, Space, TableView};
use crate::owners;

/// From so many copies of one rule on it costs more than it confuses.
const MANY: usize = 50;

pub(super) fn check(host: &Host<'_>) -> Outcome {
    need_rules(host)?;
    let mut findings = Vec::new();
    for view in &host.tables {
        for (number, chain) in view.chains() {
            let groups = groups(view, number, chain);
            if groups.is_empty() {
                continue;
            }
            findings.push(finding(view, chain, &groups));
        }
    }
    Ok(limited(findings))
}

fn finding(view: &TableView<'_>, chain: &Chain, groups: &[Group<'_>]) -> model::Finding {
    let total: usize = groups.iter().map(|group| group.rules.len()).sum();
    let extra = total - groups.len();
    let worst = groups.iter().map(|group| group.rules.len()).max().unwrap_or_default();
    // of a group the first rule of each comment differs from all before it
    let twins: Vec<&Rule> = groups.iter().flat_map(Group::twins).collect();
    let copies = extra - twins.len();
    let severity = match (copies, worst) {
        (0, _) => Severity::Info,
        (_, MANY..) => Severity::Error,
        _ => Severity::Warning,
    };
    let owner = owners::of_rule(&chain.name, groups[0].rules[0]);
    let mut message = format!(
        "{} in {} are {}: {} too many",
        count(total, "rule"),
        chain.name,
        count(groups.len(), "different rule"),
        extra
    );
    if !twins.is_empty() {
        message = format!("{message}; {} in the comment only", differ(twins.len()));
    }
    let mut found = Found::new(
        FindingCode::DuplicateRules,
        severity,
        format!("{} {}", view.place(), chain.name),
        message,
    )
    .evidence(groups.iter().map(|group| {
        let line = text::save_rule(&chain.name, group.rules[0]);
        let comments = match group.comments {
            0 | 1 => String::new(),
            comments => format!(", with {comments} different comments"),
        };
        format!("{} x{}{comments}: {line}", view.place(), group.rules.len())
    }));
    let mut advice = format!(
        "packets that come to {} walk through all of them; stop what adds them ({owner}; iptables \
         1.8.10 in its image lies about -C), then remove the copies",
        chain.name
    );
    if copies > 0 {
        let _ = write!(advice, ": netkeep sweep --duplicates --backend {}", backend_word(view));
        found = found.fixable();
    }
    if let Some(twin) = twins.first() {
        let others = match twins.len() {
            1 => "",
            _ => ", and the others likewise",
        };
        let _ = write!(
            advice,
            "; a sweep keeps rules that differ in the comment: delete by hand what nobody needs, \
             {}{others}",
            deletion(view, chain, twin)
        );
    }
    found.advice(advice)
}

fn differ(twins: usize) -> String {
    if twins == 1 { "1 differs".to_owned() } else { format!("{twins} differ") }
}

/// Rules of one chain that do the same.
pub(super) struct Group<'a> {
    /// In the order of the chain, at least two.
    pub(super) rules: Vec<&'a Rule>,
    /// How many different comments they have.
    pub(super) comments: usize,
}

impl<'a> Group<'a> {
    /// The first rule of each comment but the first: too many, and no copies of any rule before them.
    fn twins(&self) -> impl Iterator<Item = &'a Rule> {
        let mut seen: BTreeSet<Vec<&'a str>> = BTreeSet::new();
        let new = move |rule: &&'a Rule| seen.insert(rule.comments().collect());
        self.rules.iter().copied().filter(new).skip(1)
    }
}

/// The rules of a chain that are there more than once, in the order of the first one.
pub(super) fn groups<'a>(view: &TableView<'a>, number: usize, chain: &'a Chain) -> Vec<Group<'a>> {
    // most rules are there once: only the texts of those that may be copies are made
    let mut by_text: BTreeMap<String, Vec<&Rule>> = BTreeMap::new();
    for rule in view.alike(number) {
        by_text.entry(without_comments(rule)).or_default().push(rule);
    }
    let mut groups: Vec<Group<'_>> =
        by_text.into_values().filter_map(|rules| group(chain, rules)).collect();
    groups.sort_by_key(|group| group.rules[0].position);
    groups
}

/// The text of a rule without its comments.
pub(super) fn without_comments(rule: &Rule) -> String {
    if rule.comments().next().is_none() {
        return text::save_rule("", rule);
    }
    let mut bare = rule.clone();
    bare.matches.retain(|found| !matches!(found, Match::Comment(_)));
    text::save_rule("", &bare)
}

/// Rules that are equal without their comments, unless they are meant to be.
fn group<'a>(chain: &'a Chain, mut rules: Vec<&'a Rule>) -> Option<Group<'a>> {
    if rules.len() < 2 {
        return None;
    }
    if means_something_twice(rules[0]) {
        // what is asked may have changed in between: only copies side by side are too many
        let same = |at: Option<usize>, rule: &Rule| {
            at.and_then(|at| chain.rules.get(at)).is_some_and(|other| other.says_the_same(rule))
        };
        let beside = |rule: &&Rule| {
            let at = rule.position as usize;
            same(Some(at), rule) || same(at.checked_sub(2), rule)
        };
        rules.retain(beside);
    }
    let comments: BTreeSet<Vec<&str>> =
        rules.iter().map(|rule| rule.comments().collect()).collect();
    (rules.len() > 1).then_some(Group { rules, comments: comments.len() })
}

/// Rules that depend on marks or on chance, that set marks, or that only count: again later in the
/// chain they are no copies.
fn means_something_twice(rule: &Rule) -> bool {
    let marks = |found: &Match| matches!(found, Match::Mark(_) | Match::Connmark(_));
    let changes = matches!(
        rule.target,
        None | Some(Target::Mark(_) | Target::Connmark(_) | Target::Log(_) | Target::Nflog(_))
    );
    changes || rule.matches.iter().any(marks) || Space::of(rule).is_uncertain
}
