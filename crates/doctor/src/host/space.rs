//! Owns which packets a rule meets, as far as it can be told from the rule alone, and when one rule's
//! packets are all among another's.

use std::collections::BTreeSet;

use xt::matches::MultiportOf;
use xt::{Iface, Match, Net, PortRange, Rule, Test, text};

/// The packets that a rule meets: all conditions hold together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Space {
    /// Number of the protocol.
    pub protocol: Option<u16>,
    /// Source network.
    pub source: Option<Net>,
    /// Destination network.
    pub destination: Option<Net>,
    /// Interface it comes in by.
    pub input: Option<Iface>,
    /// Interface it goes out by.
    pub output: Option<Iface>,
    /// Source ports, any of them.
    pub source_ports: Option<Ports>,
    /// Destination ports, any of them.
    pub destination_ports: Option<Ports>,
    /// Not from these.
    pub not_sources: Vec<Net>,
    /// Not to these.
    pub not_destinations: Vec<Net>,
    /// Conditions by their text, but for those that make it uncertain.
    pub others: BTreeSet<String>,
    /// Whether it also depends on chance, on time, on other packets or on marks: then nobody can say
    /// that it takes every packet of its kind.
    pub is_uncertain: bool,
}

/// Ports of a rule. Nearly always it is one range, which needs no memory of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ports {
    /// One range.
    One([PortRange; 1]),
    /// Any number of them.
    Many(Vec<PortRange>),
}

impl std::ops::Deref for Ports {
    type Target = [PortRange];

    fn deref(&self) -> &[PortRange] {
        match self {
            Self::One(one) => one,
            Self::Many(many) => many,
        }
    }
}

/// Matches without a type that ask nothing of the packet.
const ASKS_NOTHING: [&str; 2] = ["nfacct", "comment"];

impl Space {
    /// Of a rule.
    pub fn of(rule: &Rule) -> Self {
        let mut space = Self::default();
        let selector = &rule.selector;
        match selector.source {
            Some(Test::Is(net)) => space.source = Some(net),
            Some(Test::Not(net)) => space.not_sources.push(net),
            None => {}
        }
        match selector.destination {
            Some(Test::Is(net)) => space.destination = Some(net),
            Some(Test::Not(net)) => space.not_destinations.push(net),
            None => {}
        }
        match &selector.input {
            Some(Test::Is(name)) => space.input = Some(name.clone()),
            Some(Test::Not(name)) => space.other(format!("! -i {name}")),
            None => {}
        }
        match &selector.output {
            Some(Test::Is(name)) => space.output = Some(name.clone()),
            Some(Test::Not(name)) => space.other(format!("! -o {name}")),
            None => {}
        }
        match selector.protocol {
            Some(Test::Is(protocol)) => space.protocol = Some(protocol.0),
            Some(Test::Not(protocol)) => space.other(format!("! -p {protocol}")),
            None => {}
        }
        if let Some(fragment) = selector.fragment {
            space.other(format!("fragment {}", fragment.is_not()));
        }
        for found in &rule.matches {
            space.add(found);
        }
        space
    }

    fn other(&mut self, text: String) {
        self.others.insert(text);
    }

    fn add(&mut self, found: &Match) {
        match found {
            Match::Tcp(tcp) => {
                self.ports(tcp.source, tcp.destination);
                if tcp.flags.is_some() || tcp.option.is_some() {
                    self.other(shown(found));
                }
            }
            Match::Udp(udp) => self.ports(udp.source, udp.destination),
            Match::Multiport(multiport) => match (&multiport.ports, multiport.of) {
                (Test::Is(ports), MultiportOf::Destination) if self.destination_ports.is_none() => {
                    self.destination_ports = Some(Ports::Many(ports.0.clone()));
                }
                (Test::Is(ports), MultiportOf::Source) if self.source_ports.is_none() => {
                    self.source_ports = Some(Ports::Many(ports.0.clone()));
                }
                _ => self.other(shown(found)),
            },
            found if asks_nothing(found) => {}
            found if Self::makes_uncertain(found) => self.is_uncertain = true,
            _ => self.other(shown(found)),
        }
    }

    /// Whether a match asks for what is not in the packet alone.
    pub(super) fn makes_uncertain(found: &Match) -> bool {
        let of_the_packet = matches!(
            found,
            Match::Tcp(_)
                | Match::Udp(_)
                | Match::Multiport(_)
                | Match::Icmp(_)
                | Match::Icmp6(_)
                | Match::Sctp(_)
                | Match::Addrtype(_)
                | Match::Conntrack(_)
                | Match::State(_)
                | Match::Set(_)
                | Match::Physdev(_)
        );
        !of_the_packet && !asks_nothing(found)
    }

    fn ports(&mut self, source: Option<Test<PortRange>>, destination: Option<Test<PortRange>>) {
        for (test, destination) in [(source, false), (destination, true)] {
            let place =
                if destination { &mut self.destination_ports } else { &mut self.source_ports };
            match test {
                Some(Test::Is(ports)) if place.is_none() => *place = Some(Ports::One([ports])),
                Some(test) => {
                    let not = if test.is_not() { "! " } else { "" };
                    self.other(format!(
                        "{not}{} {}",
                        if destination { "dport" } else { "sport" },
                        test.value()
                    ));
                }
                None => {}
            }
        }
    }

    /// Whether it asks nothing.
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the space of a rule [is all](Self::is_all), without making it.
    pub fn asks_nothing(rule: &Rule) -> bool {
        rule.selector.is_any() && rule.matches.iter().all(asks_nothing)
    }

