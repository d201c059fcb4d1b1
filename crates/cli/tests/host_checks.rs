//! The doctor inside the agent: what others do to the node's rules is told within one interval, and
//! nothing is looked at while nothing changes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::process::Command;
use std::time::Duration;

use testkit::stage::Web;
use testkit::{AgentProcess, Stage, eventually};

const NETKEEP: &str = env!("CARGO_BIN_EXE_netkeep");
/// A look takes a moment on a busy machine without optimisation.
const LONG: Duration = Duration::from_mins(1);

fn stage() -> (Stage, Web, AgentProcess) {
    let stage = Stage::with(NETKEEP, &[]);
    let web = stage.web("default/web-0", "10.10.0.1");
    let agent =
        AgentProcess::start(stage.node(), stage.command("agent").args(["--host-checks", "1"]));
    stage.programmed(2);
    (stage, web, agent)
}

/// Runs a tool in the node.
fn tool(stage: &Stage, program: &str, args: &[&str]) {
    let output = stage.node().run(|| Command::new(program).args(args).output().unwrap()).unwrap();
    assert!(output.status.success(), "{program} {args:?}: {output:?}");
}

/// The findings of a code.
fn findings(stage: &Stage, code: &str) -> Vec<String> {
    let findings = stage.ask("findings").unwrap();
    let all = findings.as_array().unwrap().iter();
    all.filter(|finding| finding["code"] == code).map(ToString::to_string).collect()
}

fn told(stage: &Stage, code: &str) {
    eventually(LONG, || {
        let all = || stage.ask("findings").unwrap().to_string();
        findings(stage, code).first().map(drop).ok_or_else(all)
    });
}

#[test]
fn identical_rules_that_grow_are_told_whichever_backend_has_them() {
    for program in ["iptables-legacy", "iptables-nft"] {
        let (stage, _web, _agent) = stage();
        tool(&stage, program, &["-N", "KUBE-ROUTER-FORWARD"]);
        tool(&stage, program, &["-A", "FORWARD", "-j", "KUBE-ROUTER-FORWARD"]);
        let rule = ["-A", "KUBE-ROUTER-FORWARD", "-s", "10.1.0.0/16", "-j", "ACCEPT"];
        for _ in 0..20 {
            tool(&stage, program, &rule);
        }
        told(&stage, "duplicate-rules");
        let metric = "netkeep_findings{code=\"duplicate-rules\"}";
        eventually(LONG, || match stage.metric(metric) {
            0.0 => Err("not in the metrics".to_owned()),
            _ => Ok(()),
        });
        tool(&stage, program, &["-F", "KUBE-ROUTER-FORWARD"]);
        stage.no_finding("duplicate-rules");
    }
}

#[test]
fn legacy_rules_that_change_and_keep_their_size_are_told() {
    let (stage, _web, _agent) = stage();
    let load = |source: fn(u8) -> u8| {
        let rule = |n| format!("-A KUBE-ROUTER-FORWARD -s 10.{}.0.0/16 -j ACCEPT\n", source(n));
        let rules = (0..20).map(rule).collect::<Vec<_>>().concat();
        let text = format!(
            "*filter\n:FORWARD ACCEPT [0:0]\n:KUBE-ROUTER-FORWARD - [0:0]\n\
             -A FORWARD -j KUBE-ROUTER-FORWARD\n{rules}COMMIT\n"
        );
        lab::run(stage.node(), &mut Command::new("iptables-legacy-restore"), &text).unwrap();
    };
    load(|n| n + 100);
    // a few intervals, so that these are known; from here on nothing but the bytes changes
    std::thread::sleep(Duration::from_secs(5));
    stage.no_finding("duplicate-rules");
    load(|_| 100);
    told(&stage, "duplicate-rules");
}

#[test]
fn a_healthy_node_has_no_finding_and_own_writes_start_no_look() {
    let (stage, _web, agent) = stage();
    // The first look is over when its thread sleeps again after having worked.
    let thread = fs::read_dir(format!("/proc/{}/task", agent.pid())).unwrap().find_map(|task| {
        let path = task.unwrap().path();
        (fs::read_to_string(path.join("comm")).unwrap().trim() == "checks").then_some(path)
    });
    let schedstat = thread.unwrap().join("schedstat");
    let ran = || -> u64 {
        let text = fs::read_to_string(&schedstat).unwrap();
        text.split(' ').next().unwrap().parse().unwrap()
    };
    let mut before = ran();
    eventually(LONG, || {
        std::thread::sleep(Duration::from_millis(2_500));
        let now = ran();
        // Two intervals in which it only asked whether anything changed: 10 ms are plenty.
        let quiet = now - before < 10_000_000;
        before = now;
        if quiet { Ok(()) } else { Err("the checks never rest".to_owned()) }
    });
    let _more = stage.web("default/web-1", "10.10.0.2");
    stage.programmed(4);
    std::thread::sleep(Duration::from_millis(2_500));
    assert!(ran() - before < 10_000_000, "our own writes made it look: {} ns", ran() - before);
    let errors = stage.ask("findings").unwrap();
    let errors: Vec<_> =
        errors.as_array().unwrap().iter().filter(|f| f["severity"] == "error").cloned().collect();
    assert!(errors.is_empty(), "{errors:?}");
}
