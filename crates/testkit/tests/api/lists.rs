//! LIST: pages, selectors, and which version is shown.

use k8s_openapi::api::core::v1::ConfigMap;
use kube_rs::api::{ListParams, VersionMatch};
use serde_json::{Value, json};

use super::support::{Cluster, NODE, code, contract, ours, refusal};

async fn names(cluster: &Cluster, params: &ListParams) -> Vec<String> {
    let list = cluster.maps().list(params).await.unwrap();
    names_of(&list)
}

fn names_of(list: &kube_rs::api::ObjectList<ConfigMap>) -> Vec<String> {
    list.iter().map(|map| map.metadata.name.clone().unwrap()).collect()
}

/// Every namespace of a real cluster has a ConfigMap of its own.
fn ours_only() -> ListParams {
    ListParams::default().labels("app")
}

#[test]
fn pages_show_one_version_whatever_happens_meanwhile() {
    contract(async |cluster| {
        for name in ["a", "b", "c", "d", "e"] {
            cluster.map(name, "web").await;
        }
        let params = ours_only().limit(2);
        let first = cluster.maps().list(&params).await.unwrap();
        assert_eq!(names_of(&first), ["a", "b"]);
        cluster.map("aa", "web").await;
        cluster.maps().delete("d", &kube_rs::api::DeleteParams::default()).await.unwrap();
        let token = first.metadata.continue_.clone().unwrap();
        let second = cluster.maps().list(&params.clone().continue_token(&token)).await.unwrap();
        assert_eq!(names_of(&second), ["c", "d"]);
        assert_eq!(second.metadata.resource_version, first.metadata.resource_version);
        let token = second.metadata.continue_.clone().unwrap();
        let third = cluster.maps().list(&params.continue_token(&token)).await.unwrap();
        assert_eq!(names_of(&third), ["e"]);
        assert!(third.metadata.continue_.as_deref().unwrap_or_default().is_empty());
        assert_eq!(names(cluster, &ours_only()).await, ["a", "aa", "b", "c", "e"]);
    });
}

#[test]
fn how_many_remain_is_told_only_without_a_selector() {
    contract(async |cluster| {
        for name in ["zz-a", "zz-b", "zz-c"] {
            cluster.map(name, "web").await;
        }
        let all = cluster.maps().list(&ListParams::default()).await.unwrap().items.len();
        let page = cluster.maps().list(&ListParams::default().limit(1)).await.unwrap();
        assert_eq!(page.metadata.remaining_item_count, i64::try_from(all).ok().map(|all| all - 1));
        let page = cluster.maps().list(&ours_only().limit(1)).await.unwrap();
        assert_eq!(page.metadata.remaining_item_count, None);
    });
}

#[test]
fn label_selectors_choose() {
    contract(async |cluster| {
        cluster.map("a", "web").await;
        cluster.map("b", "db").await;
        for (selector, expected) in [
            ("app=web", vec!["a"]),
            ("app in (web,db)", vec!["a", "b"]),
            ("app,app notin (web)", vec!["b"]),
            ("app,app!=db", vec!["a"]),
            ("app=other", vec![]),
        ] {
            let found = names(cluster, &ListParams::default().labels(selector)).await;
            assert_eq!(found, expected, "{selector}");
        }
        let wrong = cluster.maps().list(&ListParams::default().labels("a b")).await;
        assert_eq!(code(wrong), (400, "BadRequest".into()));
    });
}

#[test]
fn field_selectors_choose_and_an_unknown_field_is_refused() {
    contract(async |cluster| {
        cluster.map("a", "web").await;
        cluster.map("b", "web").await;
        let params = ListParams::default().fields("metadata.name=b");
        assert_eq!(names(cluster, &params).await, ["b"]);
        let wrong = cluster.maps().list(&ListParams::default().fields("data.color=red")).await;
        let wrong = refusal(wrong);
        assert_eq!(wrong.code, 400);
        let words = r#""data.color" is not a known field selector: only "metadata.name", "metadata.namespace""#;
        assert_eq!(wrong.message, words);
        let wrong = cluster.pods().list(&ListParams::default().fields("spec.color=red")).await;
        assert_eq!(refusal(wrong).message, "field label not supported: spec.color");
    });
}

#[test]
fn pods_are_chosen_by_node_and_phase() {
    contract(async |cluster| {
        cluster.pod("a", "web").await;
        let here = format!("spec.nodeName={NODE}");
        let count = async |fields: &str| {
            let pods = cluster.pods().list(&ListParams::default().fields(fields)).await.unwrap();
            pods.items.len()
        };
        assert_eq!(count(&here).await, 1);
        assert_eq!(count("spec.nodeName=elsewhere").await, 0);
        assert_eq!(count(&format!("{here},status.phase=Pending")).await, 1);
        assert_eq!(count(&format!("{here},status.phase!=Pending")).await, 0);
        assert_eq!(count("spec.hostNetwork=false").await, 1);
    });
}

