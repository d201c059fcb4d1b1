//! Server-side apply.

use k8s_openapi::api::core::v1::ConfigMap;
use kube_rs::Error;
use kube_rs::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::support::{Cluster, code, contract, json_of, refusal};

fn wish(data: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a" }, "data": data })
}

async fn apply(cluster: &Cluster, who: &str, wish: Value) -> Result<ConfigMap, Error> {
    cluster.maps().patch("a", &PatchParams::apply(who), &Patch::Apply(wish)).await
}

#[test]
fn an_apply_makes_the_object_and_says_who_set_what() {
    contract(async |cluster| {
        let map = apply(cluster, "one", wish(json!({ "x": "1" }))).await.unwrap();
        let fields = json_of(&map)["metadata"]["managedFields"].clone();
        assert_eq!(fields[0]["manager"], "one");
        assert_eq!(fields[0]["operation"], "Apply");
        assert_eq!(fields[0]["fieldsV1"]["f:data"]["f:x"], json!({}));
        let version = map.metadata.resource_version;
        let same = apply(cluster, "one", wish(json!({ "x": "1" }))).await.unwrap();
        assert_eq!(same.metadata.resource_version, version);
    });
}

#[test]
fn what_somebody_else_set_is_a_conflict_unless_it_is_forced() {
    contract(async |cluster| {
        apply(cluster, "one", wish(json!({ "x": "1" }))).await.unwrap();
        apply(cluster, "two", wish(json!({ "y": "1" }))).await.unwrap();
        let conflict = refusal(apply(cluster, "two", wish(json!({ "x": "2" }))).await);
        assert_eq!((conflict.code, &*conflict.reason), (409, "Conflict"));
        let words = r#"Apply failed with 1 conflict: conflict with "one": .data.x"#;
        assert_eq!(conflict.message, words);
        let params = PatchParams::apply("two").force();
        let forced = Patch::Apply(wish(json!({ "x": "2" })));
        let map = cluster.maps().patch("a", &params, &forced).await.unwrap();
        assert_eq!(json_of(&map)["data"], json!({ "x": "2" }));
    });
}

#[test]
fn what_its_only_owner_no_longer_applies_goes() {
    contract(async |cluster| {
        apply(cluster, "one", wish(json!({ "x": "1", "y": "1" }))).await.unwrap();
        apply(cluster, "two", wish(json!({ "y": "1" }))).await.unwrap();
        let map = apply(cluster, "one", wish(json!({ "z": "1" }))).await.unwrap();
        assert_eq!(json_of(&map)["data"], json!({ "y": "1", "z": "1" }));
    });
}

#[test]
fn what_an_update_sets_belongs_to_the_updater() {
    contract(async |cluster| {
        apply(cluster, "one", wish(json!({ "x": "1" }))).await.unwrap();
        let patch = Patch::Merge(json!({ "data": { "x": "2" } }));
        cluster.maps().patch("a", &PatchParams::default(), &patch).await.unwrap();
        let conflict = apply(cluster, "one", wish(json!({ "x": "1" }))).await;
        let conflict = refusal(conflict);
        assert_eq!((conflict.code, &*conflict.reason), (409, "Conflict"));
        // Of who updates, the version is told as well.
        let words = r#"Apply failed with 1 conflict: conflict with "unknown" using v1: .data.x"#;
        assert_eq!(conflict.message, words);
    });
}

#[test]
fn an_apply_is_bound_to_the_life_it_names() {
    contract(async |cluster| {
        let mut bound = wish(json!({ "x": "1" }));
        bound["metadata"]["uid"] = "00000000-0000-4000-8000-000000000000".into();
        let missing = refusal(apply(cluster, "one", bound.clone()).await);
        assert_eq!(missing.code, 409);
        assert!(missing.message.contains("uid mismatch"), "{missing:?}");
        cluster.map("a", "web").await;
        assert_eq!(code(apply(cluster, "one", bound).await), (422, "Invalid".into()));
    });
}

#[test]
fn annotations_are_applied_through_the_status_door() {
    contract(async |cluster| {
        cluster.pod("p", "web").await;
        let wish = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": "p", "annotations": { "n": "v" } },
        });
        let params = PatchParams::apply("netkeep");
        let pod = cluster.pods().patch_status("p", &params, &Patch::Apply(wish)).await.unwrap();
        assert_eq!(pod.metadata.annotations.as_ref().unwrap()["n"], "v");
        let fields = json_of(&pod)["metadata"]["managedFields"].clone();
        let mut all = fields.as_array().unwrap().iter();
        let ours = all.find(|entry| entry["manager"] == "netkeep").unwrap();
        assert_eq!(ours["subresource"], "status");
    });
}
