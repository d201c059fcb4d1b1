//! DELETE: at once, with grace, with finalizers, with preconditions.

use kube_rs::api::{DeleteParams, ListParams, Patch, PatchParams, Preconditions, WatchParams};
use serde_json::json;

use super::support::{Told, code, contract, refusal};

#[test]
fn a_pod_of_a_node_waits_for_its_kubelet() {
    contract(async |cluster| {
        let pod = cluster.pod("p", "web").await;
        let from = pod.metadata.resource_version.unwrap();
        let params = WatchParams::default().labels("app=web");
        let mut watch = Told::begin(&cluster.pods(), &params, &from).await;
        let pods = cluster.pods();
        let answer = pods.delete("p", &DeleteParams::default()).await.unwrap();
        let going = answer.left().expect("the Pod that goes");
        assert!(going.metadata.deletion_timestamp.is_some());
        assert_eq!(going.metadata.deletion_grace_period_seconds, Some(30));
        assert_eq!(going.metadata.generation, Some(2));
        assert_eq!(watch.next().await, "MODIFIED p");
        // The kubelet's last word.
        pods.delete("p", &DeleteParams::default().grace_period(0)).await.unwrap();
        loop {
            match &*watch.next().await {
                "DELETED p" => break,
                other => assert_eq!(other, "MODIFIED p"),
            }
        }
        assert_eq!(code(pods.get("p").await).0, 404);
    });
}

#[test]
fn a_pod_of_no_node_goes_at_once() {
    contract(async |cluster| {
        let gate = "netkeep.test/wait";
        cluster
            .pod_of(json!({
                "metadata": { "name": "p" },
                "spec": {
                    // No scheduler touches it.
                    "schedulingGates": [{ "name": gate }],
                    "containers": [{ "name": "main", "image": "registry.invalid/pause:1" }],
                },
            }))
            .await;
        cluster.pods().delete("p", &DeleteParams::default()).await.unwrap();
        assert_eq!(code(cluster.pods().get("p").await).0, 404);
    });
}

#[test]
fn an_object_with_a_finalizer_goes_when_the_last_is_removed() {
    contract(async |cluster| {
        cluster.map("a", "web").await;
        let finalizers = async |list: serde_json::Value| {
            let wish = Patch::Merge(json!({ "metadata": { "finalizers": list } }));
            cluster.maps().patch("a", &PatchParams::default(), &wish).await.unwrap()
        };
        finalizers(json!(["netkeep.test/keep"])).await;
        cluster.maps().delete("a", &DeleteParams::default()).await.unwrap();
        let going = cluster.maps().get("a").await.unwrap();
        assert!(going.metadata.deletion_timestamp.is_some());
        finalizers(json!([])).await;
        assert_eq!(code(cluster.maps().get("a").await).0, 404);
    });
}

#[test]
fn a_delete_can_be_bound_to_a_life_and_a_version() {
    contract(async |cluster| {
        let map = cluster.map("a", "web").await.metadata;
        let delete = async |uid: Option<String>, version: Option<String>| {
            let params = DeleteParams {
                preconditions: Some(Preconditions { uid, resource_version: version }),
                ..DeleteParams::default()
            };
            cluster.maps().delete("a", &params).await
        };
        let other = "00000000-0000-4000-8000-000000000000".to_owned();
        let wrong = refusal(delete(Some(other), None).await);
        assert_eq!((wrong.code, &*wrong.reason), (409, "Conflict"));
        assert!(wrong.message.contains("the UID in the precondition"), "{wrong:?}");
        let wrong = refusal(delete(None, Some("1".into())).await);
        assert!(wrong.message.contains("the ResourceVersion in the precondition (1)"), "{wrong:?}");
        let status = delete(map.uid, map.resource_version).await.unwrap();
        let status = status.right().expect("a status, for most kinds");
        assert!(status.is_success());
        assert_eq!(code(delete(None, None).await), (404, "NotFound".into()));
    });
}

#[test]
fn a_collection_is_deleted_as_far_as_the_selector_fits() {
    contract(async |cluster| {
        cluster.map("a", "web").await;
        cluster.map("b", "web").await;
        cluster.map("c", "db").await;
        let params = ListParams::default().labels("app=web");
        cluster.maps().delete_collection(&DeleteParams::default(), &params).await.unwrap();
        let left = cluster.maps().list(&ListParams::default().labels("app")).await.unwrap();
        assert_eq!(left.items.len(), 1);
        assert_eq!(left.items[0].metadata.name.as_deref(), Some("c"));
    });
}
