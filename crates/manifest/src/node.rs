//! The tree of one object, each value with its place.
//!
//! Texts are borrowed from the document where it says them as they are, and what has no anchor lies
//! in what it belongs to: most trees live for microseconds, and would else be hundreds of allocations.

use std::borrow::Cow;
use std::ops::Deref;
use std::rc::Rc;

use crate::problem::Position;

/// One value of a document that lives for `'t`.
#[derive(Debug, Clone)]
pub(crate) struct Node<'t> {
    pub(crate) position: Position,
    pub(crate) value: Value<'t>,
    /// Levels of values below and with this one, aliases followed.
    pub(crate) height: usize,
    /// Values below and with this one, aliases followed.
    pub(crate) size: usize,
}

#[derive(Debug, Clone)]
pub(crate) enum Value<'t> {
    Scalar { text: Cow<'t, str>, typing: Typing },
    Sequence(Vec<Child<'t>>),
    Mapping(Mapping<'t>),
}

/// A value in another one. A copy of a shared one is the same one.
#[derive(Debug, Clone)]
pub(crate) enum Child<'t> {
    /// In this one only, as everything in JSON.
    Own(Node<'t>),
    /// Perhaps in others as well: by an alias, or by a merge of mappings.
    Shared(Rc<Node<'t>>),
}

impl<'t> Deref for Child<'t> {
    type Target = Node<'t>;

    fn deref(&self) -> &Node<'t> {
        match self {
            Self::Own(node) => node,
            Self::Shared(node) => node,
        }
    }
}

/// The entries of a mapping.
///
/// Invariant: in order of their keys, each key once.
#[derive(Debug, Clone)]
pub(crate) struct Mapping<'t>(Vec<(Cow<'t, str>, Child<'t>)>);

/// An entry of a mapping.
pub(crate) type Entry<'t> = (Cow<'t, str>, Child<'t>);

impl<'t> Mapping<'t> {
    /// Room for the entries of most mappings.
    pub(crate) const USUAL: usize = 8;

    /// Entries in any order; `None` if a key is there twice.
    pub(crate) fn of_unique(mut entries: Vec<Entry<'t>>) -> Option<Self> {
        entries.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let twice = entries.windows(2).any(|pair| matches!(pair, [(a, _), (b, _)] if a == b));
        (!twice).then_some(Self(entries))
    }

    /// Entries in any order; of a key that is there twice the last entry counts.
    pub(crate) fn of_last(mut entries: Vec<Entry<'t>>) -> Self {
        entries.reverse();
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        entries.dedup_by(|(a, _), (b, _)| a == b);
        Self(entries)
    }

    /// Entries in the order of their keys, each once.
    pub(crate) fn of_sorted(entries: Vec<Entry<'t>>) -> Self {
        debug_assert!(entries.is_sorted_by(|(a, _), (b, _)| a < b), "out of order");
        Self(entries)
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Node<'t>> {
        let at = self.0.binary_search_by(|(known, _)| (**known).cmp(key)).ok()?;
        self.0.get(at).map(|(_, child)| &**child)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry<'t>> {
        self.0.iter()
    }
}

/// What decides the type of a scalar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Typing {
    /// Its look, as in `port: 80`.
    Plain,
    /// Quotes, a block, or the tag `!!str`: it is a string.
    String,
    /// A tag that Kubernetes does not know: it is nothing that we expect.
    Foreign,
}

impl<'t> Node<'t> {
    pub(crate) fn get(&self, key: &str) -> Option<&Node<'t>> {
        match &self.value {
            Value::Mapping(entries) => entries.get(key),
            _ => None,
        }
    }

    /// The text of a string.
    pub(crate) fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, typing } => (crate::scalar::resolve(text, *typing)
                == crate::scalar::Scalar::String)
                .then_some(text),
            _ => None,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        match &self.value {
            Value::Scalar { text, typing } => {
                crate::scalar::resolve(text, *typing) == crate::scalar::Scalar::Null
            }
            _ => false,
        }
    }

    /// The kind of value, for messages: `a string`, `the number 80` …
    pub(crate) fn describe(&self) -> String {
        match &self.value {
            Value::Scalar { text, typing } => crate::scalar::describe(text, *typing),
            Value::Sequence(_) => "a list".to_owned(),
            Value::Mapping(_) => "a mapping".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(keys: &[&'static str]) -> Vec<Entry<'static>> {
        let node = |size| Node {
            position: Position { line: 1, column: 1 },
            value: Value::Sequence(Vec::new()),
            height: 1,
            size,
        };
        keys.iter().enumerate().map(|(at, key)| ((*key).into(), Child::Own(node(at)))).collect()
    }

    fn shown(mapping: &Mapping<'_>) -> Vec<(String, usize)> {
        mapping.iter().map(|(key, child)| (key.to_string(), child.size)).collect()
    }

    #[test]
    fn a_mapping_has_each_key_once_and_finds_it() {
        let mapping = Mapping::of_unique(entries(&["b", "c", "a"])).unwrap();
        assert_eq!(shown(&mapping), [("a".into(), 2), ("b".into(), 0), ("c".into(), 1)]);
        assert_eq!(mapping.get("c").map(|node| node.size), Some(1));
        assert!(mapping.get("d").is_none());
        assert!(Mapping::of_unique(entries(&["b", "a", "b"])).is_none());
        let mapping = Mapping::of_last(entries(&["b", "a", "b", "a", "b"]));
        assert_eq!(shown(&mapping), [("a".into(), 3), ("b".into(), 4)]);
    }
}
