//! Owns finding rules that no packet reaches because an earlier rule of their chain takes all of
//! theirs.
//!
//! Time is linear in the rules: earlier rules are kept by what they fix (protocol, networks with
//! their lengths, one port, interfaces), and a later rule looks up only the kinds of rules that the
//! chain has, of which there are few. The bounds below keep that true for strange chains.

use std::collections::{BTreeMap, HashMap};

use xt::{Chain, Net, PortRange, Rule};

use super::captures::{LONGEST, captures};
use super::{Space, TableView, Trait};

/// A rule and the one that leaves nothing for it.
#[derive(Debug, Clone, Copy)]
pub struct Shadow<'a> {
    /// The rule that no packet reaches.
    pub rule: &'a Rule,
    /// The one that takes them.
    pub by: &'a Rule,
}

/// A chain with more rules than this has an index.
const FEW: usize = 16;
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

/// All shadowed rules of a chain, each with the first rule that shadows it.
pub(super) fn shadows<'a>(view: &TableView<'a>, number: usize) -> Vec<Shadow<'a>> {
    let Some(chain) = view.table.chains.get(number) else { return Vec::new() };
    if chain.rules.len() <= FEW {
        of_chain(view, number, chain, Row::default())
    } else {
        of_chain(view, number, chain, Index::default())
    }
}

fn of_chain<'a>(
    view: &TableView<'a>,
    number: usize,
    chain: &'a Chain,
    mut earlier: impl Earlier<'a>,
) -> Vec<Shadow<'a>> {
    let mut found = Vec::new();
    let mut any = false;
    for (at, (rule, facts)) in chain.rules.iter().zip(view.facts(number)).enumerate() {
        let may_take = at + 1 < chain.rules.len()
            && !facts.has(Trait::UNCERTAIN)
            && match facts.leads() {
                Some(next) => facts.has(Trait::GOES) || view.may_keep(next) || view.keeps_all(next),
                None => facts.has(Trait::ENDS),
            };
        if !any && !may_take {
            continue;
        }
        let mut space = Space::of(rule);
        if let (None, Some(next)) = (space.protocol, facts.leads()) {
            space.protocol = only_protocol(view, next);
        }
        if let Some(by) = earlier.taker(&space) {
            found.push(Shadow { rule, by });
            if found.len() == MOST {
                break;
            }
            continue;
        }
        let takes = || match facts.leads() {
            Some(next) if !facts.has(Trait::GOES) => {
                view.keeps_all(next) || captures(view, next, &space)
            }
            _ => true,
        };
        if may_take && takes() {
            earlier.add(space, rule);
            any = true;
        }
    }
    found
}

/// The protocol of all packets that a chain can keep, if it is one: to a rule that leads there, others do
/// not matter. (kube-proxy's chain of an endpoint translates packets of one, and the rules that lead to it
/// do not ask for it.)
fn only_protocol(view: &TableView<'_>, number: usize) -> Option<u16> {
    let chain = view.table.chains.get(number).filter(|chain| chain.rules.len() <= LONGEST)?;
    let mut only = None;
    for (rule, facts) in chain.rules.iter().zip(view.facts(number)) {
        let keeps = match facts.leads() {
            Some(next) => view.may_keep(next) || view.keeps_all(next),
            None => facts.has(Trait::FINAL),
        };
        if !keeps {
            continue;
        }
        let protocol = Space::of(rule).protocol?;
        if *only.get_or_insert(protocol) != protocol {
            return None;
        }
    }
    only
}

/// Rules that take all of their packets.
trait Earlier<'a> {
    /// The first one that takes all of these too.
    fn taker(&self, space: &Space) -> Option<&'a Rule>;
    fn add(&mut self, space: Space, rule: &'a Rule);
}

/// One behind the other, for chains of a few rules, as most are.
#[derive(Default)]
struct Row<'a>(Vec<(Space, &'a Rule)>);

impl<'a> Earlier<'a> for Row<'a> {
    fn taker(&self, space: &Space) -> Option<&'a Rule> {
        let taker = self.0.iter().find(|(other, _)| space.is_within(other));
        taker.map(|(_, rule)| *rule)
    }

    fn add(&mut self, space: Space, rule: &'a Rule) {
        self.0.push((space, rule));
    }
}

/// By kind and key. Kinds are walked, keys only asked: their order is nowhere to be seen.
#[derive(Default)]
struct Index<'a>(BTreeMap<Kind, ByKey<'a>>);

/// Rules of one kind.
type ByKey<'a> = HashMap<Key, Vec<(Space, &'a Rule)>>;

impl<'a> Earlier<'a> for Index<'a> {
    fn taker(&self, space: &Space) -> Option<&'a Rule> {
        let takers = self.0.iter().filter_map(|(kind, keys)| keys.get(&projected(space, kind)?));
        let takers = takers.flatten().filter(|(other, _)| space.is_within(other));
        takers.map(|(_, rule)| *rule).min_by_key(|rule| rule.position)
    }

    fn add(&mut self, space: Space, rule: &'a Rule) {
        let kind = kind(&space);
        if self.0.len() < KINDS || self.0.contains_key(&kind) {
            let same = self.0.entry(kind).or_default().entry(key(&space)).or_default();
            if same.len() < SAME {
                same.push((space, rule));
            }
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_rules_and_many_are_searched_with_the_same_result() {
        let texts = [
            "-p tcp -m tcp --dport 80 -j ACCEPT",
            "-s 10.0.0.0/8 -p tcp -j DROP",
            "-d 10.96.0.1/32 -p udp -m udp --dport 53 -j ACCEPT",
            "-i cni0 -m conntrack --ctstate NEW -j ACCEPT",
            "-d 10.96.0.0/16 -j REJECT",
            "-p tcp -m multiport --dports 80,443 -j ACCEPT",
            "-s 10.1.0.0/16 ! -d 10.1.0.0/16 -j RETURN",
            "-j DROP",
        ];
        let rules: Vec<Rule> = (1..)
            .zip(texts)
            .map(|(position, text)| Rule { position, ..xt::text::parse_rule(text, xt::Family::V4) })
            .collect();
        let (mut row, mut index) = (Row::default(), Index::default());
        for rule in &rules {
            let space = Space::of(rule);
            let narrower = [
                "-s 10.1.2.3/32 -p tcp -m tcp --dport 80",
                "-d 10.96.0.1/32 -p udp -m udp --dport 53",
                "-i cni0 -p tcp -m conntrack --ctstate NEW",
                "-s 10.1.0.0/24 -d 10.2.0.0/24 -p icmp",
                "",
            ];
            for text in narrower {
                let asked = Space::of(&xt::text::parse_rule(text, xt::Family::V4));
                let by = |by: Option<&Rule>| by.map(|rule| rule.position);
                assert_eq!(by(row.taker(&asked)), by(index.taker(&asked)), "{text}");
            }
            assert_eq!(row.taker(&space), index.taker(&space));
            row.add(space.clone(), rule);
            index.add(space, rule);
        }
    }
}
