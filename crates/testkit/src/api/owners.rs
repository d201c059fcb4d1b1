//! Who set which field: `metadata.managedFields`, and server-side apply on top of it.
//!
//! Owns: sets of fields in the form `FieldsV1`, and the conflict when an apply changes a field that
//! somebody else set. Deliberately simple: lists are owned as a whole, unless they are conditions or
//! containers, which the server merges by key; an owner whose last field is taken is gone.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::meta;
use super::refusal::Refusal;
use super::request::{Door, Target};
use super::resource::Resource;

/// A field: its path.
type Path = Vec<String>;
/// Fields.
type Fields = BTreeSet<Path>;

/// Fields that belong to nobody.
const UNOWNED: [&str; 10] = [
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
    "selfLink",
];

/// Lists that are merged by a key.
const KEYED: [(&str, &str); 3] =
    [("conditions", "type"), ("containers", "name"), ("initContainers", "name")];

/// Who writes.
pub(super) struct Writer<'a> {
    pub(super) manager: &'a str,
    pub(super) operation: &'static str,
    pub(super) door: Door,
}

impl Writer<'_> {
    fn subresource(&self) -> Option<&'static str> {
        match self.door {
            Door::Main => None,
            Door::Status => Some("status"),
        }
    }

    fn is(&self, entry: &Value) -> bool {
        entry["manager"] == self.manager
            && entry["operation"] == self.operation
            && entry.get("subresource").and_then(Value::as_str) == self.subresource()
    }
}

/// Whether two objects differ in nothing that is stored on purpose.
pub(super) fn same(old: &Value, new: &Value) -> bool {
    let bare = |object: &Value| {
        let mut object = object.clone();
        meta::clear(&mut object, &["resourceVersion"]);
        for entry in object["metadata"]["managedFields"].as_array_mut().into_iter().flatten() {
            if let Some(fields) = entry.as_object_mut() {
                fields.shift_remove("time");
            }
        }
        object
    };
    bare(old) == bare(new)
}

/// Writes down who set what differs from the old object. An apply has done so before.
pub(super) fn record(resource: &Resource, writer: &Writer<'_>, old: &Value, object: &mut Value) {
    let made = old.as_object().is_none_or(Map::is_empty);
    if writer.operation == "Apply" && !made {
        return;
    }
    let changed: Fields =
        leaves(object).into_iter().filter(|path| at(object, path) != at(old, path)).collect();
    let present = leaves(object);
    let mut entries = entries_of(if made { &Value::Null } else { object });
    for entry in &mut entries {
        if !writer.is(&entry.0) {
            entry.1.retain(|path| !changed.contains(path) && present.contains(path));
        }
    }
    match entries.iter_mut().find(|entry| writer.is(&entry.0)) {
        Some(entry) => {
            entry.1.retain(|path| present.contains(path));
            if !changed.is_empty() {
                entry.1.extend(changed);
                entry.0["time"] = meta::now().into();
            }
        }
        None if !changed.is_empty() => entries.push((head(resource, writer), changed)),
        None => {}
    }
    write_entries(object, entries);
}

/// The object as an apply makes it, or the conflict.
pub(super) fn apply(
    target: &Target,
    manager: &str,
    old: &Value,
    wish: &Value,
    force: bool,
) -> Result<Value, Refusal> {
    let writer = Writer { manager, operation: "Apply", door: target.door };
    let wanted = leaves(wish);
    let mut entries = entries_of(old);
    let differs = |path: &Path| at(wish, path) != at(old, path);
    let conflicts: Vec<(&Value, &Path)> = entries
        .iter()
        .filter(|entry| !writer.is(&entry.0))
        .flat_map(|(head, fields)| fields.iter().map(move |path| (head, path)))
        .filter(|(_, path)| wanted.contains(*path) && differs(path))
        .collect();
    if !conflicts.is_empty() && !force {
        return Err(conflict(&conflicts));
    }
    let mut object = old.clone();
    let before = entries.iter().find(|entry| writer.is(&entry.0));
    // What this manager no longer wants and nobody else has goes.
    let dropped: Fields = before.map(|entry| &entry.1 - &wanted).unwrap_or_default();
    for path in dropped {
        let others = entries.iter().filter(|entry| !writer.is(&entry.0));
        if !others.into_iter().any(|entry| entry.1.contains(&path)) {
            take_out(&mut object, &path);
        }
    }
    for path in &wanted {
        if let Some(value) = at(wish, path) {
            put_in(&mut object, path, value.clone());
        }
    }
    for entry in &mut entries {
        if !writer.is(&entry.0) {
            entry.1.retain(|path| !(wanted.contains(path) && differs(path)));
        }
    }
    match entries.iter_mut().find(|entry| writer.is(&entry.0)) {
        Some(entry) => entry.1 = wanted,
        None => entries.push((head(&target.resource, &writer), wanted)),
    }
    write_entries(&mut object, entries);
    // Preconditions are checked with those of every update.
    for field in ["resourceVersion", "uid"] {
        if let Some(value) = wish["metadata"].get(field) {
            object["metadata"][field] = value.clone();
        }
    }
    Ok(object)
}

