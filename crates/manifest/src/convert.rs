//! From trees to objects: which kind a document is, what a List holds, and what is refused.

mod meta;
mod node_object;
mod pod;
mod service;

pub(crate) use meta::synthetic_uid;

use std::rc::Rc;
use std::sync::Arc;

use model::{Object, ObjectKind};

use crate::build::Fatal;
use crate::fields::{At, Check, Fault};
use crate::node::{Node, Value};
use crate::problem::{ObjectName, Problem};
use crate::scalar::shown;
use crate::{Found, Limits, Status, Summary};

/// What a List has said about itself so far.
#[derive(Debug, Default, Clone)]
pub(crate) struct ListHead {
    api_version: Option<Box<str>>,
    kind: Option<Box<str>>,
}

impl ListHead {
    /// `entry`: what the List has under a key.
    pub(crate) fn of<'n, 't: 'n>(entry: impl Fn(&str) -> Option<&'n Node<'t>>) -> Self {
        let text = |key: &str| entry(key).and_then(Node::as_str).map(Into::into);
        Self { api_version: text("apiVersion"), kind: text("kind") }
    }

    /// `Pod` for a `PodList`; a plain `List` says nothing of its entries.
    fn entry_kind(&self) -> Option<&str> {
        self.kind.as_deref()?.strip_suffix("List").filter(|kind| !kind.is_empty())
    }
}

/// Turns trees into objects.
pub(crate) struct Converter<'s> {
    file: Arc<str>,
    limits: &'s Limits,
    sink: &'s mut dyn FnMut(Found),
    pub(crate) summary: Summary,
    /// Entries without a kind of a List that has not said its kind yet.
    waiting: Vec<(Rc<Node<'static>>, Vec<Fault>)>,
    waiting_values: usize,
}

impl<'s> Converter<'s> {
    pub(crate) fn new(file: Arc<str>, limits: &'s Limits, sink: &'s mut dyn FnMut(Found)) -> Self {
        let summary = Summary::default();
        Self { file, limits, sink, summary, waiting: Vec::new(), waiting_values: 0 }
    }

    /// One entry of the document's `items`.
    pub(crate) fn item(
        &mut self,
        node: &Rc<Node<'static>>,
        faults: Vec<Fault>,
        head: &ListHead,
    ) -> Result<(), Fatal> {
        let has_kind = !matches!(node.value, Value::Mapping(_)) || node.get("kind").is_some();
        if has_kind || head.kind.is_some() {
            self.object(node, faults, head);
            return Ok(());
        }
        self.waiting_values = self.waiting_values.saturating_add(node.size);
        if self.waiting_values > self.limits.values {
            return Err(Fatal {
                position: node.position,
                message: "a long list whose entries have no kind must say its own kind before its \
                          items"
                    .to_owned(),
            });
        }
        self.waiting.push((Rc::clone(node), faults));
        Ok(())
    }

    /// A document has ended. Its `items`, if it has any, came before.
    pub(crate) fn document(&mut self, root: &Node<'_>, faults: Vec<Fault>) {
        let waiting = std::mem::take(&mut self.waiting);
        self.waiting_values = 0;
        if root.is_null() {
            return;
        }
        self.summary.documents += 1;
        if !waiting.is_empty() && matches!(root.value, Value::Mapping(_)) {
            let head = ListHead::of(|key| root.get(key));
            for (node, faults) in waiting {
                self.object(&node, faults, &head);
            }
        }
        self.object(root, faults, &ListHead::default());
    }

    fn object(&mut self, node: &Node<'_>, mut faults: Vec<Fault>, list: &ListHead) {
        let at = At::root(node);
        let mut check = Check::default();
        let kind = Self::kind(&at, list, &mut check);
        let Some((api_version, kind)) = kind else {
            check.faults.truncate(1);
            return self.report(None, check.faults.into_iter().chain(faults));
        };
        if kind.ends_with("List") {
            if let Some(Value::Sequence(items)) = node.get("items").map(|items| &items.value) {
                let head =
                    ListHead { api_version: Some(api_version.into()), kind: Some(kind.into()) };
                // lists within lists: as deep as the tree, which is bounded
                for item in items {
                    self.object(item, Vec::new(), &head);
                }
            } else if let Some(items) = at.field("items") {
                check.refuse(&items, format!("expected a list, found {}", items.node.describe()));
            }
            return self.report(None, check.faults.into_iter().chain(faults));
        }
        let kind = match kind {
            "Pod" => ObjectKind::Pod,
            "Service" => ObjectKind::Service,
            "Node" => ObjectKind::Node,
            _ => return,
        };
        if api_version != "v1" {
            return self.misversioned(&at, kind, api_version);
        }
        check.refused = !faults.is_empty();
        let converted = convert(&at, kind, &mut check);
        faults.append(&mut check.faults);
        if !faults.is_empty() {
            let name = converted.as_ref().map(Converted::name);
            self.report(name.as_ref(), faults.into_iter());
        }
        if let (false, Some(Converted { object, netns, status })) = (check.refused, converted) {
            (self.sink)(Found { object, position: node.position, netns, status });
        }
    }

