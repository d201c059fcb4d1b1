//! What a test calls its things, and what they are called on a server that it shares with others.
//!
//! Owns: namespaces and Nodes that carry a prefix of the test's own there, and objects whose UID the
//! server chose where the test chose another. Objects go through as JSON; nothing else is changed.
//!
//! Invariant: nobody is told of an object before its UID is known: who makes one holds
//! [`Names::making`] until then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

/// The namespace of Events about objects that have none: no server lets them be anywhere else.
const DEFAULT: &str = "default";

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Names {
    prefix: String,
    known: Mutex<Known>,
    /// Held for writing while an object is made, and for reading while one is shown.
    pub(super) making: tokio::sync::RwLock<()>,
}

#[derive(Debug, Default)]
struct Known {
    /// By the server's UID, the test's.
    shown: BTreeMap<String, String>,
    /// By the test's UID, the server's.
    real: BTreeMap<String, String>,
    /// The names of Events that are in the server's own `default`.
    about_nodes: BTreeSet<String>,
}

impl Names {
    pub(super) fn new(prefix: String) -> Self {
        Self { prefix, known: Mutex::default(), making: tokio::sync::RwLock::new(()) }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// This object's UID is shown as the test's.
    pub(super) fn learn(&self, real: &str, shown: &str) {
        let mut known = self.known();
        known.shown.insert(real.into(), shown.into());
        known.real.insert(shown.into(), real.into());
    }

    /// The Events that are not in a namespace of the test.
    pub(super) fn about_nodes(&self) -> Vec<String> {
        self.known().about_nodes.iter().cloned().collect()
    }

    /// Whether an object of the server is one of the test.
    pub(super) fn owns(&self, real: &Value) -> bool {
        let metadata = &real["metadata"];
        let name = metadata["name"].as_str().unwrap_or_default();
        match metadata["namespace"].as_str() {
            Some(DEFAULT) => self.known().about_nodes.contains(name),
            Some(namespace) => namespace.starts_with(&self.prefix),
            None => name.starts_with(&self.prefix),
        }
    }

    /// An object, list, event or refusal of the server, in the test's words.
    pub(super) fn shown(&self, real: &mut Value) {
        let known = self.known();
        let prefix = &*self.prefix;
        each(real, &mut |key, text| {
            if key == "uid"
                && let Some(shown) = known.shown.get(text)
            {
                shown.clone_into(text);
            } else if text.contains(prefix) {
                *text = text.replace(prefix, "");
            }
        });
    }

    /// An object or merge patch of the test, in the server's words.
    pub(super) fn real(&self, shown: &mut Value) {
        let about_a_node =
            ["regarding", "involvedObject"].into_iter().any(|key| shown[key]["kind"] == "Node");
        {
            let known = self.known();
            each(shown, &mut |key, text| match key {
                "uid" => {
                    if let Some(real) = known.real.get(text) {
                        real.clone_into(text);
                    }
                }
                "namespace" | "nodeName" if !text.is_empty() => text.insert_str(0, &self.prefix),
                _ => {}
            });
        }
        for key in ["regarding", "involvedObject", "metadata"] {
            let kind = if key == "metadata" { &shown["kind"] } else { &shown[key]["kind"] };
            if kind == "Node" || kind == "Namespace" {
                self.put_prefix(&mut shown[key]["name"]);
            }
        }
        if about_a_node {
            shown["metadata"]["namespace"] = DEFAULT.into();
            let name = shown["metadata"]["name"].as_str().unwrap_or_default();
            self.known().about_nodes.insert(name.to_owned());
        }
    }

    fn put_prefix(&self, name: &mut Value) {
        if let Value::String(name) = name {
            name.insert_str(0, &self.prefix);
        }
    }

    /// The path of a request of the test.
    pub(super) fn path(&self, shown: &str) -> String {
        let parts: Vec<&str> = shown.split('/').collect();
        let mut real = Vec::with_capacity(parts.len());
        for (at, part) in parts.iter().enumerate() {
            let before = at.checked_sub(1).map_or("", |at| parts[at]);
            let about_a_node = || {
                parts.get(at + 1) == Some(&"events")
                    && (parts.get(at + 2)).is_some_and(|n| self.known().about_nodes.contains(*n))
            };
            let named = matches!(before, "namespaces" | "nodes") && !part.is_empty();
            real.push(match () {
                () if named && *part == DEFAULT && about_a_node() => DEFAULT.to_owned(),
                () if named => format!("{}{part}", self.prefix),
                () => (*part).to_owned(),
            });
        }
        real.join("/")
    }

    /// The query of a request of the test for a resource.
    pub(super) fn query(&self, resource: &str, shown: &str) -> String {
        let field = |name: &str, query: &str| {
            query.replace(&format!("{name}%3D"), &format!("{name}%3D{}", self.prefix))
        };
        let query = field("spec.nodeName", shown);
        if resource == "nodes" { field("metadata.name", &query) } else { query }
    }
}

/// Every text, with the name of its field.
fn each(value: &mut Value, change: &mut impl FnMut(&str, &mut String)) {
    fn walk(key: &str, value: &mut Value, change: &mut impl FnMut(&str, &mut String)) {
        match value {
            Value::String(text) => change(key, text),
            Value::Array(items) => items.iter_mut().for_each(|item| walk(key, item, change)),
            Value::Object(fields) => {
                fields.iter_mut().for_each(|(key, value)| walk(key, value, change));
            }
            _ => {}
        }
    }
    walk("", value, change);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_test_says_comes_back_as_it_said_it() {
        let names = Names::new("nk-1-".into());
        names.learn("0-0-1", "pod-default-web");
        let said = json!({
            "kind": "Pod",
            "metadata": { "name": "web", "namespace": "default", "uid": "pod-default-web" },
            "spec": { "nodeName": "n1" },
        });
        let mut there = said.clone();
        names.real(&mut there);
        assert_eq!(there["metadata"]["namespace"], "nk-1-default");
        assert_eq!(there["metadata"]["uid"], "0-0-1");
        assert_eq!(there["spec"]["nodeName"], "nk-1-n1");
        assert!(names.owns(&there) && !names.owns(&said));
        names.shown(&mut there);
        assert_eq!(there, said);
    }

    #[test]
    fn requests_lead_to_the_tests_own_things() {
        let names = Names::new("nk-1-".into());
        let path = "/api/v1/namespaces/default/pods/web/status";
        assert_eq!(names.path(path), "/api/v1/namespaces/nk-1-default/pods/web/status");
        assert_eq!(names.path("/api/v1/nodes/n1"), "/api/v1/nodes/nk-1-n1");
        assert_eq!(names.path("/api/v1/pods"), "/api/v1/pods");
        let query = "fieldSelector=spec.nodeName%3Dn1&limit=500";
        assert_eq!(names.query("pods", query), "fieldSelector=spec.nodeName%3Dnk-1-n1&limit=500");
    }

    #[test]
    fn an_event_about_a_node_is_in_the_servers_default_namespace() {
        let names = Names::new("nk-1-".into());
        let mut event = json!({
            "kind": "Event",
            "metadata": { "name": "n1.1", "namespace": "default" },
            "regarding": { "kind": "Node", "name": "n1" },
        });
        names.real(&mut event);
        assert_eq!(event["metadata"]["namespace"], "default");
        assert_eq!(event["regarding"]["name"], "nk-1-n1");
        assert!(names.owns(&event));
        let events = "/apis/events.k8s.io/v1/namespaces/default/events";
        assert_eq!(names.path(&format!("{events}/n1.1")), format!("{events}/n1.1"));
    }
}
