//! What scripts may rely on: exit codes, JSON keys, one clear line for a mistake, no colour in a
//! pipe, and that looking changes nothing.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use model::Protocol;
use serde_json::{Value, json};
use testkit::{DEADLINE, KernelTable, Output, Stage, eventually, foreign, generation, netkeep};

const NETKEEP: &str = env!("CARGO_BIN_EXE_netkeep");
const WEB: &str = "default/web-0";

fn keys(object: &Value) -> BTreeSet<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

/// Runs the program without any node: for what it says of its arguments.
fn says(args: &[&str]) -> Output {
    let namespace = netns::Namespace::create().unwrap();
    let output = netkeep(NETKEEP.as_ref(), &namespace, args);
    assert!(!output.stdout.contains('\x1b') && !output.stderr.contains('\x1b'), "{output}");
    output
}

#[test]
fn a_mistake_on_the_command_line_ends_with_2_and_one_line_that_names_it() {
    let plan = ["plan", "--node", "n1", "--source", "dir:/nowhere"];
    for (args, names) in [
        (&["plan", "--nodes", "n1"][..], "--nodes"),
        (&["frobnicate"], "frobnicate"),
        (&["show", "everything"], "everything"),
        (&["plan", "--node", "n1"], "--source"),
        (&["plan", "--source", "dir:/nowhere"], "--node"),
        (&["plan", "--node", "N_1", "--source", "dir:/nowhere"], "N_1"),
        (&["plan", "--node", "n1", "--source", "/nowhere"], "/nowhere"),
        (&["plan", "--node", "n1", "--source", "etcd"], "dir:PATH"),
        (&[&plan[..], &["--npl-port-range", "62000-61000"]].concat(), "62000-61000"),
        (&[&plan[..], &["--npl-port-range", "0-70000"]].concat(), "0-70000"),
        (&[&plan[..], &["--npl-map-size", "0"]].concat(), "--npl-map-size"),
        (&[&plan[..], &["--table", "mine"]].concat(), "mine"),
        (&[&plan[..], &["-o", "xml"]].concat(), "xml"),
        (&["agent", "--node", "n1", "--source", "dir:/x", "--metrics", "nine"], "nine"),
        (&["agent", "--node", "n1", "--source", "dir:/x", "--log-level", "off"], "debug or trace"),
        (&["agent", "--node", "n1", "--source", "dir:/x", "--log-level", "3"], "debug or trace"),
        (&["explain"], "WHAT"),
        (&["uninstall", "everything"], "everything"),
    ] {
        let output = says(args).expect_code(2);
        assert_eq!(output.stderr.lines().count(), 1, "{args:?}: {output}");
        assert!(output.stderr.contains(names), "{args:?}: {output}");
        assert_eq!(output.stdout, "", "{args:?}");
    }
}

#[test]
fn help_explains_every_command_with_examples() {
    let all = says(&["--help"]).expect_code(0);
    for command in ["agent", "plan", "apply", "show", "explain", "uninstall", "demo"] {
        assert!(all.stdout.contains(command), "{all}");
        let help = says(&[command, "--help"]).expect_code(0);
        assert!(help.stdout.contains("EXAMPLES:"), "{help}");
        assert!(help.stdout.contains(&format!("netkeep {command}")), "{help}");
    }
    let version = says(&["--version"]).expect_code(0);
    assert!(version.stdout.starts_with("netkeep "), "{version}");
}

