//! Create, update, patch, delete.
//!
//! Owns: the order in which a write is checked and what it leads to: a new object, a changed one,
//! one that waits to go (finalizers, a Pod's grace period), or none. A write that changes nothing is
//! no write: the version stays and no watch hears of it, as in the API server's storage.

use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::meta::Way;
use super::owners::{self, Writer};
use super::refusal::Refusal;
use super::request::{Door, Query, Target, key};
use super::resource::{Family, Resource};
use super::state::State;
use super::{custom, defaults, meta, patch, render};

/// What is answered.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) code: StatusCode,
    pub(super) object: Arc<Value>,
}

impl Outcome {
    fn new(code: StatusCode, object: Arc<Value>) -> Self {
        Self { code, object }
    }
}

/// What is written.
pub(super) struct Input<'a> {
    pub(super) query: &'a Query,
    pub(super) body: &'a [u8],
    pub(super) content_type: &'a str,
    /// Who writes, for `managedFields`.
    pub(super) manager: String,
}

/// Does what a verb that writes asks for.
pub(super) fn write(
    state: &mut State,
    target: &Target,
    input: &Input<'_>,
) -> Result<Outcome, Refusal> {
    match target.verb {
        "create" => {
            let object = stored(&target.resource, parse(input)?)?;
            create(state, target, object, input, "Update")
        }
        "update" => {
            let object = stored(&target.resource, parse(input)?)?;
            match state.store.get(&target.resource.bucket, &target.key()) {
                Some(old) => update(state, target, &old, object, input, Way::Put),
                None if target.resource.create_on_update() && target.door == Door::Main => {
                    create(state, target, object, input, "Update")
                }
                None => Err(Refusal::not_found(&target.resource, &target.name)),
            }
        }
        "patch" => patch(state, target, input),
        "delete" => {
            let options = if input.body.is_empty() { Value::Null } else { parse(input)? };
            delete(state, target, &options, input.query)
        }
        _ => delete_collection(state, target, input),
    }
}

/// An object of this resource in the form in which it is stored.
fn stored(resource: &Resource, mut object: Value) -> Result<Value, Refusal> {
    meta::check_kind(resource, &mut object)?;
    Ok(render::stored(resource, object))
}

/// The body as an object.
fn parse(input: &Input<'_>) -> Result<Value, Refusal> {
    let format = input.content_type.split(';').next().unwrap_or_default().trim();
    match format {
        "" | "application/json" => serde_json::from_slice(input.body)
            .map_err(|error| Refusal::bad_request(format!("couldn't read the object: {error}"))),
        "application/yaml" => patch::yaml(input.body),
        _ => Err(Refusal::media_type(&["application/json", "application/yaml"])),
    }
}

/// Makes an object.
fn create(
    state: &mut State,
    target: &Target,
    mut object: Value,
    input: &Input<'_>,
    operation: &'static str,
) -> Result<Outcome, Refusal> {
    let resource = Arc::clone(&target.resource);
    // The uid and times that a client sends are not taken over.
    meta::create(&mut state.store, target, &mut object)?;
    let name = meta::text(&object, "name").to_owned();
    check_namespace(state, target, &name)?;
    let key = key(&target.namespace, &name);
    if state.store.get(&resource.bucket, &key).is_some() {
        return Err(Refusal::already_exists(&resource, &name));
    }
    defaults::create(&resource, &mut object)?;
    if resource.family == Family::Service {
        defaults::cluster_ip(&mut object, state.store.version());
    }
    custom::check(&resource, &mut object)?;
    let writer = Writer { manager: &input.manager, operation, door: target.door };
    owners::record(&resource, &writer, &json!({}), &mut object);
    if is_dry(input.query) {
        return Ok(Outcome::new(StatusCode::CREATED, Arc::new(object)));
    }
    let object = state.store.set(&resource.bucket, &key, object);
    let object = custom::define(state, &resource, &key, object);
    Ok(Outcome::new(StatusCode::CREATED, object))
}

/// Nothing is made in a namespace that is not there or that goes (admission `NamespaceLifecycle`).
fn check_namespace(state: &State, target: &Target, name: &str) -> Result<(), Refusal> {
    if target.namespace.is_empty() {
        return Ok(());
    }
    let namespaces = state.registry.named("namespaces").expect("always there");
    match state.store.get("namespaces", &target.namespace) {
        None => Err(Refusal::not_found(&namespaces, &target.namespace)),
        Some(namespace) if meta::is_deleted(&namespace) => {
            let why = format!(
                "unable to create new content in namespace {} because it is being terminated",
                target.namespace
            );
            Err(Refusal::forbidden(&target.resource, name, &why))
        }
        Some(_) => Ok(()),
    }
}

