//! Much of it: a full map, ten thousand mappings under churn, nothing to do at all; and two agents,
//! or one without rights, where there can be none.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::time::{Duration, Instant};

use model::Protocol;
use serde_json::Value;
use testkit::stage::NODE;
use testkit::{
    AgentProcess, DEADLINE, KernelTable, Pod, Service, Stage, Target, eventually, generation, list,
};

const NETKEEP: &str = env!("CARGO_BIN_EXE_netkeep");
const STEADY: &str = "default/web-0";
/// For what takes long on a busy machine without optimisation.
const LONG: Duration = Duration::from_mins(4);

/// A Pod `many/pod-N` that exists only as an object; its port numbers are 1 to what its Service says.
fn many(number: u8) -> Pod {
    let ip = IpAddr::V4(Ipv4Addr::new(10, 30, 0, number));
    Pod::new(&format!("many/pod-{number}")).node(NODE).label("app", "many").ips(&[ip])
}

/// The Service of those Pods, with this many ports.
fn service(ports: u16) -> Service {
    let service = Service::new("many/all").npl().selector("app", "many");
    (1..=ports)
        .fold(service, |service, port| service.port(Protocol::Tcp, port, Target::Number(port)))
}

/// Puts the Service and so many Pods into the folder.
fn put_many(stage: &Stage, pods: u8, ports: u16) {
    stage.folder().put(service(ports));
    stage.folder().write("many.yaml", &list((1..=pods).map(many)).yaml());
}

/// Waits until the kernel holds so many mappings, as the agent verified them (its hairpins are one
/// a Pod).
fn verified(stage: &Stage, agent: &mut AgentProcess, mappings: u32, pods: u32) {
    agent.ready(LONG, || {
        let count = |name: &str| stage.metric(&format!("netkeep_{name}_objects"));
        let counts = (count("desired"), count("verified"), count("pending"));
        let wanted = f64::from(mappings + pods);
        if counts == (wanted, wanted, 0.0) { Ok(()) } else { Err(format!("{counts:?}")) }
    });
}

#[test]
fn of_a_thousand_and_one_elements_in_a_map_for_a_thousand_one_waits_until_there_is_room() {
    // The steady Pod has two of them.
    let flags = ["--npl-map-size", "1002", "--npl-port-range", "61000-62999"];
    let stage = Stage::with(NETKEEP, &flags);
    let _web = stage.web(STEADY, "10.10.0.1");
    // The host checks tell of a set that is nearly full, under the same code.
    let mut command = stage.command("agent");
    let mut agent = AgentProcess::start(stage.node(), command.env("NETKEEP_HOST_CHECKS", "0"));
    stage.ready(&mut agent);
    stage.programmed(2);
    let clients = stage.clients(STEADY);
    put_many(&stage, 91, 11);
    let states = |npl: &Value| {
        let count =
            |state: &str| npl.as_array().unwrap().iter().filter(|m| m["state"] == state).count();
        (count("programmed"), count("error"), count("pending"))
    };
    agent.ready(LONG, || match states(&stage.ask("npl")?) {
        (1002, 1, 0) => Ok(()),
        states => Err(format!("{states:?}")),
    });
    assert_eq!(KernelTable::read(stage.node()).unwrap().mappings.len(), 1002);
    let npl = stage.ask("npl").unwrap();
    let refused = npl.as_array().unwrap().iter().find(|m| m["state"] == "error").unwrap();
    assert!(!refused["reason"].as_str().unwrap().is_empty(), "{refused}");
    let finding = stage.finding("set-full", |finding| finding["severity"] == "error");
    let pod = refused["pod"].as_str().unwrap();
    assert!(finding["subject"].as_str().unwrap().contains(pod), "{finding} {refused}");
    assert!(stage.metric("netkeep_changes_rejected_total") >= 1.0);
    let published = |mapping: &Value| {
        let entries = stage.published(mapping["pod"].as_str().unwrap());
        entries.is_some_and(|all| all.iter().any(|e| e["podPort"] == mapping["podPort"]))
    };
    assert!(!published(refused), "what the kernel does not hold was published");

    // Room: one port less of every Pod.
    stage.folder().put(service(10));
    agent.ready(LONG, || match states(&stage.ask("npl")?) {
        (912, 0, 0) => Ok(()),
        states => Err(format!("{states:?}")),
    });
    stage.no_finding("set-full");
    // Full again, and then one Pod goes: the one that waits takes a free place.
    stage.folder().put(service(11));
    agent.ready(LONG, || match states(&stage.ask("npl")?) {
        (1002, 1, 0) => Ok(()),
        states => Err(format!("{states:?}")),
    });
    stage.folder().write("many.yaml", &list((2..=91).map(many)).yaml());
    agent.ready(LONG, || match states(&stage.ask("npl")?) {
        (992, 0, 0) => Ok(()),
        states => Err(format!("{states:?}")),
    });
    stage.no_finding("set-full");
    stage.nothing_to_do();
    clients.lost_nothing();
}