#[test]
fn plan_says_what_would_change_and_changes_nothing_and_apply_does_it_once() {
    let stage = Stage::new(NETKEEP);
    let _web = stage.web(WEB, "10.10.0.1");
    let before = generation(stage.node());
    let (code, plan) = stage.plan();
    assert_eq!(code, 2, "{plan:#}");
    for key in ["changes", "findings", "hold"] {
        assert!(keys(&plan).contains(key), "{plan:#}");
    }
    assert_eq!(plan["hold"], Value::Null);
    let netns = stage.node().identity().to_string();
    for change in plan["changes"].as_array().unwrap() {
        let expected = ["netns", "object", "op", "owner", "reason", "detail"];
        assert_eq!(keys(change), expected.into(), "{change}");
        assert_eq!(keys(&change["owner"]), ["kind", "namespace", "name", "uid"].into());
        assert!(["add", "replace", "delete"].contains(&change["op"].as_str().unwrap()));
        assert_eq!(change["netns"], netns);
    }
    let pods: Vec<&Value> = plan["changes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|c| c["owner"]["kind"] == "Pod")
        .collect();
    assert_eq!(pods.len(), 3, "{plan:#}");
    assert!(pods.iter().all(|c| c["owner"]["uid"] == "pod-default-web-0"), "{plan:#}");
    let text = stage.run_with_source("plan", &[]).expect_code(2);
    assert!(text.stdout.contains("10.10.0.1:8080") && text.stdout.contains(WEB), "{text}");
    assert!(!text.stdout.contains('\x1b'), "{text}");
    assert_eq!(generation(stage.node()), before);
    assert!(!stage.state_dir().exists(), "plan made a state directory");

    let applied = stage.run_with_source("apply", &["-o", "json"]).expect_code(0).json();
    assert_eq!((&applied["converged"], &applied["held"]), (&json!(true), &json!(0)));
    assert!(applied["changes"].as_u64().unwrap() >= 3, "{applied:#}");
    let table = KernelTable::read(stage.node()).unwrap();
    assert_eq!(table.mappings.len(), 2);
    assert_eq!(stage.published(WEB).unwrap().len(), 2);
    stage.nothing_to_do();
    let before = generation(stage.node());
    let again = stage.run_with_source("apply", &[]).expect_code(0);
    assert!(again.stdout.contains("0 changes; converged and verified"), "{again}");
    assert_eq!(generation(stage.node()), before);
    for (_, protocol, port) in table.mappings.keys() {
        let protocol: Protocol = protocol.parse().unwrap();
        assert_eq!(stage.who(protocol, *port), Ok(WEB.to_owned()));
    }
}

#[test]
fn apply_ends_with_1_while_deletions_are_held_and_while_an_agent_runs() {
    let stage = Stage::new(NETKEEP);
    let web = stage.web(WEB, "10.10.0.1");
    let _ = stage.run_with_source("apply", &[]).expect_code(0);
    // The Pod is gone, but the folder may hold more than can be read.
    stage.folder().remove(&web.manifest);
    stage.folder().write("broken.yaml", "kind: Pod\nmetadata: [\n");
    let (_, plan) = stage.plan();
    assert!(plan["hold"].as_str().unwrap().contains("broken.yaml"), "{plan:#}");
    let held = stage.run_with_source("apply", &[]).expect_code(1);
    assert!(held.stdout.contains("not converged (broken.yaml:2:11"), "{held}");
    assert_eq!(KernelTable::read(stage.node()).unwrap().mappings.len(), 2);
    stage.folder().remove_file("broken.yaml");
    let _ = stage.run_with_source("apply", &[]).expect_code(0);
    assert_eq!(KernelTable::read(stage.node()).unwrap().mappings.len(), 0);

    let agent = stage.agent();
    let refused = stage.run_with_source("apply", &[]).expect_code(1);
    assert_eq!(refused.stderr.lines().count(), 1, "{refused}");
    assert!(refused.stderr.contains(&format!("pid {}", agent.pid())), "{refused}");
}

#[test]
fn plan_beside_an_agent_finds_nothing_to_do_and_sees_what_others_broke() {
    let stage = Stage::with(NETKEEP, &["--table", "shared"]);
    let _webs = [stage.web(WEB, "10.10.0.1"), stage.web("default/web-1", "10.10.0.2")];
    let agent = stage.agent();
    stage.programmed(4);
    let before = generation(stage.node());
    stage.nothing_to_do();
    let text = stage.run_with_source("plan", &[]).expect_code(0);
    assert_eq!(text.stdout, "nothing to do\n", "{text}");
    assert_eq!(generation(stage.node()), before);
    agent.pause();
    foreign::nft(stage.node(), "flush map inet netkeep npl4").unwrap();
    let (code, plan) = stage.plan();
    assert_eq!(code, 2, "{plan:#}");
    assert_eq!(plan["changes"].as_array().unwrap().len(), 4, "{plan:#}");
    agent.resume();
    stage.programmed(4);
    stage.nothing_to_do();
}

#[test]
fn show_prints_the_contracts_keys_from_the_agent_and_from_the_kernel() {
    let stage = Stage::new(NETKEEP);
    let _web = stage.web(WEB, "10.10.0.1");
    let mut agent = stage.agent();
    stage.programmed(2);
    let expected = [
        "pod", "uid", "podIP", "podPort", "nodeIP", "nodePort", "protocol", "ipFamily", "state",
        "reason",
    ];
    let npl = stage.run(&["show", "npl", "-o", "json"]).expect_code(0).json();
    let kernel = stage.run(&["show", "npl", "--kernel", "-o", "json"]).expect_code(0).json();
    for list in [&npl, &kernel] {
        assert_eq!(list.as_array().unwrap().len(), 2, "{list:#}");
        for mapping in list.as_array().unwrap() {
            assert_eq!(keys(mapping), expected.into(), "{mapping}");
            assert_eq!(mapping["pod"], WEB);
            assert_eq!(mapping["uid"], "pod-default-web-0");
            assert_eq!(
                (&mapping["podIP"], &mapping["podPort"]),
                (&json!("10.10.0.1"), &json!(8080))
            );
            assert_eq!((&mapping["state"], &mapping["reason"]), (&json!("programmed"), &json!("")));
            assert_eq!(mapping["ipFamily"], "IPv4");
            assert!(mapping["nodePort"].is_u64(), "{mapping}");
        }
    }
    assert!(npl.as_array().unwrap().iter().all(|mapping| mapping["nodeIP"] == "192.0.2.1"));
    let protocols: Vec<&Value> = npl.as_array().unwrap().iter().map(|m| &m["protocol"]).collect();
    assert_eq!(protocols, ["tcp", "udp"]);

    stage.folder().write("bad.yaml", "kind: Pod\nmetadata:\n  name: 7\n");
    stage.finding("invalid-object", |_| true);
    let findings = stage.run(&["show", "findings", "-o", "json"]).expect_code(0).json();
    let expected = ["code", "severity", "subject", "message", "evidence", "advice", "fixable"];
    assert_eq!(keys(&findings[0]), expected.into());
    assert!(["error", "warning", "info"].contains(&findings[0]["severity"].as_str().unwrap()));
    let (_, plan) = stage.plan();
    assert_eq!(keys(&plan["findings"][0]), expected.into());

    let owners = stage.run(&["show", "owners", "-o", "json"]).expect_code(0).json();
    assert_eq!(owners[0]["elements"].as_array().unwrap().len(), 3, "{owners:#}");
    for what in ["npl", "owners", "findings"] {
        let table = stage.run(&["show", what]).expect_code(0);
        assert!(table.stdout.lines().count() > 1 && !table.stdout.contains('\x1b'), "{table}");
    }

    agent.terminate(DEADLINE);
    let gone = stage.run(&["show", "npl"]).expect_code(1);
    assert_eq!(gone.stderr.lines().count(), 1, "{gone}");
    assert!(gone.stderr.contains("netkeep agent"), "{gone}");
    let kernel_alone = stage.run(&["show", "npl", "--kernel", "-o", "json"]).expect_code(0).json();
    assert_eq!(kernel_alone, kernel);
    let owners = stage.run(&["show", "owners", "--kernel"]).expect_code(0);
    assert!(owners.stdout.contains("web-0"), "{owners}");
    let without = stage.run(&["show", "findings", "--kernel", "-o", "json"]).expect_code(0).json();
    assert_eq!(without, serde_json::json!([]));
}

#[test]
fn explain_names_the_objects_behind_a_pod_an_ip_a_port_and_a_flow() {
    let stage = Stage::new(NETKEEP);
    let _web = stage.web(WEB, "10.10.0.1");
    let _agent = stage.agent();
    stage.programmed(2);
    let port = stage.port(WEB, Protocol::Tcp);
    let flow = format!("192.0.2.2 -> 192.0.2.1 tcp {port}");
    for query in [WEB, "10.10.0.1", &format!("tcp {port}"), &flow, &format!("pod {WEB}")] {
        let text = stage.run(&["explain", query]).expect_code(0);
        assert!(text.stdout.contains("web-0") && !text.stdout.contains('\x1b'), "{query}: {text}");
        let json = stage.run(&["explain", query, "-o", "json"]).expect_code(0).json();
        assert_eq!(json["query"], query, "{json:#}");
        assert!(json.to_string().contains("default/web"), "{query}: {json:#}");
    }
    // The same in words of their own, as an unquoted line gives them.
    let text = stage.run(&["explain", "tcp", &port.to_string()]).expect_code(0);
    assert!(text.stdout.contains("10.10.0.1:8080"), "{text}");
    // What is not there is said, not an error.
    for query in ["default/nobody", "10.99.99.99", "tcp 61999", "192.0.2.2 -> 192.0.2.1 udp 9"] {
        let text = stage.run(&["explain", query]).expect_code(0);
        assert!(!text.stdout.trim().is_empty(), "{query}: {text}");
    }
    for query in ["what?", "tcp 70000", "icmp 8"] {
        let refused = stage.run(&["explain", query]).expect_code(2);
        assert_eq!(refused.stderr.lines().count(), 1, "{refused}");
        assert!(refused.stderr.contains("not understood"), "{refused}");
    }
}

#[test]
fn uninstall_only_prints_without_yes_and_with_it_leaves_nothing_of_ours_and_all_of_theirs() {
    let stage = Stage::new(NETKEEP);
    let _web = stage.web(WEB, "10.10.0.1");
    let mut agent = stage.agent();
    stage.programmed(2);
    eventually(DEADLINE, || stage.published(WEB).ok_or("not published".to_owned()));
    foreign::nft(stage.node(), "table inet theirs { chain c { tcp dport 1 counter; }; }").unwrap();
    fs::write(stage.state_dir().join("theirs.txt"), "keep me").unwrap();
    let dir = stage.state_dir();
    let uninstall = |args: &[&str]| {
        let words = ["uninstall", "--state-dir", dir.to_str().unwrap()];
        stage.run(&[&words[..], args].concat())
    };

    let refused = uninstall(&["--yes"]).expect_code(1);
    assert!(refused.stderr.contains(&format!("pid {}", agent.pid())), "{refused}");
    agent.terminate(DEADLINE);
    let table = KernelTable::read(stage.node());
    let dry = uninstall(&[]).expect_code(0);
    for thing in ["table inet netkeep", "published", "journal", "--yes"] {
        assert!(dry.stdout.contains(thing), "{thing}: {dry}");
    }
    assert_eq!(KernelTable::read(stage.node()), table);
    assert!(stage.published(WEB).is_some());

    let done = uninstall(&["--yes", "-o", "json"]).expect_code(0).json();
    assert_eq!(done["removed"], true, "{done}");
    assert_eq!(KernelTable::read(stage.node()), None);
    let left: Vec<_> = fs::read_dir(&dir).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["theirs.txt"]);
    assert!(foreign::ruleset(stage.node()).contains("table inet theirs"));
    let again = uninstall(&["--yes"]).expect_code(0);
    assert!(again.stdout.contains("nothing of netkeep"), "{again}");
}

