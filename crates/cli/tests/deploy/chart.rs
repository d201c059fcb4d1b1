//! The Helm chart: it means what the kustomize base means, in every shape it can take, and refuses
//! values that mean nothing.

use serde_json::{Value, json};

use crate::objects::{config, meaning, one, typed};
use crate::tools::{kustomize, render, yaml};

#[track_caller]
fn rendered(values: &str) -> Vec<Value> {
    let rendered = render("netkeep", "netkeep", values).unwrap();
    typed(&rendered.objects);
    rendered.objects
}

#[track_caller]
fn assert_same(chart: &[Value], base: &[Value]) {
    let (chart, base) = (meaning(chart), meaning(base));
    for (ours, theirs) in chart.iter().zip(&base) {
        assert_eq!(ours, theirs, "\nchart: {ours:#}\nkustomize: {theirs:#}");
    }
    assert_eq!(chart.len(), base.len());
}

#[test]
fn with_its_defaults_the_chart_means_the_kustomize_base() {
    assert_same(&rendered("namespace: {create: true}"), &kustomize("base"));
    let without: Vec<_> =
        kustomize("base").into_iter().filter(|object| object["kind"] != "Namespace").collect();
    assert_same(&rendered("{}"), &without);
}

#[test]
fn with_monitoring_the_chart_means_the_kustomization_monitoring() {
    let values = "{namespace: {create: true}, podMonitor: {enabled: true}, \
                  prometheusRule: {enabled: true}}";
    assert_same(&rendered(values), &kustomize("monitoring"));
}

#[test]
fn the_dashboard_is_found_by_its_label_and_is_json() {
    let objects = rendered("dashboard: {enabled: true}");
    let maps = objects.iter().find(|object| object["metadata"]["name"] == "netkeep-dashboard");
    let map = maps.unwrap();
    assert_eq!(map["metadata"]["labels"]["grafana_dashboard"], "1");
    let dashboard: Value =
        serde_json::from_str(map["data"]["netkeep.json"].as_str().unwrap()).unwrap();
    assert_eq!(dashboard["uid"], "netkeep");
}

fn container(objects: &[Value]) -> &Value {
    &one(objects, "DaemonSet")["spec"]["template"]["spec"]["containers"][0]
}

#[test]
fn a_registry_a_digest_and_secrets_reach_the_pods() {
    let digest = format!("sha256:{}", "ab".repeat(32));
    let values = format!(
        "image: {{repository: registry.example.net:5000/net/netkeep, tag: '1.0', digest: '{digest}'}}\n\
         imagePullSecrets: [{{name: registry}}]\n"
    );
    let objects = rendered(&values);
    let image = format!("registry.example.net:5000/net/netkeep@{digest}");
    assert_eq!(container(&objects)["image"], image);
    let spec = &one(&objects, "DaemonSet")["spec"]["template"]["spec"];
    assert_eq!(spec["imagePullSecrets"], json!([{"name": "registry"}]));
    let tagged = rendered("image: {tag: '1.0'}");
    assert_eq!(container(&tagged)["image"], "netkeep:1.0");
}

#[test]
fn without_kube_proxy_the_api_server_is_named() {
    let objects = rendered("apiServer: {host: api.example.net, port: 443}");
    let env = container(&objects)["env"].as_array().unwrap();
    assert!(env.contains(&json!({"name": "KUBERNETES_SERVICE_HOST", "value": "api.example.net"})));
    assert!(env.contains(&json!({"name": "KUBERNETES_SERVICE_PORT", "value": "443"})));
}

#[test]
fn probes_go_where_metrics_are_served() {
    for (metrics, address, probed) in [
        ("{address: '[::]', port: 9200}", "[::]:9200", "127.0.0.1"),
        ("{address: '[2001:db8::1]'}", "[2001:db8::1]:9105", "2001:db8::1"),
        ("{address: 192.0.2.1}", "192.0.2.1:9105", "192.0.2.1"),
    ] {
        let objects = rendered(&format!("metrics: {metrics}"));
        assert_eq!(yaml(config(&objects))["metrics"], address);
        assert_eq!(container(&objects)["livenessProbe"]["httpGet"]["host"], probed);
        let port = address.rsplit(':').next().unwrap();
        assert_eq!(container(&objects)["ports"][0]["containerPort"].to_string(), port);
    }
}