fn conflict(conflicts: &[(&Value, &Path)]) -> Refusal {
    // As `printManager` of managedfields/internal/conflict.go says it.
    let who = |head: &Value| {
        let text = |field: &str| head[field].as_str().unwrap_or_default();
        let door = match text("subresource") {
            "" => String::new(),
            door => format!(" with subresource {door:?}"),
        };
        let version = match text("operation") {
            "Update" => format!(" using {}", text("apiVersion")),
            _ => String::new(),
        };
        format!("{:?}{door}{version}", text("manager"))
    };
    let causes: Vec<Value> = conflicts
        .iter()
        .map(|(head, path)| {
            json!({
                "reason": "FieldManagerConflict",
                "message": format!("conflict with {}", who(head)),
                "field": dotted(path),
            })
        })
        .collect();
    let message = match conflicts {
        [(head, path)] => {
            format!("Apply failed with 1 conflict: conflict with {}: {}", who(head), dotted(path))
        }
        many => {
            let lines: Vec<String> = many
                .iter()
                .map(|(head, path)| format!("{}: {}", who(head), dotted(path)))
                .collect();
            format!("Apply failed with {} conflicts: {}", many.len(), lines.join("\n"))
        }
    };
    let mut refusal = Refusal::new(StatusCode::CONFLICT, "Conflict", message);
    refusal.details.insert("causes".into(), causes.into());
    refusal
}

fn dotted(path: &Path) -> String {
    let part = |part: &String| match part.split_once(':') {
        Some(("k", key)) => {
            let key: Value = serde_json::from_str(key).unwrap_or_default();
            let pairs: Vec<String> = key
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            format!("[{}]", pairs.join(","))
        }
        Some((_, name)) => format!(".{name}"),
        None => part.clone(),
    };
    path.iter().map(part).collect()
}

fn head(resource: &Resource, writer: &Writer<'_>) -> Value {
    let mut head = json!({
        "manager": writer.manager,
        "operation": writer.operation,
        "apiVersion": resource.api_version(),
        "time": meta::now(),
        "fieldsType": "FieldsV1",
    });
    if let Some(door) = writer.subresource() {
        head["subresource"] = door.into();
    }
    head
}

/// The fields of an object that somebody can own.
fn leaves(object: &Value) -> Fields {
    let mut fields = Fields::new();
    for (name, value) in object.as_object().into_iter().flatten() {
        match name.as_str() {
            "apiVersion" | "kind" => {}
            "metadata" => {
                for (inner, value) in value.as_object().into_iter().flatten() {
                    if !UNOWNED.contains(&inner.as_str()) {
                        let path = vec!["f:metadata".into(), format!("f:{inner}")];
                        collect(inner, value, path, &mut fields);
                    }
                }
            }
            _ => collect(name, value, vec![format!("f:{name}")], &mut fields),
        }
    }
    fields
}

