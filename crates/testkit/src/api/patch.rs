//! Patches.
//!
//! Owns: JSON patch, merge patch and strategic merge patch of one object. The last knows the lists
//! that are merged by a key where a node agent meets them, and replaces all others; directives in
//! lists are not understood. Apply is in [`owners`](super::owners).

use axum::http::StatusCode;
use serde_json::Value;

use super::refusal::Refusal;
use super::resource::{Family, Resource};

const JSON: &str = "application/json-patch+json";
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

/// Lists whose entries are told apart by a key (`patchMergeKey`).
const MERGED: [(&str, &str); 8] = [
    ("containers", "name"),
    ("initContainers", "name"),
    ("containerStatuses", "name"),
    ("conditions", "type"),
    ("podIPs", "ip"),
    ("hostIPs", "ip"),
    ("addresses", "type"),
    ("ownerReferences", "uid"),
];

/// Whether a body is to be applied.
pub(super) fn is_apply(content_type: &str) -> bool {
    format(content_type) == APPLY
}

fn format(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

/// The object as the patch makes it.
pub(super) fn apply(
    resource: &Resource,
    mut object: Value,
    content_type: &str,
    body: &[u8],
) -> Result<Value, Refusal> {
    let custom = resource.family == Family::Custom;
    match format(content_type) {
        JSON => json_patch(&mut object, body)?,
        MERGE => json_patch::merge(&mut object, &value(body)?),
        STRATEGIC if !custom => strategic(&mut object, &value(body)?),
        _ if custom => return Err(Refusal::media_type(&[JSON, MERGE, APPLY])),
        _ => return Err(Refusal::media_type(&[JSON, MERGE, STRATEGIC, APPLY])),
    }
    Ok(object)
}

/// YAML or JSON.
pub(super) fn yaml(body: &[u8]) -> Result<Value, Refusal> {
    let text = std::str::from_utf8(body).map_err(|error| error.to_string());
    let parsed = text.and_then(|text| {
        serde_saphyr::from_str(text).map_err(|error: serde_saphyr::Error| error.to_string())
    });
    parsed.map_err(|error| Refusal::bad_request(format!("error decoding YAML: {error}")))
}

fn value(body: &[u8]) -> Result<Value, Refusal> {
    let value: Result<Value, _> = serde_json::from_slice(body);
    match value {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(Refusal::bad_request("Invalid JSON Patch")),
        Err(error) => Err(Refusal::bad_request(format!("error decoding patch: {error}"))),
    }
}

fn json_patch(object: &mut Value, body: &[u8]) -> Result<(), Refusal> {
    let patch: json_patch::Patch = serde_json::from_slice(body)
        .map_err(|error| Refusal::bad_request(format!("error decoding patch: {error}")))?;
    json_patch::patch(object, &patch).map_err(|_| {
        // The generic words are the server's; which operation failed it does not say.
        let message = "the server rejected our request due to an error in our request";
        Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message)
    })
}

/// A merge in which some lists are merged by key.
fn strategic(object: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *object = patch.clone();
        return;
    };
    if patch.get("$patch").is_some_and(|directive| directive == "replace") {
        let mut patch = patch.clone();
        patch.shift_remove("$patch");
        *object = patch.into();
        return;
    }
    if !object.is_object() {
        *object = Value::Object(serde_json::Map::new());
    }
    for (name, value) in patch {
        let merged_by = MERGED.iter().find(|(list, _)| list == name).map(|(_, key)| *key);
        match (value, merged_by) {
            (Value::Null, _) => {
                object.as_object_mut().and_then(|fields| fields.shift_remove(name));
            }
            (Value::Object(_), _) => strategic(&mut object[name], value),
            (Value::Array(entries), Some(key)) => merge_list(&mut object[name], entries, key),
            (Value::Array(entries), None) if name == "finalizers" => {
                merge_set(&mut object[name], entries);
            }
            _ if name.starts_with('$') => {}
            _ => object[name] = value.clone(),
        }
    }
}

fn merge_list(list: &mut Value, entries: &[Value], key: &str) {
    if !list.is_array() {
        *list = Value::Array(Vec::new());
    }
    let Some(list) = list.as_array_mut() else { return };
    for entry in entries {
        let same = list.iter().position(|old| old[key] == entry[key]);
        match (same, entry["$patch"] == "delete") {
            (Some(at), true) => {
                list.remove(at);
            }
            (Some(at), false) => strategic(&mut list[at], entry),
            (None, true) => {}
            (None, false) => list.push(entry.clone()),
        }
    }
}

fn merge_set(list: &mut Value, entries: &[Value]) {
    if !list.is_array() {
        *list = Value::Array(Vec::new());
    }
    let Some(list) = list.as_array_mut() else { return };
    for entry in entries {
        if !list.contains(entry) {
            list.push(entry.clone());
        }
    }
}
