//! A Kubernetes API server inside the test.
//!
//! ```no_run
//! # use netkeep_testkit::{Pod, api::{Api, Credentials, Fault, On, Transport}};
//! let api = Api::new();
//! api.put(Pod::new("default/web-0").node("n1"));
//! // in the test's process: kube::Client::new(api.router(), "default")
//! // for another process, on a listener in whatever network namespace:
//! let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
//! let server = api.serve(listener, Transport::Tls);
//! server.write_kubeconfig("kubeconfig".as_ref(), Credentials::Token("t"));
//! let fault = api.fault(On::verb("watch").resource("pods"), Fault::Stall).until_lifted();
//! fault.lift();
//! assert!(api.writes().is_empty());
//! ```
//!
//! Owns: Pods, Services, Nodes, Namespaces, Events (both groups, one set of objects), ConfigMaps,
//! Leases, and what definitions add; LIST, WATCH and writes with the semantics on which a client
//! relies; tokens and rules; what goes wrong on demand ([`Fault`]); and a record of every request.
//!
//! Invariants: a version is given once, over all kinds. A watch shows every change after its version
//! once and in order, or ends with 410. Errors carry the code, reason and words of the real server.
//!
//! Deliberately not: admission beyond namespaces, controllers and garbage collection, other
//! subresources than `status`, protobuf, tables, HTTP/2, audit, and validation of fields that no
//! node agent writes. It is a second implementation: `tests/api` holds it to the first.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use serde_json::Value;

use crate::Manifest;

mod access;
mod answer;
mod certificates;
mod custom;
mod defaults;
mod discovery;
mod fault;
mod list;
mod meta;
mod owners;
mod patch;
mod real;
mod record;
mod refusal;
mod render;
mod request;
mod resource;
mod schema;
mod select;
mod serve;
mod state;
mod store;
mod watch;
mod write;

pub use access::Rule;
pub use certificates::Certificate;
pub use fault::{Fault, On};
pub use record::Request;
pub use serve::{Credentials, Server, Transport};

use real::Real;
use resource::{Family, Resource};
use state::{Shared, State};

/// The objects of a cluster and the server in front of them; clones are the same.
#[derive(Debug, Clone)]
pub struct Api {
    shared: Arc<Shared>,
}

impl Default for Api {
    fn default() -> Self {
        Self::new()
    }
}

/// A fault that is to be asked for: say how often.
#[must_use = "say how often: `once`, `times` or `until_lifted`"]
#[derive(Debug)]
pub struct Asked<'a> {
    api: &'a Api,
    on: On,
    fault: Fault,
}

/// A fault that was asked for. Dropping it does not lift it.
#[derive(Debug, Clone)]
pub struct Standing {
    api: Api,
    hits: Arc<AtomicU64>,
}

impl Asked<'_> {
    /// One request, or one event of a watch.
    pub fn once(self) -> Standing {
        self.times(1)
    }

    /// So many requests or events.
    pub fn times(self, times: u64) -> Standing {
        self.stand(Some(times))
    }

    /// All until [`Standing::lift`].
    pub fn until_lifted(self) -> Standing {
        self.stand(None)
    }

    fn stand(self, times: Option<u64>) -> Standing {
        let hits = self.api.shared.change(|state| state.faults.add(self.on, self.fault, times));
        Standing { api: self.api.clone(), hits }
    }
}

impl Standing {
    /// Nobody is hit any more; who was stalled goes on.
    pub fn lift(&self) {
        self.api.shared.change(|state| state.faults.lift(&self.hits));
    }

    /// How many requests or events it has hit.
    pub fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }
}

