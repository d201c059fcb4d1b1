//! The commands, with the API as their source.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;
use testkit::api::{Fault, On};
use testkit::{AgentProcess, DEADLINE, KernelTable, Stage, eventually, foreign, generation};

use crate::scene::{Scene, W0, W1, api, cluster, node_args, stage};

#[test]
fn plan_shows_and_changes_nothing_and_apply_does_it_once_and_publishes() {
    let stage = stage(&[]);
    let _webs = [stage.web(W0, "10.10.0.1"), stage.web(W1, "10.10.0.2")];
    let before = generation(stage.node());
    let (code, plan) = stage.plan();
    assert_eq!((code, &plan["hold"]), (2, &json!(null)), "{plan:#}");
    assert_eq!(generation(stage.node()), before);
    assert_eq!(api(&stage).writes(), []);
    let applied = stage.run_with_source("apply", &["-o", "json"]).expect_code(0).json();
    assert_eq!((&applied["converged"], &applied["held"]), (&json!(true), &json!(0)), "{applied}");
    assert_eq!(KernelTable::read(stage.node()).unwrap().mappings.len(), 4);
    assert_eq!(stage.published(W0).unwrap().len(), 2);
    stage.nothing_to_do();
    api(&stage).forget_requests();
    let before = generation(stage.node());
    let again = stage.run_with_source("apply", &[]).expect_code(0);
    assert!(again.stdout.contains("0 changes; converged and verified"), "{again}");
    assert_eq!((generation(stage.node()), api(&stage).writes()), (before, vec![]));
}

#[test]
fn apply_says_that_it_could_not_publish() {
    let stage = stage(&[]);
    let _web = stage.web(W0, "10.10.0.1");
    let of = On::verb("patch").resource("pods/status");
    let _refused = api(&stage).fault(of, Fault::Status(403)).until_lifted();
    let applied = stage.run_with_source("apply", &[]);
    assert_eq!(applied.code, Some(1), "{applied}");
    assert!(format!("{applied}").contains("403 Forbidden"), "{applied}");
    assert_eq!(KernelTable::read(stage.node()).unwrap().mappings.len(), 2);
}

#[test]
fn commands_say_why_the_api_cannot_be_used_and_hold() {
    let mut scene = Scene::new(&[]);
    let table = scene.table();
    scene.stop();
    let of = On::verbs(&["list", "watch"]).resource("services");
    let refused = scene.api().fault(of, Fault::Status(403)).until_lifted();
    // What could be listed counts, and what could not is a hold.
    let (code, plan) = scene.stage.plan();
    assert_eq!((code, &plan["changes"]), (1, &json!([])), "{plan:#}");
    assert!(plan["hold"].as_str().unwrap().contains("403"), "{plan:#}");
    assert_eq!(scene.table(), table);
    refused.lift();
    let config = cluster(&scene.stage).kubeconfig();
    std::fs::write(&config, "kind: Config\nclusters: 7\n").unwrap();
    let output = scene.stage.run_with_source("plan", &[]).expect_code(1);
    assert_eq!(output.stderr.lines().count(), 1, "{output}");
    assert!(output.stderr.contains("cannot use the kubeconfig"), "{output}");
}

#[test]
fn show_and_explain_answer_beside_an_agent_that_watches_the_api() {
    let mut scene = Scene::new(&[]);
    let npl = scene.stage.run(&["show", "npl", "-o", "json"]).expect_code(0).json();
    assert_eq!(npl.as_array().unwrap().len(), 4, "{npl:#}");
    let explained = scene.stage.run(&["explain", W0]).expect_code(0);
    assert!(explained.stdout.contains("default/web"), "{explained}");
    let owners = scene.stage.run(&["show", "owners"]).expect_code(0);
    assert!(owners.stdout.contains("web-1"), "{owners}");
    let _silent = scene.api().fault(On::everything(), Fault::Drop).until_lifted();
    scene.cut();
    scene.holds("may be out of date");
    scene.until(|| {
        let findings = scene.stage.run(&["show", "findings"]).expect_code(0);
        let told = findings.stdout.contains("Kubernetes API, Pods");
        if told { Ok(()) } else { Err(findings.to_string()) }
    });
    scene.stop();
}

#[test]
fn print_config_shows_what_holds_and_asks_nobody() {
    let stage = stage(&["--kube-stale-after", "7"]);
    api(&stage).forget_requests();
    let output = stage.run_with_source("agent", &["--print-config"]).expect_code(0);
    for line in ["source: \"kube\"", "kubeStaleAfter: 7", "node: \"n1\"", "kubeconfig: "] {
        assert!(output.stdout.contains(line), "{line}: {output}");
    }
    assert_eq!(api(&stage).requests(), []);
    // What it prints is a file for --config.
    let file = stage.state_dir().with_extension("yaml");
    std::fs::write(&file, &output.stdout).unwrap();
    let file = file.to_str().unwrap();
    let again = stage.run(&["agent", "--config", file, "--print-config"]).expect_code(0);
    assert_eq!(again.stdout, output.stdout);
    assert_eq!(node_args()[1], "n1");
}

