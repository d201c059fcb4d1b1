//! What stands in more than one place is the same there. `cargo xtask bless` writes the copies.

use serde_json::Value;

use crate::objects::one;
use crate::tools::{kustomize, read, root, yaml};

/// Compares a made file with what it should be; writes it when blessing.
#[track_caller]
fn golden(path: &str, wanted: &str) {
    if std::env::var_os("NETKEEP_BLESS").is_some() {
        std::fs::write(root().join(path), wanted).unwrap();
    }
    assert!(read(path) == wanted, "{path} is out of date: run `cargo xtask bless`");
}

/// The rules without the head comment.
fn alerts() -> String {
    let text = read("deploy/monitoring/alerts.yaml");
    text[text.find("groups:").unwrap()..].to_owned()
}

#[test]
fn golden_the_chart_carries_the_alerts_and_the_dashboard() {
    golden("deploy/helm/netkeep/files/alerts.yaml", &alerts());
    let dashboard = read("deploy/monitoring/dashboard.json");
    golden("deploy/helm/netkeep/files/dashboard.json", &dashboard);
}

#[test]
fn golden_the_prometheus_rule_carries_the_alerts() {
    let mut text = "# Made from deploy/monitoring/alerts.yaml by `cargo xtask bless`; a test \
                    compares the two.\n\
                    apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n  \
                    name: netkeep\n  labels:\n    app.kubernetes.io/name: netkeep\n    \
                    app.kubernetes.io/instance: netkeep\nspec:\n"
        .to_owned();
    for line in alerts().lines() {
        text.extend(["  ", line, "\n"]);
    }
    golden("deploy/kustomize/monitoring/prometheusrule.yaml", &text);
    let objects = kustomize("monitoring");
    assert_eq!(
        one(&objects, "PrometheusRule")["spec"],
        yaml(&read("deploy/monitoring/alerts.yaml"))
    );
}

#[test]
fn the_same_version_is_named_everywhere() {
    let version = env!("CARGO_PKG_VERSION");
    let chart = yaml(&read("deploy/helm/netkeep/Chart.yaml"));
    assert_eq!(
        (chart["version"].as_str(), chart["appVersion"].as_str()),
        (Some(version), Some(version))
    );
    let image = |objects: &[Value], path: &str| {
        one(objects, "DaemonSet").pointer(path).unwrap().as_str().unwrap().to_owned()
    };
    let wanted = format!("netkeep:{version}");
    let agent = "/spec/template/spec/containers/0/image";
    let uninstaller = "/spec/template/spec/initContainers/0/image";
    assert_eq!(image(&kustomize("base"), agent), wanted);
    assert_eq!(image(&kustomize("uninstall"), uninstaller), wanted);
}
