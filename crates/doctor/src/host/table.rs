//! Owns one table as the checks ask for it: chains by name and number, who calls whom, what packets
//! reach, whose rules are whose.
//!
//! Rules are looked at once; what every check wants of them is kept beside them by number, so that
//! nobody has to compare names again. What only some checks want is reckoned when the first one asks,
//! and kept.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};

use xt::{Chain, ChainKind, Extent, Family, Rule, Table, Target, text};

use super::callers::Callers;
use super::captures::LONGEST;
use super::facts::{Facts, Trait};
use super::services::{self, Backend, Frontend, Services};
use super::shadows::{self, Shadow};
use crate::owners::{self, Owner};

/// In chains of so many rules each is compared with each.
const FEW: usize = 16;
/// Deeper calls are not followed; the kernel has no deeper ones.
const DEEPEST: u32 = 16;
/// Builtin chains whose packets are followed; a bit each.
const BUILTINS: usize = 16;

/// A table with its chains by name.
#[derive(Debug)]
pub struct TableView<'a> {
    /// Of which backend.
    pub backend: xt::Backend,
    /// Of which family.
    pub family: Family,
    /// The table.
    pub table: &'a Table,
    /// Numbers of the chains. Asked, never walked: its order is nowhere to be seen.
    by_name: HashMap<&'a str, u32>,
    chains: Vec<ChainFacts>,
    /// Of all rules, chain by chain.
    rules: Vec<Facts>,
    callers: Callers,
    owned: BTreeMap<Owner, Owned>,
    /// Numbers of the first builtin chains.
    builtins: Vec<usize>,
    /// Rules that send packets to one address, in order.
    translations: Vec<(At, Backend)>,
    /// Rules that ask for one address and port, by their number among all.
    frontends: Vec<(u32, Frontend)>,
    shadowed: OnceCell<Vec<(usize, Vec<Shadow<'a>>)>>,
    services: OnceCell<Services>,
}

/// Where a rule is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At {
    chain: u32,
    rule: u32,
}

/// What one system has in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Owned {
    /// Rules.
    pub rules: usize,
    /// Packets that they met.
    pub packets: u64,
}

/// What is known of a chain.
#[derive(Debug, Clone, Copy)]
struct ChainFacts {
    /// Where its rules begin among all of the table.
    first: u32,
    owner: Owner,
    /// Whether it may keep a packet that is sent into it.
    keeps: bool,
    /// Whether it may translate a packet's destination.
    sends: bool,
    /// From which builtin chains packets come to it.
    reached: u16,
    /// How many of its rules packets can come to.
    met: u32,
    /// The rule that takes every packet that comes to its end, for good: of it, or of a chain that it
    /// leads every packet to.
    taker: Option<At>,
    /// Some packets may come back from before it.
    escapes: bool,
}

impl<'a> TableView<'a> {
    pub(super) fn new(backend: xt::Backend, family: Family, table: &'a Table) -> Self {
        let mut view = Self {
            backend,
            family,
            table,
            by_name: HashMap::with_capacity(table.chains.len()),
            chains: Vec::with_capacity(table.chains.len()),
            rules: Vec::new(),
            callers: Callers::default(),
            owned: BTreeMap::new(),
            builtins: Vec::new(),
            translations: Vec::new(),
            frontends: Vec::new(),
            shadowed: OnceCell::new(),
            services: OnceCell::new(),
        };
        let mut first = 0;
        for (at, chain) in table.chains.iter().enumerate() {
            let owner = owners::of_chain(&chain.name);
            view.by_name.insert(&chain.name, at as u32);
            view.chains.push(ChainFacts {
                first,
                owner,
                keeps: false,
                sends: false,
                reached: 0,
                met: 0,
                taker: None,
                escapes: false,
            });
            if chain.kind != ChainKind::User && view.builtins.len() < BUILTINS {
                view.builtins.push(at);
            }
            first += chain.rules.len() as u32;
        }
        view.rules.reserve_exact(first as usize);
        for (at, chain) in table.chains.iter().enumerate() {
            view.look(at, chain);
        }
        view.callers = Callers::new(table.chains.len(), view.jumps());
        view.stop();
        view.reach();
        view
    }

