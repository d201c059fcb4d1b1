//! One netkeep per state directory: who has it keeps the others out, whichever network namespace they
//! keep, and what is taken away at the end is what netkeep wrote.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::process::Command;

use model::Protocol;
use testkit::cluster::by_api;
use testkit::{AgentProcess, DEADLINE, KernelTable, Output, Stage, eventually, foreign};

const NETKEEP: &str = env!("CARGO_BIN_EXE_netkeep");
const WEB: &str = "default/web-0";
const OTHER: &str = "default/web-1";

/// A command of one stage that uses another one's state directory.
fn with_state_of(owner: &Stage, stage: &Stage, verb: &str) -> Command {
    let command = stage.command(verb);
    let (own, shared) = (stage.state_dir(), owner.state_dir());
    let mut changed = Command::new(NETKEEP);
    changed.args(command.get_args().map(|arg| if arg == own { shared.as_os_str() } else { arg }));
    changed
}

fn run(stage: &Stage, command: &Command) -> Output {
    let args: Vec<&str> = command.get_args().map(|arg| arg.to_str().unwrap()).collect();
    stage.run(&args)
}

fn uninstall(stage: &Stage, directory: &Path, args: &[&str]) -> Output {
    let words = ["uninstall", "--state-dir", directory.to_str().unwrap()];
    stage.run(&[&words[..], args].concat())
}

/// All files below a folder, with what they say.
fn files(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path.display().to_string(), text));
            }
        }
    }
    found.sort();
    found
}

/// Removes a folder whole, whatever is written there meanwhile.
fn take_away(folder: &Path) {
    let aside = folder.with_extension("aside");
    fs::rename(folder, &aside).unwrap();
    fs::remove_dir_all(aside).unwrap();
}

/// A stage whose agent has programmed and published one Pod, and holds still.
fn settled(stage: &Stage) -> (testkit::Web, AgentProcess) {
    let web = stage.web(WEB, "10.10.0.1");
    let agent = stage.agent();
    stage.programmed(2);
    eventually(DEADLINE, || stage.published(WEB).ok_or("not published".to_owned()));
    (web, agent)
}

#[test]
fn who_comes_second_to_a_state_directory_is_told_of_the_first_and_touches_nothing() {
    let stage = Stage::new(NETKEEP);
    let (_web, mut agent) = settled(&stage);
    let elsewhere = Stage::new(NETKEEP);
    let _other = elsewhere.web(OTHER, "10.10.0.1");
    let before = files(&stage.state_dir());
    for verb in ["agent", "apply"] {
        let refused = run(&elsewhere, &with_state_of(&stage, &elsewhere, verb)).expect_code(1);
        assert_eq!(refused.stderr.lines().count(), 1, "{refused}");
        for part in [format!("(pid {},", agent.pid()), stage.state_dir().display().to_string()] {
            assert!(refused.stderr.contains(&part), "{part}: {refused}");
        }
    }
    let refused = uninstall(&elsewhere, &stage.state_dir(), &["--yes"]).expect_code(1);
    assert!(refused.stderr.contains(&format!("(pid {},", agent.pid())), "{refused}");
    let dry = uninstall(&elsewhere, &stage.state_dir(), &[]).expect_code(0);
    assert!(dry.stdout.contains(&format!("(pid {},", agent.pid())), "{dry}");
    assert_eq!(KernelTable::read(elsewhere.node()), None);
    assert_eq!(files(&stage.state_dir()), before);
    // Who only looks needs no lock, and takes none away.
    let plan = run(&elsewhere, &with_state_of(&stage, &elsewhere, "plan")).expect_code(2);
    assert!(plan.stdout.contains(OTHER), "{plan}");
    let _ = stage.run(&["show", "npl", "--kernel"]).expect_code(0);
    stage.nothing_to_do();
    // The file that a killed agent leaves keeps nobody out.
    agent.kill();
    assert!(stage.state_dir().join("lock").exists());
    let _again = stage.agent();
    stage.programmed(2);
}

#[test]
fn a_state_directory_that_is_taken_away_and_made_anew_is_locked_again() {
    let stage = Stage::new(NETKEEP);
    let (_web, agent) = settled(&stage);
    let lock = stage.state_dir().join("lock");
    take_away(&stage.state_dir());
    // With an API nothing but the next change asks for the directory.
    let _other = stage.web(OTHER, "10.10.0.2");
    stage.programmed(4);
    eventually(DEADLINE, || if lock.exists() { Ok(()) } else { Err("no lock".to_owned()) });
    let elsewhere = Stage::new(NETKEEP);
    let refused = run(&elsewhere, &with_state_of(&stage, &elsewhere, "agent")).expect_code(1);
    assert!(refused.stderr.contains(&format!("(pid {},", agent.pid())), "{refused}");
}