/// How many descriptors an agent has open.
fn descriptors(agent: &AgentProcess) -> usize {
    fs::read_dir(format!("/proc/{}/fd", agent.pid())).unwrap().count()
}

#[test]
fn ten_thousand_mappings_stand_through_thirty_seconds_of_churn_and_nothing_piles_up() {
    let stage = Stage::with(NETKEEP, &["--npl-port-range", "10000-40000"]);
    let _web = stage.web(STEADY, "10.10.0.1");
    put_many(&stage, 100, 100);
    let churn = Service::new("churn/all").npl().selector("app", "churn");
    stage.folder().put(churn.port(Protocol::Tcp, 80, Target::Number(8080)));
    // The node of the lab has no default route, which the host checks tell; they have tests of their
    // own, and open files when they look for the first time.
    let mut command = stage.command("agent");
    let mut agent = AgentProcess::start(stage.node(), command.env("NETKEEP_HOST_CHECKS", "0"));
    verified(&stage, &mut agent, 10_002, 101);
    let clients = stage.clients(STEADY);
    let (leases, open) = (stage.metric("netkeep_node_ports_leased"), descriptors(&agent));

    // Fifty names: each comes, moves to another IP, and goes, twenty times; in the end none is left.
    let (start, gap) = (Instant::now(), Duration::from_millis(10));
    for event in 0..3_000_u32 {
        let (round, name) = (event / 50 % 3, u8::try_from(event % 50).unwrap());
        let pod = Pod::new(&format!("churn/pod-{name}")).node(NODE).label("app", "churn");
        let pod = pod.uid(&format!("churn-{name}-{}", event / 150));
        let at = |net| IpAddr::V4(Ipv4Addr::new(10, 40, net, name));
        match round {
            0 => stage.folder().put(pod.ips(&[at(1)])),
            1 => stage.folder().put(pod.ips(&[at(2)])),
            _ => stage.folder().remove(pod),
        }
        std::thread::sleep((start + gap * event).saturating_duration_since(Instant::now()));
    }
    verified(&stage, &mut agent, 10_002, 101);
    eventually(LONG, || {
        let now = (stage.metric("netkeep_node_ports_leased"), descriptors(&agent));
        if now == (leases, open) { Ok(()) } else { Err(format!("{now:?}, was {leases} {open}")) }
    });
    assert_eq!(stage.ask("findings").unwrap(), Value::Array(Vec::new()));
    assert!(stage.metric("netkeep_changes_applied_total{op=\"delete\"}") >= 1_000.0);
    clients.lost_nothing();
    stage.nothing_to_do();
    let written = generation(stage.node());
    agent.terminate(DEADLINE);
    let mut agent = stage.start();
    verified(&stage, &mut agent, 10_002, 101);
    assert_eq!(generation(stage.node()), written, "{}", agent.stderr());
}

