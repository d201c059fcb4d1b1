//! Owns sets without a name (`tcp dport { 80, 443 }`): each is made for one rule and goes with it. What
//! a backup keeps of one, how it is told apart from others though the kernel numbers it anew each time,
//! and its elements in words.
//!
//! Invariant: a rule whose sets cannot be put back as they were says why ([`Held::lost`]).

mod words;

use std::collections::BTreeMap;

use nfnl::{
    Batch, DataRef, ElementExpressions, ElementFlags, ElementRef, Expr, Object as _, Set, SetFlags,
    SetId, Socket, Verdict,
    wire::{Attributes, NfHeader, TooLong, Writer},
};
use serde::{Deserialize, Serialize};
use xt::{Family, Hex, Match, Table};

use crate::{
    image::Held,
    raw::{NotARule, nft_family},
};

/// A set that went with its rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SetRecord {
    /// Its name in the rule's bytes.
    pub name: String,
    /// As nf_tables takes it.
    pub attributes: Hex,
    /// In order of their keys, or as the kernel told them where it keeps their order (ranges of
    /// concatenations).
    pub elements: Vec<ElementRecord>,
}

/// An element of such a set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ElementRecord {
    /// Key, or start of a range.
    pub key: Hex,
    /// The end of a range (inclusive), in sets of concatenated ranges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_end: Option<Hex>,
    /// No end of a range, or one (exclusive); `NFT_SET_ELEM_*`. Ends stand before what begins there.
    #[serde(with = "ends_first")]
    pub flags: std::cmp::Reverse<u32>,
    /// What a map has for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datum: Option<Datum>,
    /// Opaque bytes.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub userdata: Hex,
    /// Its own expressions.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub expressions: Hex,
}

/// What a map has for a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Datum {
    /// Bytes.
    Value(Hex),
    /// A verdict.
    Verdict {
        /// `NF_*`, `NFT_*`
        code: i32,
        /// Where it leads.
        chain: String,
    },
    /// The name of an object.
    Object(String),
}

fn is_empty(hex: &Hex) -> bool {
    hex.0.is_empty()
}

mod ends_first {
    use std::cmp::Reverse;

    use serde::{Deserialize as _, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde asks for")]
    pub(super) fn serialize<S: Serializer>(flags: &Reverse<u32>, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u32(flags.0)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Reverse<u32>, D::Error> {
        u32::deserialize(from).map(Reverse)
    }
}

/// How names that the kernel picks begin.
const PICKED: &str = "__";

/// Names of sets in a rule that may be such sets, and whether it asks one in a way of which a backup
/// knows nothing.
pub(crate) fn asked(rule: &nfnl::Rule) -> Vec<Asked> {
    let name = |expression: &Expr| match expression {
        Expr::Lookup(lookup) => Some(Asked::Whole(lookup.set.clone())),
        Expr::Objref(objref) => objref.set.clone().map(Asked::Whole),
        Expr::Dynset(dynset) => Some(Asked::Otherwise(dynset.set.clone())),
        Expr::Raw(raw) if ["lookup", "objref", "dynset"].contains(&raw.name.as_str()) => {
            let texts = Attributes::new(&raw.body).filter_map(|attribute| {
                let text = attribute.ok()?.string();
                text.starts_with(PICKED).then_some(text)
            });
            texts.last().map(Asked::Otherwise)
        }
        _ => None,
    };
    let picked = |asked: &Asked| asked.name().starts_with(PICKED);
    rule.expressions.iter().filter_map(name).filter(picked).collect()
}

/// A set that a rule asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// By an expression that can be written for another set.
    Whole(String),
    /// By one that cannot.
    Otherwise(String),
}

impl Asked {
    fn name(&self) -> &str {
        match self {
            Self::Whole(name) | Self::Otherwise(name) => name,
        }
    }

