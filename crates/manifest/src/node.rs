//! The tree of one object, each value with its place.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::problem::Position;

/// One value.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) position: Position,
    pub(crate) value: Value,
    /// Levels of values below and with this one, aliases followed.
    pub(crate) height: usize,
    /// Values below and with this one, aliases followed.
    pub(crate) size: usize,
}

#[derive(Debug)]
pub(crate) enum Value {
    Scalar { text: Box<str>, typing: Typing },
    Sequence(Vec<Rc<Node>>),
    Mapping(Mapping),
}

/// The entries of a mapping by key.
pub(crate) type Mapping = BTreeMap<Box<str>, Rc<Node>>;

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

impl Node {
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Mapping(entries) => entries.get(key).map(Rc::as_ref),
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
