//! Kinds that a definition adds.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube_rs::Error;
use kube_rs::api::{Api as Objects, DeleteParams, Patch, PatchParams, PostParams};
use kube_rs::core::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::{Value, json};

use super::support::{Cluster, code, contract, json_of, object, refusal};

/// A definition with a name of its own, so that tests do not meet on a real server.
fn definition(plural: &str) -> CustomResourceDefinition {
    object(json!({
        "metadata": { "name": format!("{plural}.netkeep.test") },
        "spec": {
            "group": "netkeep.test",
            "scope": "Namespaced",
            "names": { "plural": plural, "singular": plural, "kind": kind(plural) },
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "subresources": { "status": {} },
                "schema": { "openAPIV3Schema": {
                    "type": "object",
                    "required": ["spec"],
                    "properties": {
                        "spec": {
                            "type": "object",
                            "required": ["size"],
                            "properties": {
                                "size": { "type": "integer", "minimum": 1, "maximum": 9 },
                                "color": { "type": "string", "enum": ["red", "blue"] },
                                "name": { "type": "string", "pattern": "^[a-z]+$" },
                                "mode": { "type": "string", "default": "slow" },
                                "items": { "type": "array", "maxItems": 2,
                                           "items": { "type": "string" } },
                            },
                        },
                        "status": {
                            "type": "object",
                            "properties": { "seen": { "type": "integer" } },
                        },
                    },
                } },
            }],
        },
    }))
}

fn kind(plural: &str) -> String {
    let mut kind = plural.to_owned();
    kind[..1].make_ascii_uppercase();
    kind
}

/// Runs a test with a definition that is gone afterwards.
async fn defined(cluster: &Cluster, plural: &str, test: impl AsyncFn(&Objects<DynamicObject>)) {
    let definitions: Objects<CustomResourceDefinition> = Objects::all(cluster.client.clone());
    definitions.create(&PostParams::default(), &definition(plural)).await.unwrap();
    let gvk = GroupVersionKind::gvk("netkeep.test", "v1", &kind(plural));
    let resource = ApiResource::from_gvk_with_plural(&gvk, plural);
    let objects = Objects::namespaced_with(cluster.client.clone(), &cluster.namespace, &resource);
    // A real server takes a moment.
    for _ in 0..200 {
        if objects.get("nothing").await.is_err_and(|error| {
            matches!(error, Error::Api(status) if status.message.contains("\"nothing\" not found"))
        }) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let result =
        futures_util::FutureExt::catch_unwind(std::panic::AssertUnwindSafe(test(&objects)));
    let result = result.await;
    let name = format!("{plural}.netkeep.test");
    let removed = definitions.delete(&name, &DeleteParams::default()).await;
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    removed.unwrap();
}

fn wish(plural: &str, spec: Value) -> DynamicObject {
    object(json!({
        "apiVersion": "netkeep.test/v1", "kind": kind(plural), "metadata": { "name": "a" },
        "spec": spec,
    }))
}

#[test]
fn an_object_is_completed_and_pruned_by_its_schema() {
    contract(async |cluster| {
        defined(cluster, "prunings", async |objects| {
            let spec = json!({ "size": 3, "unknown": true });
            let made =
                objects.create(&PostParams::default(), &wish("prunings", spec)).await.unwrap();
            assert_eq!(json_of(&made)["spec"], json!({ "size": 3, "mode": "slow" }));
            assert_eq!(made.metadata.generation, Some(1));
        })
        .await;
    });
}

#[test]
fn an_object_that_breaks_its_schema_is_refused() {
    contract(async |cluster| {
        defined(cluster, "checkings", async |objects| {
            for (spec, field) in [
                (json!({}), "spec.size"),
                (json!({ "size": "three" }), "spec.size"),
                (json!({ "size": 0 }), "spec.size"),
                (json!({ "size": 10 }), "spec.size"),
                (json!({ "size": 1, "color": "green" }), "spec.color"),
                (json!({ "size": 1, "name": "A" }), "spec.name"),
                (json!({ "size": 1, "items": ["a", "b", "c"] }), "spec.items"),
                (json!({ "size": 1, "items": [1] }), "spec.items[0]"),
            ] {
                let wish = wish("checkings", spec);
                let refused = refusal(objects.create(&PostParams::default(), &wish).await);
                assert_eq!((refused.code, &*refused.reason), (422, "Invalid"), "{refused:?}");
                assert!(refused.message.contains(field), "{field}: {refused:?}");
            }
        })
        .await;
    });
}

#[test]
fn the_status_of_a_custom_resource_is_all_that_its_door_writes() {
    contract(async |cluster| {
        defined(cluster, "doorings", async |objects| {
            let made = wish("doorings", json!({ "size": 1 }));
            objects.create(&PostParams::default(), &made).await.unwrap();
            let all = json!({
                "metadata": { "annotations": { "n": "v" } },
                "spec": { "size": 2 },
                "status": { "seen": 7 },
            });
            let params = PatchParams::default();
            let through = objects.patch_status("a", &params, &Patch::Merge(&all)).await.unwrap();
            assert_eq!(json_of(&through)["spec"]["size"], 1);
            assert_eq!(json_of(&through)["status"]["seen"], 7);
            assert_eq!(through.metadata.annotations, None);
            assert_eq!(through.metadata.generation, Some(1));
            let wish = json!({ "spec": { "size": 2 }, "status": { "seen": 8 } });
            let main = objects.patch("a", &params, &Patch::Merge(&wish)).await.unwrap();
            assert_eq!(json_of(&main)["status"]["seen"], 7);
            assert_eq!(main.metadata.generation, Some(2));
            let strategic = objects.patch("a", &params, &Patch::Strategic(&wish)).await;
            assert_eq!(code(strategic), (415, "UnsupportedMediaType".into()));
        })
        .await;
    });
}

#[test]
fn a_kind_is_gone_with_its_definition() {
    contract(async |cluster| {
        defined(cluster, "goings", async |objects| {
            let made = wish("goings", json!({ "size": 1 }));
            objects.create(&PostParams::default(), &made).await.unwrap();
        })
        .await;
        let path = "/apis/netkeep.test/v1/namespaces/{ns}/goings/a";
        for _ in 0..200 {
            if cluster.raw("GET", path, None).await.0 == 404 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("the kind is still there");
    });
}
