//! The agent does all its work against an API server that allows what the ClusterRole allows, and
//! uses all of it.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;
use testkit::api::Rule;
use testkit::cluster::objects_of_the_test;
use testkit::stage::{NODE, service};
use testkit::{AgentProcess, Cluster, DEADLINE, Node, Stage};

use crate::objects::one;
use crate::tools::kustomize;

const NETKEEP: &str = env!("CARGO_BIN_EXE_netkeep");

/// What is patched only when a word on an object is said again after minutes.
const RARE: [(&str, &str); 1] = [("patch", "events")];

/// The verbs and resources that an agent asks for until it has published one Pod and made one Event.
/// API servers from 1.33 on stream their lists, which is a watch to RBAC; older ones do not.
fn used(role: &Value, streaming_lists: bool) -> BTreeSet<(String, String)> {
    let api = objects_of_the_test();
    api.allow_only(Rule::of_role(role));
    api.streaming_lists(streaming_lists);
    let stage = Stage::new(NETKEEP);
    let cluster = Cluster::new(api, stage.node());
    let api = cluster.api();
    api.put(Node::of_lab(NODE, stage.lab()));
    api.put(service());
    let pods = [("default/web-0", "10.10.0.1"), ("default/web-1", "10.10.0.2")];
    let _webs = pods.map(|(name, ip)| {
        let web = stage.pod(name, ip);
        api.put(&web.manifest);
        web
    });

    let mut command = Command::new(NETKEEP);
    command.args(["agent", "--node", NODE, "--source", "kube", "--kubeconfig"]);
    command.arg(cluster.kubeconfig()).arg("--state-dir").arg(stage.state_dir());
    // One port for two Pods: one is published, and the other's trouble is an Event.
    command.arg("--socket").arg(stage.socket()).args(["--npl-port-range", "61000-61000"]);
    let mut agent = AgentProcess::start(stage.node(), &mut command);
    agent.ready(DEADLINE, || {
        let published = pods.iter().any(|(name, _)| cluster.published(name).is_some());
        let events = api.all("events").len();
        let so_far = || format!("published: {published}, Events: {events}; {:?}", api.requests());
        if published && events > 0 { Ok(()) } else { Err(so_far()) }
    });
    let requests = api.requests();
    let refused: Vec<_> = requests.iter().filter(|request| request.status == Some(403)).collect();
    assert!(refused.is_empty(), "{refused:?}");
    let about_objects = requests.iter().filter(|request| !request.resource.is_empty());
    about_objects.map(|request| (request.verb.clone(), request.resource.clone())).collect()
}

#[test]
fn the_agent_works_with_the_rights_of_the_manifests_and_uses_all_of_them() {
    let objects = kustomize("base");
    let role = one(&objects, "ClusterRole");
    let mut allowed: BTreeSet<(String, String)> = BTreeSet::new();
    for rule in role["rules"].as_array().unwrap() {
        for resource in rule["resources"].as_array().unwrap() {
            for verb in rule["verbs"].as_array().unwrap() {
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                allowed.insert((text(verb), text(resource)));
            }
        }
    }
    for (verb, resource) in RARE {
        assert!(allowed.remove(&(verb.to_owned(), resource.to_owned())));
    }
    let mut used = used(role, true);
    used.extend(self::used(role, false));
    assert_eq!(used, allowed);
}
