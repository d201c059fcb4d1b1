//! Create, get and replace: names, versions, what the server fills in and what it refuses.

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use kube_rs::api::PostParams;
use serde_json::{Value, json};

use super::support::{code, contract, json_of, object, refusal};

#[test]
fn a_new_object_gets_what_only_the_server_gives() {
    contract(async |cluster| {
        let map = cluster.map("a", "web").await.metadata;
        assert_eq!(map.namespace.as_deref(), Some(&*cluster.namespace));
        assert!(map.uid.is_some_and(|uid| uid.len() == 36));
        assert!(map.creation_timestamp.is_some() && map.resource_version.is_some());
        assert_eq!(map.generation, None);
        let fields = map.managed_fields.unwrap();
        assert_eq!(fields[0].operation.as_deref(), Some("Update"));
        let pod = cluster.pod("p", "web").await;
        assert_eq!(pod.metadata.generation, Some(1));
        assert_eq!(pod.status.unwrap().phase.as_deref(), Some("Pending"));
    });
}

#[test]
fn a_name_is_generated_or_taken_or_refused() {
    contract(async |cluster| {
        let create = async |metadata: Value| {
            let map: ConfigMap = object(json!({ "metadata": metadata }));
            cluster.maps().create(&PostParams::default(), &map).await
        };
        let name = create(json!({ "generateName": "gen-" })).await.unwrap().metadata.name.unwrap();
        assert!(name.starts_with("gen-") && name.len() == 9, "{name}");
        create(json!({ "name": "a" })).await.unwrap();
        let again = refusal(create(json!({ "name": "a" })).await);
        assert_eq!((again.code, &*again.reason), (409, "AlreadyExists"));
        assert_eq!(again.message, r#"configmaps "a" already exists"#);
        assert_eq!(code(create(json!({})).await), (422, "Invalid".into()));
        let wrong = refusal(create(json!({ "name": "Not_A_Name" })).await);
        assert_eq!((wrong.code, &*wrong.reason), (422, "Invalid"));
        assert!(wrong.message.contains("RFC 1123 subdomain"), "{}", wrong.message);
    });
}

#[test]
fn what_is_not_there_is_not_found() {
    contract(async |cluster| {
        let missing = refusal(cluster.maps().get("a").await);
        assert_eq!((missing.code, &*missing.reason), (404, "NotFound"));
        assert_eq!(missing.message, r#"configmaps "a" not found"#);
        let details = missing.details.unwrap();
        assert_eq!((&*details.name, &*details.kind), ("a", "configmaps"));
        let (status, _) = cluster.raw("GET", "/api/v1/namespaces/{ns}/nothings", None).await;
        assert_eq!(status, 404);
        let path = "/api/v1/namespaces/netkeep-nowhere/configmaps";
        let map = json!({ "metadata": { "name": "a" } });
        let (status, answer) = cluster.raw("POST", path, Some(map)).await;
        assert_eq!((status, &answer["reason"]), (404, &json!("NotFound")), "{answer}");
        assert_eq!(answer["message"], r#"namespaces "netkeep-nowhere" not found"#);
    });
}

#[test]
fn an_object_of_another_kind_or_place_is_refused() {
    contract(async |cluster| {
        let path = "/api/v1/namespaces/{ns}/configmaps";
        for wrong in [
            json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "a" } }),
            json!({ "metadata": { "name": "a", "namespace": "elsewhere" } }),
        ] {
            let (status, answer) = cluster.raw("POST", path, Some(wrong)).await;
            assert_eq!((status, &answer["reason"]), (400, &json!("BadRequest")), "{answer}");
        }
    });
}

#[test]
fn who_replaces_an_old_version_is_refused() {
    contract(async |cluster| {
        let old = cluster.map("a", "web").await;
        let mut new = old.clone();
        new.data = Some([("x".to_owned(), "1".to_owned())].into());
        let replace =
            async |map: &ConfigMap| cluster.maps().replace("a", &PostParams::default(), map).await;
        let replaced = replace(&new).await.unwrap();
        assert_ne!(replaced.metadata.resource_version, old.metadata.resource_version);
        new.data = Some([("x".to_owned(), "2".to_owned())].into());
        let stale = refusal(replace(&new).await);
        assert_eq!((stale.code, &*stale.reason), (409, "Conflict"));
        let words = r#"Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again"#;
        assert_eq!(stale.message, words);
        new.metadata.resource_version = None;
        let unconditional = replace(&new).await.unwrap();
        assert_eq!(unconditional.data.unwrap()["x"], "2");
    });
}

