//! The objects of a test on a real server.
//!
//! Owns: making, changing and removing them through the doors that there are. A status is written by
//! its own door; what is changed is sent as a merge patch of the difference; another UID is another
//! object, which is made once the one before it is gone.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::super::resource::{Family, Resource, Status};
use super::{JSON, Real};

const MERGE: &str = "application/merge-patch+json";
/// How often something is tried that a new namespace does not have at once.
const TRIES: usize = 200;
const EVERY: Duration = Duration::from_millis(100);

impl Real {
    /// Makes a namespace unless it is there.
    pub(in super::super) fn namespace(&self, name: &str) {
        self.wait(self.make_namespace(name));
    }

    async fn make_namespace(&self, name: &str) {
        let new = self.made.lock().is_ok_and(|mut made| made.insert(name.to_owned()));
        if new {
            let labels = json!({ "netkeep.dev/test": self.names.prefix().trim_matches('-') });
            let name = format!("{}{name}", self.names.prefix());
            let namespace = json!({ "metadata": { "name": name, "labels": labels } });
            self.expect("POST", "/api/v1/namespaces", JSON, Some(&namespace)).await;
        }
    }

    /// An object.
    pub(in super::super) fn get(&self, resource: &Resource, key: &str) -> Option<Value> {
        self.wait(self.read(resource, key))
    }

    async fn read(&self, resource: &Resource, key: &str) -> Option<Value> {
        let (code, mut object) = self.ask("GET", &self.path(resource, key), JSON, None).await;
        match code.as_u16() {
            200 => {
                self.names.shown(&mut object);
                Some(object)
            }
            404 => None,
            _ => panic!("{} {key}: {code} {object}", resource.plural),
        }
    }

    /// All objects of a resource.
    pub(in super::super) fn all(&self, resource: &Resource) -> Vec<Value> {
        let path = place(resource, "");
        let mut list = self.wait(self.expect("GET", &path, JSON, None));
        let items = list["items"].as_array_mut().map(std::mem::take).unwrap_or_default();
        let own = items.into_iter().filter(|item| self.names.owns(item));
        let shown = own.map(|mut item| {
            self.names.shown(&mut item);
            item
        });
        shown.collect()
    }

    /// Puts an object there, as far as the server lets it in.
    pub(in super::super) fn put(&self, resource: &Resource, key: &str, object: &Value) -> Value {
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let id = (resource.bucket.clone(), key.to_owned());
        let before = last.insert(id, object.clone());
        drop(last);
        self.wait(async {
            if let Some(namespace) = object["metadata"]["namespace"].as_str() {
                self.make_namespace(namespace).await;
            }
            let making = self.names.making.write().await;
            let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
            match self.read(resource, key).await {
                Some(there) if uid.is_empty() || there["metadata"]["uid"] == uid => {
                    drop(making);
                    let after = overlaid(&there, before.as_ref().unwrap_or(&Value::Null), object);
                    self.change(resource, key, &there, &after).await;
                }
                there => {
                    if there.is_some() {
                        self.remove(resource, key).await;
                    }
                    self.make(resource, key, object).await;
                    drop(making);
                    let status = json!({ "status": object["status"] });
                    if resource.status == Status::Subresource && status["status"].is_object() {
                        let path = format!("{}/status", self.path(resource, key));
                        self.expect("PATCH", &path, MERGE, Some(&status)).await;
                    }
                }
            }
            if object["metadata"]["deletionTimestamp"].is_string() {
                let grace = &object["metadata"]["deletionGracePeriodSeconds"];
                let grace = format!("gracePeriodSeconds={}", grace.as_u64().unwrap_or(30));
                self.ask("DELETE", &format!("{}?{grace}", self.path(resource, key)), JSON, None)
                    .await;
            }
            self.read(resource, key).await.unwrap_or_default()
        })
    }