/// Replaces an object.
fn update(
    state: &mut State,
    target: &Target,
    old: &Arc<Value>,
    mut object: Value,
    input: &Input<'_>,
    way: Way,
) -> Result<Outcome, Refusal> {
    let resource = &*target.resource;
    meta::update(target, old, &mut object, way)?;
    defaults::update(resource, target.door, old, &mut object)?;
    custom::check(resource, &mut object)?;
    let operation = if patch::is_apply(input.content_type) { "Apply" } else { "Update" };
    let writer = Writer { manager: &input.manager, operation, door: target.door };
    owners::record(resource, &writer, old, &mut object);
    Ok(finish(state, target, old, object, input))
}

/// Stores what an object became, unless it is as it was or may go now.
fn finish(
    state: &mut State,
    target: &Target,
    old: &Arc<Value>,
    object: Value,
    input: &Input<'_>,
) -> Outcome {
    let resource = Arc::clone(&target.resource);
    if is_dry(input.query) {
        return Outcome::new(StatusCode::OK, Arc::new(object));
    }
    if owners::same(old, &object) {
        return Outcome::new(StatusCode::OK, Arc::clone(old));
    }
    let waits = object["metadata"]["deletionGracePeriodSeconds"].as_i64().unwrap_or(0) > 0;
    if meta::is_deleted(&object) && meta::may_go(&object) && !waits {
        // Its last update is not stored: watches see it go as it was.
        let last = state.store.remove(&resource.bucket, &target.key());
        custom::undefine(state, &resource, last.as_deref());
        return Outcome::new(StatusCode::OK, last.unwrap_or_default());
    }
    let object = state.store.set(&resource.bucket, &target.key(), object);
    let object = custom::define(state, &resource, &target.key(), object);
    Outcome::new(StatusCode::OK, object)
}

/// Patches an object, or makes it by an apply.
fn patch(state: &mut State, target: &Target, input: &Input<'_>) -> Result<Outcome, Refusal> {
    let resource = &*target.resource;
    let old = state.store.get(&resource.bucket, &target.key());
    if patch::is_apply(input.content_type) {
        let mut wish = stored(resource, patch::yaml(input.body)?)?;
        let force = input.query.flag("force");
        let Some(old) = old else {
            if target.door == Door::Status {
                return Err(Refusal::not_found(resource, &target.name));
            }
            let uid = meta::text(&wish, "uid");
            if !uid.is_empty() {
                let why = format!(
                    "uid mismatch: the provided object specified uid {uid}, and no existing object \
                     was found"
                );
                return Err(Refusal::conflict(resource, &target.name, &why));
            }
            // An apply makes the object whatever version it was meant for.
            meta::clear(&mut wish, &["resourceVersion"]);
            wish["metadata"]["name"] = target.name.as_str().into();
            return create(state, target, wish, input, "Apply");
        };
        let object = owners::apply(target, &input.manager, &old, &wish, force)?;
        return update(state, target, &old, object, input, Way::Patch);
    }
    let old = old.ok_or_else(|| Refusal::not_found(resource, &target.name))?;
    let shown = render::view(resource, &old).into_owned();
    let object = patch::apply(resource, shown, input.content_type, input.body)?;
    update(state, target, &old, stored(resource, object)?, input, Way::Patch)
}