#[test]
fn a_list_of_a_version_that_is_to_come_is_refused_for_now() {
    contract(async |cluster| {
        let list = cluster.maps().list(&ListParams::default()).await.unwrap();
        let version: u64 = list.metadata.resource_version.unwrap().parse().unwrap();
        let far = (version + 1_000_000).to_string();
        let params = ListParams::default().at(&far).matching(VersionMatch::NotOlderThan);
        let status = refusal(cluster.maps().list(&params).await);
        assert_eq!((status.code, &*status.reason), (504, "Timeout"), "{status:?}");
        assert!(status.message.contains("Too large resource version"), "{status:?}");
        assert_eq!(status.details.unwrap().retry_after_seconds, 1);
    });
}

#[test]
fn a_list_of_an_exact_version_shows_the_past() {
    contract(async |cluster| {
        cluster.map("a", "web").await;
        let then = cluster.maps().list(&ours_only()).await.unwrap();
        let then = then.metadata.resource_version.unwrap();
        cluster.map("b", "web").await;
        let params = ours_only().at(&then).matching(VersionMatch::Exact);
        assert_eq!(names(cluster, &params).await, ["a"]);
        let params = ours_only().at(&then).matching(VersionMatch::NotOlderThan);
        assert_eq!(names(cluster, &params).await, ["a", "b"]);
    });
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    contract(async |cluster| {
        let maps = "/api/v1/namespaces/{ns}/configmaps";
        for query in [
            "resourceVersionMatch=Exact",
            "resourceVersion=0&resourceVersionMatch=Exact",
            "resourceVersion=1&resourceVersionMatch=Sometimes",
            "sendInitialEvents=true",
            "watch=true&resourceVersionMatch=NotOlderThan",
            "watch=true&sendInitialEvents=true",
        ] {
            let (code, status) = cluster.raw("GET", &format!("{maps}?{query}"), None).await;
            assert_eq!((code, &status["reason"]), (422, &json!("Invalid")), "{query}: {status}");
            assert_eq!(status["details"]["kind"], "ListOptions", "{query}: {status}");
        }
        let (code, _) = cluster.raw("GET", &format!("{maps}?continue=nonsense"), None).await;
        assert_eq!(code, 400);
        let (code, status) = cluster.raw("GET", &format!("{maps}?resourceVersion=x"), None).await;
        assert_eq!((code, &status["reason"]), (400, &json!("BadRequest")), "{status}");
        let words = r#"invalid resource version: resourceVersion: Invalid value: "x": strconv.ParseUint: parsing "x": invalid syntax"#;
        assert_eq!(status["message"], words);
    });
}

#[test]
fn items_of_built_in_kinds_do_not_say_what_they_are() {
    contract(async |cluster| {
        cluster.map("a", "web").await;
        let (_, list) = cluster.raw("GET", "/api/v1/namespaces/{ns}/configmaps", None).await;
        assert_eq!((&list["kind"], &list["apiVersion"]), (&json!("ConfigMapList"), &json!("v1")));
        let items = list["items"].as_array().unwrap();
        assert!(items.iter().all(|item| item.get("kind").is_none()), "{list}");
        let (_, map) = cluster.raw("GET", "/api/v1/namespaces/{ns}/configmaps/a", None).await;
        assert_eq!((&map["kind"], &map["apiVersion"]), (&json!("ConfigMap"), &json!("v1")));
    });
}

#[test]
fn a_forgotten_page_can_be_continued_inconsistently() {
    ours(async |api, cluster| {
        for name in ["a", "b", "c"] {
            cluster.map(name, "web").await;
        }
        let page = cluster.maps().list(&ListParams::default().limit(1)).await.unwrap();
        cluster.map("d", "web").await;
        api.compact();
        let token = page.metadata.continue_.unwrap();
        let params = ListParams::default().limit(1).continue_token(&token);
        let status = refusal(cluster.maps().list(&params).await);
        assert_eq!((status.code, &*status.reason), (410, "Expired"));
        let token = status.metadata.unwrap().continue_.unwrap();
        let rest =
            cluster.maps().list(&ListParams::default().continue_token(&token)).await.unwrap();
        assert_eq!(names_of(&rest), ["b", "c", "d"]);
        let params = ListParams::default().at("101").matching(VersionMatch::Exact);
        assert_eq!(code(cluster.maps().list(&params).await), (410, "Expired".into()));
    });
}

#[test]
fn a_list_at_any_version_is_not_cut_into_pages() {
    contract(async |cluster| {
        for name in ["a", "b", "c"] {
            cluster.map(name, "web").await;
        }
        // The client leaves a zero out if there is a limit.
        let path = "/api/v1/namespaces/{ns}/configmaps?limit=1&resourceVersion=0&labelSelector=app";
        // A cache may be a moment behind.
        let mut told = Value::Null;
        for _ in 0..100 {
            told = cluster.raw("GET", path, None).await.1;
            if told["items"].as_array().unwrap().len() == 3 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("{told}");
    });
}