    /// Whether it can be written for a set that is made of one of these records. A set with a name of
    /// its own need not be; that it looks like one that has none is not forbidden, but nobody does it.
    pub(crate) fn is_among(&self, records: &[SetRecord]) -> bool {
        matches!(self, Self::Whole(name) if records.iter().any(|record| record.name == *name))
    }
}

/// Gives rules of a table their sets: for the backup, in what tells them apart, and in their text.
pub(crate) fn fill_in(
    socket: &mut Socket,
    family: Family,
    table: &mut Table,
    held: &mut BTreeMap<String, Vec<Held>>,
) -> Result<(), nfnl::Error> {
    if held.values().flatten().all(|held| held.asked.is_empty()) {
        return Ok(());
    }
    let of = nft_family(family);
    let sets = socket.sets(of, Some(&table.name))?.into_iter();
    let sets = sets.filter(|set| set.flags.contains(SetFlags::ANONYMOUS));
    let sets: BTreeMap<String, Set> = sets.map(|set| (set.name.clone(), set)).collect();
    for chain in &mut table.chains {
        let held = held.get_mut(&chain.name).into_iter().flatten();
        for (held, rule) in held.zip(&mut chain.rules) {
            for asked in std::mem::take(&mut held.asked) {
                let Some(set) = sets.get(asked.name()) else { continue };
                let (record, lost) = SetRecord::read(socket, set)?;
                let words = record.words(set);
                for found in &mut rule.matches {
                    if let Match::Native(text) = found {
                        *text = in_place_of_name(text, &set.name, &words);
                    }
                }
                if let Asked::Otherwise(name) = asked {
                    held.lost =
                        Some(format!("it writes to its set {name}, or asks it in a new way"));
                }
                held.lost = held.lost.take().or(lost.map(str::to_owned));
                held.anonymous.push(record);
            }
            if !held.anonymous.is_empty() {
                held.key = held.raw.key(family, &held.anonymous);
            }
        }
    }
    Ok(())
}

/// The text with what stands for the name as a whole word.
fn in_place_of_name(text: &str, name: &str, words: &str) -> String {
    let mut out = String::with_capacity(text.len() + words.len());
    let mut rest = text;
    while let Some(at) = rest.find(name) {
        let (before, found) = rest.split_at(at);
        let after = found.get(name.len()..).unwrap_or_default();
        out += before;
        let inside = |letter: Option<char>| letter.is_some_and(|l| l.is_alphanumeric() || l == '_');
        let word = !inside(out.chars().next_back()) && !inside(after.chars().next());
        out += if word { words } else { name };
        rest = after;
    }
    out + rest
}

impl SetRecord {
    /// Reads a set's elements; and why it cannot be put back.
    fn read(socket: &mut Socket, set: &Set) -> Result<(Self, Option<&'static str>), nfnl::Error> {
        let start = || (Vec::new(), None);
        let (mut elements, lost) =
            socket.fold_elements(&set.set_id(), start, |(all, lost), element| {
                if element.timeout_ms.is_some() || element.expiration_ms.is_some() {
                    *lost = Some("elements of its set time out");
                }
                all.push(ElementRecord::of(element));
            })?;
        if !keeps_order(set) {
            elements.sort();
        }
        let (name, set) = (set.name.clone(), template(set.clone()));
        let mut writer = Writer::new();
        set.put_new(&mut writer);
        let attributes = Hex(writer.finish().unwrap_or_default());
        Ok((Self { name, attributes, elements }, lost))
    }

    /// What is equal for sets that are equal in everything but their name and what they counted.
    pub(crate) fn key(&self) -> Vec<u8> {
        let mut key = self.attributes.0.clone();
        for element in self.in_order() {
            let still = ElementRecord { expressions: element.uncounted(), ..element.clone() };
            key.extend(format!("{still:?}").bytes());
        }
        key
    }

    /// Its elements by key.
    fn in_order(&self) -> Vec<&ElementRecord> {
        let mut elements: Vec<&ElementRecord> = self.elements.iter().collect();
        elements.sort();
        elements
    }

