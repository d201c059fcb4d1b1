//! The kustomize base: complete, least privilege, each verb with its reason.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::objects::{config, one, typed};
use crate::tools::{kustomize, read, yaml};

/// What the agent asks of the API, and nothing else.
const VERBS: [(&str, &[&str]); 5] = [
    ("/pods", &["list", "watch"]),
    ("/pods/status", &["patch"]),
    ("/services", &["list", "watch"]),
    ("/nodes", &["list", "watch"]),
    ("events.k8s.io/events", &["create", "patch"]),
];

#[test]
fn every_kustomization_renders_to_objects_that_the_api_knows() {
    for name in ["base", "monitoring", "uninstall"] {
        let objects = kustomize(name);
        typed(&objects);
        for object in &objects {
            let cluster = ["Namespace", "ClusterRole", "ClusterRoleBinding"];
            let kind = object["kind"].as_str().unwrap();
            if !cluster.contains(&kind) {
                assert_eq!(object["metadata"]["namespace"], "netkeep", "{name}: {kind}");
            }
        }
    }
}

#[test]
fn the_role_allows_exactly_what_the_agent_asks() {
    let objects = kustomize("base");
    let mut allowed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for rule in one(&objects, "ClusterRole")["rules"].as_array().unwrap() {
        let words = |key: &str| -> Vec<String> {
            rule[key].as_array().unwrap().iter().map(|w| w.as_str().unwrap().into()).collect()
        };
        assert_eq!(rule.as_object().unwrap().len(), 3, "{rule}");
        for group in words("apiGroups") {
            for resource in words("resources") {
                allowed.entry(format!("{group}/{resource}")).or_default().extend(words("verbs"));
            }
        }
    }
    let expected = VERBS.iter().map(|(resource, verbs)| {
        ((*resource).to_owned(), verbs.iter().map(|verb| (*verb).to_owned()).collect())
    });
    assert_eq!(allowed, expected.collect());
    let subject = &one(&objects, "ClusterRoleBinding")["subjects"];
    assert_eq!(
        *subject,
        json!([{"kind": "ServiceAccount", "name": "netkeep", "namespace": "netkeep"}])
    );
}

#[test]
fn each_verb_has_its_reason_beside_it() {
    let text = read("deploy/kustomize/base/rbac.yaml");
    let mut comment = String::new();
    let mut rules = 0;
    for line in text.lines().map(str::trim) {
        if let Some(words) = line.strip_prefix('#') {
            comment.push_str(words);
        } else if let Some(verbs) = line.strip_prefix("verbs: [") {
            for verb in verbs.trim_end_matches(']').split(", ") {
                let given =
                    comment.contains(&format!("{verb}:")) || comment.contains(&format!("{verb}, "));
                assert!(given, "no reason for {verb}: {comment}");
            }
            rules += 1;
            comment.clear();
        }
    }
    assert_eq!(rules, VERBS.len());
}

/// The agent's container and its Pod's spec.
fn agent(objects: &[Value]) -> (Value, Value) {
    let spec = &one(objects, "DaemonSet")["spec"]["template"]["spec"];
    assert_eq!(spec["containers"].as_array().unwrap().len(), 1);
    (spec["containers"][0].clone(), spec.clone())
}

#[test]
fn the_agent_is_root_with_one_capability_and_nothing_else() {
    let (container, spec) = agent(&kustomize("base"));
    assert_eq!(
        container["securityContext"],
        json!({
            "runAsUser": 0,
            "runAsGroup": 0,
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN"]},
        })
    );
    assert_eq!(spec["securityContext"], json!({"seccompProfile": {"type": "RuntimeDefault"}}));
    assert_eq!(spec["hostNetwork"], true);
    for more in ["hostPID", "hostIPC", "initContainers"] {
        assert!(spec[more].is_null(), "{more}");
    }
    let host_paths: Vec<&Value> = spec["volumes"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|volume| volume.get("hostPath"))
        .collect();
    assert_eq!(host_paths, [&json!({"path": "/var/lib/netkeep", "type": "DirectoryOrCreate"})]);
}

#[test]
fn the_agent_runs_on_every_node_and_is_the_last_to_go() {
    let objects = kustomize("base");
    let (container, spec) = agent(&objects);
    assert_eq!(spec["tolerations"], json!([{"operator": "Exists"}]));
    assert_eq!(spec["nodeSelector"], json!({"kubernetes.io/os": "linux"}));
    assert_eq!(spec["priorityClassName"], "system-node-critical");
    assert_eq!(spec["dnsPolicy"], "Default");
    // SIGTERM ends it within 5 s.
    assert!(spec["terminationGracePeriodSeconds"].as_u64().unwrap() >= 5);
    let update = &one(&objects, "DaemonSet")["spec"]["updateStrategy"];
    assert_eq!(
        *update,
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "10%"}})
    );
    for (probe, path) in [("livenessProbe", "/livez"), ("readinessProbe", "/readyz")] {
        assert_eq!(
            container[probe]["httpGet"],
            json!({"host": "127.0.0.1", "path": path, "port": "metrics"})
        );
        // The agent itself gives its loop 5 s.
        assert!(container[probe]["timeoutSeconds"].as_u64().unwrap() > 5, "{probe}");
    }
    assert!(container["resources"]["limits"].get("cpu").is_none(), "throttling delays rules");
    assert_eq!(
        container["env"],
        json!([{"name": "NETKEEP_NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}])
    );
}

#[test]
fn metrics_are_for_the_node_alone_until_somebody_scrapes_them() {
    for (name, address) in [("base", "127.0.0.1:9105"), ("monitoring", "0.0.0.0:9105")] {
        let objects = kustomize(name);
        assert_eq!(yaml(config(&objects))["metrics"], address, "{name}");
        let (container, _) = agent(&objects);
        let port = &container["ports"][0];
        assert_eq!((&port["name"], &port["containerPort"]), (&json!("metrics"), &json!(9105)));
    }
    let objects = kustomize("monitoring");
    let monitor = &one(&objects, "PodMonitor")["spec"];
    let pods = &one(&objects, "DaemonSet")["spec"]["template"]["metadata"]["labels"];
    assert_eq!(monitor["selector"]["matchLabels"], *pods);
    // The alerts select by job="netkeep".
    assert_eq!(pods[monitor["jobLabel"].as_str().unwrap()], "netkeep");
    assert_eq!(monitor["podMetricsEndpoints"][0]["port"], "metrics");
}

#[test]
fn the_uninstaller_cleans_before_it_is_ready_and_uses_the_same_image_and_state() {
    let base = kustomize("base");
    let (agent, spec) = agent(&base);
    let objects = kustomize("uninstall");
    let uninstaller = &one(&objects, "DaemonSet")["spec"]["template"]["spec"];
    let init = &uninstaller["initContainers"][0];
    assert_eq!(init["image"], agent["image"]);
    assert_eq!(init["securityContext"], agent["securityContext"]);
    assert_eq!(init["args"], json!(["uninstall", "--yes", "--state-dir=/var/lib/netkeep"]));
    let state = |spec: &Value| {
        let volumes = spec["volumes"].as_array().unwrap();
        volumes.iter().find(|volume| volume["name"] == "state").cloned()
    };
    assert_eq!(state(uninstaller), state(&spec));
    assert_eq!(uninstaller["tolerations"], spec["tolerations"]);
}