#[test]
fn a_reader_that_goes_away_ends_the_output_and_nothing_else() {
    let stage = Stage::new(NETKEEP);
    let _web = stage.web(WEB, "10.10.0.1");
    let _agent = stage.agent();
    stage.programmed(2);
    for args in
        [&["show", "npl"][..], &["show", "npl", "-o", "json"], &["explain", WEB], &["--help"]]
    {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(NETKEEP);
        command.args(args).stdout(writer).stderr(Stdio::piped());
        let output = stage.node().spawn(&mut command).unwrap().wait_with_output().unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(!complaint.contains("panicked"), "{args:?}: {complaint}");
        assert_eq!(complaint, "", "{args:?}");
        assert_ne!(output.status.code(), Some(101), "{args:?}");
    }
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{NETKEEP} show npl | head -1")]);
    let first = lab::run(stage.node(), &mut shell, "").unwrap();
    assert!(first.starts_with("POD") && first.lines().count() == 1, "{first}");
}

#[test]
fn clients_that_connect_and_say_nothing_cost_few_files_and_keep_nobody_out() {
    let stage = Stage::new(NETKEEP);
    let mut command = stage.command("agent");
    command.args(["--metrics", "127.0.0.1:9105"]);
    let mut agent = testkit::AgentProcess::start(stage.node(), &mut command);
    agent.ready(DEADLINE, || get(&stage, "/healthz").map(drop));
    let files = || std::fs::read_dir(format!("/proc/{}/fd", agent.pid())).unwrap().count();
    let before = files();
    let silent = stage.node().run(|| {
        let one = || TcpStream::connect(("127.0.0.1", 9105)).unwrap();
        (0..100).map(|_| one()).collect::<Vec<_>>()
    });
    // Whoever comes last is answered, and by then all who came before were let in.
    assert!(get(&stage, "/healthz").unwrap().0.contains(" 200 "));
    eventually(DEADLINE, || match files() {
        few if few <= before + 20 => Ok(()),
        many => Err(format!("{before} files, now {many}")),
    });
    assert!(get(&stage, "/metrics").unwrap().0.contains(" 200 "));
    drop(silent);
}

