//! Every metric that an alert or a panel names is one that the agent serves.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use serde_json::{Value, json};
use testkit::{DEADLINE, Stage};

use crate::tools::{output, read};

const NETKEEP: &str = env!("CARGO_BIN_EXE_netkeep");

/// What Prometheus itself and its functions are called; everything else must be ours.
const PREFIX: &str = "netkeep_";

fn get(stage: &Stage, path: &str) -> Result<String, String> {
    let exchange = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", 9105))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    };
    let text = stage.node().run(exchange).unwrap().map_err(|error| error.to_string())?;
    if text.starts_with("HTTP/1.1 200") { Ok(text) } else { Err(text) }
}

/// The names of all series, from the types that a running agent declares.
fn served() -> BTreeSet<String> {
    let stage = Stage::new(NETKEEP);
    let mut command = stage.command("agent");
    command.args(["--metrics", "127.0.0.1:9105"]);
    let mut agent = testkit::AgentProcess::start(stage.node(), &mut command);
    agent.ready(DEADLINE, || get(&stage, "/readyz").map(drop));
    let text = get(&stage, "/metrics").unwrap();
    let mut names = BTreeSet::new();
    for declared in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = declared.split_once(' ').unwrap();
        let suffixes: &[&str] = match kind {
            // OpenMetrics declares a counter without its suffix, Prometheus' older text with it.
            "counter" if !name.ends_with("_total") => &["_total"],
            "histogram" => &["_bucket", "_sum", "_count"],
            "counter" | "gauge" => &[""],
            other => panic!("{name} is a {other}"),
        };
        names.extend(suffixes.iter().map(|suffix| format!("{name}{suffix}")));
    }
    names
}

/// The expressions of the dashboard, and of its variables.
fn dashboard() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&read("deploy/monitoring/dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

fn alerts() -> Vec<String> {
    let rules = crate::tools::yaml(&read("deploy/monitoring/alerts.yaml"));
    let groups = rules["groups"].as_array().unwrap();
    let rules = groups.iter().flat_map(|group| group["rules"].as_array().unwrap());
    rules.map(|rule| rule["expr"].as_str().unwrap().to_owned()).collect()
}

/// The words of an expression that look like our metrics.
fn ours(expression: &str) -> impl Iterator<Item = &str> {
    expression
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| word.starts_with(PREFIX))
}

#[test]
fn the_agent_serves_every_metric_that_alerts_and_panels_name() {
    let served = served();
    let (alerts, dashboard) = (alerts(), dashboard());
    let named: BTreeSet<&str> =
        alerts.iter().chain(&dashboard).flat_map(|expression| ours(expression)).collect();
    for name in &named {
        assert!(served.contains(*name), "{name} is not served; there are {served:#?}");
    }
    // And the other way round: what is worth measuring is worth a panel.
    let shown: BTreeSet<&str> = dashboard.iter().flat_map(|expression| ours(expression)).collect();
    for name in &served {
        let part = name.ends_with("_sum") || name.ends_with("_count");
        assert!(part || shown.contains(name.as_str()), "{name} is on no panel");
    }
}

#[test]
fn the_dashboards_expressions_are_promql() {
    // As recording rules, with Grafana's variables filled in, promtool parses them.
    let rules: Vec<Value> = dashboard()
        .iter()
        .enumerate()
        .map(|(number, expression)| {
            let expression =
                expression.replace("$__rate_interval", "2m").replace("$instance", ".*");
            assert!(!expression.contains('$'), "an unknown variable: {expression}");
            json!({"record": format!("panel:{number}"), "expr": expression})
        })
        .collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    let groups = json!({"groups": [{"name": "panels", "rules": rules}]});
    std::fs::write(file.path(), groups.to_string()).unwrap();
    let mut promtool = Command::new("promtool");
    output(promtool.args(["check", "rules"]).arg(file.path())).unwrap();
}
