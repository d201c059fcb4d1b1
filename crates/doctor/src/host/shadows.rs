//! Owns finding rules that no packet reaches because an earlier rule of their chain takes all of
//! theirs.
//!
//! Time is linear in the rules: earlier rules are kept by what they fix (protocol, networks with
//! their lengths, one port, interfaces), and a later rule looks up only the kinds of rules that the
//! chain has, of which there are few. The bounds below keep that true for strange chains.

use std::collections::BTreeMap;

use xt::{Chain, Net, PortRange, Rule, Target};

use super::{Space, TableView, captures, ends};

/// A rule and the one that leaves nothing for it.
#[derive(Debug, Clone, Copy)]
pub struct Shadow<'a> {
    /// The rule that no packet reaches.
    pub rule: &'a Rule,
    /// The one that takes them.
    pub by: &'a Rule,
}

/// Kinds of rules looked up in one chain.
const KINDS: usize = 64;
/// Rules looked at of one kind and key.
const SAME: usize = 8;
/// A chain with more shadowed rules than this needs no longer list.
const MOST: usize = 1_000;

/// What a rule fixes, without the values.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    protocol: bool,
    source: Option<u8>,
    destination: Option<u8>,
    port: bool,
}

/// The values of what a rule fixes.
type Key = (Option<u16>, Option<Net>, Option<Net>, Option<PortRange>);

/// Rules that take all of their packets, by kind and key.
type Takers<'a> = BTreeMap<Kind, BTreeMap<Key, Vec<(Space, &'a Rule)>>>;

/// All shadowed rules of a chain, each with the first rule that shadows it.
pub fn shadows<'a>(view: &TableView<'a>, chain: &'a Chain) -> Vec<Shadow<'a>> {
    let mut found = Vec::new();
    let mut earlier: Takers<'a> = BTreeMap::new();
    for rule in &chain.rules {
        let space = Space::of(rule);
        if let Some(by) = taker(&earlier, &space) {
            found.push(Shadow { rule, by });
            if found.len() == MOST {
                break;
            }
            continue;
        }
        let takes = match &rule.target {
            Some(Target::Jump(next)) => captures(view, next, &space),
            _ => ends(rule),
        };
        if takes && !space.is_uncertain {
            let kind = kind(&space);
            if earlier.len() < KINDS || earlier.contains_key(&kind) {
                let same = earlier.entry(kind).or_default().entry(key(&space)).or_default();
                if same.len() < SAME {
                    same.push((space, rule));
                }
            }
        }
    }
    found
}

fn taker<'a>(earlier: &Takers<'a>, space: &Space) -> Option<&'a Rule> {
    let takers = earlier.iter().filter_map(|(kind, keys)| keys.get(&projected(space, kind)?));
    let takers = takers.flatten().filter(|(other, _)| space.is_within(other));
    takers.map(|(_, rule)| *rule).min_by_key(|rule| rule.position)
}

fn kind(space: &Space) -> Kind {
    let length = |net: &Option<Net>| net.as_ref().map(|net| net.prefix().unwrap_or(u8::MAX));
    Kind {
        protocol: space.protocol.is_some(),
        source: length(&space.source),
        destination: length(&space.destination),
        port: one_port(space).is_some(),
    }
}

fn one_port(space: &Space) -> Option<PortRange> {
    match space.destination_ports.as_deref() {
        Some([range]) if range.min == range.max => Some(*range),
        _ => None,
    }
}

fn key(space: &Space) -> Key {
    let whole = |net: &Option<Net>| net.as_ref().map(|net| cut(net, net.prefix()));
    (space.protocol, whole(&space.source), whole(&space.destination), one_port(space))
}

/// The key that a rule of this kind must have to take the packets of `space`.
fn projected(space: &Space, kind: &Kind) -> Option<Key> {
    let net = |net: &Option<Net>, length: Option<u8>| match (net, length) {
        (_, None) => Some(None),
        (Some(net), Some(length)) if length <= 128 => {
            (net.prefix()? >= length).then(|| Some(cut(net, Some(length))))
        }
        (Some(net), Some(_)) => Some(Some(*net)),
        (None, Some(_)) => None,
    };
    let protocol = if kind.protocol { Some(space.protocol?) } else { None };
    let port = if kind.port { Some(one_port(space)?) } else { None };
    Some((
        protocol,
        net(&space.source, kind.source)?,
        net(&space.destination, kind.destination)?,
        port,
    ))
}

/// The network of this length around an address.
fn cut(net: &Net, length: Option<u8>) -> Net {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
    let Some(length) = length else { return *net };
    let length = u32::from(length);
    match net.address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32u32.saturating_sub(length)).unwrap_or(0);
            Net {
                address: Ipv4Addr::from_bits(v4.to_bits() & mask).into(),
                mask: Ipv4Addr::from_bits(mask).into(),
            }
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128u32.saturating_sub(length)).unwrap_or(0);
            Net {
                address: Ipv6Addr::from_bits(v6.to_bits() & mask).into(),
                mask: Ipv6Addr::from_bits(mask).into(),
            }
        }
    }
}
