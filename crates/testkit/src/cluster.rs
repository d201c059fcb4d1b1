//! The same objects by the other way: what a test writes into its folder is put into an API server
//! instead, and the program under test watches that.
//!
//! With `NETKEEP_TEST_SOURCE=kube` every [`crate::Stage`] has one: the scenarios that are written for
//! folders are then scenarios of a cluster, with the same checks. With `NETKEEP_TEST_KUBECONFIG` the
//! objects are on a real API server, and ours stands in front of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use netns::Namespace;
use serde_json::Value;
use tempfile::TempDir;

use crate::Manifest;
use crate::api::{Api, Credentials, Server, Transport};

pub mod in_process;

/// Names the kubeconfig of a real API server.
const KUBECONFIG: &str = "NETKEEP_TEST_KUBECONFIG";
/// The annotation that the program under test writes: a test's manifest never takes it back.
const PUBLISHED: &str = "nodeportlocal.antrea.io";
/// The token that is let in.
const TOKEN: &str = "token-of-the-agent";

/// Whether tests are to go by the API.
pub fn by_api() -> bool {
    match std::env::var("NETKEEP_TEST_SOURCE").as_deref() {
        Ok("kube") => true,
        Ok("dir") | Err(_) => false,
        Ok(other) => panic!("NETKEEP_TEST_SOURCE is {other:?}, not dir or kube"),
    }
}

/// The objects of a test's cluster: on a real API server if there is one, unless the test is one of
/// those that only the one in the process can run.
#[track_caller]
pub fn objects_of_the_test() -> Api {
    match std::env::var_os(KUBECONFIG) {
        Some(path) if in_process::why().is_none() => Api::in_front_of(path.as_ref()),
        _ => Api::new(),
    }
}

/// An API server in a node's namespace.
#[derive(Debug)]
pub struct Cluster {
    api: Api,
    server: Server,
    files: TempDir,
}

impl Cluster {
    /// Serves this API on the node's own loopback address.
    #[track_caller]
    pub fn new(api: Api, node: &Namespace) -> Self {
        api.admit(TOKEN, "system:serviceaccount:netkeep:netkeep");
        let listener = node.run(|| TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
        let server = api.serve(listener, Transport::Tls);
        let files = tempfile::tempdir().unwrap();
        server.write_kubeconfig(&files.path().join("kubeconfig"), Credentials::Token(TOKEN));
        Self { api, server, files }
    }

    /// The objects and what goes wrong.
    pub const fn api(&self) -> &Api {
        &self.api
    }

    /// The server in front of them.
    pub const fn server(&self) -> &Server {
        &self.server
    }

    /// The kubeconfig that leads there.
    pub fn kubeconfig(&self) -> PathBuf {
        self.files.path().join("kubeconfig")
    }

    /// The annotation that is published of a Pod.
    pub fn published(&self, pod: &str) -> Option<String> {
        let object = self.api.get("pods", pod)?;
        object["metadata"]["annotations"][PUBLISHED].as_str().map(str::to_owned)
    }
}

/// Puts the objects of files into an API, and takes away what the files no longer have.
#[derive(Debug)]
pub(crate) struct Mirror {
    api: Api,
    files: Mutex<BTreeMap<String, BTreeSet<Named>>>,
}

/// Resource, name and UID.
type Named = (String, String, String);

impl Mirror {
    pub(crate) fn new(api: Api) -> Self {
        Self { api, files: Mutex::default() }
    }

    pub(crate) const fn api(&self) -> &Api {
        &self.api
    }

    /// A file now has these objects.
    pub(crate) fn write(&self, file: &str, objects: Vec<Value>) {
        let names = objects.iter().map(named).collect();
        let before = self.files().insert(file.to_owned(), names).unwrap_or_default();
        let kept: BTreeSet<_> = self.files().values().flatten().cloned().collect();
        before.difference(&kept).for_each(|object| self.delete(object));
        for object in objects {
            self.put(object);
        }
    }

    /// A file is gone.
    pub(crate) fn remove(&self, file: &str) {
        let gone = self.files().remove(file).unwrap_or_default();
        let kept: BTreeSet<_> = self.files().values().flatten().cloned().collect();
        gone.difference(&kept).for_each(|object| self.delete(object));
    }

    /// Every file is gone.
    pub(crate) fn clear(&self) {
        let gone = std::mem::take(&mut *self.files());
        gone.values().flatten().for_each(|object| self.delete(object));
    }

    /// Deletes an object, unless another one has its name by now.
    fn delete(&self, (resource, name, uid): &Named) {
        let there = self.api.get(resource, name);
        if there.is_some_and(|there| uid.is_empty() || there["metadata"]["uid"] == **uid) {
            self.api.delete(resource, name);
        }
    }

    fn files(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, BTreeSet<Named>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As a client that knows nothing of the annotation would: it stays on the object.
    fn put(&self, mut object: Value) {
        let (resource, name, _) = named(&object);
        if let Some(namespace) = object["metadata"]["namespace"].as_str() {
            self.api.namespace(namespace);
        }
        let there = self.api.get(&resource, &name);
        let same = there.filter(|there| there["metadata"]["uid"] == object["metadata"]["uid"]);
        if let Some(Value::String(text)) =
            same.map(|there| there["metadata"]["annotations"][PUBLISHED].clone())
            && object["metadata"]["annotations"][PUBLISHED].is_null()
        {
            object["metadata"]["annotations"][PUBLISHED] = text.into();
        }
        self.api.put(Manifest::from(object));
    }
}

/// The objects of a YAML or JSON text; Lists are taken apart.
pub(crate) fn objects(text: &str) -> Vec<Value> {
    let documents = text.split("\n---").map(|part| part.trim_start_matches("---"));
    let documents = documents.filter(|part| !part.trim().is_empty());
    documents.flat_map(|part| items(crate::api::read_yaml(part))).collect()
}

fn items(object: Value) -> Vec<Value> {
    match object {
        Value::Object(mut fields) if fields.get("kind").is_some_and(|kind| kind == "List") => {
            match fields.remove("items") {
                Some(Value::Array(items)) => items,
                _ => Vec::new(),
            }
        }
        Value::Null => Vec::new(),
        object => vec![object],
    }
}

fn named(object: &Value) -> Named {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let resource = text(&object["kind"]).to_lowercase() + "s";
    let metadata = &object["metadata"];
    let name = match (&*resource, metadata["namespace"].as_str()) {
        ("nodes", _) => text(&metadata["name"]),
        (_, namespace) => {
            format!("{}/{}", namespace.unwrap_or("default"), text(&metadata["name"]))
        }
    };
    (resource, name, text(&metadata["uid"]))
}
