//! What goes wrong on demand goes wrong so.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Pod;
use kube_rs::api::{Api as Objects, ListParams, Patch, PatchParams, WatchParams};
use kube_rs::{Client, Error};
use netkeep_testkit::Pod as PodManifest;
use netkeep_testkit::api::{Api, Credentials, Fault, On, Transport};
use serde_json::json;

use super::served::{client_of, listener, pods_of};
use super::support::{Told, code, ours, refusal};

const SHORT: Duration = Duration::from_millis(200);

fn web(api: &Api) {
    api.put(PodManifest::new("default/web").node("n1"));
}

async fn watch_of(pods: &Objects<Pod>, api: &Api) -> Told {
    Told::begin(pods, &WatchParams::default(), &api.version().to_string()).await
}

#[test]
fn answers_come_with_the_code_and_words_of_the_server_as_often_as_asked_for() {
    ours(async |api, cluster| {
        for (fault, reason) in [
            (400, "BadRequest"),
            (401, "Unauthorized"),
            (403, "Forbidden"),
            (404, "NotFound"),
            (409, "Conflict"),
            (410, "Expired"),
            (413, "RequestEntityTooLarge"),
            (422, "Invalid"),
            (500, "InternalError"),
            (503, "ServiceUnavailable"),
            (504, "Timeout"),
        ] {
            let standing =
                api.fault(On::verb("list").resource("pods"), Fault::Status(fault)).once();
            let refused = code(cluster.pods().list(&ListParams::default()).await);
            assert_eq!(refused, (fault, reason.into()));
            cluster.pods().list(&ListParams::default()).await.unwrap();
            assert_eq!(standing.hits(), 1);
        }
    });
}

#[test]
fn too_many_requests_is_plain_text_with_a_time_to_come_back() {
    ours(async |api, cluster| {
        let fault = Fault::TooManyRequests { retry_after: 7 };
        let standing = api.fault(On::everything(), fault).until_lifted();
        let request = http::Request::get("/api/v1/pods").body(kube_rs::client::Body::empty());
        let response = cluster.client.send(request.unwrap()).await.unwrap();
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["retry-after"], "7");
        let body = response.into_body().collect_bytes().await.unwrap();
        assert_eq!(body, "Too many requests, please try again later.\n");
        standing.lift();
        cluster.pods().list(&ListParams::default()).await.unwrap();
    });
}

#[test]
fn a_fault_hits_its_verb_resource_and_object_and_nothing_else() {
    ours(async |api, cluster| {
        web(api);
        let on = On::verb("patch").resource("pods/status").object("default/web");
        let standing = api.fault(on, Fault::Status(409)).until_lifted();
        let wish = Patch::Merge(json!({ "metadata": { "annotations": { "n": "v" } } }));
        let params = PatchParams::default();
        cluster.pods().patch("web", &params, &wish).await.unwrap();
        assert_eq!(code(cluster.pods().patch_status("other", &params, &wish).await).0, 404);
        assert_eq!(code(cluster.pods().patch_status("web", &params, &wish).await).0, 409);
        assert_eq!(standing.hits(), 1);
    });
}

#[test]
fn a_stalled_request_is_answered_when_the_fault_is_lifted() {
    ours(async |api, cluster| {
        web(api);
        let standing = api.fault(On::verb("list"), Fault::Stall).until_lifted();
        let (pods, params) = (cluster.pods(), ListParams::default());
        let list = pods.list(&params);
        tokio::pin!(list);
        tokio::time::timeout(SHORT, &mut list).await.unwrap_err();
        assert_eq!(api.requests()[0].status, None);
        standing.lift();
        assert_eq!(list.await.unwrap().items.len(), 1);
    });
}

#[test]
fn a_stalled_watch_shows_neither_events_nor_bookmarks_and_then_all_it_missed() {
    ours(async |api, cluster| {
        let mut watch = watch_of(&cluster.pods(), api).await;
        watch.bookmark().await;
        let standing = api.fault(On::verb("watch").resource("pods"), Fault::Stall).until_lifted();
        // A bookmark may have been on its way.
        while tokio::time::timeout(SHORT, watch.any()).await.is_ok() {}
        web(api);
        tokio::time::timeout(SHORT, watch.any()).await.unwrap_err();
        assert_eq!(standing.hits(), 1);
        standing.lift();
        assert_eq!(watch.next().await, "ADDED web");
    });
}

#[test]
fn a_watch_ends_or_breaks_between_events() {
    ours(async |api, _| {
        let server = api.serve(listener(), Transport::Plain);
        let pods = pods_of(&server).await;
        for fault in [Fault::End, Fault::CutAtLine] {
            let mut watch = watch_of(&pods, api).await;
            web(api);
            assert!(watch.next().await.ends_with(" web"));
            api.fault(On::verb("watch"), fault).once();
            // The client takes a broken body for the end of the watch.
            while watch.any().await.is_some_and(|event| event.is_ok()) {}
        }
    });
}

#[test]
fn a_watch_breaks_in_the_middle_of_an_event() {
    ours(async |api, _| {
        let server = api.serve(listener(), Transport::Tls);
        let pods = pods_of(&server).await;
        let mut watch = watch_of(&pods, api).await;
        watch.bookmark().await;
        let standing = api.fault(On::verb("watch"), Fault::CutMidLine).once();
        web(api);
        let mut events = Vec::new();
        while let Some(Ok(event)) = watch.any().await {
            events.push(event);
        }
        assert!(events.iter().all(|event| event == "BOOKMARK"), "{events:?}");
        assert_eq!(standing.hits(), 1);
    });
}

