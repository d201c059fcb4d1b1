//! Owns the traffic that a sweep must not cut off, and what a rule says about it: yes, no, or that
//! it depends on something that is not known of a kind of packets.

use std::borrow::Cow;
use std::collections::BTreeSet;

use doctor::owners;
use xt::matches::{MultiportOf, TcpFlagTest};
use xt::{Iface, Match, Net, PortRange, Rule, Test};

/// Which way packets go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    In,
    Out,
}

impl Way {
    pub(super) fn of_chain(builtin: &str) -> Option<Self> {
        match builtin {
            "PREROUTING" | "INPUT" => Some(Self::In),
            "OUTPUT" | "POSTROUTING" => Some(Self::Out),
            _ => None,
        }
    }
}

/// What conntrack says of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    New,
    Established,
}

/// A kind of packets between this node and another machine.
#[derive(Debug)]
pub(super) struct Probe {
    pub(super) name: Cow<'static, str>,
    pub(super) way: Way,
    protocol: u16,
    /// Not known if it is of any connection.
    destination_port: Option<u16>,
    state: State,
}

const TCP: u16 = 6;
const UDP: u16 = 17;
const SSH: u16 = 22;
const SYN: u8 = 0x02;
const ACK: u8 = 0x10;
/// FIN, SYN, RST and ACK: what is known of the flags of a packet of any connection.
const SURE: u8 = 0x01 | SYN | 0x04 | ACK;

const fn new(name: &'static str, way: Way, protocol: u16, port: u16) -> Probe {
    let name = Cow::Borrowed(name);
    Probe { name, way, protocol, destination_port: Some(port), state: State::New }
}

const fn established(name: &'static str, way: Way) -> Probe {
    let name = Cow::Borrowed(name);
    Probe { name, way, protocol: TCP, destination_port: None, state: State::Established }
}

const ALWAYS: [Probe; 7] = [
    established("packets of established connections", Way::In),
    new("new SSH connections (tcp 22)", Way::In, TCP, SSH),
    new("new connections to the API server (tcp 6443)", Way::In, TCP, 6443),
    new("new connections to kubelet (tcp 10250)", Way::In, TCP, 10250),
    established("packets of established connections", Way::Out),
    new("new connections to an API server (tcp 6443)", Way::Out, TCP, 6443),
    new("questions to DNS (udp 53)", Way::Out, UDP, 53),
];

/// What is asked of every node, and new connections to the other TCP ports that something listens on.
pub(super) fn all(listening: &BTreeSet<u16>) -> Vec<Probe> {
    let mut probes = Vec::from(ALWAYS);
    let known = |port: u16| {
        ALWAYS.iter().any(|probe| probe.way == Way::In && probe.destination_port == Some(port))
    };
    probes.extend(listening.iter().filter(|port| !known(**port)).map(|port| Probe {
        name: format!("new connections to tcp {port}, where something listens").into(),
        ..new("", Way::In, TCP, *port)
    }));
    probes
}

/// What a restore must leave reachable: rules come back to a node that had them, and a port that it
/// closes to nobody's loss is none. SSH counts all the same.
pub(super) fn of_return(listening: &BTreeSet<u16>) -> Vec<Probe> {
    let served = |probe: &Probe| match (probe.way, probe.destination_port) {
        (Way::In, Some(port)) => port == SSH || listening.contains(&port),
        _ => true,
    };
    all(listening).into_iter().filter(served).collect()
}

/// What a rule's conditions say; nothing if it depends.
type Says = Option<bool>;

fn test<T>(test: &Test<T>, says: impl FnOnce(&T) -> Says) -> Says {
    says(test.value()).map(|yes| yes != test.is_not())
}

fn asked<T>(asks: Option<&Test<T>>, says: impl FnOnce(&T) -> Says) -> Says {
    asks.map_or(Some(true), |asks| test(asks, says))
}

impl Probe {
    /// Conditions of a rule that these packets meet.
    pub(super) fn spec(&self) -> String {
        let protocol = if self.protocol == UDP { "udp" } else { "tcp" };
        match self.destination_port {
            Some(port) => format!("-p {protocol} --dport {port}"),
            None => "-m conntrack --ctstate RELATED,ESTABLISHED".to_owned(),
        }
    }

