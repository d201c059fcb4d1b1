//! Owns a rule as bytes: what a backup keeps, what tells two rules apart, and the numbers of IP sets
//! in it.

use nfnl::{
    Compat, Data, Expr, Object as _, Verdict,
    expr::{Immediate, RawExpr},
    wire::{Attributes, NfHeader, Writer},
};
use serde::{Deserialize, Serialize};
use xt::{Family, Hex, Test, legacy::Leads, legacy::RawRule};

use crate::anonymous::{self, SetRecord};

/// A rule in its backend's own form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Raw {
    /// An entry of x_tables.
    Legacy(RawRule),
    /// Attributes of an nf_tables rule.
    Nft(NftRule),
}

/// A rule of nf_tables as the kernel takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NftRule {
    /// Table, chain, expressions, userdata.
    pub attributes: Hex,
    /// What extensions of x_tables in it must be told about its protocol: the kernel does not keep
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
}

/// A protocol that a rule asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Protocol {
    /// Its number.
    pub number: u16,
    /// Every other one.
    pub inverted: bool,
}

/// Bytes that are no rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("its bytes are no rule of this backend and family")]
pub(crate) struct NotARule;

pub(crate) const fn nft_family(family: Family) -> nfnl::Family {
    match family {
        Family::V4 => nfnl::Family::Ip,
        Family::V6 => nfnl::Family::Ip6,
    }
}

fn attributes(rule: &nfnl::Rule) -> Vec<u8> {
    let mut writer = Writer::new();
    rule.put_new(&mut writer);
    writer.finish().unwrap_or_default()
}

/// The rule's bytes without what it counted.
fn nft_key(rule: &mut nfnl::Rule) -> Vec<u8> {
    rule.compat = None;
    for expression in &mut rule.expressions {
        if let Expr::Counter(counter) = expression {
            *counter = nfnl::expr::Counter::default();
        }
    }
    attributes(rule)
}

impl Raw {
    /// Of a rule that was read, and its key. `view` is the same rule.
    pub(crate) fn of_nft(rule: nfnl::Rule, view: &xt::Rule) -> (Self, Vec<u8>) {
        let mut rule = nfnl::Rule { position: None, handle: None, ..rule };
        let protocol = view.selector.protocol.as_ref().map(|test| Protocol {
            number: test.value().0,
            inverted: matches!(test, Test::Not(_)),
        });
        let raw = Self::Nft(NftRule { attributes: Hex(attributes(&rule)), protocol });
        (raw, nft_key(&mut rule))
    }

    /// The rule to ask nf_tables for.
    pub(crate) fn to_nft(&self, family: Family) -> Result<nfnl::Rule, NotARule> {
        let Self::Nft(raw) = self else { return Err(NotARule) };
        let nf = NfHeader { family: nft_family(family).number(), ..NfHeader::default() };
        let rule = nfnl::Rule::decode(nf, Attributes::new(&raw.attributes.0));
        let compat = raw
            .protocol
            .map(|protocol| Compat { protocol: protocol.number, inverted: protocol.inverted });
        let rule = rule.map_err(|_| NotARule)?;
        Ok(nfnl::Rule { compat, position: None, handle: None, ..rule })
    }

    /// What is equal for rules that are equal in everything but their counters and the names of sets
    /// that have none of their own.
    pub(crate) fn key(&self, family: Family, anonymous: &[SetRecord]) -> Vec<u8> {
        match self {
            Self::Legacy(raw) => legacy_key(raw, family),
            Self::Nft(raw) => match self.to_nft(family) {
                Ok(rule) => {
                    let unnamed = nfnl::Set::new(rule.family, "", "", &nfnl::DataType::MARK.spec());
                    let sets = anonymous.iter().map(|set| (set.name.as_str(), &unnamed)).collect();
                    let mut key = nft_key(&mut anonymous::with_sets(rule, &sets));
                    key.extend(anonymous.iter().flat_map(SetRecord::key));
                    key
                }
                Err(NotARule) => raw.attributes.0.clone(),
            },
        }
    }

    /// The chain that it leads to.
    pub(crate) fn leads_to(&self, family: Family) -> Option<String> {
        let rule = match self {
            Self::Legacy(RawRule { leads: Leads::Chain(chain), .. }) => return Some(chain.clone()),
            Self::Legacy(_) => return None,
            Self::Nft(_) => self.to_nft(family).ok()?,
        };
        rule.expressions.into_iter().find_map(|expression| match expression {
            Expr::Immediate(Immediate {
                data: Data::Verdict(Verdict::Jump(chain) | Verdict::Goto(chain)),
                ..
            }) => Some(chain),
            _ => None,
        })
    }

    /// Numbers of the IP sets that it asks, in order.
    pub(crate) fn sets(&self, family: Family) -> Vec<u16> {
        let mut found = Vec::new();
        // a rule that cannot be read has none
        let _ = self.clone().each_set(family, &mut |index| {
            found.push(index);
            index
        });
        found
    }

    /// With other numbers of IP sets, in the same order.
    pub(crate) fn with_sets(mut self, family: Family, sets: &[u16]) -> Result<Self, NotARule> {
        let mut sets = sets.iter().copied();
        self.each_set(family, &mut |index| sets.next().unwrap_or(index))?;
        Ok(self)
    }

