//! Owns sets and maps: what they hold, in nft's JSON.

use nfnl::{ByteOrder, Data, Element, ElementFlags, Set, SetData, SetFlags, Verdict, userdata};
use serde_json::{Value, json};

use super::types::{Links, Type};

/// Type of the flag that intervals that touch are merged, in a set's userdata (nftables,
/// `NFTNL_UDATA_SET_MERGE_ELEMENTS`).
const MERGE: u8 = 2;

/// What a set holds.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// How many.
    pub(super) count: u64,
    /// Ends of intervals and starts, as the kernel has them; only the first ones.
    kept: Vec<Element>,
    /// Chains that verdicts lead to, of all elements.
    pub(super) targets: Vec<String>,
}

impl Content {
    pub(super) fn add(&mut self, element: &nfnl::ElementRef<'_>, most: usize) {
        let end = element.flags.contains(ElementFlags::INTERVAL_END);
        if !end {
            self.count += 1;
        }
        if let Some(nfnl::DataRef::Verdict { chain, .. }) = element.data
            && !chain.is_empty()
            && !self.targets.iter().any(|known| known == chain)
        {
            self.targets.push(chain.to_owned());
        }
        // every interval has two, and one beyond
        if self.kept.len() < 2 * most + 1
            && let Ok(element) = element.to_element()
        {
            self.kept.push(element);
        }
    }

    /// The elements in nft's JSON and order, at most so many.
    pub(super) fn json(&self, set: &Set, most: usize, links: &Links) -> Vec<Value> {
        let types = key_types(set);
        let mut elements: Vec<&Element> = self.kept.iter().collect();
        elements.sort_by(|one, other| {
            let catchall = |element: &Element| element.flags.contains(ElementFlags::CATCHALL);
            let end = |element: &Element| element.flags.contains(ElementFlags::INTERVAL_END);
            (catchall(one), sortable(&types, one.key.bytes()), !end(one)).cmp(&(
                catchall(other),
                sortable(&types, other.key.bytes()),
                !end(other),
            ))
        });
        let joined = types.len() > 1;
        let intervals = set.flags.contains(SetFlags::INTERVAL) && !joined;
        let mut all = Vec::new();
        for (at, element) in elements.iter().enumerate() {
            if element.flags.contains(ElementFlags::INTERVAL_END) || all.len() == most {
                continue;
            }
            let key = if element.flags.contains(ElementFlags::CATCHALL) {
                Value::from("*")
            } else if intervals {
                let next = elements.get(at + 1..).and_then(|rest| {
                    rest.iter().find(|next| next.key != element.key && !next.key.bytes().is_empty())
                });
                interval(&types, element, next.copied(), links)
            } else if joined {
                joined_key(&types, element, links)
            } else {
                one(&types).value(element.key.bytes(), links)
            };
            all.push(match datum(set, element, links) {
                Some(data) => json!([key, data]),
                None => key,
            });
        }
        all
    }
}

/// The parts of the key. An integer has no order of its own: the set's userdata has it.
fn key_types(set: &Set) -> Vec<Type> {
    let types = Type::parts(set.key_type);
    let order = userdata::find(&set.userdata, userdata::SET_KEY_BYTEORDER);
    let host = order.is_some_and(|order| order == ByteOrder::Host.number().to_ne_bytes());
    match types.as_slice() {
        [only] if host && *only == Type::INTEGER => vec![Type::HOST],
        _ => types,
    }
}

fn one(types: &[Type]) -> Type {
    types.first().copied().unwrap_or(Type::INTEGER)
}

/// Bytes in an order that sorts as numbers do.
fn sortable(types: &[Type], bytes: &[u8]) -> Vec<u8> {
    match types {
        [only] if only.is_host() && cfg!(target_endian = "little") => {
            bytes.iter().rev().copied().collect()
        }
        _ => bytes.to_vec(),
    }
}

/// From an element to before the next: a value, a network or a range.
fn interval(types: &[Type], start: &Element, next: Option<&Element>, links: &Links) -> Value {
    let first = start.key.bytes();
    let mut last = match (&start.key_end, next) {
        (Some(end), _) => return range(one(types), first, end.bytes(), links),
        (None, Some(next)) => next.key.bytes().to_vec(),
        (None, None) => return range(one(types), first, &vec![0xff; first.len()], links),
    };
    for byte in last.iter_mut().rev() {
        let borrow;
        (*byte, borrow) = byte.overflowing_sub(1);
        if !borrow {
            break;
        }
    }
    range(one(types), first, &last, links)
}

/// Ranges are in network order, whatever the type.
fn range(of: Type, first: &[u8], last: &[u8], links: &Links) -> Value {
    let value = |bytes: &[u8]| match bytes {
        bytes if of.is_host() && cfg!(target_endian = "little") => {
            of.value(&bytes.iter().rev().copied().collect::<Vec<_>>(), links)
        }
        bytes => of.value(bytes, links),
    };
    if first == last {
        return value(first);
    }
    match prefix_length(first, last) {
        Some(length) if of.has_prefixes() => {
            json!({"prefix": {"addr": value(first), "len": length}})
        }
        _ => json!({"range": [value(first), value(last)]}),
    }
}