    /// Whether packets of this kind meet the rule.
    pub(super) fn meets(&self, rule: &Rule) -> Says {
        let selector = &rule.selector;
        let (own, other) = match self.way {
            Way::In => (selector.input.as_ref(), selector.output.as_ref()),
            Way::Out => (selector.output.as_ref(), selector.input.as_ref()),
        };
        let mut answers = vec![
            asked(selector.source.as_ref(), address),
            asked(selector.destination.as_ref(), address),
            asked(own, uplink),
            // there is none
            asked(other, |_| Some(false)),
            asked(selector.protocol.as_ref(), |asked| {
                Some(asked.0 == 0 || asked.0 == self.protocol)
            }),
            // a later fragment
            selector.fragment.as_ref().map_or(Some(true), |asked| Some(asked.is_not())),
        ];
        answers.extend(rule.matches.iter().map(|found| self.says(found)));
        if answers.contains(&Some(false)) {
            return Some(false);
        }
        answers.iter().all(Option::is_some).then_some(true)
    }

    fn says(&self, found: &Match) -> Says {
        match found {
            Match::Comment(_) | Match::Nfacct(_) => Some(true),
            Match::Tcp(tcp) => each([
                Some(self.protocol == TCP),
                asked(tcp.source.as_ref(), |_| None),
                asked(tcp.destination.as_ref(), |ports| self.to(*ports)),
                asked(tcp.flags.as_ref(), |flags| self.flags(*flags)),
                asked(tcp.option.as_ref(), |_| None),
            ]),
            Match::Udp(udp) => each([
                Some(self.protocol == UDP),
                asked(udp.source.as_ref(), |_| None),
                asked(udp.destination.as_ref(), |ports| self.to(*ports)),
            ]),
            Match::Multiport(multiport) => match multiport.of {
                MultiportOf::Destination => test(&multiport.ports, |ports| {
                    let port = self.destination_port?;
                    Some(ports.0.iter().any(|range| range.covers(port)))
                }),
                MultiportOf::Source | MultiportOf::Either => None,
            },
            Match::Icmp(_) | Match::Icmp6(_) | Match::Sctp(_) => Some(false),
            Match::State(state) => test(state, |states| Some(states.has(self.state_word()))),
            Match::Conntrack(conntrack) => {
                let only = xt::matches::Conntrack {
                    state: conntrack.state,
                    ..xt::matches::Conntrack::default()
                };
                let state =
                    asked(conntrack.state.as_ref(), |states| Some(states.has(self.state_word())));
                let rest = if **conntrack == only { Some(true) } else { None };
                each([state, rest])
            }
            Match::Addrtype(addrtype) => {
                let (local, remote) = match self.way {
                    Way::In => (&addrtype.destination, &addrtype.source),
                    Way::Out => (&addrtype.source, &addrtype.destination),
                };
                each([
                    asked(local.as_ref(), |types| Some(types.has("LOCAL"))),
                    asked(remote.as_ref(), |types| Some(types.has("UNICAST"))),
                ])
            }
            _ => None,
        }
    }

    fn to(&self, ports: PortRange) -> Says {
        self.destination_port.map(|port| ports.covers(port))
    }

    fn flags(&self, asked: TcpFlagTest) -> Says {
        let flags = match self.state {
            State::New => SYN,
            State::Established => ACK,
        };
        // PSH and URG come and go, FIN and RST end a connection
        let known = asked.mask.0 & !SURE == 0;
        let fits = flags & asked.mask.0 == asked.set.0;
        (known || !fits && (flags ^ asked.set.0) & asked.mask.0 & SURE != 0).then_some(fits)
    }

    const fn state_word(&self) -> &'static str {
        match self.state {
            State::New => "NEW",
            State::Established => "ESTABLISHED",
        }
    }
}

fn each<const N: usize>(answers: [Says; N]) -> Says {
    if answers.contains(&Some(false)) {
        return Some(false);
    }
    answers.iter().all(Option::is_some).then_some(true)
}

/// Of another machine or of this one: one address, and no loopback's.
fn address(net: &Net) -> Says {
    let no_host = net.address.is_loopback() || net.address.is_multicast();
    let broadcast = net.address == std::net::IpAddr::V4(std::net::Ipv4Addr::BROADCAST);
    match net.prefix() {
        Some(0) => Some(true),
        Some(_) if no_host || broadcast => Some(false),
        _ => None,
    }
}

/// Of the link towards other machines: no loopback, no Pod's.
fn uplink(name: &Iface) -> Says {
    match name.0.as_str() {
        "+" => Some(true),
        "lo" => Some(false),
        name if owners::is_pod_side_name(name) => Some(false),
        _ => None,
    }
}
