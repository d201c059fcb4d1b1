//! Every setting that the manifests hand to the agent is one that it knows.

use serde_json::Value;
use testkit::Stage;

use crate::objects::{config, one};
use crate::tools::{kustomize, read, render};

const NETKEEP: &str = env!("CARGO_BIN_EXE_netkeep");

/// What `netkeep plan` says of a file of settings.
fn plan(stage: &Stage, settings: &str) -> testkit::Output {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), settings).unwrap();
    stage.run_with_source("plan", &["--config", file.path().to_str().unwrap()])
}

#[track_caller]
fn assert_known(stage: &Stage, settings: &str) {
    let said = plan(stage, settings);
    assert!(!said.stderr.contains("not a configuration"), "{settings}\n{said}");
    assert_ne!(said.code, Some(1), "{settings}\n{said}");
    assert!(said.stdout.contains("add table"), "{settings}\n{said}");
}

#[test]
fn the_agent_knows_every_setting_of_the_manifests() {
    let stage = Stage::new(NETKEEP);
    assert!(plan(&stage, "nplPortRang: 1-2").stderr.contains("not a configuration"));
    for name in ["base", "monitoring"] {
        assert_known(&stage, config(&kustomize(name)));
    }
    for values in ["{}", "podMonitor: {enabled: true}", "metrics: {address: '[::]'}"] {
        assert_known(&stage, config(&render("netkeep", "netkeep", values).unwrap().objects));
    }
}

#[test]
fn the_agent_knows_every_setting_that_the_charts_schema_allows() {
    let stage = Stage::new(NETKEEP);
    let schema: Value =
        serde_json::from_str(&read("deploy/helm/netkeep/values.schema.json")).unwrap();
    let settings = schema["properties"]["config"]["properties"].as_object().unwrap();
    assert!(settings.len() >= 5);
    for (name, rule) in settings {
        let examples = match (name.as_str(), rule["enum"].as_array()) {
            ("nplPortRange", _) => vec!["61000-61100".to_owned()],
            (_, Some(values)) => values.iter().map(|v| v.as_str().unwrap().to_owned()).collect(),
            (_, None) => vec![rule["minimum"].to_string(), rule["maximum"].to_string()],
        };
        for example in examples {
            assert_known(&stage, &format!("{name}: {example}"));
            render("netkeep", "netkeep", &format!("config: {{{name}: {example}}}")).unwrap();
        }
    }
}

#[test]
fn the_agent_takes_the_arguments_of_the_daemonset() {
    let stage = Stage::new(NETKEEP);
    let objects = kustomize("base");
    let container = &one(&objects, "DaemonSet")["spec"]["template"]["spec"]["containers"][0];
    let mounted = stage.state_dir().with_file_name("config.yaml");
    std::fs::write(&mounted, config(&objects)).unwrap();
    let mounted = format!("--config={}", mounted.display());
    let mut args: Vec<&str> = container["args"]
        .as_array()
        .unwrap()
        .iter()
        .map(|arg| arg.as_str().unwrap())
        .map(|arg| if arg.starts_with("--config=") { mounted.as_str() } else { arg })
        .collect();
    // No API server can be found here, and that is all that is wrong.
    args.extend(["--node=n1", "--kubeconfig=/nonexistent"]);
    let said = stage.run(&args);
    assert_eq!(said.code, Some(1), "{said}");
    assert!(said.stderr.contains("/nonexistent"), "{said}");
}
