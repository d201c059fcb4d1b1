//! WATCH.

use kube_rs::api::{ListParams, Patch, PatchParams, WatchParams};
use serde_json::json;

use super::support::{Told, code, contract, ours};

fn web() -> WatchParams {
    WatchParams::default().labels("app=web")
}

/// The version from which a test's own events come.
async fn now(cluster: &super::support::Cluster) -> String {
    let list = cluster.maps().list(&ListParams::default()).await.unwrap();
    list.metadata.resource_version.unwrap()
}

#[test]
fn every_change_after_the_version_is_told_in_order() {
    contract(async |cluster| {
        let from = now(cluster).await;
        cluster.map("a", "web").await;
        let mut watch = Told::begin(&cluster.maps(), &web(), &from).await;
        let patch = Patch::Merge(json!({ "data": { "x": "1" } }));
        cluster.maps().patch("a", &PatchParams::default(), &patch).await.unwrap();
        cluster.map("b", "web").await;
        cluster.maps().delete("a", &kube_rs::api::DeleteParams::default()).await.unwrap();
        let told = watch.take(4).await;
        assert_eq!(told, ["ADDED a", "MODIFIED a", "ADDED b", "DELETED a"]);
        assert_eq!(watch.last["kind"], "ConfigMap");
        assert_eq!(watch.last["data"]["x"], "1");
        let gone: u64 = watch.version.parse().unwrap();
        assert!(gone > from.parse().unwrap());
        // From the version of an event on: what came after it.
        let again = Told::begin(&cluster.maps(), &web(), &from).await.take(1).await;
        assert_eq!(again, ["ADDED a"]);
    });
}

#[test]
fn an_object_that_begins_to_fit_is_added_and_one_that_ceases_to_is_deleted_as_it_was() {
    contract(async |cluster| {
        let from = now(cluster).await;
        cluster.map("a", "db").await;
        let mut watch = Told::begin(&cluster.maps(), &web(), &from).await;
        let become_ = async |app: &str| {
            let patch = Patch::Merge(json!({ "metadata": { "labels": { "app": app } } }));
            let map = cluster.maps().patch("a", &PatchParams::default(), &patch).await.unwrap();
            map.metadata.resource_version.unwrap()
        };
        become_("web").await;
        assert_eq!(watch.next().await, "ADDED a");
        let left = become_("db").await;
        assert_eq!(watch.next().await, "DELETED a");
        assert_eq!(watch.last["metadata"]["labels"]["app"], "web");
        assert_eq!(watch.version, left);
    });
}

#[test]
fn a_watch_without_a_version_begins_with_what_is_there() {
    contract(async |cluster| {
        cluster.map("a", "web").await;
        cluster.map("b", "web").await;
        for version in ["", "0"] {
            let mut watch = Told::begin(&cluster.maps(), &web(), version).await;
            let mut told = watch.take(2).await;
            told.sort();
            assert_eq!(told, ["ADDED a", "ADDED b"]);
        }
    });
}

#[test]
fn a_streaming_list_ends_with_its_bookmark_and_goes_on_as_a_watch() {
    contract(async |cluster| {
        cluster.map("a", "web").await;
        let params = web().initial_events();
        let mut watch = Told::begin(&cluster.maps(), &params, "").await;
        assert_eq!(watch.next().await, "ADDED a");
        watch.bookmark().await;
        let end = &watch.last["metadata"]["annotations"]["k8s.io/initial-events-end"];
        assert_eq!(end, "true", "{}", watch.last);
        cluster.map("b", "web").await;
        assert_eq!(watch.next().await, "ADDED b");
    });
}

#[test]
fn a_streaming_list_of_nothing_is_only_its_bookmark() {
    contract(async |cluster| {
        let params = web().initial_events();
        let mut watch = Told::begin(&cluster.maps(), &params, "").await;
        watch.bookmark().await;
        assert!(watch.last["metadata"]["annotations"].is_object());
        assert!(watch.version.parse::<u64>().unwrap() > 0);
    });
}

