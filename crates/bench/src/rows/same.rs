//! Whether the floor lays the same objects as the product: a ratio between different things would
//! say nothing.

use anyhow::{Context, Result};
use netns::Namespace;
use nfnl::{Chain, Family, Rule, Set, Socket, TableId};

use super::floor;
use crate::agent;
use crate::mapping::Mapping;
use crate::outcome::Outcome;
use crate::product;
use crate::raw;

/// Compares the two tables in the kernel, part by part.
pub(super) fn judge(outcome: &mut Outcome) -> Result<()> {
    let mappings = Mapping::first(10);
    let of_floor = Namespace::create()?.run(|| {
        let _raw = floor::built(&mappings)?;
        Laid::read(raw::TABLE)
    })??;
    let of_product = Namespace::create()?.run(|| {
        let _driver = product::loaded(&mappings)?;
        Laid::read(agent::TABLE)
    })??;
    let differences = of_floor.differences(&of_product);
    for difference in &differences {
        outcome.notes.push(format!("THE FLOOR LAYS SOMETHING ELSE: {difference}"));
    }
    let what = "objects in which the floor differs from netkeep".to_owned();
    outcome.at_most("G1", what, differences.len() as f64, 0.0);
    Ok(())
}

/// A table without its name and the kernel's handles, each part in words.
struct Laid(Vec<String>);

impl Laid {
    fn read(table: &str) -> Result<Self> {
        let mut socket = Socket::open()?;
        let found = socket.table(&TableId::new(Family::Inet, table))?.context("no table")?;
        let mut parts = vec![format!("table with flags {:?}", found.flags)];
        let mut sets = socket.sets(Family::Inet, Some(table))?;
        sets.sort_by(|a, b| a.name.cmp(&b.name));
        for set in sets {
            let elements = socket.elements(&set.set_id())?;
            parts.push(format!("{:?}", Set { table: String::new(), handle: None, ..set }));
            let mut elements: Vec<_> = elements.iter().map(|e| format!("{e:?}")).collect();
            elements.sort();
            parts.push(elements.join(" "));
        }
        let mut chains = socket.chains(Family::Inet, Some(table))?;
        chains.sort_by(|a, b| a.name.cmp(&b.name));
        let unnamed = |chain| Chain { table: String::new(), handle: None, ..chain };
        parts.extend(chains.into_iter().map(|chain| format!("{:?}", unnamed(chain))));
        let mut rules = socket.rules(Family::Inet, Some(table), None)?;
        rules.sort_by(|a, b| a.chain.cmp(&b.chain));
        let unnamed = |rule| Rule { table: String::new(), handle: None, position: None, ..rule };
        parts.extend(rules.into_iter().map(|rule| format!("{:?}", unnamed(rule))));
        Ok(Self(parts))
    }

    fn differences(&self, other: &Self) -> Vec<String> {
        let pairs = self.0.iter().zip(&other.0).filter(|(mine, theirs)| mine != theirs);
        let mut differences: Vec<String> =
            pairs.map(|(mine, theirs)| format!("{mine} instead of {theirs}")).collect();
        let missing = self.0.len().abs_diff(other.0.len());
        differences.extend((0..missing).map(|_| "an object too many or too few".to_owned()));
        differences
    }
}
