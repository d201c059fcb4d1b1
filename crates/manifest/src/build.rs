//! From parser events to trees, one object at a time.
//!
//! The entries of `items` of a List are handed on one by one as they end, so that a List of any
//! size costs the memory of its largest entry. Depth, values, anchors and aliases are counted while
//! the trees grow; nothing here recurses.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span, Tag};

use crate::chars::Chars;
use crate::convert::{Converter, ListHead};
use crate::fields::Fault;
use crate::node::{Child, Mapping, Typing, Value};
use crate::problem::{Position, Problem};
use crate::scalar::shown;
use crate::{Found, Limits, Summary};

/// The file cannot be read any further.
#[derive(Debug)]
pub(crate) struct Fatal {
    pub(crate) position: Position,
    pub(crate) message: String,
}

pub(crate) fn read(
    file: &str,
    input: &mut dyn Read,
    limits: &Limits,
    sink: &mut dyn FnMut(Found),
) -> Summary {
    let file: Arc<str> = file.into();
    let (chars, failure) = Chars::new(input);
    let options = granit_parser::options! {
        emit_comments: false,
        flow_nesting_limit: limits.depth,
        block_nesting_limit: limits.depth,
    };
    let mut parser = Parser::new_from_fallible_iter_with_options(chars, options);
    let mut builder = Builder::new(limits, Converter::new(Arc::clone(&file), limits, sink));
    let mut fatal = None;
    for next in &mut parser {
        let step = match next {
            Ok((event, span)) => builder.event(event, span),
            Err(error) => Err(syntax(&error, limits)),
        };
        if let Err(error) = step {
            fatal = Some(error);
            break;
        }
    }
    if let Some((position, message)) = failure.borrow_mut().take() {
        fatal = Some(Fatal { position, message });
    }
    let mut summary = builder.converter.summary;
    summary.syntax = fatal.map(|Fatal { position, message }| Problem {
        file,
        position,
        object: None,
        path: String::new(),
        message,
    });
    summary
}

/// The scanner's error, in words of ours where its own would mislead.
fn syntax(error: &ScanError, limits: &Limits) -> Fatal {
    let message = match error.kind() {
        ErrorKind::RecursionLimitExceeded => too_deep(limits),
        ErrorKind::InvalidQuotedScalarIndent | ErrorKind::UnclosedQuotedScalar => {
            "not valid YAML: a text in quotes does not end, or its next line is not indented"
                .to_owned()
        }
        kind => format!("not valid YAML: {}", kind.to_string().replace('\n', " ")),
    };
    Fatal { position: position(error.marker()), message }
}

fn too_deep(limits: &Limits) -> String {
    format!("nested more than {} levels deep", limits.depth)
}

fn position(marker: &granit_parser::Marker) -> Position {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Position { line: number(marker.line()), column: number(marker.col()).saturating_add(1) }
}

/// A value of a YAML document. Each is shared: an alias or a merge may take it elsewhere.
type Node = crate::node::Node<'static>;

/// The entries of a mapping that has not ended, by key.
type Entries = BTreeMap<Cow<'static, str>, Child<'static>>;

/// A collection that has begun and not ended.
struct Frame {
    position: Position,
    anchor: usize,
    height: usize,
    size: usize,
    open: Open,
}

enum Open {
    Sequence {
        items: Vec<Child<'static>>,
        seen: usize,
    },
    /// The `items` of a List: entries are handed on, not kept.
    Items {
        seen: usize,
    },
    Mapping {
        entries: Entries,
        merges: Vec<Rc<Node>>,
        key: Option<Key>,
    },
}

/// The key whose value comes next.
enum Key {
    Named(Cow<'static, str>),
    /// `<<`
    Merge,
    /// A key that cannot be; its value is dropped.
    Dropped,
}

struct Builder<'s> {
    limits: &'s Limits,
    converter: Converter<'s>,
    frames: Vec<Frame>,
    anchors: BTreeMap<usize, Rc<Node>>,
    /// Values that the document's anchors keep and its aliases repeat.
    aliased: usize,
    /// Values of the current object.
    values: usize,
    /// What is wrong with the current entry of a List.
    item_faults: Vec<Fault>,
    /// What is wrong with the document outside of its entries.
    faults: Vec<Fault>,
    root: Option<Rc<Node>>,
}

