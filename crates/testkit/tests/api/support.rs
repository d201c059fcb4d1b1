//! A cluster to test against: ours, or a real one.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod};
use kube_rs::api::{Api as Objects, DeleteParams, ListParams, PostParams, WatchEvent, WatchParams};
use kube_rs::config::{Config, KubeConfigOptions, Kubeconfig};
use kube_rs::core::Status;
use kube_rs::{Client, Error};
use netkeep_testkit::api::Api;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The node of every Pod: none that exists, so that no kubelet takes part.
pub(crate) const NODE: &str = "netkeep-contract";
/// How long a watch is waited for; only a failing test waits so long.
const DEADLINE: Duration = Duration::from_secs(20);

/// A server, and a namespace on it that belongs to one test.
pub(crate) struct Cluster {
    pub(crate) client: Client,
    pub(crate) namespace: String,
}

/// Runs a test against our server and, if there is one, against a real one.
pub(crate) fn contract(test: impl AsyncFn(&Cluster)) {
    run(async || {
        let api = Api::new();
        api.bookmarks_every(Duration::from_millis(50));
        let client = Client::new(api.router(), "default");
        in_namespace(client, &test).await;
        if let Some(path) = std::env::var_os("NETKEEP_TEST_KUBECONFIG") {
            let file = Kubeconfig::read_from(path).expect("NETKEEP_TEST_KUBECONFIG");
            let options = KubeConfigOptions::default();
            let mut config = Config::from_custom_kubeconfig(file, &options).await.unwrap();
            config.default_retry = false;
            let client = Client::try_from(config).unwrap();
            in_namespace(client, &test).await;
        }
    });
}

/// Runs a test against our server alone.
pub(crate) fn ours(test: impl AsyncFn(&Api, &Cluster)) {
    run(async || {
        let api = Api::new();
        api.bookmarks_every(Duration::from_millis(50));
        let client = Client::new(api.router(), "default");
        test(&api, &Cluster { client, namespace: "default".into() }).await;
    });
}

fn run(test: impl AsyncFnOnce()) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(test());
}

/// Runs it in a namespace that is gone afterwards, whatever happens.
async fn in_namespace(client: Client, test: &impl AsyncFn(&Cluster)) {
    let namespaces: Objects<Namespace> = Objects::all(client.clone());
    let wanted = object(json!({ "metadata": { "generateName": "netkeep-contract-" } }));
    let made = namespaces.create(&PostParams::default(), &wanted).await.unwrap();
    let namespace = made.metadata.name.unwrap();
    let cluster = Cluster { client, namespace: namespace.clone() };
    let result = AssertUnwindSafe(test(&cluster)).catch_unwind().await;
    // No kubelet ends its Pods, and a namespace waits for them.
    let now = DeleteParams::default().grace_period(0);
    let ended = cluster.pods().delete_collection(&now, &ListParams::default()).await;
    let removed = namespaces.delete(&namespace, &DeleteParams::default()).await;
    if let Err(panic) = result {
        resume_unwind(panic);
    }
    ended.unwrap();
    removed.unwrap();
}

impl Cluster {
    /// The objects of the test's namespace.
    pub(crate) fn objects<K>(&self) -> Objects<K>
    where
        K: kube_rs::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Objects::namespaced(self.client.clone(), &self.namespace)
    }

    /// Its ConfigMaps.
    pub(crate) fn maps(&self) -> Objects<ConfigMap> {
        self.objects()
    }

    /// Its Pods.
    pub(crate) fn pods(&self) -> Objects<Pod> {
        self.objects()
    }

    /// Makes a ConfigMap with a label `app`.
    pub(crate) async fn map(&self, name: &str, app: &str) -> ConfigMap {
        let map = json!({ "metadata": { "name": name, "labels": { "app": app } } });
        self.maps().create(&PostParams::default(), &object(map)).await.unwrap()
    }

    /// Makes a Pod of [`NODE`] with a label `app`.
    pub(crate) async fn pod(&self, name: &str, app: &str) -> Pod {
        self.pod_of(json!({
            "metadata": { "name": name, "labels": { "app": app } },
            "spec": {
                "nodeName": NODE,
                "containers": [{
                    "name": "main", "image": "registry.invalid/pause:1",
                    "ports": [{ "containerPort": 8080 }],
                }],
            },
        }))
        .await
    }

    /// Makes a Pod. A real server wants the namespace's service account to be there first.
    pub(crate) async fn pod_of(&self, pod: Value) -> Pod {
        let pod: Pod = object(pod);
        for _ in 0..200 {
            match self.pods().create(&PostParams::default(), &pod).await {
                Ok(pod) => return pod,
                Err(Error::Api(status)) if status.is_forbidden() => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
        panic!("the namespace's service account never came");
    }

    /// A request of any kind: code and JSON.
    pub(crate) async fn raw(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let content = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let request = http::Request::builder()
            .method(method)
            .uri(path.replace("{ns}", &self.namespace))
            .header("content-type", "application/json")
            .body(kube_rs::client::Body::from(content))
            .unwrap();
        let response = self.client.send(request).await.unwrap();
        let code = response.status().as_u16();
        let bytes = response.into_body().collect_bytes().await.unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        (code, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }
}

/// A typed object from JSON.
pub(crate) fn object<K: DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).unwrap()
}