#[test]
fn a_cluster_with_its_own_accounts_and_rules_gets_neither() {
    let objects = rendered(
        "{serviceAccount: {create: false, name: given}, rbac: {create: false}, \
         seLinuxOptions: {type: spc_t}, extraCapabilities: [SYS_RESOURCE], \
         podLabels: {a: b}, podAnnotations: {c: d}, tolerations: [], affinity: {nodeAffinity: {}}}",
    );
    let kinds: Vec<_> = objects.iter().map(|object| object["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["ConfigMap", "DaemonSet"]);
    let template = &one(&objects, "DaemonSet")["spec"]["template"];
    assert_eq!(template["spec"]["serviceAccountName"], "given");
    assert_eq!(template["spec"]["securityContext"]["seLinuxOptions"]["type"], "spc_t");
    assert_eq!(template["metadata"]["labels"]["a"], "b");
    assert_eq!(template["metadata"]["annotations"]["c"], "d");
    assert!(template["spec"]["tolerations"].is_null());
    let added = &container(&objects)["securityContext"]["capabilities"]["add"];
    assert_eq!(*added, json!(["NET_ADMIN", "SYS_RESOURCE"]));
}

#[test]
fn another_release_has_names_and_selectors_of_its_own() {
    let rendered = render("edge", "network", "podMonitor: {enabled: true}").unwrap();
    let objects = rendered.objects;
    typed(&objects);
    for object in &objects {
        assert_eq!(object["metadata"]["name"], "edge-netkeep", "{}", object["kind"]);
    }
    let set = &one(&objects, "DaemonSet")["spec"];
    assert_eq!(set["selector"]["matchLabels"]["app.kubernetes.io/instance"], "edge");
    assert_eq!(set["template"]["spec"]["serviceAccountName"], "edge-netkeep");
    let binding = one(&objects, "ClusterRoleBinding");
    assert_eq!(binding["subjects"][0]["namespace"], "network");
    assert_eq!(one(&objects, "PodMonitor")["metadata"]["namespace"], "network");
    assert!(rendered.notes.contains("kubectl -n network rollout status daemonset/edge-netkeep"));
}

#[test]
fn a_changed_setting_rolls_the_pods_and_nothing_else_does() {
    let sum = |values: &str| {
        let objects = rendered(values);
        one(&objects, "DaemonSet")["spec"]["template"]["metadata"]["annotations"]["checksum/config"]
            .clone()
    };
    assert_eq!(sum("{}"), sum("prometheusRule: {enabled: true}"));
    assert_ne!(sum("{}"), sum("config: {logLevel: debug}"));
}

#[test]
fn large_numbers_are_whole_numbers_wherever_they_stand() {
    let values = "config: {nplMapSize: 16000000, kubeStaleAfter: 3600, hostChecks: 86400, allowEmpty: true}\n\
         metrics: {port: 65535}\n\
         apiServer: {host: api.example.net, port: 65535}\n\
         terminationGracePeriodSeconds: 3600000\n\
         updateStrategy: {type: RollingUpdate, rollingUpdate: {maxUnavailable: 3000000}}\n\
         resources: {limits: {memory: 134217728}, requests: {memory: 33554432}}\n\
         tolerations: [{operator: Exists, effect: NoExecute, tolerationSeconds: 86400000}]\n";
    let objects = render("netkeep", "netkeep", values).unwrap().objects;
    let settings = yaml(config(&objects));
    assert_eq!(settings["nplMapSize"].as_u64(), Some(16_000_000), "{}", config(&objects));
    assert_eq!(settings["kubeStaleAfter"].as_u64(), Some(3_600));
    assert_eq!((&settings["hostChecks"], &settings["allowEmpty"]), (&json!(86_400), &json!(true)));
    assert_eq!(settings["metrics"], "127.0.0.1:65535");
    let set = &one(&objects, "DaemonSet")["spec"];
    let spec = &set["template"]["spec"];
    assert_eq!(set["updateStrategy"]["rollingUpdate"]["maxUnavailable"].as_u64(), Some(3_000_000));
    assert_eq!(spec["terminationGracePeriodSeconds"].as_u64(), Some(3_600_000));
    assert_eq!(spec["tolerations"][0]["tolerationSeconds"].as_u64(), Some(86_400_000));
    assert_eq!(container(&objects)["resources"]["limits"]["memory"].to_string(), "134217728");
    assert_eq!(container(&objects)["ports"][0]["containerPort"].as_u64(), Some(65_535));
}

#[test]
fn a_release_and_a_namespace_may_be_called_like_a_number_or_a_truth() {
    let everything = "{namespace: {create: true}, podMonitor: {enabled: true}, \
                      prometheusRule: {enabled: true}, dashboard: {enabled: true}}";
    for (release, namespace) in [("123", "7"), ("true", "null"), ("1e3", "0x10")] {
        let objects = render(release, namespace, everything).unwrap().objects;
        // Each field has the type that the API knows.
        typed(&objects);
        let set = one(&objects, "DaemonSet");
        assert_eq!(set["metadata"]["namespace"], namespace);
        assert_eq!(set["spec"]["selector"]["matchLabels"]["app.kubernetes.io/instance"], release);
        assert_eq!(one(&objects, "Namespace")["metadata"]["name"], namespace);
        assert_eq!(one(&objects, "PodMonitor")["metadata"]["namespace"], namespace);
    }
}

#[test]
fn values_that_mean_nothing_are_refused() {
    for (values, complaint) in [
        ("replicas: 3", "replicas"),
        ("config: {nplPortRang: 1-2}", "nplPortRang"),
        ("config: {nplPortRange: 61000}", "nplPortRange"),
        ("config: {logLevel: loud}", "logLevel"),
        ("config: {hostChecks: 86401}", "hostChecks"),
        ("config: {nplMapSize: 1.5}", "nplMapSize"),
        ("config: {allowEmpty: 'yes'}", "allowEmpty"),
        ("config: {table: mine}", "table"),
        ("image: {repository: null}", "repository"),
        ("image: {tag: 'a b'}", "tag"),
        ("image: {digest: 'sha256:1'}", "digest"),
        ("metrics: {port: 0}", "port"),
        ("metrics: {address: '::'}", "address"),
        ("stateDir: relative", "stateDir"),
        ("terminationGracePeriodSeconds: 1", "terminationGracePeriodSeconds"),
        ("updateStrategy: {rollingUpdate: {maxSurge: 1}}", "maxSurge"),
        ("extraCapabilities: [SYS_ADMIN]", "extraCapabilities"),
        ("resources: {limits: {memory: lots}}", "memory"),
        ("serviceAccount: {create: false}", "serviceAccount.name is needed"),
    ] {
        let error = render("netkeep", "netkeep", values).err();
        let error = error.unwrap_or_else(|| panic!("{values} is accepted"));
        assert!(error.contains(complaint), "{values}: {error}");
    }
}