#[test]
fn the_log_level_is_changed_while_the_agent_runs() {
    let mut scene = Scene::new(&[]);
    let level = |args: &[&str]| {
        let words: Vec<&str> = std::iter::once("log-level").chain(args.iter().copied()).collect();
        scene.stage.run(&words).expect_code(0).stdout
    };
    assert!(level(&[]).contains("info"));
    assert!(!scene.agent.stderr().contains("DEBUG") && !scene.agent.stderr().contains("\"debug\""));
    level(&["debug"]);
    assert!(level(&[]).contains("debug"));
    scene.api().edit("pods", W0, |pod| pod["metadata"]["labels"]["n"] = "1".into());
    let bad = scene.stage.run(&["log-level", "loud"]);
    assert_eq!(bad.code, Some(2), "{bad}");
    scene.stop();
}

/// The status line of a GET inside the node.
fn get(stage: &Stage, path: &str) -> Result<String, String> {
    let exchange = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", 9105))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    };
    let text = stage.node().run(exchange).unwrap().map_err(|error| error.to_string())?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

#[test]
fn health_is_red_while_the_kernel_cannot_be_written_and_green_again_after() {
    let stage = stage(&["--table", "shared"]);
    // A table of our name that somebody else owns: the kernel refuses every write to it.
    let table = "table inet netkeep { flags owner; chain theirs { }; }";
    let mut owner = std::process::Command::new("nft");
    owner.arg("-i").stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::null());
    let mut owner = stage.node().spawn(&mut owner).unwrap();
    writeln!(owner.stdin.as_mut().unwrap(), "add {table}").unwrap();
    eventually(DEADLINE, || {
        if foreign::ruleset(stage.node()).contains("theirs") {
            Ok(())
        } else {
            Err("no table".into())
        }
    });
    let web = stage.web(W0, "10.10.0.1");
    let mut command = stage.command("agent");
    command.args(["--metrics", "127.0.0.1:9105"]);
    let mut agent = AgentProcess::start(stage.node(), &mut command);
    agent.ready(DEADLINE, || match get(&stage, "/healthz")? {
        status if status.contains(" 503 ") => Ok(()),
        status => Err(status),
    });
    assert!(get(&stage, "/readyz").unwrap().contains(" 503 "));
    assert!(stage.metric("netkeep_sync_failures_total") >= 1.0);
    stage.finding("rejected-by-kernel", |_| true);
    // The owner goes, and its table with it.
    owner.kill().unwrap();
    owner.wait().unwrap();
    agent.ready(DEADLINE, || match get(&stage, "/healthz")? {
        status if status.contains(" 200 ") => Ok(()),
        status => Err(status),
    });
    stage.programmed(2);
    // A server that is away is not the agent's fault: healthy, and not restarted for it.
    let _away = api(&stage).fault(On::everything(), Fault::Drop).until_lifted();
    cluster(&stage).server().cut_connections();
    stage.finding("source-unavailable", |_| true);
    assert!(get(&stage, "/healthz").unwrap().contains(" 200 "));
    assert_eq!(agent.terminate(DEADLINE).code(), Some(0));
    drop(web);
}

#[test]
fn health_is_red_while_deletions_are_held_for_too_long_and_the_agent_is_not_restarted_for_it() {
    let stage = stage(&["--hold-tolerance", "1"]);
    let web = stage.web(W0, "10.10.0.1");
    let mut command = stage.command("agent");
    command.args(["--metrics", "127.0.0.1:9105"]);
    let mut agent = AgentProcess::start(stage.node(), &mut command);
    let is = |agent: &mut AgentProcess, path: &str, code: &str| {
        agent.ready(DEADLINE, || match get(&stage, path)? {
            status if status.contains(code) => Ok(()),
            status => Err(format!("{path}: {status}")),
        });
    };
    stage.programmed(2);
    is(&mut agent, "/healthz", " 200 ");
    let away = api(&stage).fault(On::everything(), Fault::Drop).until_lifted();
    cluster(&stage).server().cut_connections();
    is(&mut agent, "/healthz", " 503 ");
    assert!(get(&stage, "/livez").unwrap().contains(" 200 "));
    let health = stage.ask("health").unwrap();
    assert!(health["heldSeconds"].as_u64() >= Some(1), "{health}");
    away.lift();
    is(&mut agent, "/healthz", " 200 ");
    assert_eq!(stage.ask("health").unwrap()["heldSeconds"], json!(null));
    assert_eq!(agent.terminate(DEADLINE).code(), Some(0));
    drop(web);
}