#[test]
fn what_cannot_be_written_to_standard_output_is_an_error_of_every_command() {
    let stage = Stage::new(NETKEEP);
    let _web = stage.web(WEB, "10.10.0.1");
    let _agent = stage.agent();
    stage.programmed(2);
    let reads = |verb: &str| -> Vec<String> {
        stage.command(verb).get_args().map(|arg| arg.to_str().unwrap().to_owned()).collect()
    };
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<String>>();
    let directory = stage.state_dir().display().to_string();
    let some = reads("agent").into_iter().chain(["--print-config".to_owned()]).collect();
    let mut commands = vec![reads("plan"), some];
    commands.extend(
        [
            "--help",
            "--version",
            "plan --help",
            "show npl",
            "show npl -o json",
            "show npl --kernel",
            "show owners",
            "explain tcp 61000",
            "log-level",
            "doctor",
            "snapshot",
            "sweep --duplicates --backend nft",
        ]
        .map(words),
    );
    commands.push(vec!["uninstall".to_owned(), "--state-dir".to_owned(), directory]);
    for args in commands {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = Command::new(NETKEEP);
        command.args(&args).stdout(full).stderr(Stdio::piped());
        let output = stage.node().spawn(&mut command).unwrap().wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        // of these, 1 says what was found
        let code = if ["doctor", "diff"].contains(&args[0].as_str()) { 2 } else { 1 };
        assert_eq!(output.status.code(), Some(code), "{args:?}: {told}");
        assert!(told.contains("standard output"), "{args:?}: {told}");
        assert_eq!(told.lines().count(), 1, "{args:?}: {told}");
    }
}

