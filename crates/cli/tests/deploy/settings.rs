//! Every setting that the manifests hand to the agent is one that it knows.

use std::collections::BTreeSet;

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
            _ if rule["type"] == "boolean" => vec!["true".to_owned(), "false".to_owned()],
            (_, None) => vec![rule["minimum"].to_string(), rule["maximum"].to_string()],
        };
        for example in examples {
            assert_known(&stage, &format!("{name}: {example}"));
            render("netkeep", "netkeep", &format!("config: {{{name}: {example}}}")).unwrap();
        }
    }
}

/// Settings that the chart gives in another way, or that follow from how it runs the agent.
const GIVEN: [&str; 6] = ["node", "source", "kubeconfig", "stateDir", "socket", "metrics"];

#[test]
fn every_setting_of_the_agent_can_be_given_to_the_chart() {
    let stage = Stage::new(NETKEEP);
    let said = stage.run(&["agent", "--config", "/nonexistent/config"]);
    assert_eq!(said.code, Some(2), "{said}");
    let refused = plan(&stage, "noSuchSetting: 1");
    assert_eq!((refused.code, refused.stderr.lines().count()), (Some(2), 1), "{refused}");
    // The refusal names every key that there is.
    let (_, known) = refused.stderr.trim().split_once("expected one of ").unwrap();
    let known: BTreeSet<&str> = known.split(", ").collect();
    assert!(known.contains("nplPortRange") && known.contains("logLevel"), "{refused}");
    let schema: Value =
        serde_json::from_str(&read("deploy/helm/netkeep/values.schema.json")).unwrap();
    let settings = schema["properties"]["config"]["properties"].as_object().unwrap();
    let offered: BTreeSet<&str> = settings.keys().map(String::as_str).chain(GIVEN).collect();
    assert_eq!(offered, known);
}

#[test]
fn a_file_that_is_no_configuration_is_refused_in_one_line_that_says_where() {
    let stage = Stage::new(NETKEEP);
    for (settings, line, words) in [
        ("logLevel: info\nnplPortRang: 1-2\n", 2, "nplPortRang"),
        ("logLevel: info\n\nkubeStaleAfter: 7s\n", 3, ""),
        ("table: shared\nlogLevel: info\ntable: shared\n", 3, "table"),
        ("nplMapSize: 0\n", 1, "no whole number within 1 to 16777216"),
    ] {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), settings).unwrap();
        let path = file.path().to_str().unwrap();
        for command in ["agent", "plan", "apply"] {
            let said = stage.run_with_source(command, &["--config", path]);
            assert_eq!((said.code, said.stderr.lines().count()), (Some(2), 1), "{said}");
            assert!(said.stderr.contains(&format!("{path}:{line}:")), "{settings}: {said}");
            assert!(said.stderr.contains(words), "{settings}: {said}");
        }
    }
}

#[test]
fn a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let settings =
        "node: of-the-file\nkubeStaleAfter: 7\nhostChecks: 8\nnplPortRange: 61000-61009\n";
    std::fs::write(file.path(), settings).unwrap();
    let mut command = std::process::Command::new(NETKEEP);
    command.args(["agent", "--source", "kube", "--print-config", "--kube-stale-after", "9"]);
    command.arg("--config").arg(file.path());
    command.env("NETKEEP_KUBE_STALE_AFTER", "10").env("NETKEEP_HOST_CHECKS", "11");
    command.env("NETKEEP_SOURCE", "dir:/nowhere");
    let output = command.output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    for line in [
        "node: \"of-the-file\"",
        "source: \"kube\"",
        "kubeStaleAfter: 9",
        "hostChecks: 11",
        "nplPortRange: \"61000-61009\"",
        "logLevel: \"info\"",
    ] {
        assert!(told.lines().any(|said| said == line), "{line}: {told}");
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