fn collect(name: &str, value: &Value, path: Path, fields: &mut Fields) {
    let keyed = KEYED.iter().find(|(list, _)| *list == name).map(|(_, key)| *key);
    match (value, keyed) {
        (Value::Object(inner), _) if !inner.is_empty() => {
            for (name, value) in inner {
                collect(name, value, [&path[..], &[format!("f:{name}")]].concat(), fields);
            }
        }
        (Value::Array(entries), Some(key)) if !entries.is_empty() => {
            for entry in entries {
                let part = format!("k:{}", json!({ key: entry[key] }));
                collect("", entry, [&path[..], &[part]].concat(), fields);
            }
        }
        _ => {
            fields.insert(path);
        }
    }
}

fn at<'a>(object: &'a Value, path: &Path) -> Option<&'a Value> {
    path.iter().try_fold(object, |value, part| match part.split_once(':')? {
        ("k", key) => {
            let key: Value = serde_json::from_str(key).ok()?;
            value.as_array()?.iter().find(|entry| is_keyed(entry, &key))
        }
        (_, name) => value.get(name),
    })
}

fn is_keyed(entry: &Value, key: &Value) -> bool {
    key.as_object().into_iter().flatten().all(|(name, value)| entry[name] == *value)
}

fn put_in(object: &mut Value, path: &Path, value: Value) {
    let mut place = object;
    for part in path {
        place = match part.split_once(':') {
            Some(("k", key)) => {
                let key: Value = serde_json::from_str(key).unwrap_or_default();
                if !place.is_array() {
                    *place = json!([]);
                }
                let Some(list) = place.as_array_mut() else { return };
                let at = list.iter().position(|entry| is_keyed(entry, &key)).unwrap_or_else(|| {
                    list.push(key);
                    list.len() - 1
                });
                &mut list[at]
            }
            Some((_, name)) => {
                if !place.is_object() {
                    *place = json!({});
                }
                &mut place[name]
            }
            None => return,
        };
    }
    *place = value;
}

fn take_out(object: &mut Value, path: &Path) {
    let [parents @ .., last] = &path[..] else { return };
    let mut place = object;
    for part in parents {
        let next = match part.split_once(':') {
            Some(("k", key)) => {
                let key: Value = serde_json::from_str(key).unwrap_or_default();
                let mut entries = place.as_array_mut().into_iter().flatten();
                entries.find(|entry| is_keyed(entry, &key))
            }
            Some((_, name)) => place.get_mut(name),
            None => None,
        };
        let Some(next) = next else { return };
        place = next;
    }
    if let (Some(("f", name)), Some(fields)) = (last.split_once(':'), place.as_object_mut()) {
        fields.shift_remove(name);
    }
}

/// The entries of an object: their heads, and their fields.
fn entries_of(object: &Value) -> Vec<(Value, Fields)> {
    let entries = object["metadata"]["managedFields"].as_array();
    let read = |entry: &Value| {
        let mut head = entry.clone();
        let mut fields = Fields::new();
        read_fields(&entry["fieldsV1"], &mut Vec::new(), &mut fields);
        if let Some(head) = head.as_object_mut() {
            head.shift_remove("fieldsV1");
        }
        (head, fields)
    };
    entries.into_iter().flatten().map(read).collect()
}

fn read_fields(value: &Value, path: &mut Path, fields: &mut Fields) {
    let inner = value.as_object().into_iter().flatten().filter(|(name, _)| *name != ".");
    let mut leaf = true;
    for (name, value) in inner {
        leaf = false;
        path.push(name.clone());
        read_fields(value, path, fields);
        path.pop();
    }
    if leaf && !path.is_empty() {
        fields.insert(path.clone());
    }
}

fn write_entries(object: &mut Value, entries: Vec<(Value, Fields)>) {
    let entries: Vec<Value> = entries
        .into_iter()
        .filter(|(_, fields)| !fields.is_empty())
        .map(|(mut entry, fields)| {
            let mut tree = json!({});
            for path in fields {
                let place = path.into_iter().fold(&mut tree, |place, part| {
                    if place.is_null() {
                        *place = json!({});
                    }
                    &mut place[part]
                });
                if place.is_null() {
                    *place = json!({});
                }
            }
            entry["fieldsV1"] = tree;
            entry
        })
        .collect();
    if entries.is_empty() {
        meta::clear(object, &["managedFields"]);
    } else {
        object["metadata"]["managedFields"] = entries.into();
    }
}