#[test]
fn a_watch_from_before_all_memory_is_told_so_by_an_event_and_ends() {
    contract(async |cluster| {
        let bounded = web().timeout(10);
        let mut watch = Told::begin(&cluster.maps(), &bounded, "1").await;
        assert_eq!(watch.any().await.unwrap().unwrap(), "ERROR 410");
        assert!(watch.any().await.is_none());
    });
}

#[test]
fn a_streaming_list_of_a_version_that_is_to_come_is_told_so_by_an_event() {
    contract(async |cluster| {
        let far = now(cluster).await.parse::<u64>().unwrap() + 1_000_000;
        let params = web().initial_events();
        let mut watch = Told::begin(&cluster.maps(), &params, &far.to_string()).await;
        assert_eq!(watch.next().await, "ERROR 504");
    });
}

#[test]
fn a_watch_ends_by_its_timeout() {
    contract(async |cluster| {
        let params = web().timeout(1);
        let mut watch = Told::begin(&cluster.maps(), &params, &now(cluster).await).await;
        loop {
            match watch.any().await {
                None => break,
                Some(Ok(text)) => assert_eq!(text, "BOOKMARK"),
                Some(Err(error)) => panic!("{error}"),
            }
        }
    });
}

#[test]
fn bookmarks_tell_the_version_and_come_only_if_they_are_wanted() {
    ours(async |api, cluster| {
        let from = now(cluster).await;
        let mut watch = Told::begin(&cluster.maps(), &WatchParams::default(), &from).await;
        api.advance(7);
        watch.bookmark().await;
        assert_eq!(watch.version, api.version().to_string());
        let params = WatchParams::default().disable_bookmarks().timeout(1);
        let mut watch = Told::begin(&cluster.maps(), &params, &from).await;
        assert!(watch.any().await.is_none());
    });
}

#[test]
fn a_server_without_streaming_lists_answers_422() {
    ours(async |api, cluster| {
        api.streaming_lists(false);
        let params = web().initial_events();
        let refused = Told::try_begin(&cluster.maps(), &params, "").await.map(|_| ());
        assert_eq!(code(refused), (422, "Invalid".into()));
    });
}

#[test]
fn a_watch_from_a_forgotten_version_gets_410_and_one_that_runs_goes_on() {
    ours(async |api, cluster| {
        let from = now(cluster).await;
        let mut running = Told::begin(&cluster.maps(), &web(), &from).await;
        running.bookmark().await;
        cluster.map("a", "web").await;
        api.compact();
        let mut watch = Told::begin(&cluster.maps(), &web(), &from).await;
        assert_eq!(watch.next().await, "ERROR 410");
        assert!(watch.any().await.is_none());
        api.gone_by_code(true);
        let refused = Told::try_begin(&cluster.maps(), &web(), &from).await.map(|_| ());
        assert_eq!(code(refused), (410, "Expired".into()));
        assert_eq!(running.next().await, "ADDED a");
        cluster.map("b", "web").await;
        assert_eq!(running.next().await, "ADDED b");
        let latest = api.version().to_string();
        let mut watch = Told::begin(&cluster.maps(), &web(), &latest).await;
        cluster.map("c", "web").await;
        assert_eq!(watch.next().await, "ADDED c");
    });
}

#[test]
fn a_burst_arrives_whole_and_in_order() {
    ours(async |api, cluster| {
        let from = api.version().to_string();
        let mut watch = Told::begin(&cluster.maps(), &web(), &from).await;
        for number in 0..1000 {
            api.put(json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": { "name": format!("m{number}"), "labels": { "app": "web" } },
            }));
        }
        for number in 0..1000 {
            assert_eq!(watch.next().await, format!("ADDED m{number}"));
        }
    });
}

#[test]
fn who_is_further_behind_than_the_log_lists_again() {
    ours(async |api, cluster| {
        let from = api.version().to_string();
        for _ in 0..9000 {
            api.put(json!({
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a" },
            }));
        }
        let mut watch = Told::begin(&cluster.maps(), &WatchParams::default(), &from).await;
        assert_eq!(watch.next().await, "ERROR 410");
    });
}