#[test]
fn who_replaces_an_object_of_the_past_is_refused() {
    contract(async |cluster| {
        let mut map = cluster.map("a", "web").await;
        map.metadata.uid = Some("00000000-0000-4000-8000-000000000000".into());
        map.metadata.resource_version = None;
        let other = refusal(cluster.maps().replace("a", &PostParams::default(), &map).await);
        assert_eq!((other.code, &*other.reason), (409, "Conflict"));
        assert!(other.message.contains("Precondition failed: UID in precondition"), "{other:?}");
    });
}

#[test]
fn a_write_that_changes_nothing_makes_no_version() {
    contract(async |cluster| {
        let map = cluster.map("a", "web").await;
        let same = cluster.maps().replace("a", &PostParams::default(), &map).await.unwrap();
        assert_eq!(same.metadata.resource_version, map.metadata.resource_version);
    });
}

#[test]
fn a_lease_is_made_by_put_and_replaced_only_with_its_version() {
    contract(async |cluster| {
        let leases = cluster.objects::<Lease>();
        let wish = |holder: &str, version: Option<String>| -> Lease {
            let mut lease: Lease = object(json!({
                "metadata": { "name": "a" }, "spec": { "holderIdentity": holder },
            }));
            lease.metadata.resource_version = version;
            lease
        };
        let params = PostParams::default();
        let lease = leases.replace("a", &params, &wish("x", None)).await.unwrap();
        let bare = leases.replace("a", &params, &wish("y", None)).await;
        assert_eq!(code(bare), (422, "Invalid".into()));
        let version = lease.metadata.resource_version;
        leases.replace("a", &params, &wish("y", version)).await.unwrap();
    });
}

#[test]
fn a_dry_run_writes_nothing() {
    contract(async |cluster| {
        let map: ConfigMap = object(json!({ "metadata": { "name": "a" } }));
        let params = PostParams { dry_run: true, ..PostParams::default() };
        cluster.maps().create(&params, &map).await.unwrap();
        assert_eq!(code(cluster.maps().get("a").await).0, 404);
    });
}

#[test]
fn services_and_pods_are_completed_as_a_node_agent_relies_on() {
    contract(async |cluster| {
        let service: Service = object(json!({
            "metadata": { "name": "web" },
            "spec": { "selector": { "app": "web" }, "ports": [{ "port": 80 }] },
        }));
        let services = cluster.objects::<Service>();
        let made = json_of(&services.create(&PostParams::default(), &service).await.unwrap());
        let spec = &made["spec"];
        assert_eq!(spec["type"], "ClusterIP");
        assert_eq!(spec["ports"][0]["protocol"], "TCP");
        assert_eq!(spec["ports"][0]["targetPort"], 80);
        assert_eq!(spec["ipFamilyPolicy"], "SingleStack");
        assert_eq!(spec["ipFamilies"].as_array().unwrap().len(), 1);
        assert_eq!(spec["clusterIPs"][0], spec["clusterIP"]);
        assert!(spec["clusterIP"].as_str().unwrap().parse::<std::net::IpAddr>().is_ok());
        let pod = json_of(&cluster.pod("p", "web").await);
        assert_eq!(pod["spec"]["containers"][0]["ports"][0]["protocol"], "TCP");
        assert_eq!(pod["spec"]["restartPolicy"], "Always");
        assert_eq!(pod["spec"]["terminationGracePeriodSeconds"], 30);
    });
}

#[test]
fn what_a_pod_or_service_must_have_is_asked_for() {
    contract(async |cluster| {
        let pod = json!({ "metadata": { "name": "a" }, "spec": { "containers": [] } });
        let path = "/api/v1/namespaces/{ns}/pods";
        let (status, answer) = cluster.raw("POST", path, Some(pod)).await;
        assert!(
            status == 422 && answer["message"].to_string().contains("spec.containers"),
            "{answer}"
        );
        let service = json!({ "metadata": { "name": "a" }, "spec": { "ports": [] } });
        let path = "/api/v1/namespaces/{ns}/services";
        let (status, answer) = cluster.raw("POST", path, Some(service)).await;
        assert!(status == 422 && answer["message"].to_string().contains("spec.ports"), "{answer}");
    });
}