#[test]
fn a_watch_that_runs_expires() {
    ours(async |api, cluster| {
        let mut watch = watch_of(&cluster.pods(), api).await;
        watch.bookmark().await;
        api.fault(On::verb("watch"), Fault::Expired).once();
        assert_eq!(watch.next().await, "ERROR 410");
        assert!(watch.any().await.is_none());
        api.fault(On::verb("list"), Fault::Expired).once();
        let expired = code(cluster.pods().list(&ListParams::default()).await);
        assert_eq!(expired, (410, "Expired".into()));
    });
}

#[test]
fn events_come_damaged_twice_and_late() {
    ours(async |api, cluster| {
        let mut watch = watch_of(&cluster.pods(), api).await;
        let on = || On::verb("watch").resource("pods");
        api.fault(on(), Fault::Duplicate).once();
        web(api);
        assert_eq!(watch.take(2).await, ["ADDED web", "ADDED web"]);
        api.fault(on(), Fault::Garbage).once();
        web(api);
        let error = loop {
            match watch.any().await.unwrap() {
                Ok(text) => assert_eq!(text, "BOOKMARK"),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, Error::SerdeError(_)), "{error:?}");
        assert_eq!(watch.next().await, "MODIFIED web");
        api.fault(on(), Fault::Huge(1 << 20)).once();
        web(api);
        assert_eq!(watch.next().await, "MODIFIED web");
        let text = watch.last["metadata"]["annotations"]["netkeep.test/damage"].as_str().unwrap();
        assert_eq!(text.len(), 1 << 20);
        assert_eq!(api.get("pods", "default/web").unwrap()["metadata"].get("annotations"), None);
        let standing = api.fault(on(), Fault::Delay(SHORT)).until_lifted();
        let before = Instant::now();
        web(api);
        assert_eq!(watch.next().await, "MODIFIED web");
        assert!(before.elapsed() >= SHORT);
        standing.lift();
        api.fault(on(), Fault::InvalidUtf8).once();
        web(api);
        let broken = loop {
            match watch.any().await {
                Some(Ok(text)) => assert_eq!(text, "BOOKMARK"),
                other => break other,
            }
        };
        assert!(broken.is_none_or(|event| event.is_err()));
    });
}

#[test]
fn lists_come_damaged_empty_and_old() {
    ours(async |api, cluster| {
        web(api);
        let old = api.version();
        api.put(PodManifest::new("default/other"));
        let on = || On::verb("list").resource("pods");
        let list = async || cluster.pods().list(&ListParams::default()).await;
        api.fault(on(), Fault::EmptyList).once();
        let empty = list().await.unwrap();
        assert!(empty.items.is_empty());
        assert_eq!(empty.metadata.resource_version, Some(api.version().to_string()));
        api.fault(on(), Fault::OldList { version: old }).once();
        let older = list().await.unwrap();
        assert_eq!(older.items.len(), 1);
        assert_eq!(older.metadata.resource_version, Some(old.to_string()));
        for fault in [Fault::Garbage, Fault::InvalidUtf8, Fault::CutMidLine] {
            let standing = api.fault(on(), fault).once();
            list().await.unwrap_err();
            assert_eq!(standing.hits(), 1);
        }
        api.fault(on(), Fault::Huge(2 << 20)).once();
        assert_eq!(list().await.unwrap().items.len(), 2);
        assert_eq!(list().await.unwrap().items.len(), 2);
    });
}

#[test]
fn every_page_comes_late() {
    ours(async |api, cluster| {
        web(api);
        api.put(PodManifest::new("default/other"));
        let standing = api.fault(On::verb("list"), Fault::Delay(SHORT)).until_lifted();
        let before = Instant::now();
        let page = cluster.pods().list(&ListParams::default().limit(1)).await.unwrap();
        let token = page.metadata.continue_.unwrap();
        let params = ListParams::default().limit(1).continue_token(&token);
        cluster.pods().list(&params).await.unwrap();
        assert!(before.elapsed() >= 2 * SHORT);
        assert_eq!(standing.hits(), 2);
    });
}

#[test]
fn a_connection_is_closed_without_an_answer() {
    ours(async |api, _| {
        let server = api.serve(listener(), Transport::Plain);
        let client: Client = client_of(&server.kubeconfig(Credentials::None)).await;
        let pods: Objects<Pod> = Objects::all(client);
        let standing = api.fault(On::verb("list"), Fault::Drop).once();
        let error = pods.list(&ListParams::default()).await.unwrap_err();
        assert!(!matches!(error, Error::Api(_)), "{error:?}");
        assert_eq!(standing.hits(), 1);
        pods.list(&ListParams::default()).await.unwrap();
    });
}

#[test]
fn a_body_that_is_too_large_is_refused() {
    ours(async |api, cluster| {
        web(api);
        api.largest_body(1000);
        let wish = json!({ "metadata": { "annotations": { "n": "v".repeat(2000) } } });
        let patch = Patch::Merge(wish);
        let refused =
            refusal(cluster.pods().patch_status("web", &PatchParams::default(), &patch).await);
        assert_eq!((refused.code, &*refused.reason), (413, "RequestEntityTooLarge"));
    });
}

#[test]
fn writes_are_told_apart_from_reads() {
    ours(async |api, cluster| {
        web(api);
        cluster.pods().list(&ListParams::default()).await.unwrap();
        assert!(api.writes().is_empty());
        let wish = Patch::Merge(json!({ "metadata": { "annotations": { "n": "v" } } }));
        cluster.pods().patch_status("web", &PatchParams::default(), &wish).await.unwrap();
        let writes = api.writes();
        assert_eq!(writes.len(), 1);
        assert_eq!((&*writes[0].verb, &*writes[0].resource), ("patch", "pods/status"));
        assert_eq!(writes[0].body, r#"{"metadata":{"annotations":{"n":"v"}}}"#);
        api.forget_requests();
        assert!(api.requests().is_empty());
    });
}
