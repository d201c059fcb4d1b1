//! Manifests as the API server prints them: `kubectl get … -o yaml`.
//!
//! Owns: builders for Pods, Services and Nodes, with the fields around them that a real object
//! carries, and the YAML form. Keys are sorted and lists not indented, as kubectl does.

use serde_json::{Value, json};

mod node;
mod pod;
mod service;
mod yaml;

pub use node::Node;
pub use pod::Pod;
pub use service::{Service, Target};

/// When every object was made unless its builder says otherwise: 2026-01-01T00:00:00Z.
const CREATED: i64 = 1_767_225_600;

/// An object, ready to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest(Value);

impl Manifest {
    /// The object as it is, for fields that no builder knows.
    pub const fn value(&self) -> &Value {
        &self.0
    }

    /// The object, to be changed by hand.
    pub const fn value_mut(&mut self) -> &mut Value {
        &mut self.0
    }

    /// As `kubectl get … -o yaml` prints it.
    pub fn yaml(&self) -> String {
        yaml::document(&self.0)
    }

    /// As `kubectl get … -o json` prints it.
    pub fn json(&self) -> String {
        format!("{:#}\n", self.0)
    }

    /// `KIND-NAMESPACE-NAME.yaml`, without a namespace for Nodes.
    pub fn file_name(&self) -> String {
        let text = |value: &Value| value.as_str().map(str::to_lowercase);
        let metadata = &self.0["metadata"];
        let parts = [&self.0["kind"], &metadata["namespace"], &metadata["name"]];
        let parts: Vec<String> = parts.into_iter().filter_map(text).collect();
        parts.join("-") + ".yaml"
    }
}

impl From<Value> for Manifest {
    fn from(object: Value) -> Self {
        Self(object)
    }
}

/// Several objects in one text, as documents.
pub fn documents(objects: impl IntoIterator<Item = impl Into<Manifest>>) -> String {
    let texts: Vec<String> = objects.into_iter().map(|object| object.into().yaml()).collect();
    texts.join("---\n")
}

/// Several objects in one `kind: List`, as `kubectl get pods,services -o yaml` prints them.
pub fn list(objects: impl IntoIterator<Item = impl Into<Manifest>>) -> Manifest {
    let items: Vec<Value> = objects.into_iter().map(|object| object.into().0).collect();
    Manifest(json!({
        "apiVersion": "v1",
        "items": items,
        "kind": "List",
        "metadata": { "resourceVersion": "" },
    }))
}

/// The object's head. `name` is `NAMESPACE/NAME` or, for Nodes, the name alone; the UID is made of
/// kind and name unless the builder sets another.
fn object(kind: &str, name: &str) -> Value {
    let (namespace, short) = match name.split_once('/') {
        Some((namespace, short)) => (Some(namespace), short),
        None => (None, name),
    };
    let mut metadata = json!({
        "creationTimestamp": timestamp(CREATED),
        "name": short,
        "resourceVersion": "1",
        "uid": format!("{}-{}", kind.to_lowercase(), name.replace('/', "-")),
    });
    if let Some(namespace) = namespace {
        metadata["namespace"] = namespace.into();
    }
    json!({ "apiVersion": "v1", "kind": kind, "metadata": metadata })
}

/// Seconds since 1970 as Kubernetes writes times.
fn timestamp(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).unwrap().to_string()
}

/// Adds to a list, which is made if there is none.
fn push(list: &mut Value, entry: Value) {
    match list {
        Value::Array(entries) => entries.push(entry),
        other => *other = Value::Array(vec![entry]),
    }
}

/// What all builders have.
macro_rules! metadata_methods {
    ($kind:ty) => {
        impl $kind {
            /// `metadata.uid`.
            #[must_use]
            pub fn uid(mut self, uid: &str) -> Self {
                self.0["metadata"]["uid"] = uid.into();
                self
            }

            /// A label.
            #[must_use]
            pub fn label(mut self, key: &str, value: &str) -> Self {
                self.0["metadata"]["labels"][key] = value.into();
                self
            }

            /// An annotation.
            #[must_use]
            pub fn annotation(mut self, key: &str, value: &str) -> Self {
                self.0["metadata"]["annotations"][key] = value.into();
                self
            }

            /// `metadata.creationTimestamp`, in seconds since 1970.
            #[must_use]
            pub fn created(mut self, seconds: i64) -> Self {
                self.0["metadata"]["creationTimestamp"] =
                    $crate::manifest::timestamp(seconds).into();
                self
            }
        }

        impl From<$kind> for $crate::Manifest {
            fn from(builder: $kind) -> Self {
                Self(builder.0)
            }
        }

        impl From<&$kind> for $crate::Manifest {
            fn from(builder: &$kind) -> Self {
                Self(builder.0.clone())
            }
        }
    };
}
use metadata_methods;

#[cfg(test)]
mod tests;