/// How many bits both have in common, if the rest is all zeros and all ones.
pub(super) fn prefix_length(first: &[u8], last: &[u8]) -> Option<u32> {
    let mut length = 0;
    let mut rest = false;
    for (first, last) in first.iter().zip(last) {
        for bit in (0..8).rev() {
            match (first >> bit & 1, last >> bit & 1) {
                (0, 1) => rest = true,
                (one, other) if one == other && !rest => length += 1,
                _ => return None,
            }
        }
    }
    Some(length)
}

fn joined_key(types: &[Type], element: &Element, links: &Links) -> Value {
    let (key, end) = (element.key.bytes(), element.key_end.as_ref().map(nfnl::Value::bytes));
    let mut at = 0;
    let mut parts = Vec::new();
    for part in types {
        // a part without a length of its own takes the rest
        let len = if part.len == 0 { key.len().saturating_sub(at).min(4) } else { part.len };
        let bytes = |all: &'_ [u8]| all.get(at..at + len).unwrap_or_default().to_vec();
        let first = bytes(key);
        parts.push(match end.map(bytes) {
            Some(last) if last != first => range(*part, &first, &last, links),
            _ => part.value(&first, links),
        });
        at += len.next_multiple_of(4);
    }
    json!({ "concat": parts })
}

fn datum(set: &Set, element: &Element, links: &Links) -> Option<Value> {
    if let Some(object) = &element.object {
        return Some(object.as_str().into());
    }
    match (element.data.as_ref()?, &set.data) {
        (Data::Verdict(verdict), _) => Some(verdict_json(verdict)),
        (Data::Value(value), Some(SetData::Value { datatype, .. })) => {
            let types = Type::parts(*datatype);
            if let [_, _, ..] = types.as_slice() {
                let element = Element { key: *value, key_end: None, ..element.clone() };
                return Some(joined_key(&types, &element, links));
            }
            Some(one(&types).value(value.bytes(), links))
        }
        (Data::Value(value), _) => Some(Type::INTEGER.value(value.bytes(), links)),
    }
}

/// A verdict in nft's JSON.
pub(super) fn verdict_json(verdict: &Verdict) -> Value {
    match verdict {
        Verdict::Accept => json!({"accept": null}),
        Verdict::Drop => json!({"drop": null}),
        Verdict::Continue => json!({"continue": null}),
        Verdict::Break => json!({"break": null}),
        Verdict::Return => json!({"return": null}),
        Verdict::Jump(chain) => json!({"jump": {"target": chain}}),
        Verdict::Goto(chain) => json!({"goto": {"target": chain}}),
        // NF_QUEUE has the queue's number in its upper half
        Verdict::Other(code) if code & 0xff == 3 => json!({"queue": {"num": code >> 16}}),
        Verdict::Other(code) => json!({ "verdict": code }),
    }
}

/// Name of the type of the key.
pub(super) fn key_name(set: &Set) -> String {
    names(set.key_type)
}

/// Name of the type of what a map holds.
pub(super) fn data_name(set: &Set) -> Option<String> {
    Some(match set.data.as_ref()? {
        SetData::Verdict => "verdict".to_owned(),
        SetData::Value { datatype, .. } => names(*datatype),
        SetData::Object(kind) => super::rule::object_name(*kind).to_owned(),
    })
}

fn names(number: u32) -> String {
    let names: Vec<&str> = Type::parts(number).iter().map(|part| part.name).collect();
    if names.is_empty() { Type::INTEGER.name.to_owned() } else { names.join(" . ") }
}

/// Flags by the names of nft.
pub(super) fn flag_names(set: &Set) -> Vec<String> {
    let names = [
        (SetFlags::CONSTANT, "constant"),
        (SetFlags::INTERVAL, "interval"),
        (SetFlags::TIMEOUT, "timeout"),
        (SetFlags::EVAL, "dynamic"),
    ];
    let set_ones = names.iter().filter(|(flag, _)| set.flags.contains(*flag));
    set_ones.map(|(_, name)| (*name).to_owned()).collect()
}

pub(super) fn merges(set: &Set) -> bool {
    userdata::find(&set.userdata, MERGE).is_some_and(|value| value.iter().any(|byte| *byte != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_that_is_a_network_is_written_as_one() {
        assert_eq!(prefix_length(&[10, 0, 0, 0], &[10, 255, 255, 255]), Some(8));
        assert_eq!(prefix_length(&[10, 0, 0, 0], &[10, 0, 0, 2]), None);
        assert_eq!(prefix_length(&[10, 0, 1, 0], &[10, 0, 2, 255]), None);
        assert_eq!(prefix_length(&[0], &[255]), Some(0));
    }
}