    fn each_set(
        &mut self,
        family: Family,
        change: &mut dyn FnMut(u16) -> u16,
    ) -> Result<(), NotARule> {
        match self {
            Self::Legacy(raw) => legacy_sets(&mut raw.bytes.0, family, change).ok_or(NotARule),
            Self::Nft(_) => {
                let mut rule = self.to_nft(family)?;
                for expression in &mut rule.expressions {
                    if let Expr::Raw(raw) = expression {
                        nft_sets(raw, change);
                    }
                }
                let Self::Nft(raw) = self else { return Err(NotARule) };
                raw.attributes = Hex(attributes(&rule));
                Ok(())
            }
        }
    }
}

/// Offsets in `struct ipt_entry` and `struct ip6t_entry`: its target's offset, which hooks come here
/// (the kernel's note), the counters, the first match.
const fn offsets(family: Family) -> (usize, usize, usize, usize) {
    match family {
        Family::V4 => (88, 92, 96, 112),
        Family::V6 => (140, 144, 152, 168),
    }
}

/// Bytes of `struct xt_entry_match` and `struct xt_entry_target` before their data.
const HEADER: usize = 32;
/// `IPSET_INVALID_ID`
const NO_SET: u16 = u16::MAX;

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let pair = bytes.get(at..at + 2)?;
    Some(u16::from_ne_bytes([*pair.first()?, *pair.get(1)?]))
}

fn legacy_key(raw: &RawRule, family: Family) -> Vec<u8> {
    let mut key = raw.bytes.0.clone();
    let (target, comes_from, counters, _) = offsets(family);
    let target = u16_at(&key, target).map_or(usize::MAX, usize::from);
    let mut clear = |from: usize, length: usize| {
        if let Some(place) = from.checked_add(length).and_then(|end| key.get_mut(from..end)) {
            place.fill(0);
        }
    };
    clear(comes_from, 4);
    clear(counters, 16);
    match &raw.leads {
        Leads::Nowhere => {}
        Leads::Next | Leads::Chain(_) => clear(target.saturating_add(HEADER), 4),
    }
    if let Leads::Chain(chain) = &raw.leads {
        key.extend_from_slice(chain.as_bytes());
    }
    key
}

fn is_named(bytes: &[u8], name: &str) -> bool {
    bytes.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&0))
}

fn change_at(bytes: &mut [u8], at: usize, change: &mut dyn FnMut(u16) -> u16) {
    if let Some(index) = u16_at(bytes, at).filter(|index| *index != NO_SET)
        && let Some(place) = bytes.get_mut(at..at + 2)
    {
        place.copy_from_slice(&change(index).to_ne_bytes());
    }
}

/// `-m set` begins with the number in all revisions, `-j SET` has three `struct xt_set_info`
/// (linux/netfilter/xt_set.h; revision 0, of before 2011, is as wide as its arrays).
const ADD_DELETE_MAP: [usize; 3] = [0, 4, 8];

fn legacy_sets(bytes: &mut [u8], family: Family, change: &mut dyn FnMut(u16) -> u16) -> Option<()> {
    let (target, _, _, first) = offsets(family);
    let target = usize::from(u16_at(bytes, target)?);
    let mut at = first;
    while at < target {
        let size = usize::from(u16_at(bytes, at)?);
        if size < HEADER || at + size > target {
            return None;
        }
        if is_named(bytes.get(at + 2..at + HEADER)?, "set") {
            change_at(bytes, at + HEADER, change);
        }
        at += size;
    }
    let name = bytes.get(target + 2..target + HEADER)?;
    if is_named(name, "SET") && name.last() != Some(&0) {
        for place in ADD_DELETE_MAP {
            change_at(bytes, target + HEADER + place, change);
        }
    }
    Some(())
}

/// `NFTA_MATCH_NAME`, `NFTA_TARGET_NAME`; `.._REV`; `.._INFO`
const NAME: u16 = 1;
const REVISION: u16 = 2;
const INFO: u16 = 3;

fn nft_sets(raw: &mut RawExpr, change: &mut dyn FnMut(u16) -> u16) {
    let (mut name, mut revision, mut info) = (String::new(), 0, None);
    let mut at = 0;
    for attribute in Attributes::new(&raw.body) {
        let Ok(attribute) = attribute else { return };
        match attribute.kind {
            NAME => name = attribute.string(),
            REVISION => revision = attribute.be32().unwrap_or_default(),
            INFO => info = Some(at + 4),
            _ => {}
        }
        at += (4 + attribute.payload.len()).next_multiple_of(4);
    }
    let Some(info) = info else { return };
    match (raw.name.as_str(), name.as_str()) {
        ("match", "set") => change_at(&mut raw.body, info, change),
        ("target", "SET") if revision > 0 => {
            for place in ADD_DELETE_MAP {
                change_at(&mut raw.body, info + place, change);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_bytes_are_no_rule_and_no_panic() {
        for length in [0, 1, 90, 111, 112, 113, 144, 200] {
            for fill in [0, 0x41, 0xff] {
                for family in Family::BOTH {
                    let bytes = Hex(vec![fill; length]);
                    let raw = RawRule { bytes: bytes.clone(), leads: Leads::Next };
                    let raw = Raw::Legacy(raw);
                    raw.key(family, &[]);
                    raw.sets(family);
                    let raw = Raw::Nft(NftRule { attributes: bytes, protocol: None });
                    raw.key(family, &[]);
                    raw.sets(family);
                    raw.to_nft(family).unwrap_err();
                }
            }
        }
    }
}
