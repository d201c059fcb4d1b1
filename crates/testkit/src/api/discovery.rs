//! What there is to ask for: `/version`, `/healthz`, `/api`, `/apis`, and the resources of a group.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::resource::{Registry, Resource, Status};

/// The answer to a path that is about the server and not about objects: text, or JSON.
pub(super) fn answer(registry: &Registry, path: &str) -> Option<Result<Value, &'static str>> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    Some(match &parts[..] {
        ["healthz" | "livez" | "readyz"] => Err("ok"),
        ["version"] => Ok(json!({
            "major": "1", "minor": "34", "gitVersion": "v1.34.0", "gitCommit": "", "gitTreeState": "",
            "buildDate": "2025-08-27T10:19:17Z", "goVersion": "", "compiler": "",
            "platform": "linux/amd64",
        })),
        ["api"] => Ok(json!({
            "kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [],
        })),
        ["apis"] => Ok(groups(registry)),
        ["apis", group] => group_of(registry, group).map(Ok)?,
        ["api", version] => resources(registry, "", version).map(Ok)?,
        ["apis", group, version] => resources(registry, group, version).map(Ok)?,
        _ => return None,
    })
}

fn versions(registry: &Registry) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for resource in registry.iter().filter(|resource| !resource.group.is_empty()) {
        versions.entry(&resource.group).or_default().insert(&resource.version);
    }
    versions
}

fn group(name: &str, versions: &BTreeSet<&str>) -> Value {
    let all: Vec<Value> = versions
        .iter()
        .map(|version| json!({ "groupVersion": format!("{name}/{version}"), "version": version }))
        .collect();
    json!({ "name": name, "preferredVersion": all.last(), "versions": all })
}

fn groups(registry: &Registry) -> Value {
    let groups: Vec<Value> =
        versions(registry).iter().map(|(name, versions)| group(name, versions)).collect();
    json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups })
}

fn group_of(registry: &Registry, name: &str) -> Option<Value> {
    let mut value = group(name, versions(registry).get(name)?);
    value["kind"] = "APIGroup".into();
    value["apiVersion"] = "v1".into();
    Some(value)
}

fn resources(registry: &Registry, group: &str, version: &str) -> Option<Value> {
    let all: Vec<&Resource> = registry
        .iter()
        .map(AsRef::as_ref)
        .filter(|resource: &&Resource| resource.group == group && resource.version == version)
        .collect();
    let version = all.first()?.api_version();
    let verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
    let mut list = Vec::new();
    for resource in all {
        list.push(json!({
            "name": resource.plural, "singularName": resource.kind.to_lowercase(),
            "namespaced": resource.is_namespaced(), "kind": resource.kind, "verbs": verbs,
        }));
        if resource.status == Status::Subresource {
            list.push(json!({
                "name": format!("{}/status", resource.plural), "singularName": "",
                "namespaced": resource.is_namespaced(), "kind": resource.kind,
                "verbs": ["get", "patch", "update"],
            }));
        }
    }
    Some(json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": list,
    }))
}