#[test]
fn an_agent_whose_state_directory_went_to_another_says_so_and_leaves_it_alone() {
    let stage = Stage::new(NETKEEP);
    let (_web, agent) = settled(&stage);
    let elsewhere = Stage::new(NETKEEP);
    let _theirs = elsewhere.web(WEB, "10.10.0.1");
    agent.pause();
    take_away(&stage.state_dir());
    let mut command = with_state_of(&stage, &elsewhere, "agent");
    let mut second = AgentProcess::start(elsewhere.node(), &mut command);
    elsewhere.ready(&mut second);
    elsewhere.programmed(2);
    // The last that it writes: what it published, or what the API said of it.
    let journal = || fs::read_to_string(stage.state_dir().join("journal.jsonl")).unwrap();
    let file = stage.state_dir().join("published/pods/default/web-0.yaml");
    let published = || if by_api() { journal().contains("seen") } else { file.exists() };
    eventually(DEADLINE, || if published() { Ok(()) } else { Err("not published".to_owned()) });
    let before = files(&stage.state_dir());
    agent.resume();
    let other = stage.web(OTHER, "10.10.0.2");
    stage.programmed(4);
    let pid = second.pid();
    let finding =
        stage.finding("publish-failed", |finding| finding["subject"] == "state directory");
    assert!(finding["message"].as_str().unwrap().contains(&format!("(pid {pid},")), "{finding}");
    stage.folder().remove(&other.manifest);
    stage.programmed(2);
    assert_eq!(files(&stage.state_dir()), before);
    assert_eq!(stage.who(Protocol::Tcp, stage.port(WEB, Protocol::Tcp)), Ok(WEB.to_owned()));
}

#[test]
fn uninstall_takes_what_netkeep_wrote_and_tells_what_it_left() {
    let stage = Stage::new(NETKEEP);
    let (_web, mut agent) = settled(&stage);
    agent.terminate(DEADLINE);
    let directory = stage.state_dir();
    let pods = directory.join("published/pods");
    fs::create_dir_all(pods.join("default")).unwrap();
    fs::create_dir_all(pods.join("empty")).unwrap();
    fs::write(pods.join("default/.writing"), "half a fi").unwrap();
    let theirs = [
        "notes.txt",
        "sweep-20260101T000000.000Z.json",
        "published/README",
        "published/pods/default/notes.yaml",
        "published/pods/default/web-9.yaml",
        "published/pods/theirs/web-0.yaml.bak",
        "published/services/default/web.yaml",
    ];
    let manifest =
        "apiVersion: v1\nkind: Pod\nmetadata: {name: web-9, namespace: default, uid: u9}\n";
    for path in theirs {
        let path = directory.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, manifest).unwrap();
    }
    let all = files(&directory);
    let dry = uninstall(&stage, &directory, &[]).expect_code(0);
    assert!(dry.stdout.contains("would leave"), "{dry}");
    assert_eq!(files(&directory), all);

    let done = uninstall(&stage, &directory, &["--yes"]).expect_code(0);
    let left: Vec<String> = files(&directory).into_iter().map(|(path, _)| path).collect();
    let mut expected: Vec<String> =
        theirs.iter().map(|path| directory.join(path).display().to_string()).collect();
    expected.sort();
    assert_eq!(left, expected, "{done}");
    for path in ["notes.txt", "published/README", "published/services", "default/web-9.yaml"] {
        let told = |line: &str| line.starts_with("left ") && line.contains(path);
        assert!(done.stdout.lines().any(told), "{path}: {done}");
    }
    assert!(!pods.join("empty").exists());
    let again = uninstall(&stage, &directory, &["--yes", "-o", "json"]).expect_code(0).json();
    assert_eq!(again["objects"], serde_json::json!([]), "{again}");
    assert!(again["left"].as_array().is_some_and(|left| !left.is_empty()), "{again}");
    for path in theirs {
        fs::remove_file(directory.join(path)).unwrap();
    }
    fs::remove_dir_all(directory.join("published/services")).unwrap();
    let _ = uninstall(&stage, &directory, &["--yes"]).expect_code(0);
    assert!(!pods.exists());
}

#[test]
fn uninstall_ends_the_connections_that_its_mappings_led_and_nobody_elses() {
    let stage = Stage::new(NETKEEP);
    let (web, mut agent) = settled(&stage);
    let mapped = stage.port(WEB, Protocol::Udp);
    assert_eq!(stage.who(Protocol::Udp, mapped), Ok(WEB.to_owned()));
    // Somebody else's mapping to the same Pod and port.
    let (node, ip) = (stage.node(), web.pod.ips()[0]);
    let script = format!(
        "table ip theirs {{ chain c {{ type nat hook prerouting priority -150; \
         udp dport 7777 dnat to {ip}:8080; }}; }}"
    );
    foreign::nft(node, &script).unwrap();
    assert_eq!(stage.who(Protocol::Udp, 7777), Ok(WEB.to_owned()));
    let at = |port: u16| {
        let part = format!(" dport={port} ");
        foreign::flows(node).into_iter().filter(|line| line.contains(&part)).count()
    };
    assert!(at(mapped) > 0 && at(7777) > 0, "{:#?}", foreign::flows(node));
    agent.terminate(DEADLINE);
    let _ = uninstall(&stage, &stage.state_dir(), &["--yes"]).expect_code(0);
    assert_eq!((at(mapped), at(7777) > 0), (0, true), "{:#?}", foreign::flows(node));
    assert!(!stage.state_dir().exists());
}

#[test]
fn uninstall_is_done_where_there_is_nothing_and_nothing_could_be_removed() {
    let stage = Stage::new(NETKEEP);
    let directory = stage.state_dir().join("read-only");
    fs::create_dir_all(&directory).unwrap();
    let path = directory.to_str().unwrap();
    let script = format!(
        "mount -t tmpfs -o ro none '{path}' && exec '{NETKEEP}' uninstall --yes --state-dir '{path}'"
    );
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &script]);
    let output = stage.node().run(|| command.output().unwrap()).unwrap();
    assert!(output.status.success(), "{output:?}");
}
