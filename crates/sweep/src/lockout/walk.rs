//! Owns walking a kind of packets through a table, with or without the rules that go.

use std::collections::BTreeMap;

use xt::{Chain, Policy, Table, Target};

use super::drops;
use super::probe::Probe;
use crate::image::Part;

/// What drops packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// The end of the builtin chain.
    Policy,
    /// A rule, by the numbers of its chain and of itself.
    Rule { chain: usize, rule: usize },
}

/// Where packets can end.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ends {
    pub(super) can_accept: bool,
    pub(super) dropped_by: Option<Cause>,
    /// They can come to the end of the chain, or to a RETURN.
    comes_back: bool,
}

/// A table to be walked through.
pub(super) struct Walk<'a> {
    table: &'a Table,
    gone: Option<&'a Part>,
    numbers: BTreeMap<&'a str, usize>,
    /// Of chains, for one kind of packets; a chain that is being walked comes back.
    known: BTreeMap<usize, Ends>,
}

impl<'a> Walk<'a> {
    /// `gone` is not there.
    pub(super) fn new(table: &'a Table, gone: Option<&'a Part>) -> Self {
        let chains = table.chains.iter().enumerate();
        let numbers = chains.map(|(number, chain)| (chain.name.as_str(), number)).collect();
        Self { table, gone, numbers, known: BTreeMap::new() }
    }

    /// Where packets end that come to a builtin chain.
    pub(super) fn walk(&mut self, probe: &Probe, builtin: &str) -> Ends {
        self.known.clear();
        let Some(number) = self.numbers.get(builtin).copied() else { return Ends::default() };
        let mut ends = self.chain(probe, number, 0);
        if ends.comes_back {
            let policy = self.table.chains.get(number).and_then(|chain| chain.kind.policy());
            match policy {
                Some(Policy::Drop) => ends.dropped_by = ends.dropped_by.or(Some(Cause::Policy)),
                _ => ends.can_accept = true,
            }
        }
        ends
    }

    fn chain(&mut self, probe: &Probe, number: usize, depth: usize) -> Ends {
        if let Some(known) = self.known.get(&number) {
            return *known;
        }
        let back = Ends { comes_back: true, ..Ends::default() };
        // deeper than the kernel allows (16 jumps without a builtin chain): made up
        let Some(chain) = self.table.chains.get(number).filter(|_| depth < 64) else { return back };
        self.known.insert(number, back);
        let ends = self.rules(probe, number, chain, depth);
        self.known.insert(number, ends);
        ends
    }

    fn rules(&mut self, probe: &Probe, number: usize, chain: &'a Chain, depth: usize) -> Ends {
        let mut ends = Ends::default();
        let gone = self.gone.filter(|gone| {
            gone.rules.contains_key(&chain.name) || gone.chains.contains(&chain.name)
        });
        for (at, rule) in chain.rules.iter().enumerate() {
            if gone.is_some_and(|gone| gone.takes(&chain.name, rule.position)) {
                continue;
            }
            let Some(target) = &rule.target else { continue };
            let meets = probe.meets(rule);
            if meets == Some(false) {
                continue;
            }
            let here = match target {
                Target::Accept | Target::Queue => Ends { can_accept: true, ..Ends::default() },
                target if drops(target) => Ends {
                    dropped_by: Some(Cause::Rule { chain: number, rule: at }),
                    ..Ends::default()
                },
                Target::Return => Ends { comes_back: true, ..Ends::default() },
                Target::Jump(to) | Target::Goto(to) => match self.numbers.get(to.as_str()).copied()
                {
                    Some(to) => self.chain(probe, to, depth + 1),
                    None => continue,
                },
                // a program may say either
                target if target.name() == "NFQUEUE" => {
                    Ends { can_accept: true, ..Ends::default() }
                }
                _ => continue,
            };
            ends.can_accept |= here.can_accept;
            ends.dropped_by = ends.dropped_by.or(here.dropped_by);
            let jump = matches!(target, Target::Jump(_));
            // a RETURN, or what comes back of a chain that was gone to, leaves this one
            ends.comes_back |= here.comes_back && !jump;
            if meets == Some(true) && !(jump && here.comes_back) {
                return ends;
            }
        }
        ends.comes_back = true;
        ends
    }
}