impl Api {
    /// A cluster with the namespaces that every cluster has. Everybody may do everything.
    pub fn new() -> Self {
        let api = Self { shared: Arc::default() };
        for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
            api.namespace(name);
        }
        api
    }

    /// A server in front of the real one that a kubeconfig names: that one has the objects, in
    /// namespaces and Nodes of its own that look like the test's, and decides what may be done; this
    /// one has the tokens, the faults and the record of requests. Everything is removed on drop.
    #[track_caller]
    pub fn in_front_of(kubeconfig: &Path) -> Self {
        let api = Self { shared: Arc::new(Shared::new(Some(Real::new(kubeconfig)))) };
        api.namespace("default");
        api
    }

    /// To be handed to `kube::Client::new`, or served by something else.
    pub fn router(&self) -> Router {
        Router::new().fallback(answer::answer).with_state(Arc::clone(&self.shared))
    }

    /// Serves it on this listener, until the [`Server`] is dropped. The objects outlive it.
    #[track_caller]
    pub fn serve(&self, listener: std::net::TcpListener, transport: Transport) -> Server {
        Server::start(self.router(), listener, transport)
    }

    /// Makes a namespace unless it is there.
    #[track_caller]
    pub fn namespace(&self, name: &str) {
        if let Some(real) = &self.shared.real {
            return real.namespace(name);
        }
        if self.get("namespaces", name).is_none() {
            self.put(serde_json::json!({
                "apiVersion": "v1", "kind": "Namespace",
                "metadata": { "name": name, "labels": { "kubernetes.io/metadata.name": name } },
                "spec": { "finalizers": ["kubernetes"] }, "status": { "phase": "Active" },
            }));
        }
    }

    /// Puts an object there as it is, past all checks; returns it as it is stored. It gets a
    /// version, and a UID and namespace if it has none. An object of the same name but another UID
    /// is deleted before.
    #[track_caller]
    pub fn put(&self, object: impl Into<Manifest>) -> Value {
        let object = object.into().value().clone();
        if let Some(real) = &self.shared.real {
            let (resource, key, object) = placed(&self.shared.lock(), object);
            return real.put(&resource, &key, &object);
        }
        self.shared.change(|state| put(state, object))
    }

    /// Puts every document of a YAML text there; Lists are taken apart.
    #[track_caller]
    pub fn apply_yaml(&self, text: &str) {
        for object in crate::cluster::objects(text) {
            self.put(object);
        }
    }

    /// Removes an object at once, past grace and finalizers; whether it was there. The resource is
    /// `pods` or `leases.coordination.k8s.io`, the name `NAMESPACE/NAME`.
    #[track_caller]
    pub fn delete(&self, resource: &str, name: &str) -> bool {
        if let Some(real) = &self.shared.real {
            let resource = named(&self.shared.lock(), resource);
            return real.delete(&resource, name);
        }
        self.shared.change(|state| {
            let resource = named(state, resource);
            let last = state.store.remove(&resource.bucket, name);
            custom::undefine(state, &resource, last.as_deref());
            last.is_some()
        })
    }

    /// Changes an object in place; it must be there.
    #[track_caller]
    pub fn edit(&self, resource: &str, name: &str, edit: impl FnOnce(&mut Value)) -> Value {
        if let Some(real) = &self.shared.real {
            let resource = named(&self.shared.lock(), resource);
            return real.edit(&resource, name, edit);
        }
        self.shared.change(|state| {
            let resource = named(state, resource);
            let object = state.store.get(&resource.bucket, name);
            let mut object = (*object.unwrap_or_else(|| panic!("no {name}"))).clone();
            edit(&mut object);
            (*state.store.set(&resource.bucket, name, object)).clone()
        })
    }

    /// An object.
    #[track_caller]
    pub fn get(&self, resource: &str, name: &str) -> Option<Value> {
        let state = self.shared.lock();
        let resource = named(&state, resource);
        if let Some(real) = &self.shared.real {
            drop(state);
            return real.get(&resource, name);
        }
        let object = state.store.get(&resource.bucket, name)?;
        Some(render::view(&resource, &object).into_owned())
    }

    /// All objects of a resource, in the order of their names.
    #[track_caller]
    pub fn all(&self, resource: &str) -> Vec<Value> {
        let state = self.shared.lock();
        let resource = named(&state, resource);
        if let Some(real) = &self.shared.real {
            drop(state);
            return real.all(&resource);
        }
        let objects = state.store.bucket(&resource.bucket).objects().values();
        objects.map(|object| render::view(&resource, object).into_owned()).collect()
    }

    /// The latest version.
    pub fn version(&self) -> u64 {
        if let Some(real) = &self.shared.real {
            return real.next_version();
        }
        self.shared.lock().store.version()
    }

    /// Lets versions pass, as the writes of others do.
    pub fn advance(&self, versions: u64) {
        self.shared.change(|state| state.store.advance(versions));
    }

    /// Forgets the past: new watches from older versions get 410, and so do continued lists.
    /// Watches that run go on.
    pub fn compact(&self) {
        if let Some(real) = &self.shared.real {
            let version = real.next_version();
            return self.shared.change(|state| state.forgotten = version);
        }
        self.shared.change(|state| {
            state.store.advance(1);
            state.store.compact();
        });
    }

    /// How often a watch that allows bookmarks gets one; a minute unless it is said. For watches
    /// that begin from now on.
    pub fn bookmarks_every(&self, time: Duration) {
        self.shared.change(|state| state.settings.bookmarks_every = time);
    }

    /// Whether `sendInitialEvents` is known; it is unless it is said. Older servers answer 422.
    pub fn streaming_lists(&self, known: bool) {
        self.shared.change(|state| state.settings.streaming_lists = known);
    }

    /// Whether a watch from a forgotten version gets the code 410; else, and unless it is said, it
    /// gets an `ERROR` event.
    pub fn gone_by_code(&self, by_code: bool) {
        self.shared.change(|state| state.settings.gone_by_code = by_code);
    }

    /// The largest body of a request in bytes; a larger one gets 413.
    pub fn largest_body(&self, bytes: usize) {
        self.shared.change(|state| state.settings.largest_body = bytes);
    }

    /// Lets in who shows this token, as this user; with the first, nobody without one.
    pub fn admit(&self, token: &str, user: &str) {
        self.shared.change(|state| state.access.admit(token, user));
    }

    /// From now on requests with this token get 401. Watches that run go on, as they do.
    pub fn expire(&self, token: &str) {
        self.shared.change(|state| state.access.expire(token));
    }

    /// Allows nothing but this; the rest gets 403.
    pub fn allow_only(&self, rules: impl IntoIterator<Item = Rule>) {
        let rules = rules.into_iter().collect();
        self.shared.change(|state| state.access.set_rules(Some(rules)));
    }

    /// Allows everything again.
    pub fn allow_all(&self) {
        self.shared.change(|state| state.access.set_rules(None));
    }

    /// Lets something go wrong.
    pub const fn fault(&self, on: On, fault: Fault) -> Asked<'_> {
        Asked { api: self, on, fault }
    }

    /// Nothing goes wrong any more.
    pub fn lift_faults(&self) {
        self.shared.change(|state| state.faults.lift_all());
    }

    /// The requests so far, or since [`Api::forget_requests`]; the latest 50,000.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.lock().requests.iter().cloned().collect()
    }

    /// The requests that would change something.
    pub fn writes(&self) -> Vec<Request> {
        self.requests().into_iter().filter(Request::writes).collect()
    }

    /// Forgets the requests so far.
    pub fn forget_requests(&self) {
        self.shared.lock().requests.clear();
    }
}

