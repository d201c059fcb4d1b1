//! The agent stops, crashes and starts again: the kernel keeps what it has, and a start writes only
//! what has changed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use model::Protocol;
use serde_json::Value;
use testkit::{AgentProcess, DEADLINE, KernelTable, Stage, generation};

const NETKEEP: &str = env!("CARGO_BIN_EXE_netkeep");
const WEB: &str = "default/web-0";

fn ports(mappings: &[Value]) -> BTreeMap<String, u64> {
    let key = |m: &Value| format!("{} {} {}", m["pod"], m["protocol"], m["podPort"]);
    mappings.iter().map(|m| (key(m), m["nodePort"].as_u64().unwrap())).collect()
}

#[test]
fn sigterm_ends_the_agent_within_five_seconds_and_sigkill_at_once_and_traffic_goes_on() {
    let stage = Stage::new(NETKEEP);
    let _web = stage.web(WEB, "10.10.0.1");
    let mut agent = stage.agent();
    stage.programmed(2);
    let clients = stage.clients(WEB);
    let table = KernelTable::read(stage.node());
    clients.answered(5);
    let status = agent.terminate(Duration::from_secs(5));
    assert_eq!(status.code(), Some(0), "{}", agent.stderr());
    clients.answered(10);
    assert_eq!(KernelTable::read(stage.node()), table);
    let mut agent = stage.agent();
    clients.answered(5);
    agent.kill();
    clients.answered(10);
    assert_eq!(KernelTable::read(stage.node()), table);
    clients.lost_nothing();
}

#[test]
fn five_restarts_with_nothing_changed_write_nothing_and_lose_nothing() {
    let stage = Stage::new(NETKEEP);
    let _webs = [stage.web(WEB, "10.10.0.1"), stage.web("default/web-1", "10.10.0.2")];
    let mut agent = stage.agent();
    let before = ports(&stage.programmed(4));
    let files = stage.publishes(2);
    let (table, written) = (KernelTable::read(stage.node()), generation(stage.node()));
    let clients = stage.clients(WEB);
    for round in 0..5 {
        if round % 2 == 0 {
            agent.terminate(DEADLINE);
        } else {
            agent.kill();
        }
        agent = stage.agent();
        assert_eq!(ports(&stage.programmed(4)), before);
        clients.answered(5);
        assert_eq!(generation(stage.node()), written, "restart {round}: {}", agent.stderr());
        assert_eq!(stage.publications(), files, "restart {round}");
    }
    assert_eq!(KernelTable::read(stage.node()), table);
    stage.nothing_to_do();
    clients.lost_nothing();
}

#[test]
fn what_changed_while_the_agent_was_down_is_made_so_after_its_start_and_nothing_else() {
    let stage = Stage::new(NETKEEP);
    let _web = stage.web(WEB, "10.10.0.1");
    let goes = stage.web("default/goes", "10.10.0.2");
    let moves = stage.web("default/moves", "10.10.0.3");
    let mut agent = stage.agent();
    let before = ports(&stage.programmed(6));
    let clients = stage.clients(WEB);
    agent.terminate(DEADLINE);

    stage.folder().remove(&goes.manifest);
    let ips = ["10.10.0.4".parse().unwrap()];
    moves.pod.set_ips(&ips).unwrap();
    stage.folder().put(moves.manifest.clone().ips(&ips));
    let _comes = stage.web("default/comes", "10.10.0.5");
    let _agent = stage.agent();
    let after = ports(&stage.programmed(6));
    for (mapping, port) in &before {
        let kept = (!mapping.contains("goes")).then_some(port);
        assert_eq!(after.get(mapping), kept, "{mapping}");
    }
    let table = KernelTable::read(stage.node()).unwrap();
    assert_eq!(table.mappings.len(), 6);
    assert!(table.of("default/goes").is_empty());
    assert!(table.of("default/moves").values().all(|leads| leads.ip == ips[0]), "{table:?}");
    let port = stage.port("default/moves", Protocol::Tcp);
    assert_eq!(stage.who(Protocol::Tcp, port), Ok("default/moves".to_owned()));
    stage.publishes(3);
    stage.nothing_to_do();
    clients.lost_nothing();
}

/// Restarts after something happened to the state directory: same ports, not one write.
fn keeps_its_ports(happens: impl Fn(&Path)) {
    let stage = Stage::new(NETKEEP);
    let _webs = [stage.web(WEB, "10.10.0.1"), stage.web("default/web-1", "10.10.0.2")];
    let mut agent = stage.agent();
    let before = ports(&stage.programmed(4));
    stage.publishes(2);
    let written = generation(stage.node());
    let clients = stage.clients(WEB);
    agent.terminate(DEADLINE);
    happens(&stage.state_dir());
    let mut agent = stage.agent();
    assert_eq!(ports(&stage.programmed(4)), before);
    assert_eq!(generation(stage.node()), written, "{}", agent.stderr());
    stage.publishes(2);
    // What it writes down now is whole.
    agent.kill();
    let _agent = stage.agent();
    assert_eq!(ports(&stage.programmed(4)), before);
    stage.nothing_to_do();
    clients.lost_nothing();
}

#[test]
fn a_lost_state_directory_costs_no_port_and_no_write() {
    keeps_its_ports(|state| fs::remove_dir_all(state).unwrap());
}

#[test]
fn a_journal_of_garbage_costs_no_port_and_no_write() {
    keeps_its_ports(|state| {
        let mut garbage: Vec<u8> = (0..=255).cycle().take(10_000).collect();
        garbage.extend(b"\n{\"lease\":\n{}\n[1,2]\n\"\n");
        fs::write(state.join("journal.jsonl"), garbage).unwrap();
    });
}

#[test]
fn a_journal_cut_in_the_middle_costs_no_port_and_no_write() {
    keeps_its_ports(|state| {
        let journal = state.join("journal.jsonl");
        let bytes = fs::read(&journal).unwrap();
        fs::write(&journal, &bytes[..bytes.len() / 2]).unwrap();
    });
}

/// An agent without the right to pass over file permissions, as a service manager may start it.
fn start_bound_by_permissions(stage: &Stage) -> AgentProcess {
    let agent = stage.command("agent");
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]);
    command.arg(agent.get_program()).args(agent.get_args());
    AgentProcess::start(stage.node(), &mut command)
}

#[test]
fn a_read_only_state_directory_is_told_and_mappings_work_without_it() {
    let stage = Stage::new(NETKEEP);
    let _web = stage.web(WEB, "10.10.0.1");
    fs::create_dir(stage.state_dir()).unwrap();
    fs::set_permissions(stage.state_dir(), fs::Permissions::from_mode(0o555)).unwrap();
    let mut agent = start_bound_by_permissions(&stage);
    agent.ready(DEADLINE, || match stage.ask("npl")? {
        Value::Array(all) if all.iter().filter(|m| m["state"] == "programmed").count() == 2 => {
            Ok(())
        }
        other => Err(other.to_string()),
    });
    let finding = stage.finding("publish-failed", |finding| finding["severity"] == "error");
    let told = finding.to_string();
    assert!(told.contains("ermission") || told.contains("state"), "{finding:#}");
    let clients = stage.clients(WEB);
    let _second = stage.web("default/web-1", "10.10.0.2");
    stage.programmed(4);
    clients.lost_nothing();
    agent.terminate(DEADLINE);
}
