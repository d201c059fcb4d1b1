//! The door `status`: what it writes, and what the main door leaves alone.

use kube_rs::api::{Patch, PatchParams};
use serde_json::json;

use super::support::{NODE, code, contract, json_of, refusal};

#[test]
fn the_status_of_a_pod_is_written_with_its_annotations_and_labels_but_not_its_spec() {
    contract(async |cluster| {
        cluster.pod("p", "web").await;
        let wish = json!({
            "metadata": { "annotations": { "n": "v" }, "labels": { "app": "db" } },
            "spec": { "nodeName": "elsewhere" },
            "status": { "phase": "Running" },
        });
        let params = PatchParams::default();
        let pod = cluster.pods().patch_status("p", &params, &Patch::Merge(wish)).await.unwrap();
        let pod = json_of(&pod);
        assert_eq!(pod["metadata"]["annotations"]["n"], "v");
        assert_eq!(pod["metadata"]["labels"]["app"], "db");
        assert_eq!(pod["status"]["phase"], "Running");
        assert_eq!(pod["spec"]["nodeName"], NODE);
        assert_eq!(pod["metadata"]["generation"], 1);
    });
}

#[test]
fn the_main_door_does_not_write_the_status() {
    contract(async |cluster| {
        cluster.pod("p", "web").await;
        let wish = json!({
            "metadata": { "annotations": { "n": "v" } }, "status": { "phase": "Failed" },
        });
        let params = PatchParams::default();
        let pod = cluster.pods().patch("p", &params, &Patch::Merge(wish)).await.unwrap();
        assert_eq!(pod.status.unwrap().phase.as_deref(), Some("Pending"));
        assert_eq!(pod.metadata.annotations.unwrap()["n"], "v");
    });
}

#[test]
fn an_annotation_is_removed_through_the_status_door() {
    contract(async |cluster| {
        cluster.pod("p", "web").await;
        let patch = async |value: serde_json::Value| {
            let wish = Patch::Merge(json!({ "metadata": { "annotations": { "n": value } } }));
            cluster.pods().patch_status("p", &PatchParams::default(), &wish).await.unwrap()
        };
        assert_eq!(patch(json!("v")).await.metadata.annotations.unwrap()["n"], "v");
        let annotations = patch(json!(null)).await.metadata.annotations.unwrap_or_default();
        assert!(!annotations.contains_key("n"));
    });
}

#[test]
fn a_status_patch_is_bound_to_the_life_it_names() {
    contract(async |cluster| {
        cluster.pod("p", "web").await;
        let wish = json!({
            "metadata": {
                "uid": "00000000-0000-4000-8000-000000000000", "annotations": { "n": "v" },
            },
        });
        let params = PatchParams::default();
        let wrong = refusal(cluster.pods().patch_status("p", &params, &Patch::Merge(wish)).await);
        assert_eq!((wrong.code, &*wrong.reason), (422, "Invalid"));
        assert!(wrong.message.contains("metadata.uid"), "{wrong:?}");
        let wish = json!({ "metadata": { "annotations": { "n": "v" } } });
        let missing = cluster.pods().patch_status("gone", &params, &Patch::Merge(wish)).await;
        assert_eq!(code(missing), (404, "NotFound".into()));
    });
}