/// A YAML or JSON document as it is.
#[track_caller]
pub(crate) fn read_yaml(text: &str) -> Value {
    patch::yaml(text.as_bytes()).unwrap_or_else(|refusal| panic!("{}\n{text}", refusal.message))
}

#[track_caller]
fn named(state: &State, resource: &str) -> Arc<Resource> {
    state.registry.named(resource).unwrap_or_else(|| panic!("no resource {resource:?} here"))
}

/// An object as it is stored, with its resource and key.
#[track_caller]
fn placed(state: &State, object: Value) -> (Arc<Resource>, String, Value) {
    let resource = state.registry.of_object(&object).unwrap_or_else(|| {
        panic!("no such kind here: {} {}", object["apiVersion"], object["kind"])
    });
    let mut object = render::stored(&resource, object);
    let name = meta::text(&object, "name").to_owned();
    assert!(!name.is_empty(), "an object needs a name: {object}");
    if resource.is_namespaced() && meta::text(&object, "namespace").is_empty() {
        object["metadata"]["namespace"] = "default".into();
    }
    let key = request::key(meta::text(&object, "namespace"), &name);
    (resource, key, object)
}

/// See [`Api::put`].
#[track_caller]
fn put(state: &mut State, object: Value) -> Value {
    let (resource, key, mut object) = placed(state, object);
    let old = state.store.get(&resource.bucket, &key);
    let old_uid = old.as_deref().map(|old| meta::text(old, "uid").to_owned());
    match old_uid {
        Some(uid) if meta::text(&object, "uid").is_empty() => {
            object["metadata"]["uid"] = uid.into();
        }
        Some(uid) if uid != meta::text(&object, "uid") => {
            state.store.remove(&resource.bucket, &key);
        }
        None if meta::text(&object, "uid").is_empty() => {
            object["metadata"]["uid"] = state.store.new_uid().into();
        }
        _ => {}
    }
    if meta::text(&object, "creationTimestamp").is_empty() {
        let created = old.as_deref().map(|old| meta::text(old, "creationTimestamp").to_owned());
        object["metadata"]["creationTimestamp"] = created.unwrap_or_else(meta::now).into();
    }
    let object = state.store.set(&resource.bucket, &key, object);
    let object = custom::define(state, &resource, &key, object);
    debug_assert!(resource.family != Family::Definition || object["status"].is_object());
    render::view(&resource, &object).into_owned()
}
