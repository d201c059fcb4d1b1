//! Owns what a table would be after a restore, and whether it would cut the node off. Pure.
//!
//! Rules of a backup are read from their text, which is what a person is shown of them.

use std::collections::BTreeMap;

use xt::{
    Backend, Chain, ChainKind, Counters, Extent, Family, Policy, Rule, Table,
    text::{Line, read_line},
};

use super::plan::{Insertion, Plan};
use crate::{
    backup::{Origin, TableRecord},
    image::Image,
    lockout::{self, Listening, Lockout, Return},
};

/// What the plan would cut off.
pub(super) fn lockouts(
    backend: Backend,
    record: &TableRecord,
    image: Option<&Image>,
    plan: &Plan,
    listening: &Listening,
) -> Vec<Lockout> {
    if plan.is_empty() {
        return Vec::new();
    }
    let now = image.map_or_else(|| open(record), |image| image.table.clone());
    let then = with(&now, record.family, plan);
    let was = recorded(&then, record);
    let tables = Return { now: &now, then: &then, was: &was };
    lockout::of_return(record.family, backend, &tables, listening)
}

/// A table that is not there accepts everything.
fn open(record: &TableRecord) -> Table {
    let builtin = record.chains.iter().filter(|chain| chain.origin != Origin::User);
    let chains =
        builtin.map(|chain| empty(&chain.name, ChainKind::Builtin { policy: Policy::Accept }));
    Table { name: record.name.clone(), chains: chains.collect(), extent: Extent::Whole }
}

fn empty(name: &str, kind: ChainKind) -> Chain {
    Chain { name: name.to_owned(), kind, counters: Counters::default(), rules: Vec::new() }
}

const fn kind(origin: &Origin) -> ChainKind {
    match origin {
        Origin::User => ChainKind::User,
        Origin::Builtin { policy, .. } => ChainKind::Builtin { policy: *policy },
    }
}

fn chain_of<'t>(table: &'t mut Table, name: &str, kind: ChainKind) -> Option<&'t mut Chain> {
    if table.chain(name).is_none() {
        table.chains.push(empty(name, kind));
    }
    table.chains.iter_mut().find(|chain| chain.name == name)
}

/// The table once the plan is carried out.
fn with(now: &Table, family: Family, plan: &Plan) -> Table {
    let mut table = now.clone();
    for (name, origin) in &plan.chains {
        // a builtin chain that nf_tables does not have is in the view, empty
        if let Some(chain) = chain_of(&mut table, name, kind(origin)) {
            chain.kind = kind(origin);
        }
    }
    let mut new: BTreeMap<&str, Vec<&Insertion>> = BTreeMap::new();
    for insertion in &plan.insertions {
        new.entry(&insertion.chain).or_default().push(insertion);
    }
    for (name, insertions) in new {
        let Some(chain) = chain_of(&mut table, name, ChainKind::User) else { continue };
        let mut new = insertions.into_iter().peekable();
        let mut rules = Vec::with_capacity(chain.rules.len() + new.len());
        for (place, rule) in std::mem::take(&mut chain.rules).into_iter().enumerate() {
            while let Some(insertion) = new.next_if(|insertion| insertion.place <= place) {
                rules.extend(read(&insertion.line, family));
            }
            rules.push(rule);
        }
        rules.extend(new.filter_map(|insertion| read(&insertion.line, family)));
        chain.rules = rules;
    }
    table
}

/// The table with the chains of the backup as they were.
fn recorded(then: &Table, record: &TableRecord) -> Table {
    let mut table = then.clone();
    for of in &record.chains {
        let Some(chain) = chain_of(&mut table, &of.name, kind(&of.origin)) else { continue };
        chain.kind = kind(&of.origin);
        chain.rules = of.rules.iter().filter_map(|rule| read(&rule.rule, record.family)).collect();
    }
    table
}

fn read(line: &str, family: Family) -> Option<Rule> {
    match read_line(&format!("-A x {line}"), family) {
        Line::Rule(_, rule) => Some(*rule),
        _ => None,
    }
}
