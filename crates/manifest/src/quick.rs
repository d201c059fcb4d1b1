//! The short way for what nearly every file in a folder is: a small JSON document without a fault.
//!
//! Owns: building the tree of such a document without a scanner that knows places. The same
//! conversion follows. Whatever is not plainly good (a problem, an escape by number, a key twice)
//! is not decided here: the caller reads the file the long way and gets every place.
//!
//! Invariant: what is answered is what the long way finds, but for positions (all are 1:1).

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::convert::Converter;
use crate::node::{Child, Mapping, Node, Typing, Value};
use crate::problem::Position;
use crate::text::Text;
use crate::{Found, Limits, Parsed};

/// Larger files are streamed: their trees would take memory.
const BYTES_MAX: usize = 64 << 10;
/// YAML does not take longer keys where it has to guess that they are keys.
const KEY_MAX: usize = 1_000;

/// Reads a file that is one JSON document with nothing wrong in it; `None` if that is not plain.
pub fn quick(bytes: &[u8], limits: &Limits) -> Option<Parsed> {
    if bytes.len() > BYTES_MAX || bytes.first() != Some(&b'{') {
        return None;
    }
    // What YAML takes for the same: printable ASCII.
    let printable = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n' | b'\t');
    if !bytes.iter().all(printable) || has_odd_escapes(bytes) {
        return None;
    }
    let values = Cell::new(0);
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let root = Tree { limits, values: &values }.deserialize(&mut reader).ok()?;
    reader.end().ok()?;
    if root.height > limits.depth {
        return None;
    }
    // Room for the one object that most files are: for more at once the allocator would tidy up.
    let mut objects: Vec<Found> = Vec::with_capacity(1);
    let mut sink = |found| objects.push(found);
    let mut converter = Converter::new(Arc::default(), limits, &mut sink);
    converter.document(&root, Vec::new());
    let summary = converter.summary;
    let good =
        summary.invalid.is_empty() && summary.misversioned.is_empty() && summary.unlisted == 0;
    (good && summary.syntax.is_none()).then_some(Parsed { objects, summary })
}

/// Whether there is an escape but `\"`, `\\` and `\n`, on which JSON and YAML plainly agree.
fn has_odd_escapes(bytes: &[u8]) -> bool {
    let mut rest = bytes.iter();
    while let Some(byte) = rest.next() {
        if *byte == b'\\' && !matches!(rest.next(), Some(b'"' | b'\\' | b'n')) {
            return true;
        }
    }
    false
}

/// Builds a tree.
#[derive(Clone, Copy)]
struct Tree<'l> {
    limits: &'l Limits,
    values: &'l Cell<usize>,
}

