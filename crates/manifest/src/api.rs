//! One object as the API server sends it: JSON of a kind that is known beforehand.
//!
//! Owns: building the same trees as a manifest's from JSON, quickly, and leaving out on the way what
//! decides nothing (`managedFields` and the like). The same conversion follows as for manifests.
//!
//! Invariants: no input makes it panic; nesting is bounded by the JSON reader (128 levels), values
//! and their lengths by [`Limits`]. Positions are not told: nobody can open an API object at a line.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

use model::{Object, ObjectKind};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::convert::{Converted, convert};
use crate::fields::{At, Check, Fault};
use crate::node::{Child, Mapping, Node, Typing, Value};
use crate::problem::{ObjectName, Position, Problem};
use crate::text::Text;
use crate::{Limits, Status, scalar};

/// What the API server said of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiObject {
    /// Which object it is, where that much could be read.
    pub name: Option<ObjectName>,
    /// The object; `None` if it was refused.
    pub object: Option<Object>,
    /// Whether it says its status.
    pub status: Status,
    /// What is wrong with it. An object may have problems that can be lived with.
    pub problems: Vec<Problem>,
}

/// Reads one object of this kind.
pub fn object(kind: ObjectKind, json: &str, limits: &Limits) -> ApiObject {
    let values = Cell::new(0);
    let seed = Tree { limits, values: &values, place: Place::Root };
    let mut reader = serde_json::Deserializer::from_str(json);
    let tree = seed.deserialize(&mut reader).and_then(|tree| reader.end().map(|()| tree));
    let node = match tree {
        Ok(node) => node,
        Err(error) => {
            let fault = Fault {
                position: NOWHERE,
                path: String::new(),
                message: format!("cannot be read: {error}"),
            };
            let problems = problems(None, [fault]);
            return ApiObject { name: None, object: None, status: Status::Missing, problems };
        }
    };
    let at = At::root(&node);
    let mut check = Check::default();
    let converted = if at.is_mapping(&mut check) { convert(&at, kind, &mut check) } else { None };
    let name = converted.as_ref().map(Converted::name);
    let status = converted.as_ref().map_or(Status::Missing, |converted| converted.status);
    let object = converted.filter(|_| !check.refused).map(|converted| converted.object);
    ApiObject { object, status, problems: problems(name.as_ref(), check.faults), name }
}

const NOWHERE: Position = Position { line: 0, column: 0 };

fn problems(name: Option<&ObjectName>, faults: impl IntoIterator<Item = Fault>) -> Vec<Problem> {
    let file: Arc<str> = "".into();
    faults
        .into_iter()
        .map(|Fault { position, path, message }| Problem {
            file: Arc::clone(&file),
            position,
            object: name.cloned(),
            path,
            message,
        })
        .collect()
}

/// Where in the object a value is, as far as that decides what is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    Metadata,
    Spec,
    Status,
    Deeper,
}

impl Place {
    fn below(self, key: &str) -> Self {
        match (self, key) {
            (Self::Root, "metadata") => Self::Metadata,
            (Self::Root, "spec") => Self::Spec,
            (Self::Root, "status") => Self::Status,
            _ => Self::Deeper,
        }
    }

    /// What no conversion looks at and what is large in real objects.
    fn is_left_out(self, key: &str) -> bool {
        match self {
            Self::Metadata => matches!(key, "managedFields" | "ownerReferences" | "finalizers"),
            Self::Spec => matches!(key, "volumes" | "affinity" | "tolerations"),
            Self::Status => matches!(
                key,
                "conditions"
                    | "containerStatuses"
                    | "initContainerStatuses"
                    | "images"
                    | "volumesInUse"
                    | "volumesAttached"
                    | "nodeInfo"
                    | "capacity"
                    | "allocatable"
            ),
            Self::Root | Self::Deeper => false,
        }
    }
}

/// Builds a tree.
#[derive(Clone, Copy)]
struct Tree<'l> {
    limits: &'l Limits,
    values: &'l Cell<usize>,
    place: Place,
}