impl<'s> Builder<'s> {
    fn new(limits: &'s Limits, converter: Converter<'s>) -> Self {
        Self {
            limits,
            converter,
            frames: Vec::new(),
            anchors: BTreeMap::new(),
            aliased: 0,
            values: 0,
            item_faults: Vec::new(),
            faults: Vec::new(),
            root: None,
        }
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Fatal> {
        let position = position(&span.start);
        match event {
            Event::DocumentStart(..) => self.begin_document(),
            Event::DocumentEnd => self.end_document(),
            Event::Scalar(text, style, anchor, tag) => {
                return self.scalar(&text, typing(style, tag.as_deref()), position, anchor);
            }
            Event::SequenceStart(_, anchor, _) => {
                let open = if self.at_list_items() {
                    Open::Items { seen: 0 }
                } else {
                    Open::Sequence { items: Vec::new(), seen: 0 }
                };
                return self.begin(open, position, anchor);
            }
            Event::MappingStart(_, anchor, _) => {
                let open = Open::Mapping { entries: Entries::new(), merges: Vec::new(), key: None };
                return self.begin(open, position, anchor);
            }
            Event::SequenceEnd | Event::MappingEnd => return self.end(),
            Event::Alias(id) => return self.alias(id, position),
            _ => {}
        }
        Ok(())
    }

    fn begin_document(&mut self) {
        self.frames.clear();
        self.anchors.clear();
        self.aliased = 0;
        self.values = 0;
        self.item_faults.clear();
        self.faults.clear();
        self.root = None;
    }

    fn end_document(&mut self) {
        let faults = std::mem::take(&mut self.faults);
        if let Some(root) = self.root.take() {
            self.converter.document(&root, faults);
        }
    }

    /// Whether the value that begins now is the `items` of the document's root.
    fn at_list_items(&self) -> bool {
        matches!(
            self.frames.as_slice(),
            [Frame { open: Open::Mapping { key: Some(Key::Named(key)), .. }, .. }]
                if &**key == "items"
        )
    }

    fn begin(&mut self, open: Open, position: Position, anchor: usize) -> Result<(), Fatal> {
        if self.frames.len() >= self.limits.depth {
            return Err(Fatal { position, message: too_deep(self.limits) });
        }
        self.frames.push(Frame { position, anchor, height: 1, size: 1, open });
        Ok(())
    }

    fn scalar(
        &mut self,
        text: &str,
        typing: Typing,
        position: Position,
        anchor: usize,
    ) -> Result<(), Fatal> {
        let text = if text.len() > self.limits.scalar_bytes {
            self.fault(
                position,
                format!("{} bytes: too long (at most {})", text.len(), self.limits.scalar_bytes),
            );
            ""
        } else {
            text
        };
        let value = Value::Scalar { text: text.to_owned().into(), typing };
        self.complete(Node { position, value, height: 1, size: 1 }, anchor)
    }

    fn alias(&mut self, id: usize, position: Position) -> Result<(), Fatal> {
        let Some(node) = self.anchors.get(&id).map(Rc::clone) else {
            let message = "an alias within the value that it stands for".to_owned();
            return Err(Fatal { position, message });
        };
        if self.frames.len() + node.height > self.limits.depth {
            let message = format!("aliases nested more than {} levels deep", self.limits.depth);
            return Err(Fatal { position, message });
        }
        self.count_aliased(node.size, position)?;
        self.attach(node)
    }

    fn count_aliased(&mut self, values: usize, position: Position) -> Result<(), Fatal> {
        self.aliased = self.aliased.saturating_add(values);
        if self.aliased > self.limits.aliased_values {
            let message = format!(
                "anchors and aliases stand for more than {} values",
                self.limits.aliased_values
            );
            return Err(Fatal { position, message });
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Fatal> {
        let Some(frame) = self.frames.pop() else { return Ok(()) };
        let Frame { position, anchor, mut height, mut size, open } = frame;
        let value = match open {
            Open::Sequence { items, .. } => Value::Sequence(items),
            Open::Items { .. } => Value::Sequence(Vec::new()),
            Open::Mapping { mut entries, merges, .. } => {
                for merge in merges {
                    let before = entries.len();
                    self.merge(&merge, &mut entries);
                    if entries.len() > before {
                        height = height.max(merge.height);
                        size = size.saturating_add(merge.size);
                        self.count_aliased(merge.size, position)?;
                    }
                }
                Value::Mapping(Mapping::of_sorted(entries.into_iter().collect()))
            }
        };
        self.complete(Node { position, value, height, size }, anchor)
    }

    /// `<<: *a` and `<<: [*a, *b]`: adds what is not there; the first to say it counts.
    fn merge(&mut self, from: &Rc<Node>, into: &mut Entries) {
        let sources: Vec<&Node> = match &from.value {
            Value::Sequence(sources) => sources.iter().map(Deref::deref).collect(),
            _ => vec![from],
        };
        for source in sources {
            let Value::Mapping(entries) = &source.value else {
                let message = format!("<< merges mappings, not {}", source.describe());
                self.fault(source.position, message);
                continue;
            };
            for (key, value) in entries.iter() {
                // All are shared: nothing is copied.
                into.entry(key.clone()).or_insert_with(|| value.clone());
            }
        }
    }

    /// A value has ended: remembers its anchor and gives it to whatever it is in.
    fn complete(&mut self, node: Node, anchor: usize) -> Result<(), Fatal> {
        self.values += 1;
        if self.values == self.limits.values {
            let message = format!("more than {} values in one object", self.limits.values);
            self.fault(node.position, message);
        }
        let node = Rc::new(node);
        if anchor != 0 {
            self.count_aliased(node.size, node.position)?;
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        self.attach(node)
    }

    fn attach(&mut self, node: Rc<Node>) -> Result<(), Fatal> {
        // an object with too many values is refused anyway: keep no more of it
        let keep = self.values < self.limits.values || self.frames.len() <= 1;
        let Some(frame) = self.frames.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        frame.height = frame.height.max(node.height.saturating_add(1));
        frame.size = frame.size.saturating_add(node.size);
        match &mut frame.open {
            Open::Sequence { items, seen } => {
                *seen += 1;
                if keep {
                    items.push(Child::Shared(node));
                }
            }
            Open::Items { seen } => {
                *seen += 1;
                frame.height = 1;
                frame.size = 1;
                return self.item(&node);
            }
            Open::Mapping { entries, merges, key } => match key.take() {
                None => self.key(&node),
                Some(Key::Named(name)) if keep => {
                    entries.insert(name, Child::Shared(node));
                }
                Some(Key::Merge) if keep => merges.push(node),
                Some(_) => {}
            },
        }
        Ok(())
    }

    /// One entry of a List's items has ended.
    fn item(&mut self, node: &Rc<Node>) -> Result<(), Fatal> {
        self.values = 0;
        let faults = std::mem::take(&mut self.item_faults);
        let head = match self.frames.first().map(|frame| &frame.open) {
            Some(Open::Mapping { entries, .. }) => {
                ListHead::of(|key| entries.get(key).map(Deref::deref))
            }
            _ => ListHead::default(),
        };
        self.converter.item(node, faults, &head)
    }

    /// A value in the place of a key has ended.
    fn key(&mut self, node: &Node) {
        let key = match &node.value {
            Value::Scalar { text, typing: Typing::Plain } if &**text == "<<" => Key::Merge,
            Value::Scalar { text, .. } => {
                let known = matches!(
                    self.frames.last().map(|frame| &frame.open),
                    Some(Open::Mapping { entries, .. }) if entries.contains_key(&**text)
                );
                if known {
                    let message = format!("the key {} is there twice", shown(text));
                    self.fault(node.position, message);
                }
                Key::Named(text.clone())
            }
            _ => {
                let message = format!("a key must be a string, not {}", node.describe());
                self.fault(node.position, message);
                Key::Dropped
            }
        };
        if let Some(Frame { open: Open::Mapping { key: next, .. }, .. }) = self.frames.last_mut() {
            *next = Some(key);
        }
    }

    fn fault(&mut self, position: Position, message: String) {
        let in_item = matches!(self.frames.get(1), Some(Frame { open: Open::Items { .. }, .. }));
        let (outer, faults) =
            if in_item { (2, &mut self.item_faults) } else { (0, &mut self.faults) };
        // more would only be counted; keep the file's share at most
        if faults.len() < self.limits.problems {
            let path = path(self.frames.get(outer..).unwrap_or_default());
            faults.push(Fault { position, path, message });
        }
    }
}

/// The field that the innermost of the frames is about to fill.
fn path(frames: &[Frame]) -> String {
    let mut path = String::new();
    for frame in frames {
        match &frame.open {
            Open::Sequence { seen, .. } | Open::Items { seen } => {
                crate::fields::push_index(&mut path, *seen);
            }
            Open::Mapping { key, .. } => {
                let key = match key {
                    Some(Key::Named(key)) => key,
                    Some(Key::Merge) => "<<",
                    Some(Key::Dropped) | None => continue,
                };
                crate::fields::push_key(&mut path, key);
            }
        }
    }
    path
}

fn typing(style: ScalarStyle, tag: Option<&Tag>) -> Typing {
    let Some(tag) = tag else {
        return if style == ScalarStyle::Plain { Typing::Plain } else { Typing::String };
    };
    match tag.core_suffix() {
        Some("str") => Typing::String,
        Some("null" | "bool" | "int" | "float") => Typing::Plain,
        _ => Typing::Foreign,
    }
}
