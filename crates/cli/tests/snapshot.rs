//! `netkeep snapshot`: with and without an agent, into a file, redacted, and read by `doctor`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use netns::Namespace;
use serde_json::Value;
use testkit::{Stage, foreign, netkeep};

const PROGRAM: &str = env!("CARGO_BIN_EXE_netkeep");

fn of_file(path: &std::path::Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_snapshot_has_the_state_the_ledger_and_the_last_plans_of_the_agent() {
    let stage = Stage::new(PROGRAM);
    // a node without one is not healthy, and doctor says so
    let mut ip = Command::new("ip");
    lab::run(stage.node(), ip.args(["route", "add", "default", "dev", "eth0"]), "").unwrap();
    let _web = stage.web("default/web-0", "10.244.1.10");
    let _agent = stage.agent();
    stage.programmed(2);
    let path = stage.state_dir().parent().unwrap().join("node.json");
    let socket = stage.socket();
    let args = ["snapshot", "-o", path.to_str().unwrap(), "--socket", socket.to_str().unwrap()];
    let _ = stage.run(&args).expect_code(0);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let snapshot = of_file(&path);
    let agent = &snapshot["agent"]["known"];
    assert_eq!(agent["config"]["node"], "n1", "{agent:#}");
    assert_eq!(agent["health"]["healthy"], true);
    assert_eq!(agent["npl"].as_array().unwrap().len(), 2);
    assert_eq!(agent["leases"].as_array().unwrap().len(), 2, "{:#}", agent["leases"]);
    assert!(agent["owners"].to_string().contains("web-0"));
    assert!(!agent["lastPlans"].as_array().unwrap().is_empty());
    // and what the agent made, as the kernel has it
    let tables = snapshot["nft"]["known"]["tables"].as_array().unwrap();
    let own = tables.iter().find(|table| table["name"] == "netkeep").unwrap();
    let maps = own["sets"].as_array().unwrap();
    let npl = maps.iter().find(|map| map["name"] == "npl4").unwrap();
    assert_eq!(npl["count"], 2);
    // what was read is not what is written: the node is found healthy from the file
    let _ = stage.run(&["doctor", "--from", path.to_str().unwrap()]).expect_code(0);
}

#[test]
fn a_redacted_snapshot_names_neither_the_node_nor_its_addresses() {
    let stage = Stage::new(PROGRAM);
    let _web = stage.web("default/web-0", "10.244.1.10");
    let _agent = stage.agent();
    stage.programmed(2);
    let socket = stage.socket();
    let output = stage.run(&["snapshot", "--redact", "--socket", socket.to_str().unwrap()]);
    let output = output.expect_code(0);
    let snapshot = output.json();
    assert_eq!(snapshot["node"], Value::Null);
    assert_eq!(snapshot["taken"], Value::Null);
    let address = stage.lab().node_ip(model::IpFamily::V4).to_string();
    assert!(!output.stdout.contains(&format!("{address}\"")), "{address} is still there");
    assert!(snapshot["agent"]["known"].is_object());
}

#[test]
fn without_an_agent_it_says_so_and_diff_finds_two_looks_the_same() {
    let namespace = Namespace::create().unwrap();
    foreign::nft(
        &namespace,
        "add table inet t; add chain inet t c; add rule inet t c tcp dport 80 drop",
    )
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (a, b) = (path("a.json"), path("b.json"));
    let missing = path("no.sock");
    for file in [&a, &b] {
        let output =
            netkeep(PROGRAM.as_ref(), &namespace, &["snapshot", "-o", file, "--socket", &missing]);
        let output = output.expect_code(0);
        assert!(output.stderr.contains("without the agent: no agent answers"), "{output}");
    }
    let _ = netkeep(PROGRAM.as_ref(), &namespace, &["diff", &a, &b]).expect_code(0);
    foreign::nft(&namespace, "add rule inet t c tcp dport 81 drop").unwrap();
    let _ = netkeep(PROGRAM.as_ref(), &namespace, &["snapshot", "-o", &b, "--socket", &missing])
        .expect_code(0);
    let _ = netkeep(PROGRAM.as_ref(), &namespace, &["diff", &a, &b]).expect_code(1);
}

#[test]
fn doctor_looks_at_the_node_that_it_runs_on() {
    let namespace = Namespace::create().unwrap();
    let output = netkeep(PROGRAM.as_ref(), &namespace, &["doctor", "-o", "json"]).expect_code(0);
    let report = output.json();
    assert_eq!(report["findings"], serde_json::json!([]), "{output}");
    assert!(report["checked"].as_array().unwrap().len() > 20, "{output}");
}

#[test]
fn a_file_that_cannot_be_written_is_one_clear_line() {
    let namespace = Namespace::create().unwrap();
    let output = netkeep(PROGRAM.as_ref(), &namespace, &["snapshot", "-o", "/no/such/folder/file"]);
    let output = output.expect_code(1);
    assert_eq!(output.stderr.lines().count(), 1, "{output}");
    assert!(output.stderr.contains("cannot write /no/such/folder/file"), "{output}");
    assert_eq!(output.stdout, "");
}
