//! The metadata that every object has, and who may change which of it.

use serde_json::{Value, json};

use super::refusal::{Cause, Refusal};
use super::request::Target;
use super::resource::Resource;
use super::store::Store;

/// Now, as Kubernetes writes times.
pub(super) fn now() -> String {
    after(0)
}

/// So many seconds from now.
pub(super) fn after(seconds: i64) -> String {
    let now = jiff::Timestamp::now().as_second();
    jiff::Timestamp::from_second(now + seconds).expect("a time near now").to_string()
}

/// A text at a path of an object's metadata.
pub(super) fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object["metadata"][field].as_str().unwrap_or_default()
}

/// Removes fields of the metadata.
pub(super) fn clear(object: &mut Value, fields: &[&str]) {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for field in fields {
            metadata.shift_remove(*field);
        }
    }
}

/// Puts fields of the metadata back to what they were.
pub(super) fn keep(object: &mut Value, old: &Value, fields: &[&str]) {
    for field in fields {
        match old["metadata"].get(*field) {
            Some(value) => object["metadata"][*field] = value.clone(),
            None => clear(object, &[field]),
        }
    }
}

/// Whether somebody has asked for the object to go.
pub(super) fn is_deleted(object: &Value) -> bool {
    !text(object, "deletionTimestamp").is_empty()
}

/// Whether nobody has to do anything more before it goes.
pub(super) fn may_go(object: &Value) -> bool {
    let finalizers = object["metadata"]["finalizers"].as_array();
    finalizers.is_none_or(Vec::is_empty)
}

/// Adds one to the generation of an object that has one.
pub(super) fn next_generation(object: &mut Value) {
    if let Some(generation) = object["metadata"]["generation"].as_u64() {
        object["metadata"]["generation"] = (generation + 1).into();
    }
}

/// Checks and completes the head of an object that is to be made.
pub(super) fn create(
    store: &mut Store,
    target: &Target,
    object: &mut Value,
) -> Result<(), Refusal> {
    let resource = &*target.resource;
    check_place(target, object)?;
    if !matches!(text(object, "resourceVersion"), "" | "0") {
        // The server returns its storage's error as it is.
        let message = "resourceVersion should not be set on objects to be created";
        return Err(Refusal::new(axum::http::StatusCode::INTERNAL_SERVER_ERROR, "", message));
    }
    if text(object, "name").is_empty() {
        let prefix = text(object, "generateName");
        if prefix.is_empty() {
            let why = "name or generateName is required";
            let cause = Cause::required("metadata.name", why);
            return Err(Refusal::invalid(&resource.group, &resource.kind, "", &[cause]));
        }
        object["metadata"]["name"] = format!("{prefix}{}", store.new_suffix()).into();
    }
    check_name(resource, object)?;
    clear(
        object,
        &["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion"],
    );
    if resource.is_namespaced() {
        object["metadata"]["namespace"] = target.namespace.as_str().into();
    }
    object["metadata"]["uid"] = store.new_uid().into();
    object["metadata"]["creationTimestamp"] = now().into();
    if resource.has_generation() {
        object["metadata"]["generation"] = json!(1);
    }
    Ok(())
}

/// The object is of the kind that the path names.
pub(super) fn check_kind(resource: &Resource, object: &mut Value) -> Result<(), Refusal> {
    if !object.is_object() || !object.get("metadata").is_none_or(Value::is_object) {
        return Err(Refusal::bad_request("the object is no object with metadata"));
    }
    if object.get("metadata").is_none() {
        object["metadata"] = json!({});
    }
    let (version, kind) = (&object["apiVersion"], &object["kind"]);
    let expected = (resource.api_version(), &resource.kind);
    // Typed clients may leave both out; the path says what it is.
    let absent = version.is_null() && kind.is_null();
    if !absent && (version.as_str(), kind.as_str()) != (Some(&expected.0), Some(expected.1)) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let message = if text(version) == expected.0 {
            format!(
                "{} in version {:?} cannot be handled as a {}",
                text(kind),
                resource.version,
                expected.1
            )
        } else {
            format!(
                "the API version in the data ({}) does not match the expected API version ({})",
                text(version),
                expected.0
            )
        };
        return Err(Refusal::bad_request(message));
    }
    object["apiVersion"] = expected.0.into();
    object["kind"] = expected.1.as_str().into();
    Ok(())
}

/// The object is in the namespace that the path names.
pub(super) fn check_place(target: &Target, object: &Value) -> Result<(), Refusal> {
    let place = text(object, "namespace");
    if place.is_empty() || place == target.namespace {
        return Ok(());
    }
    let message = format!(
        "the namespace of the provided object does not match the namespace sent on the request \
         ({place} != {})",
        target.namespace
    );
    Err(Refusal::bad_request(message))
}

/// A DNS name, as most kinds must have.
fn check_name(resource: &Resource, object: &Value) -> Result<(), Refusal> {
    let name = text(object, "name");
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    let outer = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if name.len() <= 253
        && name.chars().all(inner)
        && name.starts_with(outer)
        && name.ends_with(outer)
    {
        return Ok(());
    }
    let why = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, \
               '-' or '.', and must start and end with an alphanumeric character (e.g. \
               'example.com', regex used for validation is \
               '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
    let cause = Cause::invalid("metadata.name", &name.into(), why);
    Err(Refusal::invalid(&resource.group, &resource.kind, name, &[cause]))
}

/// Checks and completes the head of an object that replaces another.
pub(super) fn update(
    target: &Target,
    old: &Value,
    object: &mut Value,
    way: Way,
) -> Result<(), Refusal> {
    let (resource, name) = (&*target.resource, &*target.name);
    check_place(target, object)?;
    let given = text(object, "name");
    if !given.is_empty() && given != name {
        let message =
            format!("the name of the object ({given}) does not match the name on the URL ({name})");
        return Err(Refusal::bad_request(message));
    }
    let (uid, old_uid) = (text(object, "uid"), text(old, "uid"));
    if !uid.is_empty() && uid != old_uid {
        return Err(other_uid(target, uid, old_uid, way));
    }
    let version = text(object, "resourceVersion");
    if matches!(version, "" | "0") {
        if way == Way::Put && !resource.unconditional_update() {
            let why = "must be specified for an update";
            let cause = Cause::invalid("metadata.resourceVersion", &json!(0), why);
            return Err(Refusal::invalid(&resource.group, &resource.kind, name, &[cause]));
        }
    } else if version != text(old, "resourceVersion") {
        return Err(Refusal::modified(resource, name));
    }
    keep(
        object,
        old,
        &[
            "name",
            "namespace",
            "uid",
            "resourceVersion",
            "generation",
            "creationTimestamp",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
        ],
    );
    Ok(())
}

/// How an object is written that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Put,
    Patch,
}

/// The client means an object of the past. With PUT the UID is a precondition of the storage; in a
/// patched object it is a field that must not change.
fn other_uid(target: &Target, uid: &str, old_uid: &str, way: Way) -> Refusal {
    let (resource, name) = (&*target.resource, &*target.name);
    match way {
        Way::Put => {
            let why = format!(
                "StorageError: invalid object, Code: 4, Key: /registry/{}/{}, ResourceVersion: 0, \
                 AdditionalErrorMsg: Precondition failed: UID in precondition: {uid}, UID in \
                 object meta: {old_uid}",
                resource.plural,
                target.key()
            );
            Refusal::conflict(resource, name, &why)
        }
        Way::Patch => {
            let cause = Cause::invalid("metadata.uid", &uid.into(), "field is immutable");
            Refusal::invalid(&resource.group, &resource.kind, name, &[cause])
        }
    }
}
