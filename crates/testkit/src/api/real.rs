//! A real API server behind this one.
//!
//! Owns: the connection to a server that a kubeconfig names, and what a test has there: namespaces
//! and Nodes with a prefix of its own ([`names`]), the objects in them ([`objects`]), and the account
//! of the program under test with the rights of the deployed role. All of it is removed on drop,
//! after a failure too.
//!
//! Requests of the program under test are sent on as they are, as from that account; so what it may
//! is the real server's word. What goes wrong on demand, tokens and the record of requests stay with
//! the server in front.
//!
//! Deliberately not: anything that a real server does not let in, and its clock, its past and its
//! bookmarks, which are its own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::Bytes;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Response, StatusCode, header};
use futures_util::TryStreamExt as _;
use http_body_util::BodyExt as _;
use kube_rs::Client;
use kube_rs::client::Body;
use kube_rs::config::{Config, KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use super::request::Target;
use super::watch::Line;
use names::Names;

mod names;
mod objects;

/// The account of the program under test.
const ACCOUNT: &str = "netkeep";
/// The role that it has, as it is deployed.
const ROLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/kustomize/base/rbac.yaml");
const JSON: &str = "application/json";

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Real {
    connection: Connection,
    names: Arc<Names>,
    /// What was put last, by bucket and key.
    last: Mutex<BTreeMap<(String, String), Value>>,
    /// The namespaces that were made.
    made: Mutex<BTreeSet<String>>,
}

/// A client, and the thread that moves its connections.
struct Connection {
    client: Client,
    runtime: tokio::runtime::Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What a request of the program came to.
pub(super) enum Answer {
    Whole(Response<Value>),
    Watch(mpsc::UnboundedReceiver<Line>),
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl Connection {
    fn new(kubeconfig: &Path) -> Self {
        let file = Kubeconfig::read_from(kubeconfig).expect("NETKEEP_TEST_KUBECONFIG");
        let (told, tell) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let serve = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.expect("a runtime for the way to the real API server");
            runtime.block_on(async move {
                let options = KubeConfigOptions::default();
                let config = Config::from_custom_kubeconfig(file, &options).await;
                let mut config = config.expect("NETKEEP_TEST_KUBECONFIG");
                config.default_retry = false;
                let client = Client::try_from(config).expect("a client for the real API server");
                told.send((client, tokio::runtime::Handle::current())).expect("who asked waits");
                drop(stopped.await);
            });
        };
        let thread = std::thread::Builder::new().name("real-api".into()).spawn(serve);
        let thread = thread.expect("a thread for the way to the real API server");
        let (client, runtime) = tell.recv().expect("a client for the real API server");
        Self { client, runtime, stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Real {
    /// The server of this kubeconfig, and on it an account with the rights of the deployed role.
    pub(super) fn new(kubeconfig: &Path) -> Self {
        let connection = Connection::new(kubeconfig);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
        let unique = format!("{:x}{:05x}", std::process::id(), now.as_micros() & 0xf_ffff);
        let names = Arc::new(Names::new(format!("nk-{unique}-")));
        let real = Self { connection, names, last: Mutex::default(), made: Mutex::default() };
        real.deploy_role();
        real
    }

    fn deploy_role(&self) {
        let text = std::fs::read_to_string(ROLE).expect("the deployed role");
        let documents = crate::cluster::objects(&text);
        let mut role = documents.into_iter().find(|object| object["kind"] == "ClusterRole");
        let role = role.as_mut().expect("a ClusterRole");
        let name = format!("{}{ACCOUNT}", self.names.prefix());
        role["metadata"] = json!({ "name": name });
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": { "name": name },
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name,
            },
            "subjects": [{ "kind": "ServiceAccount", "name": ACCOUNT, "namespace": name }],
        });
        self.wait(async {
            for (plural, object) in [("clusterroles", &*role), ("clusterrolebindings", &binding)] {
                let path = format!("/apis/rbac.authorization.k8s.io/v1/{plural}");
                self.expect("POST", &path, JSON, Some(object)).await;
            }
        });
    }

    /// Waits for something on this thread, which has no runtime.
    fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.connection.runtime.block_on(future)
    }

    /// Sends a request of ours: as who the kubeconfig says, with names as the server knows them.
    async fn ask(
        &self,
        method: &str,
        path: &str,
        content_type: &str,
        body: Option<&Value>,
    ) -> (StatusCode, Value) {
        let bytes = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let request = axum::http::Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, content_type)
            .header(header::ACCEPT, JSON)
            .body(Body::from(bytes))
            .expect("a request");
        let response = self.connection.client.send(request).await.expect("the real API server");
        let (head, value) = whole(response).await.into_parts();
        (head.status, value)
    }

    /// The same; panics unless it is done.
    async fn expect(&self, method: &str, path: &str, kind: &str, body: Option<&Value>) -> Value {
        let (code, answer) = self.ask(method, path, kind, body).await;
        let sent = || body.map(Value::to_string).unwrap_or_default();
        assert!(code.is_success(), "{method} {path}: {code} {answer}\n{}", sent());
        answer
    }

    /// Sends a request of the program under test on, as from its account.
    pub(super) async fn forward(
        &self,
        parts: &Parts,
        body: &Bytes,
        target: &Target,
    ) -> Result<Answer, kube_rs::Error> {
        let sent = serde_json::from_slice(body).ok().map(|mut body: Value| {
            self.names.real(&mut body);
            body
        });
        // An Event about a Node is where the server wants it.
        let path = match &sent {
            Some(body) if body["metadata"]["namespace"] == "default" => parts.uri.path().to_owned(),
            _ => self.names.path(parts.uri.path()),
        };
        let query =
            self.names.query(&target.resource.plural, parts.uri.query().unwrap_or_default());
        let account = format!("{}{ACCOUNT}", self.names.prefix());
        let mut request = axum::http::Request::builder()
            .method(parts.method.clone())
            .uri(format!("{path}?{query}"))
            .header("Impersonate-User", format!("system:serviceaccount:{account}:{ACCOUNT}"));
        for group in ["system:serviceaccounts", "system:authenticated"] {
            request = request.header("Impersonate-Group", group);
        }
        for name in [header::CONTENT_TYPE, header::ACCEPT, header::USER_AGENT] {
            if let Some(value) = parts.headers.get(&name) {
                request = request.header(name, value);
            }
        }
        let bytes = sent.map_or_else(|| body.to_vec(), |body| body.to_string().into_bytes());
        let request = request.body(Body::from(bytes)).expect("a request");
        // Whoever sends moves the connection from then on, so it is not the server's own runtime: that
        // one may end first.
        let client = self.connection.client.clone();
        let sending = self.connection.runtime.spawn(async move { client.send(request).await });
        let response = sending.await.expect("the way to the real API server")?;
        if target.verb == "watch" && response.status().is_success() {
            return Ok(Answer::Watch(self.told(response)));
        }
        let mut answer = whole(response).await;
        let _known = self.names.making.read().await;
        let value = answer.body_mut();
        if let Value::Array(items) = &mut value["items"] {
            items.retain(|item| self.names.owns(item));
        }
        self.names.shown(value);
        Ok(Answer::Whole(answer))
    }

    /// The lines of a watch that are about the test's own objects.
    fn told(&self, response: Response<Body>) -> mpsc::UnboundedReceiver<Line> {
        let (tell, told) = mpsc::unbounded_channel();
        let names = Arc::clone(&self.names);
        tokio::spawn(async move {
            let mut chunks = response.into_body().into_data_stream();
            let mut rest = Vec::new();
            loop {
                let chunk = tokio::select! {
                    chunk = chunks.try_next() => chunk,
                    () = tell.closed() => return,
                };
                let Ok(Some(chunk)) = chunk else { return };
                rest.extend_from_slice(&chunk);
                while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = rest.drain(..=end).collect();
                    let mut event: Value = serde_json::from_slice(&line).expect("a line of JSON");
                    let kind = kind_of(&event["type"]);
                    let _known = names.making.read().await;
                    let own = !matches!(kind, "ADDED" | "MODIFIED" | "DELETED");
                    if own || names.owns(&event["object"]) {
                        names.shown(&mut event["object"]);
                        drop(tell.send(Line { kind, object: Arc::new(event["object"].take()) }));
                    }
                }
            }
        });
        told
    }
}

fn kind_of(text: &Value) -> &'static str {
    let kinds = ["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"];
    kinds.into_iter().find(|kind| text == kind).unwrap_or_else(|| panic!("an event {text}"))
}

/// An answer as a whole; what is no JSON is a text.
async fn whole(response: Response<Body>) -> Response<Value> {
    let (head, body) = response.into_parts();
    let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let text = || Value::String(String::from_utf8_lossy(&bytes).into_owned());
    Response::from_parts(head, serde_json::from_slice(&bytes).unwrap_or_else(|_| text()))
}

/// An answer as bytes, with what a client reads of its head.
pub(super) fn bytes_of(answer: Response<Value>) -> (StatusCode, Vec<u8>, Option<HeaderValue>) {
    let (head, value) = answer.into_parts();
    let bytes = match value {
        Value::String(text) => text.into_bytes(),
        value => value.to_string().into_bytes(),
    };
    (head.status, bytes, head.headers.get(header::RETRY_AFTER).cloned())
}