/// JSON of a typed object.
pub(crate) fn json_of(object: &impl serde::Serialize) -> Value {
    serde_json::to_value(object).unwrap()
}

/// A watch whose events come as short texts: `ADDED a`, `BOOKMARK`, `ERROR 410`.
pub(crate) struct Told {
    events: futures_util::stream::BoxStream<'static, Result<WatchEvent<Value_>, Error>>,
    /// The last version that was told.
    pub(crate) version: String,
    /// The object of the last event.
    pub(crate) last: Value,
}

/// An object of whatever kind.
type Value_ = kube_rs::core::DynamicObject;

impl Told {
    /// Begins a watch.
    pub(crate) async fn begin<K>(objects: &Objects<K>, params: &WatchParams, version: &str) -> Self
    where
        K: Clone + DeserializeOwned + std::fmt::Debug + kube_rs::Resource,
    {
        Self::try_begin(objects, params, version).await.unwrap()
    }

    /// Begins a watch, or is refused.
    pub(crate) async fn try_begin<K>(
        objects: &Objects<K>,
        params: &WatchParams,
        version: &str,
    ) -> Result<Self, Error>
    where
        K: Clone + DeserializeOwned + std::fmt::Debug + kube_rs::Resource,
    {
        let request = kube_rs::core::Request::new(objects.resource_url());
        let request = request.watch(params, version).unwrap();
        let client = objects.clone().into_client();
        let events = client.request_events::<Value_>(request).await?;
        Ok(Self { events: events.boxed(), version: version.into(), last: Value::Null })
    }

    /// The next event; nothing when the watch has ended.
    pub(crate) async fn any(&mut self) -> Option<Result<String, Error>> {
        let next = tokio::time::timeout(DEADLINE, self.events.next()).await;
        let event = match next.expect("an event in time")? {
            Ok(event) => event,
            Err(error) => return Some(Err(error)),
        };
        let (word, object) = match event {
            WatchEvent::Added(object) => ("ADDED", object),
            WatchEvent::Modified(object) => ("MODIFIED", object),
            WatchEvent::Deleted(object) => ("DELETED", object),
            WatchEvent::Bookmark(mark) => {
                let metadata = json_of(&mark.metadata);
                self.version = mark.metadata.resource_version;
                self.last = json!({ "metadata": metadata });
                return Some(Ok("BOOKMARK".into()));
            }
            WatchEvent::Error(status) => return Some(Ok(format!("ERROR {}", status.code))),
        };
        let name = object.metadata.name.clone().unwrap_or_default();
        self.version = object.metadata.resource_version.clone().unwrap_or_default();
        self.last = json_of(&object);
        Some(Ok(format!("{word} {name}")))
    }

    /// The next event that is no bookmark.
    pub(crate) async fn next(&mut self) -> String {
        loop {
            match self.any().await {
                Some(Ok(text)) if text == "BOOKMARK" => {}
                Some(Ok(text)) => return text,
                other => panic!("the watch ended: {other:?}"),
            }
        }
    }

    /// Events that are no bookmarks.
    pub(crate) async fn take(&mut self, count: usize) -> Vec<String> {
        let mut texts = Vec::new();
        while texts.len() < count {
            texts.push(self.next().await);
        }
        texts
    }

    /// The next bookmark, before which nothing else comes.
    pub(crate) async fn bookmark(&mut self) {
        assert_eq!(self.any().await.unwrap().unwrap(), "BOOKMARK");
    }
}

/// What an error of the API says.
#[track_caller]
pub(crate) fn refusal<T: std::fmt::Debug>(result: Result<T, Error>) -> Status {
    match result {
        Err(Error::Api(status)) => *status,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

/// Code and reason of a refusal.
#[track_caller]
pub(crate) fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> (u16, String) {
    let status = refusal(result);
    (status.code, status.reason)
}