    /// Looks at the rules of a chain, the only time that all of it is looked at.
    fn look(&mut self, number: usize, chain: &Chain) {
        let of_chain = self.chains[number].owner;
        let (mut keeps, mut sends) = (false, false);
        for (index, rule) in chain.rules.iter().enumerate() {
            let name = rule.target.as_ref().and_then(Target::chain);
            let leads = name.and_then(|name| self.number(name));
            let to = match &rule.target {
                Some(Target::Dnat(nat)) => nat.to().map(|backend| {
                    let at = At { chain: number as u32, rule: index as u32 };
                    self.translations.push((at, backend));
                    self.translations.len() - 1
                }),
                _ => leads,
            };
            let owner = match of_chain {
                Owner::Host => self.owner_of_rule(rule, name, leads),
                owner => owner,
            };
            let facts = Facts::new(rule, to, owner);
            if (leads.is_some() || facts.has(Trait::DNAT))
                && let Some(frontend) = services::frontend(rule)
            {
                self.frontends.push((self.rules.len() as u32, frontend));
            }
            keeps |= leads.is_some() || facts.has(Trait::FINAL);
            sends |= leads.is_some() || facts.has(Trait::DNAT);
            self.rules.push(facts);
            let sum = self.owned.entry(owner).or_default();
            let packets = rule.counters.map_or(0, |counters| counters.packets);
            sum.packets = sum.packets.saturating_add(packets);
            sum.rules += 1;
        }
        let known = &mut self.chains[number];
        known.keeps = keeps && chain.rules.len() <= LONGEST;
        known.sends = sends;
    }

    /// Whose a rule in a chain of the host is: as [`owners::of_rule`], with what is known already.
    fn owner_of_rule(&self, rule: &Rule, target: Option<&str>, leads: Option<usize>) -> Owner {
        let of_target = match (leads, target) {
            (Some(to), _) => self.owner_of(to),
            (None, Some(name)) => owners::of_chain(name),
            (None, None) => Owner::Host,
        };
        match of_target {
            Owner::Host => owners::of_comments(rule),
            owner => owner,
        }
    }

    /// Chain and rule of every jump, and where it leads.
    fn jumps(&self) -> impl Iterator<Item = (u32, u32, usize)> + Clone {
        (0..self.chains.len()).flat_map(|chain| {
            let rules = self.facts(chain).iter().enumerate();
            rules.filter_map(move |(rule, f)| Some((chain as u32, rule as u32, f.leads()?)))
        })
    }

    /// Where packets surely stop, by the rules that ask nothing: what a chain does with every packet is
    /// known once it is of the chains that it leads every packet to.
    fn stop(&mut self) {
        let mut known = vec![false; self.chains.len()];
        for start in 0..self.chains.len() {
            self.stop_in(start, &mut known, DEEPEST);
        }
    }

    /// What every packet ends at that is sent into a chain; nothing if some may come back.
    fn stop_in(&mut self, number: usize, known: &mut [bool], depth: u32) -> Option<At> {
        // a chain that leads to itself takes nothing there
        if known[number] || depth == 0 {
            return self.kept(number);
        }
        known[number] = true;
        let first = self.chains[number].first as usize;
        let count = self.table.chains[number].rules.len();
        let (mut met, mut taker, mut escapes) = (count, None, false);
        for index in 0..count {
            let facts = self.rules[first + index];
            let (all, goes) = (facts.has(Trait::ASKS_NOTHING), facts.has(Trait::GOES));
            let inner = facts.leads().filter(|_| all || goes);
            let inner = inner.and_then(|next| self.stop_in(next, known, depth - 1));
            if !all {
                escapes |= facts.has(Trait::RETURNS) || goes && inner.is_none();
                continue;
            }
            let own = At { chain: number as u32, rule: index as u32 };
            taker = if facts.has(Trait::FINAL) { Some(own) } else { inner };
            if taker.is_some() || facts.has(Trait::ENDS) {
                met = index + 1;
                break;
            }
        }
        let chain = &mut self.chains[number];
        (chain.met, chain.taker, chain.escapes) = (met as u32, taker, escapes);
        self.kept(number)
    }

    fn kept(&self, number: usize) -> Option<At> {
        self.chains.get(number).filter(|chain| !chain.escapes)?.taker
    }