impl Tree<'_> {
    fn node<E: Error>(self, value: Value<'_>) -> Result<Node<'_>, E> {
        let seen = self.values.get() + 1;
        self.values.set(seen);
        if seen > self.limits.values {
            return Err(E::custom(format!(
                "more than {} values in one object",
                self.limits.values
            )));
        }
        // height and size bound aliases, which JSON has not
        Ok(Node { position: NOWHERE, value, height: 1, size: 1 })
    }

    fn scalar<E: Error>(self, text: Cow<'_, str>, typing: Typing) -> Result<Node<'_>, E> {
        if text.len() > self.limits.scalar_bytes {
            let (found, most) = (text.len(), self.limits.scalar_bytes);
            return Err(E::custom(format!(
                "a value of {found} bytes is too long (at most {most}): {}",
                scalar::shown(&text)
            )));
        }
        self.node(Value::Scalar { text, typing })
    }
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

    fn visit_f64<E: Error>(self, value: f64) -> Result<Node<'de>, E> {
        // `{:?}` keeps the point: 80.0 is no whole number in JSON for Kubernetes either
        self.scalar(format!("{value:?}").into(), Typing::Plain)
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Node<'de>, E> {
        self.scalar(Cow::Borrowed(value), Typing::String)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Node<'de>, E> {
        self.scalar(Cow::Owned(value.to_owned()), Typing::String)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node<'de>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(Tree { place: Place::Deeper, ..self })? {
            items.push(Child::Own(item));
        }
        self.node(Value::Sequence(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node<'de>, A::Error> {
        let mut entries = Vec::with_capacity(Mapping::USUAL);
        while let Some(key) = access.next_key_seed(Text)? {
            if self.place.is_left_out(&key) {
                access.next_value::<IgnoredAny>()?;
                continue;
            }
            let below = Tree { place: self.place.below(&key), ..self };
            let value = access.next_value_seed(below)?;
            // of a key that is there twice the last counts, as for the API server
            entries.push((key, Child::Own(value)));
        }
        self.node(Value::Mapping(Mapping::of_last(entries)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(kind: ObjectKind, json: &str) -> ApiObject {
        object(kind, json, &Limits::default())
    }

    const POD: &str = r#"{"metadata":{"name":"web","namespace":"d","uid":"u1","labels":{"a":"1"},
        "managedFields":[{"fieldsV1":{"f:x":{}}}],"annotations":{"nodeportlocal.antrea.io":"[]"}},
        "spec":{"nodeName":"n1","containers":[{"ports":[{"containerPort":80,"name":"http"}]}]},
        "status":{"phase":"Running","podIP":"10.0.0.9","startTime":"2026-01-01T00:00:00Z"}}"#;

    #[test]
    fn an_object_reads_as_the_same_object_in_a_manifest() {
        let found = read(ObjectKind::Pod, POD);
        assert_eq!(found.problems, []);
        let manifest = format!("{{\"apiVersion\":\"v1\",\"kind\":\"Pod\",{}", &POD[1..]);
        let parsed = crate::parse("f", manifest.as_bytes(), &Limits::default());
        assert_eq!(found.object.as_ref(), Some(&parsed.objects[0].object));
    }

    #[test]
    fn a_number_where_a_string_belongs_is_named_with_its_field() {
        let json = POD.replace(r#""a":"1""#, r#""a":1"#);
        let found = read(ObjectKind::Pod, &json);
        assert_eq!(found.object, None);
        assert_eq!(found.name.unwrap().to_string(), "Pod d/web");
        assert_eq!(found.problems[0].path, "metadata.labels.a");
    }

    #[test]
    fn a_pod_without_a_status_is_a_pod_without_an_address() {
        let found = read(ObjectKind::Pod, r#"{"metadata":{"name":"a","namespace":"d","uid":"u"}}"#);
        assert!(matches!(found.object, Some(Object::Pod(pod)) if pod.pod_ips.is_empty()));
    }

    #[test]
    fn what_is_no_object_or_too_much_says_so() {
        for json in ["", "null", "[]", "7", "{", "\"x\"", "{}", r#"{"metadata":[]}"#] {
            let found = read(ObjectKind::Service, json);
            assert_eq!(found.object, None, "{json}");
            assert_eq!(found.problems.len(), 1, "{json}: {:?}", found.problems);
        }
        let limits = Limits { values: 10, ..Limits::default() };
        let found = object(ObjectKind::Pod, POD, &limits);
        assert!(found.problems[0].message.contains("more than 10 values"));
        let deep = "[".repeat(5_000);
        assert_eq!(read(ObjectKind::Pod, &deep).object, None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(json in "\\PC{0,200}") {
            read(ObjectKind::Pod, &json);
        }

        #[test]
        fn no_altered_object_makes_it_panic(at in 0..POD.len(), with in "[\\[\\]{}\",:0-9a-z]{0,3}") {
            if POD.is_char_boundary(at) {
                let json = format!("{}{with}{}", &POD[..at], &POD[(at + 1).min(POD.len())..]);
                read(ObjectKind::Pod, &json);
            }
        }
    }
}
