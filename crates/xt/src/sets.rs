//! Owns the names of IP sets. Rules keep a set's number; the kernel tells its name.

use std::collections::BTreeMap;

use crate::{
    matches::{Match, SetName},
    sys,
    value::Test,
    view::{Rule, Ruleset},
};

/// Finds the name of a set by its number.
pub trait SetNames {
    /// The name, if there is such a set.
    fn name(&mut self, index: u16) -> Option<String>;
}

/// Knows no name: sets stay numbers.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoNames;

impl SetNames for NoNames {
    fn name(&mut self, _: u16) -> Option<String> {
        None
    }
}

/// Asks the kernel, in the network namespace of the thread that asks first. Each set once.
#[derive(Debug, Default)]
pub struct KernelNames {
    socket: Option<sys::SetSocket>,
    known: BTreeMap<u16, Option<String>>,
}

impl KernelNames {
    /// The number of the set of this name, if there is one.
    pub fn index(&mut self, name: &str) -> Option<u16> {
        if self.socket.is_none() {
            self.socket = sys::SetSocket::open().ok();
        }
        self.socket.as_ref()?.index(name).ok()
    }
}

impl SetNames for KernelNames {
    fn name(&mut self, index: u16) -> Option<String> {
        if self.socket.is_none() {
            self.socket = sys::SetSocket::open().ok();
        }
        let socket = self.socket.as_ref()?;
        self.known.entry(index).or_insert_with(|| socket.name(index).ok()).clone()
    }
}

/// Puts names in where there are numbers.
pub fn resolve(ruleset: &mut Ruleset, names: &mut dyn SetNames) {
    let chains = ruleset.tables.iter_mut().flat_map(|table| &mut table.chains);
    for rule in chains.flat_map(|chain| &mut chain.rules) {
        resolve_rule(rule, names);
    }
}

pub(crate) fn resolve_rule(rule: &mut Rule, names: &mut dyn SetNames) {
    for found in &mut rule.matches {
        let Match::Set(set) = found else { continue };
        let (Test::Is(name) | Test::Not(name)) = &mut set.set;
        if let SetName::Index(index) = name
            && let Some(known) = names.name(*index)
        {
            *name = SetName::Name(known);
        }
    }
}
