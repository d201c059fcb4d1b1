//! JSON patch, merge patch, strategic merge patch, and what they are bound to.

use k8s_openapi::api::core::v1::ConfigMap;
use kube_rs::Error;
use kube_rs::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::support::{Cluster, code, contract, json_of, refusal};

async fn patch(cluster: &Cluster, patch: &Patch<Value>) -> Result<ConfigMap, Error> {
    cluster.maps().patch("a", &PatchParams::default(), patch).await
}

fn json_patch(operations: Value) -> Patch<Value> {
    Patch::Json(serde_json::from_value(operations).unwrap())
}

#[test]
fn a_merge_patch_sets_and_removes() {
    contract(async |cluster| {
        cluster.map("a", "web").await;
        let wish = json!({ "data": { "x": "1", "y": "2" } });
        patch(cluster, &Patch::Merge(wish)).await.unwrap();
        let wish = json!({ "data": { "x": null }, "metadata": { "annotations": { "n": "v" } } });
        let map = json_of(&patch(cluster, &Patch::Merge(wish)).await.unwrap());
        assert_eq!(map["data"], json!({ "y": "2" }));
        assert_eq!(map["metadata"]["annotations"]["n"], "v");
        assert_eq!(map["metadata"]["labels"]["app"], "web");
    });
}

#[test]
fn a_json_patch_is_done_whole_or_not() {
    contract(async |cluster| {
        cluster.map("a", "web").await;
        let good = json!([
            { "op": "test", "path": "/metadata/labels/app", "value": "web" },
            { "op": "add", "path": "/data", "value": { "x": "1" } },
        ]);
        let map = patch(cluster, &json_patch(good)).await.unwrap();
        assert_eq!(map.data.unwrap()["x"], "1");
        let bad = json!([
            { "op": "replace", "path": "/data/x", "value": "2" },
            { "op": "test", "path": "/metadata/labels/app", "value": "db" },
        ]);
        assert_eq!(code(patch(cluster, &json_patch(bad)).await), (422, "Invalid".into()));
        assert_eq!(cluster.maps().get("a").await.unwrap().data.unwrap()["x"], "1");
    });
}

#[test]
fn a_strategic_patch_merges_lists_by_their_key() {
    contract(async |cluster| {
        cluster.pod("p", "web").await;
        let wish = json!({ "spec": { "containers": [{ "name": "main", "image": "other:2" }] } });
        let params = PatchParams::default();
        let pod = cluster.pods().patch("p", &params, &Patch::Strategic(wish)).await.unwrap();
        let container = json_of(&pod)["spec"]["containers"][0].clone();
        assert_eq!(container["image"], "other:2");
        assert_eq!(container["ports"][0]["containerPort"], 8080);
    });
}

#[test]
fn a_patch_can_be_bound_to_a_version() {
    contract(async |cluster| {
        let old = cluster.map("a", "web").await.metadata.resource_version;
        let bound = |text: &str| json!({ "metadata": { "resourceVersion": old.clone() }, "data": { "x": text } });
        patch(cluster, &Patch::Merge(bound("1"))).await.unwrap();
        let stale = refusal(patch(cluster, &Patch::Merge(bound("2"))).await);
        assert_eq!((stale.code, &*stale.reason), (409, "Conflict"));
        assert!(stale.message.contains("the object has been modified"), "{stale:?}");
    });
}

#[test]
fn a_patch_can_be_bound_to_one_life_of_an_object() {
    contract(async |cluster| {
        let uid = cluster.map("a", "web").await.metadata.uid.unwrap();
        let bound = |uid: &str| Patch::Merge(json!({ "metadata": { "uid": uid }, "data": {} }));
        patch(cluster, &bound(&uid)).await.unwrap();
        let other = "00000000-0000-4000-8000-000000000000";
        let wrong = refusal(patch(cluster, &bound(other)).await);
        assert_eq!((wrong.code, &*wrong.reason), (422, "Invalid"));
        let words = format!(
            r#"ConfigMap "a" is invalid: metadata.uid: Invalid value: "{other}": field is immutable"#
        );
        assert_eq!(wrong.message, words);
    });
}

#[test]
fn a_patch_that_changes_nothing_makes_no_version() {
    contract(async |cluster| {
        let old = cluster.map("a", "web").await;
        let wish = json!({ "metadata": { "labels": { "app": "web" } } });
        let same = patch(cluster, &Patch::Merge(wish)).await.unwrap();
        assert_eq!(same.metadata.resource_version, old.metadata.resource_version);
    });
}

#[test]
fn a_patch_makes_no_object() {
    contract(async |cluster| {
        let missing = patch(cluster, &Patch::Merge(json!({ "data": {} }))).await;
        assert_eq!(code(missing), (404, "NotFound".into()));
    });
}

#[test]
fn the_spec_of_a_pod_stays() {
    contract(async |cluster| {
        cluster.pod("p", "web").await;
        let wish = json!({ "spec": { "hostNetwork": true } });
        let params = PatchParams::default();
        let refused = refusal(cluster.pods().patch("p", &params, &Patch::Merge(wish)).await);
        assert_eq!((refused.code, &*refused.reason), (422, "Invalid"));
        assert!(refused.message.contains("pod updates may not change fields"), "{refused:?}");
    });
}

#[test]
fn a_patch_in_an_unknown_format_is_refused() {
    contract(async |cluster| {
        cluster.map("a", "web").await;
        let path = "/api/v1/namespaces/{ns}/configmaps/a";
        let (status, answer) = cluster.raw("PATCH", path, Some(json!({}))).await;
        assert_eq!((status, &answer["reason"]), (415, &json!("UnsupportedMediaType")), "{answer}");
    });
}