#[test]
fn an_agent_whose_socket_would_replace_a_file_does_not_start_and_says_so() {
    let stage = Stage::new(NETKEEP);
    fs::write(stage.socket(), "mine").unwrap();
    let refused = stage.run_with_source("agent", &[]).expect_code(1);
    assert_eq!(refused.stderr.lines().count(), 1, "{refused}");
    assert!(
        refused.stderr.contains("agent.sock") && refused.stderr.contains("a file"),
        "{refused}"
    );
    assert_eq!(fs::read_to_string(stage.socket()).unwrap(), "mine");
    assert_eq!(KernelTable::read(stage.node()), None);
}

/// One GET inside the node: status line and body.
fn get(stage: &Stage, path: &str) -> Result<(String, String), String> {
    let exchange = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", 9105))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    };
    let text = stage.node().run(exchange).unwrap().map_err(|error| error.to_string())?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(|| text.clone())?;
    Ok((head.lines().next().unwrap().to_owned(), body.to_owned()))
}

#[test]
fn metrics_health_and_readiness_are_served_under_the_contracts_names() {
    let stage = Stage::new(NETKEEP);
    let _web = stage.web(WEB, "10.10.0.1");
    let mut command = stage.command("agent");
    command.args(["--metrics", "127.0.0.1:9105"]);
    let mut agent = testkit::AgentProcess::start(stage.node(), &mut command);
    agent.ready(DEADLINE, || match get(&stage, "/readyz")? {
        (status, _) if status.contains(" 200 ") => Ok(()),
        other => Err(format!("{other:?}")),
    });
    stage.programmed(2);
    assert!(get(&stage, "/healthz").unwrap().0.contains(" 200 "));
    let (status, text) = get(&stage, "/metrics").unwrap();
    assert!(status.contains(" 200 "), "{status}");
    for name in [
        "netkeep_sync_duration_seconds_bucket",
        "netkeep_event_to_kernel_seconds_bucket",
        "netkeep_last_successful_sync_timestamp_seconds",
        "netkeep_desired_objects{feature=\"npl\"} 3",
        "netkeep_verified_objects{feature=\"npl\"} 3",
        "netkeep_changes_applied_total{op=\"add\"} ",
        "netkeep_changes_applied_total{op=\"replace\"} 0",
        "netkeep_changes_applied_total{op=\"delete\"} 0",
        "netkeep_drift_repaired_total{kind=\"element\"} 0",
        "netkeep_drift_repaired_total{kind=\"structure\"} 0",
        "netkeep_holds_total 0",
        "netkeep_deletions_held 0",
        "netkeep_findings{code=\"foreign-write\"} 0",
        "netkeep_findings{code=\"set-full\"} 0",
        "netkeep_changes_rejected_total 0",
        "netkeep_source_fresh{source=\"dir\",kind=\"\"} 1",
        "netkeep_kernel_generation ",
        "netkeep_resident_memory_bytes ",
    ] {
        assert!(text.contains(&format!("\n{name}")), "{name} is not in\n{text}");
    }
    // A hold is visible: not ready any more would be wrong, stale is right.
    stage.folder().clear();
    stage.finding("source-unavailable", |_| true);
    let (_, text) = get(&stage, "/metrics").unwrap();
    assert!(text.contains("netkeep_source_fresh{source=\"dir\",kind=\"\"} 0"), "{text}");
    assert!(text.contains("netkeep_holds_total 1"), "{text}");
    assert!(text.contains("netkeep_findings{code=\"source-unavailable\"} 1"), "{text}");
    // A loop that hangs is not healthy; it recovers.
    assert!(get(&stage, "/healthz").unwrap().0.contains(" 200 "));
    assert!(get(&stage, "/nowhere").unwrap().0.contains(" 404 "));
}