    fn reach(&mut self) {
        for (bit, start) in self.builtins.iter().enumerate() {
            let bit = 1 << bit;
            let mut open = vec![*start];
            self.chains[*start].reached |= bit;
            while let Some(at) = open.pop() {
                let first = self.chains[at].first as usize;
                let rules = &self.rules[first..first + self.table.chains[at].rules.len()];
                for rule in rules {
                    if let Some(to) = rule.leads()
                        && self.chains[to].reached & bit == 0
                    {
                        self.chains[to].reached |= bit;
                        open.push(to);
                    }
                    if rule.has(Trait::ENDS) && rule.has(Trait::ASKS_NOTHING) {
                        break;
                    }
                }
            }
        }
    }

    /// What is known of the rules of a chain, in their order.
    pub(super) fn facts(&self, chain: usize) -> &[Facts] {
        let first = |at: usize| self.chains.get(at).map(|chain| chain.first as usize);
        let end = first(chain + 1).unwrap_or(self.rules.len());
        first(chain).and_then(|from| self.rules.get(from..end)).unwrap_or_default()
    }

    /// Its name.
    pub fn name(&self) -> &'a str {
        &self.table.name
    }

    /// Whether it was read to its end: of half a table nothing can be said to be missing.
    pub fn is_whole(&self) -> bool {
        self.table.extent == Extent::Whole
    }

    /// All chains with their number.
    pub fn chains(&self) -> impl Iterator<Item = (usize, &'a Chain)> {
        self.table.chains.iter().enumerate()
    }

    /// The chain of this name.
    pub fn chain(&self, name: &str) -> Option<&'a Chain> {
        self.number(name).map(|at| &self.table.chains[at])
    }

    /// The number of the chain of this name.
    pub fn number(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).map(|at| *at as usize)
    }

    /// Whether a chain has no rule.
    pub fn is_empty(&self, chain: usize) -> bool {
        self.facts(chain).is_empty()
    }

    /// The rules of a chain that packets can come to: no others stand behind one that every packet stops
    /// at, there or in a chain that it leads to.
    pub fn met(&self, number: usize) -> &'a [Rule] {
        let rules = self.table.chains.get(number).map_or(&[][..], |chain| &chain.rules);
        let met = self.chains.get(number).map_or(0, |chain| chain.met as usize);
        rules.get(..met).unwrap_or(rules)
    }

    /// Whether every packet that is sent into a chain surely stays there.
    pub(super) fn keeps_all(&self, number: usize) -> bool {
        self.kept(number).is_some()
    }

    /// The rule that every packet ends at that comes to the end of a chain, with its chain, which it may be
    /// led to.
    pub fn taker(&self, number: usize) -> Option<(&'a Chain, &'a Rule)> {
        self.rule(self.chains.get(number)?.taker?)
    }

    /// Whose a chain is.
    pub fn owner_of(&self, chain: usize) -> Owner {
        self.chains.get(chain).map_or(Owner::Host, |chain| chain.owner)
    }

    /// The systems that have rules here.
    pub fn owned(&self) -> &BTreeMap<Owner, Owned> {
        &self.owned
    }

    /// The rules of one system, with their chains.
    pub fn rules_of(&self, owner: Owner) -> impl Iterator<Item = (&'a Chain, &'a Rule)> {
        let any = self.owned.contains_key(&owner);
        self.rules_by(any, move |rule| rule.owner == owner)
    }

    /// The rules that are so, with their chains.
    pub fn rules_that(&self, what: Trait) -> impl Iterator<Item = (&'a Chain, &'a Rule)> {
        self.rules_by(true, move |rule| rule.has(what))
    }

    fn rules_by(
        &self,
        any: bool,
        is: impl Fn(&Facts) -> bool,
    ) -> impl Iterator<Item = (&'a Chain, &'a Rule)> {
        let facts = self.rules.iter().enumerate().filter(move |(_, facts)| any && is(facts));
        facts.filter_map(|(at, _)| {
            // the last chain that begins at this rule or before it
            let chain = self.chains.partition_point(|chain| chain.first as usize <= at);
            let chain = chain.checked_sub(1)?;
            let rule = at.checked_sub(self.chains.get(chain)?.first as usize)?;
            self.rule(At { chain: chain as u32, rule: rule as u32 })
        })
    }

    /// Whether a rule is so, by the number of its chain and its index there.
    pub fn is(&self, chain: usize, rule: usize, what: Trait) -> bool {
        self.facts(chain).get(rule).is_some_and(|facts| facts.has(what))
    }

    /// Rules that lead to a chain: the chain they are in, and they.
    pub fn callers(&self, number: usize) -> impl Iterator<Item = (&'a Chain, &'a Rule)> {
        let table = self.table;
        self.callers.of(number).iter().filter_map(move |(chain, rule)| {
            let chain = table.chains.get(*chain as usize)?;
            Some((chain, chain.rules.get(*rule as usize)?))
        })
    }

    /// How many rules lead to a chain.
    pub fn count_of_callers(&self, number: usize) -> usize {
        self.callers.of(number).len()
    }

    /// Whether packets come to a chain.
    pub fn is_reached(&self, number: usize) -> bool {
        self.chains.get(number).is_some_and(|chain| chain.reached != 0)
    }

    /// Whether packets come to a chain from this builtin one.
    pub fn is_reached_from(&self, number: usize, builtin: &str) -> bool {
        let mut builtins = self.builtins.iter();
        let bit = builtins.position(|at| self.table.chains[*at].name == builtin);
        let reached = self.chains.get(number).map(|chain| chain.reached).unwrap_or_default();
        bit.is_some_and(|bit| reached & 1 << bit != 0)
    }

    /// Whether a chain may keep packets: if not, [`Self::captures`] need not be asked.
    pub(super) fn may_keep(&self, chain: usize) -> bool {
        self.chains.get(chain).is_some_and(|chain| chain.keeps)
    }

    /// Whether a chain may translate a packet's destination, itself or further on.
    pub(super) fn may_send(&self, chain: usize) -> bool {
        self.chains.get(chain).is_some_and(|chain| chain.sends)
    }

    /// Rules that no packet reaches, of each chain that has such, by its number.
    pub fn shadowed(&self) -> &[(usize, Vec<Shadow<'a>>)] {
        self.shadowed.get_or_init(|| {
            let chains = 0..self.table.chains.len();
            let found = chains.map(|chain| (chain, shadows::shadows(self, chain)));
            found.filter(|(_, shadows)| !shadows.is_empty()).collect()
        })
    }

    /// Which addresses and ports are translated to which.
    pub fn services(&self) -> &Services {
        self.services.get_or_init(|| Services::of(self))
    }

    /// Rules that send packets to one address.
    pub fn translations(&self) -> impl Iterator<Item = (At, Backend)> {
        self.translations.iter().copied()
    }

    /// A rule with its chain.
    pub fn rule(&self, at: At) -> Option<(&'a Chain, &'a Rule)> {
        let chain = self.table.chains.get(at.chain as usize)?;
        Some((chain, chain.rules.get(at.rule as usize)?))
    }

    /// Rules that ask for one address and port, and may translate it.
    pub(super) fn frontends(&self) -> impl Iterator<Item = (&Facts, &Frontend)> {
        self.frontends.iter().filter_map(|(rule, frontend)| {
            let facts = self.rules.get(*rule as usize)?;
            facts.leads().is_none_or(|next| self.may_send(next)).then_some((facts, frontend))
        })
    }

    /// Frontends whose rules ask for a link, too: packets of others pass them untranslated.
    pub fn frontends_of_links(&self) -> impl Iterator<Item = Frontend> {
        let asks = self.frontends().filter(|(facts, _)| facts.has(Trait::AT_LINK));
        asks.map(|(_, frontend)| *frontend)
    }

    /// Where a rule sends packets, if it is one address.
    pub(super) fn sent_to(&self, facts: &Facts) -> Option<Backend> {
        self.translations.get(facts.translation()?).map(|(_, to)| *to)
    }

    /// The rules of a chain that may say the same as another one of it, comments aside.
    pub fn alike(&self, chain: usize) -> Vec<&'a Rule> {
        let facts = self.facts(chain);
        let likeness = |facts: &Facts| facts.likeness;
        if facts.len() <= FEW {
            let later = |at| facts.get(at + 1..).unwrap_or_default();
            let mut all = facts.iter().enumerate();
            if !all.any(|(at, one)| later(at).iter().any(|other| other.likeness == one.likeness)) {
                return Vec::new();
            }
        }
        let mut sorted: Vec<u32> = facts.iter().map(likeness).collect();
        sorted.sort_unstable();
        let same = sorted.chunk_by(|one, other| one == other).filter(|same| same.len() > 1);
        let twice: Vec<u32> = same.filter_map(|same| same.first().copied()).collect();
        let rules = self.table.chains.get(chain).map(|chain| chain.rules.as_slice());
        let rules = rules.unwrap_or_default();
        let several = |facts: &Facts| twice.binary_search(&facts.likeness).is_ok();
        rules.iter().zip(facts).filter(|(_, facts)| several(facts)).map(|(rule, _)| rule).collect()
    }

    /// `iptables-nft IPv4 nat`
    pub fn place(&self) -> String {
        format!("{} {} {}", self.backend, self.family, self.name())
    }

    /// `iptables-nft IPv4 nat: -A PREROUTING …` with place in the chain and packets, for evidence.
    pub fn show(&self, chain: &Chain, rule: &Rule) -> String {
        let packets = match rule.counters {
            Some(counters) if counters.packets > 0 => format!(", {} packets", counters.packets),
            _ => String::new(),
        };
        let line = text::save_rule(&chain.name, rule);
        format!("{} rule {}{packets}: {line}", self.place(), rule.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let text = "*nat\n:PREROUTING ACCEPT [0:0]\n:KUBE-A - [0:0]\n:KUBE-B - [0:0]\n:MINE - [0:0]\n\
                    -A PREROUTING -j KUBE-A\n-A PREROUTING -j CNI-GONE\n\
                    -A PREROUTING -m comment --comment \"kubernetes x\" -j MINE\n\
                    -A PREROUTING -s 10.0.0.0/8 -j ACCEPT\n-A PREROUTING -j RETURN\n\
                    -A PREROUTING -j KUBE-B\n\
                    -A KUBE-A -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.0.0.1:8080\n\
                    -A KUBE-A -g KUBE-B\n-A MINE -i eth0 -j KUBE-A\nCOMMIT\n";
        let read = text::parse_str(xt::Backend::Legacy, Family::V4, text).unwrap();
        read.tables.into_iter().next().unwrap()
    }

    #[test]
    fn what_is_kept_beside_the_rules_is_what_the_rules_say() {
        let table = table();
        let view = TableView::new(xt::Backend::Legacy, Family::V4, &table);
        let mut counts: BTreeMap<Owner, usize> = BTreeMap::new();
        for (number, chain) in view.chains() {
            assert_eq!(view.number(&chain.name), Some(number));
            assert_eq!(view.facts(number).len(), chain.rules.len());
            for (rule, facts) in chain.rules.iter().zip(view.facts(number)) {
                assert_eq!(facts.owner, owners::of_rule(&chain.name, rule), "{rule:?}");
                let target = rule.target.as_ref().and_then(Target::chain);
                assert_eq!(facts.leads(), target.and_then(|name| view.number(name)), "{rule:?}");
                *counts.entry(facts.owner).or_default() += 1;
            }
        }
        let owned = view.owned().iter().map(|(owner, owned)| (*owner, owned.rules));
        assert_eq!(owned.collect::<BTreeMap<_, _>>(), counts);
        for (owner, count) in counts {
            assert_eq!(view.rules_of(owner).count(), count, "{owner}");
        }
        let at_link: Vec<&str> =
            view.rules_that(Trait::AT_LINK).map(|(chain, _)| chain.name.as_str()).collect();
        assert_eq!(at_link, ["MINE"]);
    }

    #[test]
    fn callers_are_in_the_order_of_the_rules_and_a_verdict_for_all_ends_a_walk() {
        let table = table();
        let view = TableView::new(xt::Backend::Legacy, Family::V4, &table);
        let callers = |name: &str| -> Vec<(&str, u32)> {
            let callers = view.callers(view.number(name).unwrap());
            callers.map(|(chain, rule)| (chain.name.as_str(), rule.position)).collect()
        };
        assert_eq!(callers("KUBE-A"), [("PREROUTING", 1), ("MINE", 1)]);
        assert_eq!(callers("KUBE-B"), [("PREROUTING", 6), ("KUBE-A", 2)]);
        let reached = |name: &str| view.is_reached_from(view.number(name).unwrap(), "PREROUTING");
        assert!(reached("KUBE-A") && reached("KUBE-B") && reached("MINE"));
        assert!(!view.is_reached_from(0, "OUTPUT"));
    }
}
