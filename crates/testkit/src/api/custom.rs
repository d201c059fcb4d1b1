//! Custom resources.
//!
//! Owns: definitions becoming resources, at once and for as long as they are there, and objects
//! checked against their schemas: types, `required`, `enum`, `pattern`, bounds, and
//! unknown fields pruned.

use std::sync::Arc;

use serde_json::{Value, json};

use super::meta;
use super::refusal::Refusal;
use super::resource::{Family, Resource, Scope, Status};
use super::schema;
use super::state::State;

/// Checks a custom resource, prunes it and sets its defaults.
pub(super) fn check(resource: &Resource, object: &mut Value) -> Result<(), Refusal> {
    let Some(schema) = &resource.schema else { return Ok(()) };
    schema::complete(schema, object);
    let causes = schema::check(schema, object);
    if causes.is_empty() {
        return Ok(());
    }
    let name = meta::text(object, "name").to_owned();
    Err(Refusal::invalid(&resource.group, &resource.kind, &name, &causes))
}

/// A definition that was stored makes its resources, and is marked as established.
pub(super) fn define(
    state: &mut State,
    resource: &Resource,
    key: &str,
    definition: Arc<Value>,
) -> Arc<Value> {
    if resource.family != Family::Definition {
        return definition;
    }
    let spec = &definition["spec"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (group, plural) = (text(&spec["group"]), text(&spec["names"]["plural"]));
    state.registry.forget(&group, &plural);
    for version in spec["versions"].as_array().into_iter().flatten() {
        if version["served"] != true {
            continue;
        }
        let has_status = version["subresources"].get("status").is_some();
        state.registry.insert(Resource {
            group: group.clone(),
            version: text(&version["name"]),
            plural: plural.clone(),
            kind: text(&spec["names"]["kind"]),
            scope: if spec["scope"] == "Cluster" { Scope::Cluster } else { Scope::Namespaced },
            status: if has_status { Status::Subresource } else { Status::Ordinary },
            family: Family::Custom,
            schema: version["schema"].get("openAPIV3Schema").cloned().map(Arc::new),
            bucket: format!("{plural}.{group}"),
        });
    }
    if definition["status"]["conditions"].is_array() {
        return definition;
    }
    let condition = |kind: &str, reason: &str| {
        json!({
            "type": kind, "status": "True", "reason": reason, "message": "",
            "lastTransitionTime": meta::now(),
        })
    };
    let mut established = (*definition).clone();
    established["status"] = json!({
        "acceptedNames": spec["names"],
        "conditions": [
            condition("NamesAccepted", "NoConflicts"),
            condition("Established", "InitialNamesAccepted"),
        ],
        "storedVersions": [spec["versions"][0]["name"]],
    });
    state.store.set(&resource.bucket, key, established)
}

/// A definition that is gone takes its resources and their objects with it.
pub(super) fn undefine(state: &mut State, resource: &Resource, definition: Option<&Value>) {
    let Some(definition) = definition.filter(|_| resource.family == Family::Definition) else {
        return;
    };
    let spec = &definition["spec"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (group, plural) = (text(&spec["group"]), text(&spec["names"]["plural"]));
    let bucket = format!("{plural}.{group}");
    let keys: Vec<String> = state.store.bucket(&bucket).objects().keys().cloned().collect();
    for key in keys {
        state.store.remove(&bucket, &key);
    }
    state.registry.forget(&group, &plural);
}