/// Deletes an object, or marks it as to be deleted.
fn delete(
    state: &mut State,
    target: &Target,
    options: &Value,
    query: &Query,
) -> Result<Outcome, Refusal> {
    let resource = Arc::clone(&target.resource);
    let (name, key) = (&*target.name, target.key());
    let old = state
        .store
        .get(&resource.bucket, &key)
        .ok_or_else(|| Refusal::not_found(&resource, name))?;
    check_preconditions(&resource, name, &old, &options["preconditions"])?;
    if is_dry(query) || options["dryRun"].is_array() {
        return Ok(gone(&resource, old));
    }
    let asked = query.number("gracePeriodSeconds")?.map(u64::cast_signed);
    let grace = grace(&resource, &old, asked.or(options["gracePeriodSeconds"].as_i64()));
    if grace == 0 && meta::may_go(&old) {
        if resource.family == Family::Namespace {
            empty(state, name);
        }
        let last = state.store.remove(&resource.bucket, &key).unwrap_or(old);
        custom::undefine(state, &resource, Some(&last));
        return Ok(gone(&resource, last));
    }
    let earlier = old["metadata"]["deletionGracePeriodSeconds"].as_i64();
    if meta::is_deleted(&old) && earlier.is_none_or(|earlier| earlier <= grace) {
        return Ok(Outcome::new(StatusCode::OK, old));
    }
    let mut object = (*old).clone();
    if !meta::is_deleted(&old) {
        meta::next_generation(&mut object);
    }
    object["metadata"]["deletionTimestamp"] = meta::after(grace).into();
    object["metadata"]["deletionGracePeriodSeconds"] = grace.into();
    let object = state.store.set(&resource.bucket, &key, object);
    Ok(Outcome::new(StatusCode::OK, object))
}

/// The seconds that a Pod is given; everything else goes at once (`CheckGracefulDelete`).
fn grace(resource: &Resource, object: &Value, asked: Option<i64>) -> i64 {
    if resource.family != Family::Pod {
        return 0;
    }
    let node = object["spec"]["nodeName"].as_str().unwrap_or_default();
    let phase = object["status"]["phase"].as_str();
    if node.is_empty() || matches!(phase, Some("Failed" | "Succeeded")) {
        return 0;
    }
    let own = object["spec"]["terminationGracePeriodSeconds"].as_i64();
    match asked.or(own).unwrap_or(0) {
        negative if negative < 0 => 1,
        seconds => seconds,
    }
}

fn check_preconditions(
    resource: &Resource,
    name: &str,
    object: &Value,
    wanted: &Value,
) -> Result<(), Refusal> {
    for (field, word, end) in [
        ("uid", "UID", "deleted and then recreated"),
        ("resourceVersion", "ResourceVersion", "modified"),
    ] {
        let (Some(wanted), is) = (wanted[field].as_str(), meta::text(object, field)) else {
            continue;
        };
        if wanted != is {
            let why = format!(
                "the {word} in the precondition ({wanted}) does not match the {word} in record \
                 ({is}). The object might have been {end}"
            );
            return Err(Refusal::conflict(resource, name, &why));
        }
    }
    Ok(())
}

/// Removes everything in a namespace, as its controller does.
fn empty(state: &mut State, namespace: &str) {
    let buckets: Vec<String> = state
        .registry
        .iter()
        .filter(|resource| resource.is_namespaced())
        .map(|resource| resource.bucket.clone())
        .collect();
    let prefix = format!("{namespace}/");
    for bucket in buckets {
        let keys = state.store.bucket(&bucket).objects().range(prefix.clone()..);
        let keys: Vec<String> =
            keys.map(|(key, _)| key.clone()).take_while(|key| key.starts_with(&prefix)).collect();
        for key in keys {
            state.store.remove(&bucket, &key);
        }
    }
}

/// What is said of an object that is gone: the object, or that it went well.
fn gone(resource: &Resource, object: Arc<Value>) -> Outcome {
    if resource.returns_deleted() {
        return Outcome::new(StatusCode::OK, object);
    }
    let mut details = json!({
        "name": meta::text(&object, "name"),
        "kind": resource.plural,
        "uid": meta::text(&object, "uid"),
    });
    if !resource.group.is_empty() {
        details["group"] = resource.group.as_str().into();
    }
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "details": details,
    });
    Outcome::new(StatusCode::OK, Arc::new(status))
}

/// Deletes everything that a selector fits.
fn delete_collection(
    state: &mut State,
    target: &Target,
    input: &Input<'_>,
) -> Result<Outcome, Refusal> {
    let options = if input.body.is_empty() { Value::Null } else { parse(input)? };
    let listing = super::list::list(&state.store, target, input.query, None)?;
    for object in &listing.items {
        let one = Target {
            name: meta::text(object, "name").into(),
            namespace: meta::text(object, "namespace").into(),
            ..target.clone()
        };
        delete(state, &one, &options, input.query)?;
    }
    let list = render::list(&target.resource, &listing, None);
    let list = serde_json::from_slice(&list).expect("a list is JSON");
    Ok(Outcome::new(StatusCode::OK, Arc::new(list)))
}

fn is_dry(query: &Query) -> bool {
    query.get("dryRun") == Some("All")
}
