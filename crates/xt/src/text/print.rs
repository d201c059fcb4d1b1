//! Owns printing: the same bytes that iptables-save prints for the same kernel state, but for its
//! comment lines with dates.

use std::io;

use super::words::save_name;
use crate::view::{Chain, ChainKind, Counters, Rule, Ruleset, Table};

/// Room for most rules.
const LINE: usize = 256;

/// Whether the counters of rules are printed (`iptables-save -c`). Those of chains always are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// With the counters of rules.
    WithCounters,
    /// Without.
    Plain,
}

/// Prints all tables. Memory for one rule at a time.
///
/// # Errors
/// Of `out`.
pub fn save(ruleset: &Ruleset, shown: Shown, out: &mut impl io::Write) -> io::Result<()> {
    ruleset.tables.iter().try_for_each(|table| save_table(table, shown, out))
}

/// Prints one table. Chains that iptables-save does not show ([`ChainKind::Foreign`]) are in a
/// comment.
///
/// # Errors
/// Of `out`.
pub fn save_table(table: &Table, shown: Shown, out: &mut impl io::Write) -> io::Result<()> {
    begin(&table.name, out)?;
    table.chains.iter().try_for_each(|chain| head(chain, out))?;
    table.chains.iter().try_for_each(|chain| rules(chain, shown, out))?;
    end(out)
}

pub(crate) fn begin(table: &str, out: &mut impl io::Write) -> io::Result<()> {
    writeln!(out, "*{table}")
}

pub(crate) fn end(out: &mut impl io::Write) -> io::Result<()> {
    writeln!(out, "COMMIT")
}

/// The line that declares a chain.
pub(crate) fn head(chain: &Chain, out: &mut impl io::Write) -> io::Result<()> {
    let counters = chain.counters;
    let policy = match &chain.kind {
        ChainKind::Builtin { policy } => policy.text(),
        ChainKind::User => return user_head(&chain.name, chain.counters, out),
        ChainKind::Foreign { hook, .. } => {
            let name = &chain.name;
            return writeln!(out, "# chain {name} at {hook} belongs to nobody iptables knows");
        }
    };
    writeln!(out, ":{} {policy} [{}:{}]", chain.name, counters.packets, counters.bytes)
}

/// The line that declares a chain of somebody's. There are tens of thousands, and none counts.
fn user_head(name: &str, counters: Counters, out: &mut impl io::Write) -> io::Result<()> {
    if counters != Counters::default() {
        return writeln!(out, ":{name} - [{}:{}]", counters.packets, counters.bytes);
    }
    out.write_all(b":")?;
    out.write_all(name.as_bytes())?;
    out.write_all(b" - [0:0]\n")
}

/// The lines of a chain's rules.
pub(crate) fn rules(chain: &Chain, shown: Shown, out: &mut impl io::Write) -> io::Result<()> {
    chain.rules.iter().try_for_each(|one| rule(chain, one, shown, out))
}

/// The line of a rule in a chain, which need not hold it.
pub(crate) fn rule(
    chain: &Chain,
    rule: &Rule,
    shown: Shown,
    out: &mut impl io::Write,
) -> io::Result<()> {
    let mut line = String::with_capacity(LINE);
    if matches!(chain.kind, ChainKind::Foreign { .. }) {
        line += "# ";
    }
    push_counters(rule, shown, &mut line);
    push_append(&chain.name, &mut line);
    push_spec(rule, &mut line);
    line.push('\n');
    out.write_all(line.as_bytes())
}

/// What begins the line of each rule of a chain of this name.
pub(crate) fn push_append(chain: &str, out: &mut String) {
    *out += "-A";
    save_name(chain, out);
}

/// Appends the line of a rule in the chain that `append` names.
pub(crate) fn push_rule(append: &str, rule: &Rule, shown: Shown, line: &mut String) {
    push_counters(rule, shown, line);
    *line += append;
    push_spec(rule, line);
    line.push('\n');
}

fn push_counters(rule: &Rule, shown: Shown, line: &mut String) {
    if shown == Shown::WithCounters {
        let counters = rule.counters.unwrap_or_default();
        put!(line, "[{}:{}] ", counters.packets, counters.bytes);
    }
}

fn push_spec(rule: &Rule, line: &mut String) {
    rule.selector.save(line);
    for found in &rule.matches {
        found.save(line);
    }
    if let Some(target) = &rule.target {
        target.save(line);
    }
}

/// One rule as a line of iptables-save, without counters and without the line's end.
pub fn save_rule(chain: &str, rule: &Rule) -> String {
    let mut line = String::with_capacity(LINE);
    push_append(chain, &mut line);
    push_spec(rule, &mut line);
    line
}
