//! Owns which addresses and ports are translated to which, as the rules of one table say.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use xt::{Chain, Rule, Target};

use super::{Space, TableView};

/// Deeper calls are not followed.
const DEEPEST: u32 = 5;

/// An address and port, and the protocol's number; no address for every address of the node.
pub type Frontend = (Option<IpAddr>, u16, u16);
/// Where packets go; no port keeps theirs.
pub type Backend = (IpAddr, Option<u16>);

/// Frontends with all backends that packets to them can be sent to.
pub fn services(view: &TableView<'_>) -> BTreeMap<Frontend, BTreeSet<Backend>> {
    let mut found: BTreeMap<Frontend, BTreeSet<Backend>> = BTreeMap::new();
    for (_, chain) in view.chains() {
        for rule in &chain.rules {
            let (Some(frontend), Some(target)) = (frontend(rule), &rule.target) else { continue };
            let mut backends = BTreeSet::new();
            match target {
                Target::Dnat(nat) => backends.extend(nat.to()),
                Target::Jump(next) | Target::Goto(next) => {
                    collect(view, next, DEEPEST, &mut backends);
                }
                _ => {}
            }
            if !backends.is_empty() {
                found.entry(frontend).or_default().extend(backends);
            }
        }
    }
    found
}

/// The one address and port that a rule asks for.
fn frontend(rule: &Rule) -> Option<Frontend> {
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

fn collect(view: &TableView<'_>, chain: &str, depth: u32, backends: &mut BTreeSet<Backend>) {
    let Some(chain) = view.chain(chain) else { return };
    // a dispatcher leads everywhere: only chains of one frontend are looked into
    if depth == 0 || chain.rules.len() > 2_000 {
        return;
    }
    for rule in &chain.rules {
        match &rule.target {
            Some(Target::Dnat(nat)) => backends.extend(nat.to()),
            Some(Target::Jump(next) | Target::Goto(next)) => {
                collect(view, next, depth - 1, backends);
            }
            _ => {}
        }
    }
}

/// All rules of a table that send packets to one address.
pub fn dnats<'a>(view: &TableView<'a>) -> impl Iterator<Item = (&'a Chain, &'a Rule, Backend)> {
    let table = view.table;
    table.chains.iter().flat_map(|chain| {
        chain.rules.iter().filter_map(move |rule| match &rule.target {
            Some(Target::Dnat(nat)) => Some((chain, rule, nat.to()?)),
            _ => None,
        })
    })
}
