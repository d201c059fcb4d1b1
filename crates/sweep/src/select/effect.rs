//! Owns what evaluating a rule once more can change: whether a copy of it is one too many.

use std::collections::{BTreeMap, BTreeSet};

use xt::{Chain, Match, Rule, Table, Target, target::ConnmarkMode};

/// Kinds of state that rules ask for and change on a packet's way.
const NAMES: [&str; 4] =
    ["the packet's mark", "the connection", "an IP set", "a field of the packet"];
const MARK: u8 = 1;
const CONNECTION: u8 = 2;
const SETS: u8 = 4;
const PACKET: u8 = 8;
const ALL: u8 = MARK | CONNECTION | SETS | PACKET;

/// Extensions that only look (their `match` functions in net/netfilter keep no state). Whatever is
/// not named here may keep some.
#[rustfmt::skip]
const LOOKING: [&str; 48] = [
    "tcp", "udp", "sctp", "icmp", "icmp6", "multiport", "addrtype", "state", "mark", "connmark",
    "physdev", "udplite", "ah", "bpf", "cgroup", "cluster", "comment", "connbytes", "conntrack", "cpu", "dccp", "devgroup",
    "dscp", "dst", "ecn", "esp", "eui64", "frag", "hbh", "header-tos", "helper", "hl", "iprange",
    "ipv6header", "length", "mac", "mh", "owner", "pkttype", "policy", "realm", "rpfilter", "rt",
    "socket", "string", "tcpmss", "tos", "ttl",
];

/// Targets that come to the same done twice.
#[rustfmt::skip]
const SAME_TWICE: [&str; 27] = [
    "ACCEPT", "DROP", "RETURN", "QUEUE", "REJECT", "DNAT", "SNAT", "MASQUERADE", "REDIRECT", "LOG",
    "NFLOG", "CT", "NOTRACK", "TPROXY", "MARK", "CHECKSUM", "CLASSIFY", "CONNSECMARK", "DSCP", "ECN", "NETMAP", "NFQUEUE", "SECMARK", "SET",
    "TCPMSS", "TOS", "TRACE",
];

/// Matches of what no rule changes.
const HEADERS: [&str; 9] =
    ["tcp", "udp", "sctp", "icmp", "icmp6", "multiport", "comment", "addrtype", "physdev"];

/// What a rule asks for and changes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Touches {
    reads: u8,
    writes: u8,
}

impl Touches {
    pub(super) fn any(self, kind: usize) -> bool {
        (self.reads | self.writes) >> kind & 1 != 0
    }

    pub(super) fn writes(self, kind: usize) -> bool {
        self.writes >> kind & 1 != 0
    }

    fn and(&mut self, other: Self) {
        self.reads |= other.reads;
        self.writes |= other.writes;
    }
}

/// What the chains of a table do, with all chains that they lead to.
pub(super) struct Effects {
    touches: BTreeMap<String, Touches>,
    /// Why a second walk through the chain is not the same as one.
    twice: BTreeMap<String, String>,
}

impl Effects {
    pub(super) const KINDS: usize = NAMES.len();

    pub(super) fn name(kind: usize) -> &'static str {
        NAMES.get(kind).copied().unwrap_or_default()
    }

    pub(super) fn of(table: &Table) -> Self {
        let leads: BTreeMap<&str, BTreeSet<&str>> = table
            .chains
            .iter()
            .map(|chain| {
                let targets = chain.rules.iter().filter_map(|rule| rule.target.as_ref());
                (chain.name.as_str(), targets.filter_map(Target::chain).collect())
            })
            .collect();
        let own: BTreeMap<&str, (Touches, Option<String>)> =
            table.chains.iter().map(|chain| (chain.name.as_str(), of_chain(chain))).collect();
        let jumped: BTreeSet<&str> = leads.values().flatten().copied().collect();
        let (mut touches, mut twice) = (BTreeMap::new(), BTreeMap::new());
        for start in jumped {
            let (mut all, mut why) = (Touches::default(), None);
            let (mut seen, mut next) = (BTreeSet::from([start]), vec![start]);
            while let Some(chain) = next.pop() {
                if let Some((of_chain, matters)) = own.get(chain) {
                    all.and(*of_chain);
                    why = why.or_else(|| Some(format!("{chain} has {}", matters.as_ref()?)));
                }
                let further = leads.get(chain).into_iter().flatten();
                next.extend(further.copied().filter(|to| seen.insert(to)));
            }
            touches.insert(start.to_owned(), all);
            if let Some(why) = why {
                twice.insert(start.to_owned(), why);
            }
        }
        Self { touches, twice }
    }

    pub(super) fn touches(&self, rule: &Rule) -> Touches {
        let mut touches = of_rule(rule);
        if let Some(of_chain) = target_chain(rule).and_then(|chain| self.touches.get(chain)) {
            touches.and(*of_chain);
        }
        touches
    }

    /// Why a copy of the rule has an effect of its own.
    pub(super) fn of_repetition(&self, chain: &Chain, rule: &Rule) -> Option<String> {
        let by_match = rule.matches.iter().find_map(keeps_state);
        let by_target = || target_changes_again(rule);
        let by_chain = || {
            let why = self.twice.get(target_chain(rule)?)?;
            Some(why.clone()).filter(|_| target_chain(rule) != Some(chain.name.as_str()))
        };
        by_match.or_else(by_target).or_else(by_chain)
    }
}