    /// A group with a dot is somebody's own, with kinds of its own, as Knative's Service. In those without
    /// one, which are Kubernetes', there is no other Pod, Service or Node.
    fn misversioned(&mut self, at: &At<'_>, kind: ObjectKind, api_version: &str) {
        if api_version.split_once('/').is_some_and(|(group, _)| group.contains('.')) {
            return;
        }
        if self.summary.misversioned.len() >= self.limits.problems {
            self.summary.unlisted += 1;
            return;
        }
        let name = meta::read(at, kind, &mut Check::default()).map(|head| head.name);
        let kind = kind.as_str();
        self.summary.misversioned.push(Problem {
            file: Arc::clone(&self.file),
            position: at.node.position,
            object: name,
            path: "apiVersion".to_owned(),
            message: format!("there is no {kind} in {}: it is not read", shown(api_version)),
        });
    }

    /// The `apiVersion` and the kind.
    fn kind<'k>(
        at: &'k At<'_>,
        list: &'k ListHead,
        check: &mut Check,
    ) -> Option<(&'k str, &'k str)> {
        if !at.is_mapping(check) {
            check.faults.clear();
            let found = at.node.describe();
            check.refuse(at, format!("not a Kubernetes object: found {found} instead of fields"));
            return None;
        }
        let stated = at.field("kind");
        let kind = match &stated {
            Some(field) => field.text(check).filter(|kind| !kind.is_empty()),
            None => list.entry_kind(),
        };
        let Some(kind) = kind else {
            let why = match stated {
                Some(_) => "the kind is empty",
                None => "not a Kubernetes object: it has no kind",
            };
            check.missing(at, "kind", why);
            return None;
        };
        let api_version = match at.field("apiVersion") {
            Some(version) => version.text(check)?,
            None if stated.is_none() => list.api_version.as_deref().unwrap_or("v1"),
            None => {
                check.missing(at, "apiVersion", "not a Kubernetes object: it has no apiVersion");
                return None;
            }
        };
        Some((api_version, kind))
    }

    fn report(&mut self, object: Option<&ObjectName>, faults: impl Iterator<Item = Fault>) {
        for Fault { position, path, message } in faults {
            if self.summary.invalid.len() >= self.limits.problems {
                self.summary.unlisted += 1;
                continue;
            }
            let file = Arc::clone(&self.file);
            let object = object.cloned();
            self.summary.invalid.push(Problem { file, position, object, path, message });
        }
    }
}

/// An object, and what was said beside it.
pub(crate) struct Converted {
    pub(crate) object: Object,
    pub(crate) netns: Option<Box<str>>,
    pub(crate) status: Status,
}

impl Converted {
    /// Which object it is.
    pub(crate) fn name(&self) -> ObjectName {
        ObjectName::of(&self.object)
    }
}

/// One object of a known kind; `None` where not even its name can be read. What is wrong is in
/// `check`, which also says whether the object may be used.
pub(crate) fn convert(at: &At<'_>, kind: ObjectKind, check: &mut Check) -> Option<Converted> {
    let mut head = meta::read(at, kind, check)?;
    let netns = (kind == ObjectKind::Pod).then(|| head.annotations.remove(meta::NETNS)).flatten();
    let status = if at.field("status").is_some() { Status::Said } else { Status::Missing };
    let object = match kind {
        ObjectKind::Pod => Object::Pod(pod::read(at, head, check)),
        ObjectKind::Service => Object::Service(service::read(at, head, check)),
        ObjectKind::Node => Object::Node(node_object::read(at, head, check)),
    };
    Some(Converted { object, netns, status })
}
