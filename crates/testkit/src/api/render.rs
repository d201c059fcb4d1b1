//! Objects as bytes.
//!
//! Owns: lists and events of watches as the API server writes them. The items of a list of a built-in
//! kind carry neither `apiVersion` nor `kind`, those of a custom resource and of a watch do.

use std::borrow::Cow;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::fault::Fault;
use super::list::Listing;
use super::resource::{Family, Resource};

/// Stands for bytes that are no UTF-8 until the text is bytes.
const BROKEN: &str = "netkeep-invalid-utf8";

/// What a proxy puts in a list's place.
const GARBAGE: &[u8] = b"<html><head><title>502 Bad Gateway</title></head></html>";

/// The fields of an Event that have another name in `events.k8s.io/v1`.
const EVENT_FIELDS: [(&str, &str); 8] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
    ("reportingInstance", "reportingInstance"),
];

/// An object as this resource shows it.
pub(super) fn view<'a>(resource: &Resource, object: &'a Value) -> Cow<'a, Value> {
    let same = object["apiVersion"] == resource.api_version().as_str();
    match resource.family {
        Family::NewEvent => {
            Cow::Owned(renamed(object, "events.k8s.io/v1", |stored, shown| (stored, shown)))
        }
        Family::Custom if !same => {
            let mut object = object.clone();
            object["apiVersion"] = resource.api_version().into();
            Cow::Owned(object)
        }
        _ => Cow::Borrowed(object),
    }
}

/// An object as it is stored, from how this resource shows it.
pub(super) fn stored(resource: &Resource, object: Value) -> Value {
    match resource.family {
        Family::NewEvent => renamed(&object, "v1", |stored, shown| (shown, stored)),
        _ => object,
    }
}

fn renamed(
    event: &Value,
    api_version: &str,
    direction: impl Fn(&'static str, &'static str) -> (&'static str, &'static str),
) -> Value {
    let names: Vec<_> = EVENT_FIELDS.iter().map(|(a, b)| direction(a, b)).collect();
    let mut fields = Map::new();
    for (name, value) in event.as_object().into_iter().flatten() {
        let name = names.iter().find(|(from, _)| from == name).map_or(name.as_str(), |(_, to)| to);
        fields.insert(name.into(), value.clone());
    }
    fields.insert("apiVersion".into(), api_version.into());
    fields.into()
}

/// A list.
pub(super) fn list(resource: &Resource, listing: &Listing, fault: Option<&Fault>) -> Vec<u8> {
    if fault == Some(&Fault::Garbage) {
        return GARBAGE.to_vec();
    }
    let items: Vec<Cow<'_, Value>> = listing
        .items
        .iter()
        .enumerate()
        .map(|(at, item)| match (at, fault) {
            (0, Some(fault)) => Cow::Owned(damaged(&view(resource, item), fault)),
            _ => view(resource, item),
        })
        .collect();
    let items: Vec<Item<'_>> = items
        .iter()
        .map(|object| Item { object, bare: resource.family != Family::Custom })
        .collect();
    let mut metadata = json!({ "resourceVersion": listing.version.to_string() });
    if let Some(token) = &listing.continue_with {
        metadata["continue"] = token.as_str().into();
    }
    if let Some(remaining) = listing.remaining {
        metadata["remainingItemCount"] = remaining.into();
    }
    let list = List {
        kind: format!("{}List", resource.kind),
        api_version: resource.api_version(),
        metadata,
        items,
    };
    let bytes = serde_json::to_vec(&list).expect("a list is JSON");
    if fault == Some(&Fault::InvalidUtf8) { unbroken(bytes) } else { bytes }
}

/// A real server's list, with a fault.
pub(super) fn told_list(mut list: Value, fault: &Fault) -> Vec<u8> {
    match fault {
        Fault::Garbage => return GARBAGE.to_vec(),
        Fault::EmptyList => list["items"] = json!([]),
        Fault::OldList { .. } => unreachable!("a real server's past is its own"),
        fault => {
            if let Some(first) = list["items"].get_mut(0) {
                *first = damaged(first, fault);
            }
        }
    }
    unbroken(list.to_string().into_bytes())
}

/// One line of a watch.
pub(super) fn event(
    resource: &Resource,
    kind: &str,
    object: &Value,
    fault: Option<&Fault>,
) -> Vec<u8> {
    let object = match fault {
        Some(fault) => Cow::Owned(damaged(&view(resource, object), fault)),
        None => view(resource, object),
    };
    let mut line = Vec::with_capacity(2048);
    line.extend_from_slice(format!("{{\"type\":\"{kind}\",\"object\":").as_bytes());
    serde_json::to_writer(&mut line, &*object).expect("an object is JSON");
    line.extend_from_slice(b"}\n");
    if fault == Some(&Fault::InvalidUtf8) { unbroken(line) } else { line }
}

/// A bookmark's object.
pub(super) fn bookmark(resource: &Resource, version: u64, initial_events_end: bool) -> Value {
    let mut metadata = json!({ "resourceVersion": version.to_string(), "creationTimestamp": null });
    if initial_events_end {
        metadata["annotations"] = json!({ "k8s.io/initial-events-end": "true" });
    }
    json!({ "kind": resource.kind, "apiVersion": resource.api_version(), "metadata": metadata })
}

fn damaged(object: &Value, fault: &Fault) -> Value {
    let text = match fault {
        Fault::Huge(bytes) => "x".repeat(*bytes),
        Fault::InvalidUtf8 => BROKEN.to_owned(),
        _ => return object.clone(),
    };
    let mut object = object.clone();
    object["metadata"]["annotations"]["netkeep.test/damage"] = text.into();
    object
}

/// Puts the bytes that are no UTF-8 where they belong.
fn unbroken(bytes: Vec<u8>) -> Vec<u8> {
    let marker = BROKEN.as_bytes();
    let Some(at) = bytes.windows(marker.len()).position(|window| window == marker) else {
        return bytes;
    };
    [&bytes[..at], b"\xff\xfe\xc0", &bytes[at + marker.len()..]].concat()
}

#[derive(Serialize)]
struct List<'a> {
    kind: String,
    #[serde(rename = "apiVersion")]
    api_version: String,
    metadata: Value,
    items: Vec<Item<'a>>,
}

/// An object in a list.
struct Item<'a> {
    object: &'a Value,
    bare: bool,
}

impl Serialize for Item<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Value::Object(fields) = self.object else { return self.object.serialize(serializer) };
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in fields {
            if !(self.bare && matches!(name.as_str(), "kind" | "apiVersion")) {
                map.serialize_entry(name, value)?;
            }
        }
        map.end()
    }
}

/// An object as an answer.
pub(super) fn object(resource: &Resource, object: &Value) -> Vec<u8> {
    serde_json::to_vec(&view(resource, object)).expect("an object is JSON")
}

/// The answer to a write: an object, or a `Status` or list, which are as they are.
pub(super) fn outcome(resource: &Resource, outcome: &Value) -> Vec<u8> {
    if outcome["metadata"].get("uid").is_some() {
        object(resource, outcome)
    } else {
        serde_json::to_vec(outcome).expect("an answer is JSON")
    }
}