fn target_chain(rule: &Rule) -> Option<&str> {
    rule.target.as_ref().and_then(Target::chain)
}

/// A chain by itself: what it touches, and a change in it that a second walk would make again.
fn of_chain(chain: &Chain) -> (Touches, Option<String>) {
    let mut touches = Touches::default();
    chain.rules.iter().for_each(|rule| touches.and(of_rule(rule)));
    let again = chain.rules.iter().enumerate().find_map(|(at, rule)| {
        let why = target_changes_again(rule)?;
        let rest = chain.rules.get(at + 1..).unwrap_or_default();
        (!never_comes_back(rest)).then_some(why)
    });
    (touches, again)
}

/// Whether whoever comes to these rules ends there: KUBE-POSTROUTING changes a mark by XOR and then
/// masquerades.
fn never_comes_back(rules: &[Rule]) -> bool {
    let end = rules.iter().position(|rule| {
        let always = rule.selector.is_any()
            && rule.matches.iter().all(|found| matches!(found, Match::Comment(_)));
        always && rule.target.as_ref().is_some_and(is_final)
    });
    let before = end.and_then(|end| rules.get(..end));
    before.is_some_and(|before| {
        !before.iter().any(|rule| matches!(rule.target, Some(Target::Return | Target::Goto(_))))
    })
}

fn is_final(target: &Target) -> bool {
    matches!(
        target,
        Target::Accept
            | Target::Drop
            | Target::Queue
            | Target::Reject(_)
            | Target::Dnat(_)
            | Target::Snat(_)
            | Target::Masquerade(_)
            | Target::Redirect(_)
    )
}

/// Matches that are not the same asked twice.
fn keeps_state(found: &Match) -> Option<String> {
    match found {
        Match::Statistic(_) | Match::Limit(_) => Some(format!("-m {} counts", found.name())),
        Match::Set(set) if set.packets.is_some() || set.bytes.is_some() => {
            Some("-m set asks for a counter that it changes".to_owned())
        }
        Match::Native(_) => Some("it has parts that iptables does not know".to_owned()),
        Match::Set(_) => None,
        // whatever is not known to look only
        other if !LOOKING.contains(&other.name()) => {
            Some(format!("-m {} may keep a state", other.name()))
        }
        _ => None,
    }
}

/// Targets that are not the same done twice.
fn target_changes_again(rule: &Rule) -> Option<String> {
    let beyond = |value: u32, mask: u32| value & !mask != 0;
    let again = match rule.target.as_ref()? {
        Target::Mark(mark) => beyond(mark.set.value, mark.set.mask),
        Target::Connmark(connmark) => {
            connmark.shift.is_some()
                || match connmark.mode {
                    ConnmarkMode::Set(set) => beyond(set.value, set.mask),
                    ConnmarkMode::Save { nfmask, ctmask } => beyond(nfmask, ctmask),
                    ConnmarkMode::Restore { nfmask, ctmask } => beyond(ctmask, nfmask),
                }
        }
        Target::Jump(_) | Target::Goto(_) => false,
        // whatever is not known to come to the same
        other => !SAME_TWICE.contains(&other.name()),
    };
    let name = rule.target.as_ref().map(Target::name).unwrap_or_default();
    again.then(|| format!("-j {name}, which may change things again"))
}

fn of_rule(rule: &Rule) -> Touches {
    let reads = rule.matches.iter().map(|found| match found {
        Match::Mark(_) => MARK,
        Match::Connmark(_) | Match::Conntrack(_) | Match::State(_) => CONNECTION,
        Match::Set(_) => SETS,
        other if HEADERS.contains(&other.name()) => 0,
        _ => ALL,
    });
    let target = match &rule.target {
        None | Some(Target::Jump(_) | Target::Goto(_)) => Touches::default(),
        Some(Target::Mark(_) | Target::Tproxy(_)) => Touches { reads: 0, writes: MARK },
        Some(Target::Connmark(connmark)) => match connmark.mode {
            ConnmarkMode::Set(_) => Touches { reads: 0, writes: CONNECTION },
            ConnmarkMode::Save { .. } => Touches { reads: MARK, writes: CONNECTION },
            ConnmarkMode::Restore { .. } => Touches { reads: CONNECTION, writes: MARK },
        },
        Some(target) => match target.name() {
            "CT" | "NOTRACK" => Touches { reads: 0, writes: CONNECTION },
            "SET" => Touches { reads: 0, writes: SETS },
            "DSCP" | "TOS" | "TCPMSS" | "ECN" | "CHECKSUM" | "TTL" | "HL" => {
                Touches { reads: 0, writes: PACKET }
            }
            "NFQUEUE" | "NETMAP" | "TRACE" | "LOG" | "NFLOG" => Touches::default(),
            _ if is_final(target) || *target == Target::Return => Touches::default(),
            _ => Touches { reads: ALL, writes: ALL },
        },
    };
    Touches { reads: reads.fold(target.reads, |all, one| all | one), ..target }
}