impl Tree<'_> {
    fn node<E: Error>(self, value: Value<'_>) -> Result<Node<'_>, E> {
        self.values.set(self.values.get() + 1);
        if self.values.get() > self.limits.values {
            return Err(E::custom("too many values"));
        }
        let (height, size) = match &value {
            Value::Scalar { .. } => (0, 1),
            Value::Sequence(items) => below(items.iter()),
            Value::Mapping(entries) => below(entries.iter().map(|(_, value)| value)),
        };
        let position = Position { line: 1, column: 1 };
        Ok(Node { position, value, height: height + 1, size })
    }

    fn scalar<E: Error>(self, text: Cow<'_, str>, typing: Typing) -> Result<Node<'_>, E> {
        if text.len() > self.limits.scalar_bytes {
            return Err(E::custom("too long a value"));
        }
        self.node(Value::Scalar { text, typing })
    }
}

/// Levels below, and values with this one.
fn below<'n, 't: 'n>(nodes: impl Iterator<Item = &'n Child<'t>>) -> (usize, usize) {
    nodes.fold((0, 1), |(height, size), node| (height.max(node.height), size + node.size))
}

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = Node<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Node<'de>, E> {
        self.scalar("null".into(), Typing::Plain)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Node<'de>, E> {
        self.scalar(if value { "true" } else { "false" }.into(), Typing::Plain)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Node<'de>, E> {
        self.scalar(value.to_string().into(), Typing::Plain)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Node<'de>, E> {
        self.scalar(value.to_string().into(), Typing::Plain)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Node<'de>, E> {
        // How it was spelled decides what it is.
        Err(E::custom("not a whole number"))
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Node<'de>, E> {
        self.scalar(Cow::Borrowed(value), Typing::String)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Node<'de>, E> {
        self.scalar(Cow::Owned(value.to_owned()), Typing::String)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node<'de>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(self)? {
            items.push(Child::Own(item));
        }
        self.node(Value::Sequence(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node<'de>, A::Error> {
        let mut entries = Vec::with_capacity(Mapping::USUAL);
        while let Some(key) = access.next_key_seed(Text)? {
            if key.len() > KEY_MAX || key == "<<" {
                return Err(A::Error::custom("not a plain key"));
            }
            entries.push((key, Child::Own(access.next_value_seed(self)?)));
        }
        let entries = Mapping::of_unique(entries).ok_or_else(|| A::Error::custom("a key twice"))?;
        self.node(Value::Mapping(entries))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const POD: &str = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web","namespace":"d",
        "uid":"u1","labels":{"a":"1"},"annotations":{"nodeportlocal.antrea.io":"[{\"a\":1}]"}},
        "spec":{"nodeName":"n1","containers":[{"ports":[{"containerPort":80,"name":"http"}]}]},
        "status":{"phase":"Running","podIP":"10.0.0.9","startTime":"2026-01-01T00:00:00Z"}}"#;

    fn without_places(mut parsed: Parsed) -> Parsed {
        for found in &mut parsed.objects {
            found.position = Position { line: 1, column: 1 };
        }
        parsed
    }

    /// The short way gives nothing, or what the long way gives.
    fn agrees(json: &str) -> bool {
        let limits = Limits::default();
        let long = crate::parse("f", json.as_bytes(), &limits);
        quick(json.as_bytes(), &limits).is_none_or(|short| short == without_places(long))
    }

    #[test]
    fn a_good_pod_and_a_list_take_the_short_way() {
        let limits = Limits::default();
        assert_eq!(quick(POD.as_bytes(), &limits).unwrap().objects.len(), 1);
        assert!(agrees(POD));
        let list = format!(r#"{{"apiVersion":"v1","kind":"List","items":[{POD}]}}"#);
        assert_eq!(quick(list.as_bytes(), &limits).unwrap().objects.len(), 1);
        assert!(agrees(&list));
    }

    #[test]
    fn whatever_is_not_plainly_good_takes_the_long_way() {
        for json in [
            String::new(),
            "kind: Pod".to_owned(),
            "{}".to_owned(),
            format!("{POD}\n{POD}"),
            POD.replace("\"a\":\"1\"", "\"a\":1"),
            POD.replace("\"a\":\"1\"", "\"a\":\"1\",\"a\":\"2\""),
            POD.replace("\"a\":\"1\"", r#""a":"\u0031""#),
            POD.replace("\"a\":\"1\"", "\"\u{e4}\":\"1\""),
            POD.replace(":80,", ":8e1,"),
        ] {
            assert_eq!(quick(json.as_bytes(), &Limits::default()), None, "{json}");
        }
    }

    proptest! {
        #[test]
        fn the_short_way_finds_what_the_long_way_finds(
            at in 0..POD.len(),
            gone in 0..4_usize,
            with in "[\\[\\]{}\",:0-9a-z.\\\\ ]{0,3}",
        ) {
            let rest = POD.get(at + gone..).unwrap_or_default();
            let altered = format!("{}{with}{rest}", &POD[..at]);
            let agrees = agrees(&altered);
            prop_assert!(agrees, "{}", altered);
        }
    }
}