    /// Whether every packet of this space is surely also in the other one.
    pub fn is_within(&self, other: &Self) -> bool {
        let protocol = other.protocol.is_none() || self.protocol == other.protocol;
        !other.is_uncertain
            && protocol
            && net_within(self.source.as_ref(), other.source.as_ref())
            && net_within(self.destination.as_ref(), other.destination.as_ref())
            && iface_within(self.input.as_ref(), other.input.as_ref())
            && iface_within(self.output.as_ref(), other.output.as_ref())
            && ports_within(self.source_ports.as_deref(), other.source_ports.as_deref())
            && ports_within(self.destination_ports.as_deref(), other.destination_ports.as_deref())
            && nots_hold(&other.not_sources, &self.not_sources, self.source.as_ref())
            && nots_hold(&other.not_destinations, &self.not_destinations, self.destination.as_ref())
            && other.others.is_subset(&self.others)
    }
}

/// Whether a match asks nothing of the packet. (`-m tcp` without options is there for the protocol,
/// which the selector asks for.)
fn asks_nothing(found: &Match) -> bool {
    match found {
        Match::Comment(_) => true,
        Match::Tcp(tcp) => *tcp == xt::matches::Tcp::default(),
        Match::Udp(udp) => *udp == xt::matches::Udp::default(),
        Match::Verbatim { name, .. } | Match::Unknown { name, .. } => {
            ASKS_NOTHING.contains(&name.as_str())
        }
        _ => false,
    }
}

/// A match as iptables-save prints it.
fn shown(found: &Match) -> String {
    let rule = Rule {
        position: 0,
        selector: xt::Selector::default(),
        matches: vec![found.clone()],
        target: None,
        counters: None,
        handle: None,
    };
    text::save_rule("", &rule)
}

/// Whether the mask of `outer` is part of that of `inner`, and their common bits are equal.
fn is_inside(inner: &Net, outer: &Net) -> bool {
    inner.prefix() >= outer.prefix() && outer.prefix().is_some() && outer.covers(inner.address)
}

fn net_within(inner: Option<&Net>, outer: Option<&Net>) -> bool {
    match (inner, outer) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(inner), Some(outer)) => inner == outer || is_inside(inner, outer),
    }
}

/// Whether each excluded network is excluded here too, or cannot meet the network that is asked for.
fn nots_hold(asked: &[Net], given: &[Net], within: Option<&Net>) -> bool {
    asked.iter().all(|net| {
        let excluded = given.iter().any(|own| net == own || is_inside(net, own));
        excluded || within.is_some_and(|within| !is_inside(within, net) && !is_inside(net, within))
    })
}

fn iface_within(inner: Option<&Iface>, outer: Option<&Iface>) -> bool {
    match (inner, outer) {
        (_, None) => true,
        (None, Some(_)) => false,
        // `eth+` is within `e+` as the name `eth` is
        (Some(inner), Some(outer)) => {
            inner == outer || outer.0.ends_with('+') && outer.covers(inner.0.trim_end_matches('+'))
        }
    }
}

fn ports_within(inner: Option<&[PortRange]>, outer: Option<&[PortRange]>) -> bool {
    match (inner, outer) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(inner), Some(outer)) => inner.iter().all(|ports| {
            outer.iter().any(|range| range.min <= ports.min && ports.max <= range.max)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(rule: &str) -> Space {
        Space::of(&text::parse_rule(rule, xt::Family::V4))
    }

    #[test]
    fn a_narrower_rule_is_within_a_wider_one() {
        for (narrow, wide) in [
            ("-p tcp --dport 80", "-p tcp"),
            ("-p tcp -m tcp --dport 8126", "-p tcp -m multiport --dports 80,8126"),
            ("-s 10.244.1.0/24", "-s 10.244.0.0/16"),
            ("-s 10.244.0.0/16 -d 10.244.0.0/16", "-s 10.244.0.0/16 ! -d 224.0.0.0/4"),
            ("-i cni0", "-i cni+"),
            ("-d 127.0.0.0/8 -m nfacct --nfacct-name a", "-m comment --comment x"),
        ] {
            assert!(space(narrow).is_within(&space(wide)), "{narrow} in {wide}");
            assert!(!space(wide).is_within(&space(narrow)), "{wide} in {narrow}");
        }
    }

    #[test]
    fn chance_marks_and_unknown_matches_cover_nothing() {
        for uncertain in [
            "-m statistic --mode random --probability 0.5",
            "-m mark --mark 0x1/0x1",
            "-m limit --limit 5/min",
            "-m recent --name x --rcheck",
        ] {
            let rule = space(uncertain);
            assert!(!rule.is_within(&rule), "{uncertain}");
        }
    }

    #[test]
    fn a_rule_that_asks_nothing_is_all() {
        assert!(space("-m comment --comment \"all of it\"").is_all());
        assert!(!space("-p tcp").is_all());
        assert!(space("-p udp").is_within(&space("")));
    }

    #[test]
    fn whether_a_rule_asks_nothing_is_told_without_its_space_too() {
        for rule in [
            "",
            "-j ACCEPT",
            "-m comment --comment x",
            "-m nfacct --nfacct-name a",
            "-m tcp",
            "-m udp",
            "-p tcp -m tcp",
            "-m tcp --dport 80",
            "-m udp ! --sport 1:2",
            "-s 10.0.0.0/8",
            "! -d 10.0.0.0/8",
            "-i eth0",
            "-o +",
            "-f",
            "! -f",
            "-m mark --mark 0x1",
            "-m conntrack --ctstate NEW",
            "-m nosuch --option",
        ] {
            let parsed = text::parse_rule(rule, xt::Family::V4);
            assert_eq!(Space::asks_nothing(&parsed), Space::of(&parsed).is_all(), "{rule}");
        }
    }
}