    /// Chains that its verdicts lead to.
    pub(crate) fn chains(&self) -> impl Iterator<Item = &str> {
        self.elements.iter().filter_map(|element| match &element.datum {
            Some(Datum::Verdict { chain, .. }) if !chain.is_empty() => Some(chain.as_str()),
            _ => None,
        })
    }

    /// Elements as nft would write them, as far as their types are known here.
    fn words(&self, set: &Set) -> String {
        words::of(self, set)
    }

    /// The set, to be made under this number.
    pub(crate) fn to_set(&self, family: Family, table: &str, id: u32) -> Result<Set, NotARule> {
        let nf = NfHeader { family: nft_family(family).number(), ..NfHeader::default() };
        let set = Set::decode(nf, Attributes::new(&self.attributes.0)).map_err(|_| NotARule)?;
        if !set.flags.contains(SetFlags::ANONYMOUS) {
            return Err(NotARule);
        }
        Ok(Set { table: table.to_owned(), id: Some(id), ..template(set) })
    }

    /// Asks for the set and its elements.
    pub(crate) fn put(&self, set: &Set, batch: &mut Batch) -> Result<Vec<usize>, TooLong> {
        let made = batch.create(set)?;
        let of = SetId::new(set.family, &set.table, &set.name);
        let id = set.id.unwrap_or_default();
        let elements = self.elements.iter().map(ElementRecord::borrowed);
        Ok(vec![made, batch.create_elements_of(&of, id, elements)?])
    }
}

fn keeps_order(set: &Set) -> bool {
    set.flags.contains(SetFlags::INTERVAL) && set.fields.len() > 1
}

/// A set as it is asked for: the kernel picks the number in its name.
fn template(set: Set) -> Set {
    let name = if set.data.is_some() { "__map%d" } else { "__set%d" };
    Set { name: name.to_owned(), id: Some(1), handle: None, count: None, ..set }
}

/// The rule with the sets of these names under their new numbers.
pub(crate) fn with_sets(mut rule: nfnl::Rule, sets: &BTreeMap<&str, &Set>) -> nfnl::Rule {
    for expression in &mut rule.expressions {
        match expression {
            Expr::Lookup(lookup) => {
                if let Some(set) = sets.get(lookup.set.as_str()) {
                    (lookup.set, lookup.set_id) = (set.name.clone(), set.id);
                }
            }
            Expr::Objref(objref) => {
                if let Some(set) = objref.set.as_deref().and_then(|name| sets.get(name)) {
                    (objref.set, objref.set_id) = (Some(set.name.clone()), set.id);
                }
            }
            _ => {}
        }
    }
    rule
}

impl ElementRecord {
    fn of(element: &ElementRef<'_>) -> Self {
        let datum = match (element.object, element.data) {
            (Some(object), _) => Some(Datum::Object(object.to_owned())),
            (None, Some(DataRef::Value(bytes))) => Some(Datum::Value(Hex(bytes.to_vec()))),
            (None, Some(DataRef::Verdict { code, chain })) => {
                Some(Datum::Verdict { code, chain: chain.to_owned() })
            }
            (None, None) => None,
        };
        let expressions = match element.expressions {
            ElementExpressions::None => Vec::new(),
            // both forms as a list
            many => listed(&many.decode().unwrap_or_default()),
        };
        Self {
            key: Hex(element.key.to_vec()),
            key_end: element.key_end.map(|end| Hex(end.to_vec())),
            flags: std::cmp::Reverse(element.flags.bits()),
            datum,
            userdata: Hex(element.userdata.to_vec()),
            expressions: Hex(expressions),
        }
    }

    fn is_end(&self) -> bool {
        ElementFlags::from_bits(self.flags.0).contains(ElementFlags::INTERVAL_END)
    }

    fn uncounted(&self) -> Hex {
        let expressions = ElementExpressions::Many(&self.expressions.0).decode();
        let mut expressions = expressions.unwrap_or_default();
        for expression in &mut expressions {
            if let Expr::Counter(counter) = expression {
                *counter = nfnl::expr::Counter::default();
            }
        }
        Hex(listed(&expressions))
    }

