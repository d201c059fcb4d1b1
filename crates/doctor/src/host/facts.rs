//! Owns what is asked of every rule again and again, in a few bytes a rule: reading these is much
//! cheaper than walking the rules, which lie all over the memory.

use std::hash::{Hash, Hasher};

use xt::{Match, Rule, Target};

use super::{Space, ends, is_final};
use crate::owners::Owner;

/// What a rule is, a bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trait(u16);

impl Trait {
    /// Asks nothing of a packet.
    pub const ASKS_NOTHING: Self = Self(1);
    /// A packet that meets it goes no further in its chain; see [`ends`].
    pub const ENDS: Self = Self(1 << 1);
    /// It ends the table or translates; see [`is_final`].
    pub const FINAL: Self = Self(1 << 2);
    /// Into a chain, not back.
    pub const GOES: Self = Self(1 << 3);
    /// Translates the destination.
    pub const DNAT: Self = Self(1 << 4);
    /// Names an interface.
    pub const AT_LINK: Self = Self(1 << 5);
    /// Holds native expressions.
    pub const NATIVE: Self = Self(1 << 6);
    /// Back to the caller.
    pub const RETURNS: Self = Self(1 << 7);
    /// What it meets depends on more than the packet: see [`Space::is_uncertain`].
    pub const UNCERTAIN: Self = Self(1 << 8);
}

/// No chain.
const NOWHERE: u32 = u32::MAX;

/// What is known of a rule.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    /// Number of the chain it leads to, or of the translation it is.
    to: u32,
    /// Equal for rules that say the same; see [`likeness`].
    pub(super) likeness: u32,
    pub(super) owner: Owner,
    traits: u16,
}

impl Facts {
    /// Of a rule that leads to the chain of this number, or is the translation of this number.
    pub(super) fn new(rule: &Rule, to: Option<usize>, owner: Owner) -> Self {
        let target = &rule.target;
        let native = |found: &Match| matches!(found, Match::Native(_));
        let at_link = rule.selector.input.is_some() || rule.selector.output.is_some();
        let bits = [
            (Trait::ASKS_NOTHING, Space::asks_nothing(rule)),
            (Trait::ENDS, ends(rule)),
            (Trait::FINAL, is_final(rule)),
            (Trait::GOES, matches!(target, Some(Target::Goto(_)))),
            (Trait::DNAT, matches!(target, Some(Target::Dnat(_)))),
            (Trait::AT_LINK, at_link),
            (Trait::NATIVE, rule.matches.iter().any(native)),
            (Trait::RETURNS, matches!(target, Some(Target::Return))),
            (Trait::UNCERTAIN, rule.matches.iter().any(Space::makes_uncertain)),
        ];
        let bits = bits.into_iter().filter(|(_, is)| *is).fold(0, |all, (bit, _)| all | bit.0);
        let to = to.map_or(NOWHERE, |to| to as u32);
        Self { to, likeness: likeness(rule), owner, traits: bits }
    }

    /// The number of the chain it leads to, if the table has it.
    pub(super) fn leads(self) -> Option<usize> {
        (self.to != NOWHERE && !self.has(Trait::DNAT)).then_some(self.to as usize)
    }

    /// The number of the translation it is.
    pub(super) fn translation(self) -> Option<usize> {
        (self.to != NOWHERE && self.has(Trait::DNAT)).then_some(self.to as usize)
    }

    pub(super) fn has(self, what: Trait) -> bool {
        self.traits & what.0 != 0
    }
}

/// A number that rules with the same text share, comments aside. Only rules that share it need be
/// compared; that two share it says nothing.
fn likeness(rule: &Rule) -> u32 {
    let mut mix = Mix(0);
    let selector = &rule.selector;
    (&selector.source, &selector.destination).hash(&mut mix);
    (&selector.input, &selector.output, &selector.protocol).hash(&mut mix);
    for found in &rule.matches {
        match found {
            Match::Tcp(tcp) => (tcp.source, tcp.destination).hash(&mut mix),
            Match::Udp(udp) => (udp.source, udp.destination).hash(&mut mix),
            Match::Multiport(multiport) => multiport.ports.hash(&mut mix),
            _ => {}
        }
    }
    match &rule.target {
        Some(Target::Dnat(nat)) => nat.to().hash(&mut mix),
        Some(target) => target.name().hash(&mut mix),
        None => {}
    }
    (mix.0 >> 32) as u32
}

/// Mixes words by multiplying. Whoever can choose rules can make them collide, which costs as much as
/// comparing the rules did in the first place.
struct Mix(u64);

impl Mix {
    fn word(&mut self, word: u64) {
        // the golden ratio's bits
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.word(u64::from_ne_bytes(*word));
        }
        if !rest.is_empty() {
            let mut last = [0; 8];
            for (place, byte) in last.iter_mut().zip(rest) {
                *place = *byte;
            }
            self.word(u64::from_ne_bytes(last));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.word(number.into());
    }

    fn write_u16(&mut self, number: u16) {
        self.word(number.into());
    }

    fn write_usize(&mut self, number: usize) {
        self.word(number as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rule: &str) -> u32 {
        likeness(&xt::text::parse_rule(rule, xt::Family::V4))
    }

    #[test]
    fn comments_do_not_tell_rules_apart_and_what_they_ask_does() {
        let rule = "-s 10.0.0.0/8 -i eth0 -p tcp -m tcp --dport 80 -j ACCEPT";
        assert_eq!(of(rule), of(&format!("-m comment --comment \"one of two\" {rule}")));
        for other in [
            "-s 10.0.0.0/9 -i eth0 -p tcp -m tcp --dport 80 -j ACCEPT",
            "! -s 10.0.0.0/8 -i eth0 -p tcp -m tcp --dport 80 -j ACCEPT",
            "-d 10.0.0.0/8 -i eth0 -p tcp -m tcp --dport 80 -j ACCEPT",
            "-s 10.0.0.0/8 -o eth0 -p tcp -m tcp --dport 80 -j ACCEPT",
            "-s 10.0.0.0/8 -i eth1 -p tcp -m tcp --dport 80 -j ACCEPT",
            "-s 10.0.0.0/8 -i eth0 -p udp -m udp --dport 80 -j ACCEPT",
            "-s 10.0.0.0/8 -i eth0 -p tcp -m tcp --dport 81 -j ACCEPT",
            "-s 10.0.0.0/8 -i eth0 -p tcp -m tcp --dport 80 -j OTHER",
        ] {
            assert_ne!(of(rule), of(other), "{other}");
        }
        let dnat = |to: &str| of(&format!("-p tcp -j DNAT --to-destination {to}"));
        assert_ne!(dnat("10.0.0.1:80"), dnat("10.0.0.1:81"));
        assert_ne!(dnat("10.0.0.1:80"), dnat("10.0.0.2:80"));
    }
}
