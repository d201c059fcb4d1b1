//! Owns which addresses and ports are translated to which, as the rules of one table say.

use std::collections::BTreeSet;
use std::net::IpAddr;

use xt::{Match, Rule};

use super::facts::Facts;
use super::{Space, TableView};

/// Deeper calls are not followed.
const DEEPEST: u32 = 5;
/// Chains with more rules are not looked into.
const LONGEST: usize = 2_000;
/// Rules looked at for one frontend: enough for the longest chain with an endpoint in each rule.
const MOST: usize = 4 * LONGEST;

/// An address and port, and the protocol's number; no address for every address of the node.
pub type Frontend = (Option<IpAddr>, u16, u16);
/// Where packets go; no port keeps theirs.
pub type Backend = (IpAddr, Option<u16>);

/// Frontends with all backends that packets to them can be sent to.
#[derive(Debug, Default)]
pub struct Services {
    /// Sorted, each once.
    pairs: Vec<(Frontend, Backend)>,
}

impl Services {
    pub(super) fn of(view: &TableView<'_>) -> Self {
        let mut pairs = Vec::new();
        for (facts, frontend) in view.frontends() {
            let mut walk = Walk { view, frontend: *frontend, pairs: &mut pairs, left: MOST };
            match facts.leads() {
                Some(next) => walk.collect(next, DEEPEST),
                None => walk.add(facts),
            }
        }
        pairs.sort_unstable();
        pairs.dedup();
        Self { pairs }
    }

    /// Each frontend once, in order, with its backends.
    pub fn iter(&self) -> impl Iterator<Item = (Frontend, BTreeSet<Backend>)> {
        self.groups().filter_map(|group| {
            Some((group.first()?.0, group.iter().map(|(_, backend)| *backend).collect()))
        })
    }

    /// Each frontend once, in order.
    pub fn frontends(&self) -> impl Iterator<Item = Frontend> {
        self.groups().filter_map(|group| Some(group.first()?.0))
    }

    /// Frontends that both have, with different backends: these ones and the other's.
    pub fn differ<'a>(
        &'a self,
        other: &'a Self,
    ) -> impl Iterator<Item = (Frontend, BTreeSet<Backend>, BTreeSet<Backend>)> {
        let mut others = other.groups().peekable();
        self.groups().filter_map(move |own| {
            let frontend = own.first()?.0;
            let of = |group: &[(Frontend, Backend)]| group.first().map(|one| one.0);
            while others.next_if(|group| of(group) < Some(frontend)).is_some() {}
            let other = others.next_if(|group| of(group) == Some(frontend))?;
            let set = |group: &[(Frontend, Backend)]| group.iter().map(|one| one.1).collect();
            (own != other).then(|| (frontend, set(own), set(other)))
        })
    }

    fn groups(&self) -> impl Iterator<Item = &[(Frontend, Backend)]> {
        self.pairs.chunk_by(|one, other| one.0 == other.0)
    }
}

/// The one address and port that a rule asks for.
pub(super) fn frontend(rule: &Rule) -> Option<Frontend> {
    let asks_port = rule.matches.iter().any(|found| match found {
        Match::Tcp(tcp) => tcp.destination.is_some(),
        Match::Udp(udp) => udp.destination.is_some(),
        found => matches!(found, Match::Multiport(_)),
    });
    if !asks_port {
        return None;
    }
    let space = Space::of(rule);
    let port = match space.destination_ports.as_deref() {
        Some([range]) if range.min == range.max => range.min,
        _ => return None,
    };
    let address = match space.destination {
        Some(net) if net.prefix() == Some(if net.address.is_ipv4() { 32 } else { 128 }) => {
            Some(net.address)
        }
        Some(_) => return None,
        None => None,
    };
    Some((address, port, space.protocol?))
}

/// The backends of one frontend while they are collected.
struct Walk<'w, 'a> {
    view: &'w TableView<'a>,
    frontend: Frontend,
    pairs: &'w mut Vec<(Frontend, Backend)>,
    /// How many more rules are looked at.
    left: usize,
}

impl Walk<'_, '_> {
    fn collect(&mut self, chain: usize, depth: u32) {
        let rules = self.view.facts(chain);
        // a dispatcher leads everywhere: only chains of one frontend are looked into
        if depth == 0 || rules.len() > LONGEST || rules.len() > self.left {
            return;
        }
        self.left -= rules.len();
        for facts in rules {
            match facts.leads() {
                Some(next) if self.view.may_send(next) => self.collect(next, depth - 1),
                Some(_) => {}
                None => self.add(facts),
            }
        }
    }

    fn add(&mut self, facts: &Facts) {
        self.pairs.extend(self.view.sent_to(facts).map(|to| (self.frontend, to)));
    }
}
