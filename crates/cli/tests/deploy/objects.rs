//! Kubernetes objects as trees: finding, normalising, and checking them against the API's types.

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::tools::yaml;

/// The object of this kind; there is exactly one.
#[track_caller]
pub(crate) fn one<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    let mut of_kind = objects.iter().filter(|object| object["kind"] == kind);
    let found = of_kind.next().unwrap_or_else(|| panic!("no {kind}"));
    assert!(of_kind.next().is_none(), "more than one {kind}");
    found
}

/// The agent's settings in the ConfigMap.
#[track_caller]
pub(crate) fn config(objects: &[Value]) -> &str {
    let maps = objects.iter().filter(|object| object["kind"] == "ConfigMap");
    let mut texts = maps.filter_map(|map| map["data"]["config.yaml"].as_str());
    texts.next().unwrap()
}

/// Fails if the API server would not know a field: unknown ones are lost on the way through the
/// API's own types.
#[track_caller]
pub(crate) fn typed(objects: &[Value]) {
    for object in objects {
        match object["kind"].as_str().unwrap() {
            "Namespace" => same::<Namespace>(object),
            "ServiceAccount" => same::<ServiceAccount>(object),
            "ConfigMap" => same::<ConfigMap>(object),
            "ClusterRole" => same::<ClusterRole>(object),
            "ClusterRoleBinding" => same::<ClusterRoleBinding>(object),
            "DaemonSet" => same::<DaemonSet>(object),
            // Custom resources of the Prometheus operator: their content is checked by promtool.
            "PodMonitor" | "PrometheusRule" => {}
            other => panic!("{other} is not expected here"),
        }
    }
}

#[track_caller]
fn same<T: Serialize + DeserializeOwned>(object: &Value) {
    let typed: T = serde_json::from_value(object.clone())
        .unwrap_or_else(|error| panic!("{error} in {object:#}"));
    assert_eq!(without_empty(&serde_json::to_value(typed).unwrap()), without_empty(object));
}

/// The API's types leave out what is empty; old versions of kubectl add it.
fn without_empty(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| (key.clone(), without_empty(value)))
            .filter(|(_, value)| !value.is_null() && *value != json!({}) && *value != json!([]))
            .collect(),
        Value::Array(items) => items.iter().map(without_empty).collect(),
        other => other.clone(),
    }
}

/// What the objects mean: sorted, without what only kustomize or only helm adds.
pub(crate) fn meaning(objects: &[Value]) -> Vec<Value> {
    let mut objects: Vec<Value> = objects.iter().map(meaning_of).collect();
    objects.sort_by_key(|object| format!("{} {}", object["kind"], object["metadata"]["name"]));
    objects
}

fn meaning_of(object: &Value) -> Value {
    let mut object = without_empty(object);
    if let Some(labels) = object.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        for helms in ["helm.sh/chart", "app.kubernetes.io/managed-by", "app.kubernetes.io/version"]
        {
            labels.remove(helms);
        }
    }
    if object["kind"] == "ConfigMap" {
        unhash(object.pointer_mut("/metadata/name"));
        object["data"]["config.yaml"] = yaml(object["data"]["config.yaml"].as_str().unwrap());
    }
    if object["kind"] == "DaemonSet" {
        // Both roll the Pods when a setting changes: kustomize by the name, helm by a checksum.
        let annotations = object.pointer_mut("/spec/template/metadata/annotations");
        annotations.and_then(Value::as_object_mut).unwrap().remove("checksum/config");
        unhash(object.pointer_mut("/spec/template/spec/volumes/0/configMap/name"));
    }
    object
}

/// `netkeep-5h7k9…`, as kustomize names a generated ConfigMap, without the hash.
fn unhash(name: Option<&mut Value>) {
    let name = name.unwrap();
    let text = name.as_str().unwrap();
    *name = json!(text.split_once('-').map_or(text, |(name, _)| name));
}