#[test]
fn a_second_agent_on_the_node_names_the_first_and_ends() {
    let stage = Stage::new(NETKEEP);
    let _web = stage.web(STEADY, "10.10.0.1");
    let first = stage.agent();
    stage.programmed(2);
    let written = generation(stage.node());
    let mut second = stage.start();
    let status = second.ended(DEADLINE);
    assert_eq!(status.code(), Some(1), "{}", second.stderr());
    eventually(DEADLINE, || match second.stderr() {
        text if text.contains(&format!("pid {}", first.pid())) => Ok(()),
        text => Err(text),
    });
    assert_eq!(generation(stage.node()), written);
    // The first one's socket is still its own.
    stage.programmed(2);
}

#[test]
fn without_the_right_to_use_nf_tables_every_command_says_what_is_missing() {
    let stage = Stage::new(NETKEEP);
    let _web = stage.web(STEADY, "10.10.0.1");
    let folder = stage.state_dir();
    let uninstall = {
        let mut command = Command::new(NETKEEP);
        command.args(["uninstall", "--yes", "--state-dir"]).arg(folder);
        command
    };
    let show = {
        let mut command = Command::new(NETKEEP);
        command.args(["show", "npl", "--kernel"]);
        command
    };
    let [agent, plan, apply] = ["agent", "plan", "apply"].map(|verb| stage.command(verb));
    for command in [agent, plan, apply, uninstall, show] {
        let mut bare = Command::new("setpriv");
        bare.args(["--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"]);
        bare.arg(command.get_program()).args(command.get_args());
        let mut process = AgentProcess::start(stage.node(), &mut bare);
        let status = process.ended(DEADLINE);
        assert_eq!(status.code(), Some(1), "{command:?}: {}", process.stderr());
        let said = eventually(DEADLINE, || match process.stderr() {
            text if text.contains("CAP_NET_ADMIN") => Ok(text),
            text => Err(format!("{command:?}: {text}")),
        });
        assert!(!said.contains("panicked"), "{said}");
    }
    assert_eq!(KernelTable::read(stage.node()), None);
}

/// System calls of a process and its threads that ended in a few seconds, as `strace` prints them.
fn calls(stage: &Stage, agent: &AgentProcess) -> Vec<String> {
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-p", &agent.pid().to_string(), "-o"]).arg(log.path());
    let mut strace = AgentProcess::start(stage.node(), &mut command);
    // A line without an end is a call that a thread waits in.
    let lines = || {
        let text = fs::read_to_string(log.path()).unwrap();
        let ended = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
        ended.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    // Attached: the calls in which the threads wait are printed at once.
    strace.ready(DEADLINE, || if lines().is_empty() { Err("silent".to_owned()) } else { Ok(()) });
    let seen = lines().len();
    std::thread::sleep(Duration::from_secs(3));
    let all = lines();
    strace.terminate(DEADLINE);
    let waits = |line: &&String| line.ends_with("<unfinished ...>");
    all[seen..].iter().filter(|line| !waits(line)).cloned().collect()
}

#[test]
fn an_agent_with_nothing_to_do_does_nothing() {
    let stage = Stage::with(NETKEEP, &["--npl-port-range", "61000-62999"]);
    let _web = stage.web(STEADY, "10.10.0.1");
    put_many(&stage, 100, 10);
    let mut agent = stage.agent();
    verified(&stage, &mut agent, 1_002, 101);
    eventually(DEADLINE, || {
        let missing = (1..=100).find(|n| stage.published(&format!("many/pod-{n}")).is_none());
        missing.map_or(Ok(()), |n| Err(format!("pod-{n} is not published")))
    });
    // What was begun before may end in the first seconds, and the generation is compared every
    // thirty: after that one time at least is quiet, and none is busy.
    let windows: Vec<Vec<String>> = (0..3).map(|_| calls(&stage, &agent)).collect();
    assert!(windows[1..].iter().any(Vec::is_empty), "{windows:#?}");
    assert!(windows[1..].iter().all(|calls| calls.len() <= 40), "{windows:#?}");
}