    fn borrowed(&self) -> ElementRef<'_> {
        let (data, object) = match &self.datum {
            None => (None, None),
            Some(Datum::Value(bytes)) => (Some(DataRef::Value(&bytes.0)), None),
            Some(Datum::Verdict { code, chain }) => {
                (Some(DataRef::Verdict { code: *code, chain }), None)
            }
            Some(Datum::Object(name)) => (None, Some(name.as_str())),
        };
        // one alone has the older form, which every kernel takes
        let mut list = Attributes::new(&self.expressions.0);
        let expressions = match (list.next(), list.next()) {
            (None, _) => ElementExpressions::None,
            (Some(Ok(one)), None) => ElementExpressions::One(one.payload),
            _ => ElementExpressions::Many(&self.expressions.0),
        };
        ElementRef {
            key: &self.key.0,
            key_end: self.key_end.as_ref().map(|end| end.0.as_slice()),
            data,
            flags: ElementFlags::from_bits(self.flags.0),
            userdata: &self.userdata.0,
            object,
            expressions,
            ..ElementRef::default()
        }
    }
}

fn listed(expressions: &[Expr]) -> Vec<u8> {
    let none = nfnl::Value::default();
    let element = nfnl::Element { expressions: expressions.to_vec(), ..nfnl::Element::new(none) };
    element.encode_expressions().unwrap_or_default()
}

fn verdict(code: i32, chain: &str) -> String {
    match (DataRef::Verdict { code, chain }).to_owned() {
        Ok(nfnl::Data::Verdict(Verdict::Jump(chain))) => format!("jump {chain}"),
        Ok(nfnl::Data::Verdict(Verdict::Goto(chain))) => format!("goto {chain}"),
        Ok(nfnl::Data::Verdict(verdict)) => format!("{verdict:?}").to_lowercase(),
        _ => code.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_replaced_as_a_whole_word() {
        let text = "in set __set1 not in set __set10 a__set1 __set1";
        let expected = "in set { 80 } not in set __set10 a__set1 { 80 }";
        assert_eq!(in_place_of_name(text, "__set1", "{ 80 }"), expected);
    }

    #[test]
    fn a_set_that_is_asked_in_a_way_unknown_here_is_not_one_that_can_be_put_back() {
        use nfnl::expr::{Lookup, RawExpr, Register};
        let mut writer = Writer::new();
        writer.put_str(1, "__set0");
        writer.put_be32(99, 1);
        let body = writer.finish().unwrap();
        let raw = RawExpr { name: "lookup".to_owned(), body };
        let rule = |expression| nfnl::Rule::new(nfnl::Family::Ip, "t", "c", [expression]);
        assert_eq!(asked(&rule(Expr::Raw(raw))), [Asked::Otherwise("__set0".to_owned())]);
        let known = Lookup::set("__set0", Register::R1);
        assert_eq!(asked(&rule(known.into())), [Asked::Whole("__set0".to_owned())]);
        assert_eq!(asked(&rule(Lookup::set("mine", Register::R1).into())), []);
    }

    #[test]
    fn hostile_bytes_are_no_set_and_no_panic() {
        for length in [0, 1, 7, 40, 300] {
            for fill in [0, 0x41, 0xff] {
                let record = SetRecord {
                    name: "__set0".to_owned(),
                    attributes: Hex(vec![fill; length]),
                    elements: vec![ElementRecord {
                        key: Hex(vec![fill; length]),
                        key_end: None,
                        flags: std::cmp::Reverse(u32::MAX),
                        datum: Some(Datum::Value(Hex(vec![fill; length]))),
                        userdata: Hex::default(),
                        expressions: Hex(vec![fill; length]),
                    }],
                };
                record.key();
                record.elements[0].borrowed();
                assert!(record.to_set(Family::V4, "filter", 1).is_err());
            }
        }
    }
}