    /// Makes an object, without its status; its UID is known afterwards.
    async fn make(&self, resource: &Resource, key: &str, object: &Value) {
        let mut wish = object.clone();
        let wanted = wish["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        let given = ["uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"];
        let going = ["deletionTimestamp", "deletionGracePeriodSeconds"];
        given.iter().chain(&going).for_each(|field| take(&mut wish["metadata"], field));
        take(&mut wish, "status");
        if resource.family == Family::Service && wish["spec"]["clusterIP"] != "None" {
            take(&mut wish["spec"], "clusterIP");
            take(&mut wish["spec"], "clusterIPs");
        }
        if resource.family == Family::Pod && wish["spec"].is_object() {
            wish["spec"]["automountServiceAccountToken"] = false.into();
        }
        self.names.real(&mut wish);
        let path = self.path(resource, key);
        let path = path.rsplit_once('/').map_or(&*path, |(place, _)| place);
        for _ in 0..TRIES {
            let (code, made) = self.ask("POST", path, JSON, Some(&wish)).await;
            // The namespace's service account comes a moment after it.
            if code == 403 && made["message"].to_string().contains("serviceaccount") {
                tokio::time::sleep(EVERY).await;
                continue;
            }
            assert!(code.is_success(), "{} {key}: {made}\n{wish}", resource.plural);
            if let (false, Some(uid)) = (wanted.is_empty(), made["metadata"]["uid"].as_str()) {
                self.names.learn(uid, &wanted);
            }
            return;
        }
        panic!("{key}: its namespace never got a service account");
    }

    /// Changes an object in place; it must be there.
    pub(in super::super) fn edit(
        &self,
        resource: &Resource,
        key: &str,
        edit: impl FnOnce(&mut Value),
    ) -> Value {
        let before = self.get(resource, key).unwrap_or_else(|| panic!("no {key}"));
        let mut after = before.clone();
        edit(&mut after);
        self.wait(async {
            self.change(resource, key, &before, &after).await;
            self.read(resource, key).await.unwrap_or_default()
        })
    }

    async fn change(&self, resource: &Resource, key: &str, before: &Value, after: &Value) {
        let mut patch = difference(before, after);
        let status = take_of(&mut patch, "status");
        let main = self.path(resource, key);
        for (path, patch) in [
            (main.clone(), patch),
            (
                format!("{main}/status"),
                status.map_or(json!({}), |status| json!({ "status": status })),
            ),
        ] {
            if patch != json!({}) {
                self.expect("PATCH", &path, MERGE, Some(&patch)).await;
            }
        }
    }

    /// Removes an object at once; whether it was there.
    pub(in super::super) fn delete(&self, resource: &Resource, key: &str) -> bool {
        self.wait(self.remove(resource, key))
    }

    async fn remove(&self, resource: &Resource, key: &str) -> bool {
        let path = format!("{}?gracePeriodSeconds=0", self.path(resource, key));
        let (code, answer) = self.ask("DELETE", &path, JSON, None).await;
        assert!(code.is_success() || code == 404, "{path}: {code} {answer}");
        code != 404
    }

    /// A version that is later than all before it.
    pub(in super::super) fn next_version(&self) -> u64 {
        let wish = json!({ "metadata": { "generateName": "version-" } });
        let path = format!("/api/v1/namespaces/{}default/configmaps", self.names.prefix());
        let made = self.wait(self.expect("POST", &path, JSON, Some(&wish)));
        let version = made["metadata"]["resourceVersion"].as_str().unwrap_or_default();
        version.parse().expect("a version is a number")
    }

    /// The path of an object, as the server knows it.
    fn path(&self, resource: &Resource, key: &str) -> String {
        let path = match key.split_once('/') {
            Some((namespace, name)) => format!("{}/{name}", place(resource, namespace)),
            None => format!("{}/{key}", place(resource, "")),
        };
        self.names.path(&path)
    }
}

/// After a test nothing of it is left, also if it failed.
impl Drop for Real {
    fn drop(&mut self) {
        // Whoever is the last may be a server's thread, which has a runtime of its own.
        std::thread::scope(|threads| drop(threads.spawn(|| self.clear())));
    }
}

impl Real {
    fn clear(&self) {
        let prefix = self.names.prefix().to_owned();
        self.wait(async {
            let rbac = "/apis/rbac.authorization.k8s.io/v1";
            let mut gone = vec![
                format!("{rbac}/clusterrolebindings/{prefix}netkeep"),
                format!("{rbac}/clusterroles/{prefix}netkeep"),
            ];
            let events = "/apis/events.k8s.io/v1/namespaces/default/events";
            gone.extend(self.names.about_nodes().iter().map(|name| format!("{events}/{name}")));
            for (list, name) in [("namespaces", "namespace"), ("nodes", "node")] {
                let (_, list) = self.ask("GET", &format!("/api/v1/{list}"), JSON, None).await;
                let items = list["items"].as_array().cloned().unwrap_or_default();
                let names = items.iter().filter_map(|item| item["metadata"]["name"].as_str());
                for own in names.filter(|own| own.starts_with(&prefix)) {
                    if name == "namespace" {
                        // No kubelet ends them.
                        gone.push(format!("/api/v1/namespaces/{own}/pods?gracePeriodSeconds=0"));
                    }
                    gone.push(format!("/api/v1/{name}s/{own}"));
                }
            }
            for path in gone {
                let (code, answer) = self.ask("DELETE", &path, JSON, None).await;
                if !code.is_success() && code != 404 {
                    eprintln!("not removed: {path}: {code} {answer}");
                }
            }
        });
    }
}

fn place(resource: &Resource, namespace: &str) -> String {
    let root = match &*resource.group {
        "" => format!("/api/{}", resource.version),
        group => format!("/apis/{group}/{}", resource.version),
    };
    match namespace {
        "" => format!("{root}/{}", resource.plural),
        namespace => format!("{root}/namespaces/{namespace}/{}", resource.plural),
    }
}

fn take(object: &mut Value, field: &str) {
    drop(take_of(object, field));
}

fn take_of(object: &mut Value, field: &str) -> Option<Value> {
    object.as_object_mut()?.shift_remove(field)
}

/// An object that is put where another of its life is: labels and annotations are all its own, of
/// the rest what the test changed since it put it last. What the server filled in stays.
fn overlaid(there: &Value, last: &Value, put: &Value) -> Value {
    let mut after = there.clone();
    for field in ["labels", "annotations"] {
        take(&mut after["metadata"], field);
        if let Some(value) = put["metadata"].get(field) {
            after["metadata"][field] = value.clone();
        }
    }
    for part in ["spec", "status"] {
        let empty = Map::new();
        let now = put[part].as_object().unwrap_or(&empty);
        for (field, value) in now.iter().filter(|(field, value)| last[part][*field] != **value) {
            after[part][field] = value.clone();
        }
        let before = last[part].as_object().unwrap_or(&empty);
        before.keys().filter(|field| !now.contains_key(*field)).for_each(|field| {
            take(&mut after[part], field);
        });
    }
    after
}

/// The merge patch that makes the one into the other.
fn difference(before: &Value, after: &Value) -> Value {
    let (Value::Object(old), Value::Object(new)) = (before, after) else { return after.clone() };
    let mut patch = Map::new();
    for (field, value) in new.iter().filter(|(field, value)| old.get(*field) != Some(*value)) {
        let was = old.get(field).filter(|was| was.is_object()).cloned();
        let was = was.unwrap_or_else(|| json!({}));
        let change = if value.is_object() { difference(&was, value) } else { value.clone() };
        patch.insert(field.clone(), change);
    }
    for field in old.keys().filter(|field| !new.contains_key(*field)) {
        patch.insert(field.clone(), Value::Null);
    }
    patch.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_what_is_new_other_and_gone() {
        let before = json!({ "a": { "b": 1, "c": 2 }, "d": [1], "e": 1 });
        let after = json!({ "a": { "b": 1, "c": 3 }, "d": [1, 2], "f": { "g": 1 } });
        let patch = json!({ "a": { "c": 3 }, "d": [1, 2], "f": { "g": 1 }, "e": null });
        assert_eq!(difference(&before, &after), patch);
        assert_eq!(difference(&before, &before), json!({}));
    }

    #[test]
    fn what_the_server_filled_in_stays_when_an_object_is_put_again() {
        let put = |phase: &str, label: &str| {
            json!({
                "metadata": { "labels": { "app": label } },
                "spec": { "nodeName": "n1" },
                "status": { "phase": phase, "podIP": "10.0.0.1" },
            })
        };
        let (last, now) = (put("Running", "web"), put("Failed", "db"));
        let mut there = last.clone();
        there["spec"]["priority"] = 0.into();
        there["metadata"]["annotations"] = json!({ "of": "others" });
        let after = overlaid(&there, &last, &now);
        assert_eq!(after["spec"], json!({ "nodeName": "n1", "priority": 0 }));
        assert_eq!(after["status"]["phase"], "Failed");
        assert_eq!(after["metadata"], json!({ "labels": { "app": "db" } }));
    }
}
