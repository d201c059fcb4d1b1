//! Reading the fields of a tree, with the path and place of what is wrong.

use std::collections::BTreeMap;

use model::object::Labels;

use crate::node::{Child, Node, Value};
use crate::problem::Position;
use crate::scalar::{self, Scalar};

/// Something wrong in one object.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) position: Position,
    pub(crate) path: String,
    pub(crate) message: String,
}

/// What is wrong with an object so far.
#[derive(Debug, Default)]
pub(crate) struct Check {
    pub(crate) faults: Vec<Fault>,
    /// Whether one of the faults means that the object cannot be used.
    pub(crate) refused: bool,
}

/// Problems listed for one object; one wrong indentation can make hundreds.
const FAULTS_MAX: usize = 20;

impl Check {
    /// The object cannot be used.
    pub(crate) fn refuse(&mut self, at: &At<'_>, message: impl Into<String>) {
        self.refused = true;
        self.note(at, message);
    }

    /// The object lacks something that it needs.
    pub(crate) fn missing(&mut self, at: &At<'_>, key: &str, message: impl Into<String>) {
        self.refused = true;
        let mut path = at.path();
        for key in key.split('.') {
            push_key(&mut path, key);
        }
        self.push(Fault { position: at.node.position, path, message: message.into() });
    }

    /// Something is wrong that can be lived with.
    pub(crate) fn note(&mut self, at: &At<'_>, message: impl Into<String>) {
        let fault = Fault { position: at.node.position, path: at.path(), message: message.into() };
        self.push(fault);
    }

    fn push(&mut self, fault: Fault) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(fault);
        }
    }
}

/// A value and the way to it.
pub(crate) struct At<'n> {
    pub(crate) node: &'n Node<'n>,
    step: Step<'n>,
    up: Option<&'n At<'n>>,
}

enum Step<'n> {
    Root,
    Key(&'n str),
    Index(usize),
}

impl<'n> At<'n> {
    pub(crate) fn root(node: &'n Node<'n>) -> Self {
        Self { node, step: Step::Root, up: None }
    }

    fn path(&self) -> String {
        let mut path = self.up.map(Self::path).unwrap_or_default();
        match self.step {
            Step::Root => {}
            Step::Key(key) => push_key(&mut path, key),
            Step::Index(index) => push_index(&mut path, index),
        }
        path
    }

    /// A field of a mapping; `null` is as good as absent.
    pub(crate) fn field<'s>(&'s self, key: &'s str) -> Option<At<'s>> {
        let node = self.node.get(key)?;
        (!node.is_null()).then_some(At { node, step: Step::Key(key), up: Some(self) })
    }

    /// A field that must be a mapping if it is there.
    pub(crate) fn mapping<'s>(&'s self, key: &'s str, check: &mut Check) -> Option<At<'s>> {
        let at = self.field(key)?;
        at.is_mapping(check).then_some(at)
    }

    pub(crate) fn is_mapping(&self, check: &mut Check) -> bool {
        let is = matches!(self.node.value, Value::Mapping(_));
        if !is {
            check.refuse(self, format!("expected a mapping, found {}", self.node.describe()));
        }
        is
    }

    /// The entries of a field that must be a list if it is there.
    pub(crate) fn list<'s>(&'s self, key: &'s str, check: &mut Check) -> Option<At<'s>> {
        let at = self.field(key)?;
        if matches!(at.node.value, Value::Sequence(_)) {
            return Some(at);
        }
        check.refuse(&at, format!("expected a list, found {}", at.node.describe()));
        None
    }

    /// The entries of a list.
    pub(crate) fn entries(&self) -> impl Iterator<Item = At<'_>> {
        let items: &[Child<'_>] = match &self.node.value {
            Value::Sequence(items) => items,
            _ => &[],
        };
        items.iter().enumerate().map(|(index, node)| At {
            node,
            step: Step::Index(index),
            up: Some(self),
        })
    }

    /// The string that this must be.
    pub(crate) fn text(&self, check: &mut Check) -> Option<&'n str> {
        let text = self.node.as_str();
        if text.is_none() {
            let quote = match &self.node.value {
                Value::Scalar { .. } => ": put it in quotes",
                _ => "",
            };
            let found = self.node.describe();
            check.refuse(self, format!("expected a string, found {found}{quote}"));
        }
        text
    }

    /// The whole number that this must be.
    pub(crate) fn number(&self, check: &mut Check) -> Option<i64> {
        if let Scalar::Integer(number) = self.scalar() {
            return Some(number);
        }
        check.refuse(self, format!("expected a whole number, found {}", self.node.describe()));
        None
    }

    /// The boolean that this must be.
    pub(crate) fn flag(&self, check: &mut Check) -> Option<bool> {
        if let Scalar::Bool(flag) = self.scalar() {
            return Some(flag);
        }
        check.refuse(self, format!("expected true or false, found {}", self.node.describe()));
        None
    }

    pub(crate) fn scalar(&self) -> Scalar {
        match &self.node.value {
            Value::Scalar { text, typing } => scalar::resolve(text, *typing),
            _ => Scalar::Foreign,
        }
    }

    /// A field that must be a non-empty string if it is there; an empty one is as good as absent,
    /// as in the API.
    pub(crate) fn text_field(&self, key: &str, check: &mut Check) -> Option<Box<str>> {
        let at = self.field(key)?;
        let text = at.text(check)?;
        (!text.is_empty()).then(|| text.into())
    }

    /// Labels, annotations or a selector: a mapping of strings to strings.
    pub(crate) fn labels(&self, key: &str, check: &mut Check) -> Labels {
        let mut labels = BTreeMap::new();
        let Some(at) = self.mapping(key, check) else { return labels };
        let Value::Mapping(entries) = &at.node.value else { return labels };
        for (key, node) in entries.iter() {
            let entry = At { node, step: Step::Key(key), up: Some(&at) };
            // the API reads null as the empty string here
            let value = if node.is_null() { Some("") } else { entry.text(check) };
            if let Some(value) = value {
                labels.insert((&**key).into(), value.into());
            }
        }
        labels
    }
}

/// Appends a key to a path: `.key`, or `["key"]` where a dot would mislead.
pub(crate) fn push_key(path: &mut String, key: &str) {
    let plain = key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if !plain {
        path.push('[');
        path.push_str(&scalar::shown(key));
        path.push(']');
        return;
    }
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(key);
}

/// Appends a place in a list to a path.
pub(crate) fn push_index(path: &mut String, index: usize) {
    path.push('[');
    path.push_str(&index.to_string());
    path.push(']');
}
