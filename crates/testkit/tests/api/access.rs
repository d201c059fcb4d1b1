//! Tokens and rules.

use k8s_openapi::api::core::v1::Pod;
use kube_rs::Client;
use kube_rs::api::{Api as Objects, ListParams, Patch, PatchParams};
use netkeep_testkit::Pod as PodManifest;
use netkeep_testkit::api::{Api, Credentials, Rule, Transport};
use serde_json::json;

use super::served::{client_of, listener};
use super::support::{code, ours, refusal};

#[test]
fn nobody_is_let_in_without_a_token_once_there_is_one() {
    ours(async |api, cluster| {
        api.admit("good", "system:serviceaccount:kube-system:netkeep");
        let refused = refusal(cluster.pods().list(&ListParams::default()).await);
        assert_eq!((refused.code, &*refused.reason), (401, "Unauthorized"));
    });
}

#[test]
fn a_token_file_is_read_again_after_the_token_has_expired() {
    ours(async |api, _| {
        api.admit("first", "agent");
        let server = api.serve(listener(), Transport::Tls);
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("token");
        std::fs::write(&file, "first").unwrap();
        let client = client_of(&server.kubeconfig(Credentials::TokenFile(&file))).await;
        let pods: Objects<Pod> = Objects::all(client);
        pods.list(&ListParams::default()).await.unwrap();
        api.expire("first");
        api.admit("second", "agent");
        assert_eq!(code(pods.list(&ListParams::default()).await), (401, "Unauthorized".into()));
        std::fs::write(&file, "second").unwrap();
        let client = client_of(&server.kubeconfig(Credentials::TokenFile(&file))).await;
        Objects::<Pod>::all(client).list(&ListParams::default()).await.unwrap();
    });
}

#[test]
fn what_no_rule_allows_is_refused_in_the_words_of_rbac() {
    ours(async |api, cluster| {
        api.put(PodManifest::new("default/web"));
        api.allow_only([
            Rule::new("", "pods", &["list", "watch"]),
            Rule::new("", "pods/status", &["patch"]),
        ]);
        cluster.pods().list(&ListParams::default()).await.unwrap();
        let patch = Patch::Merge(json!({ "metadata": { "annotations": { "n": "v" } } }));
        let params = PatchParams::default();
        cluster.pods().patch_status("web", &params, &patch).await.unwrap();
        let refused = refusal(cluster.pods().patch("web", &params, &patch).await);
        assert_eq!((refused.code, &*refused.reason), (403, "Forbidden"));
        let words = r#"pods "web" is forbidden: User "system:anonymous" cannot patch resource "pods" in API group "" in the namespace "default""#;
        assert_eq!(refused.message, words);
        let nodes: Objects<k8s_openapi::api::core::v1::Node> = Objects::all(cluster.client.clone());
        let words = r#"nodes is forbidden: User "system:anonymous" cannot list resource "nodes" in API group "" at the cluster scope"#;
        assert_eq!(refusal(nodes.list(&ListParams::default()).await).message, words);
        api.allow_all();
        cluster.pods().patch("web", &params, &patch).await.unwrap();
    });
}

#[test]
fn the_rules_of_a_role_are_taken_as_they_are_written() {
    let role = json!({
        "kind": "ClusterRole",
        "rules": [
            { "apiGroups": [""], "resources": ["nodes"], "verbs": ["get"], "resourceNames": ["n1"] },
            { "apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["*"] },
        ],
    });
    ours(async |api: &Api, cluster| {
        api.allow_only(Rule::of_role(&role));
        let nodes: Objects<k8s_openapi::api::core::v1::Node> = Objects::all(cluster.client.clone());
        assert_eq!(code(nodes.get("n1").await).0, 404);
        assert_eq!(code(nodes.get("n2").await).0, 403);
        let client: Client = cluster.client.clone();
        let leases: Objects<k8s_openapi::api::coordination::v1::Lease> =
            Objects::default_namespaced(client);
        leases.list(&ListParams::default()).await.unwrap();
    });
}
