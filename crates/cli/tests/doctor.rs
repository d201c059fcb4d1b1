//! `netkeep doctor` and `netkeep diff`: exit codes, output for people and for scripts, on a live node
//! and on what somebody saved, however broken it is.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use netns::Namespace;
use serde_json::{Value, json};
use testkit::{Output, foreign, netkeep, netkeep_for};

const NETKEEP: &str = env!("CARGO_BIN_EXE_netkeep");
/// A large dump takes a while without optimisation.
const LONG: Duration = Duration::from_mins(5);

/// A program that added its rule twenty times.
fn copies() -> String {
    let rule = "-A KUBE-ROUTER-FORWARD -s 10.1.0.0/16 -j ACCEPT\n";
    format!(
        "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
         :KUBE-ROUTER-FORWARD - [0:0]\n-A FORWARD -j KUBE-ROUTER-FORWARD\n{}COMMIT\n",
        rule.repeat(20)
    )
}

/// A network namespace as a node, and a folder for files.
struct Node {
    namespace: Namespace,
    folder: tempfile::TempDir,
}

impl Node {
    fn new() -> Self {
        Self { namespace: Namespace::create().unwrap(), folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        fs::write(self.path(name), content).unwrap();
        self.path(name)
    }

    fn load(&self, program: &str, rules: &str) {
        let mut command = Command::new(program);
        command.env("XTABLES_LOCKFILE", self.path("lock"));
        lab::run(&self.namespace, &mut command, rules).unwrap();
    }

    fn netkeep(&self, args: &[&str]) -> Output {
        netkeep(Path::new(NETKEEP), &self.namespace, args)
    }

    fn from(&self, path: &str) -> Output {
        self.netkeep(&["doctor", "--from", path])
    }

    fn snapshot(&self, name: &str) -> String {
        let (path, socket) = (self.path(name), self.path("no.sock"));
        let _ = self.netkeep(&["snapshot", "-o", &path, "--socket", &socket]).expect_code(0);
        path
    }
}

fn keys(object: &Value) -> BTreeSet<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

fn codes(report: &Value) -> BTreeSet<&str> {
    let findings = report["findings"].as_array().unwrap();
    findings.iter().map(|finding| finding["code"].as_str().unwrap()).collect()
}

/// One line on standard error that has all these parts, nothing else, and the exit code for "could
/// not look".
#[track_caller]
fn cannot_look(output: Output, parts: &[&str]) {
    let output = output.expect_code(2);
    assert_eq!(output.stderr.lines().count(), 1, "{output}");
    assert_eq!(output.stdout, "", "{output}");
    for part in parts {
        assert!(output.stderr.contains(part), "{part:?}: {output}");
    }
}

#[test]
fn a_live_node_and_what_its_tools_print_are_diagnosed_alike() {
    for (restore, save) in [
        ("iptables-legacy-restore", "iptables-legacy-save"),
        ("iptables-nft-restore", "iptables-nft-save"),
    ] {
        let node = Node::new();
        let clean = node.netkeep(&["doctor"]).expect_code(0);
        assert!(clean.stdout.starts_with("nothing is wrong as far as could be seen; "), "{clean}");
        node.load(restore, &copies());
        let live = node.netkeep(&["doctor", "-o", "json"]).expect_code(1).json();
        assert!(codes(&live).contains("duplicate-rules"), "{live:#}");

        let dump = node.folder.path().join("dump");
        fs::create_dir(&dump).unwrap();
        let text = lab::run(&node.namespace, &mut Command::new(save), "").unwrap();
        fs::write(dump.join(save), text).unwrap();
        let dump = dump.to_str().unwrap();
        let saved = node.netkeep(&["doctor", "--from", dump, "-o", "json"]).expect_code(1).json();
        // of the rules alone; a node has more than rules
        assert!(codes(&saved).contains("duplicate-rules"), "{saved:#}");
        assert!(codes(&saved).is_subset(&codes(&live)), "{saved:#}");

        let text = node.from(dump).expect_code(1);
        assert!(text.stdout.contains("duplicate-rules: "), "{text}");
        assert!(text.stdout.contains("    | "), "no evidence: {text}");
        assert!(!text.stdout.contains("nothing is wrong"), "{text}");
        assert_eq!(text.stderr, "");
    }
}

#[test]
fn the_report_has_the_fields_that_scripts_read() {
    let node = Node::new();
    let path = node.file("iptables-nft-save", copies());
    let report = node.netkeep(&["doctor", "--from", &path, "-o", "json"]).expect_code(1).json();
    assert_eq!(keys(&report), ["checked", "findings", "skipped"].into());
    for finding in report["findings"].as_array().unwrap() {
        let all = ["advice", "code", "evidence", "fixable", "message", "severity", "subject"];
        assert_eq!(keys(finding), all.into(), "{finding:#}");
        assert!(["error", "warning", "info"].contains(&finding["severity"].as_str().unwrap()));
        assert!(finding["fixable"].is_boolean() && finding["evidence"].is_array(), "{finding:#}");
        for text in ["subject", "message", "advice"] {
            assert!(!finding[text].as_str().unwrap().is_empty(), "{finding:#}");
        }
    }
    let checked = report["checked"].as_array().unwrap();
    assert!(checked.contains(&json!("duplicate-rules")), "{report:#}");
    // there is nothing about links in a text of rules: those checks say that they could not look
    let skipped = report["skipped"].as_array().unwrap();
    assert!(!skipped.is_empty());
    for skip in skipped {
        assert_eq!(keys(skip), ["code", "why"].into());
        assert!(!skip["why"].as_str().unwrap().is_empty(), "{skip}");
        assert!(!checked.contains(&skip["code"]), "{skip} was checked too");
    }
}

#[test]
fn every_finding_code_is_explained_and_others_are_answered_with_near_ones() {
    let node = Node::new();
    for code in model::FindingCode::ALL {
        let page = node.netkeep(&["doctor", "--explain", code.as_str()]).expect_code(0);
        assert!(page.stdout.contains(code.as_str()) && page.stdout.lines().count() > 3, "{page}");
        assert_eq!(page.stderr, "");
    }
    cannot_look(node.netkeep(&["doctor", "--explain", "duplicate-rule"]), &["duplicate-rules"]);
    cannot_look(node.netkeep(&["doctor", "--explain", ""]), &["\"\""]);
    let both = node.netkeep(&["doctor", "--explain", "set-full", "--from", "x"]).expect_code(2);
    assert_eq!(both.stderr.lines().count(), 1, "{both}");
}

#[test]
fn what_is_no_dump_is_one_clear_line() {
    let node = Node::new();
    cannot_look(node.from("/no/such/file"), &["/no/such/file cannot be read: "]);
    let empty = node.path("empty");
    fs::create_dir(&empty).unwrap();
    cannot_look(node.from(&empty), &[&empty]);
    for (name, content) in [
        ("nothing", &b""[..]),
        ("zeros", &[0; 5_000]),
        ("program", b"\x7fELF\x02\x01\x01\x00\x00\x00"),
        ("letter", b"Dear all,\nthe node is slow.\n"),
        ("list.json", b"[1, 2, 3]"),
        ("cut.json", b"{\"version\":1,\"rules\":{\"leg"),
        ("deep.json", "[".repeat(100_000).as_bytes()),
    ] {
        let path = node.file(name, content);
        cannot_look(node.from(&path), &[name]);
    }
    let unreadable = node.netkeep(&["doctor", "--from"]).expect_code(2);
    assert_eq!(unreadable.stderr.lines().count(), 1, "{unreadable}");
}

#[test]
fn a_dump_that_is_cut_off_is_diagnosed_as_far_as_it_goes_and_says_so() {
    let node = Node::new();
    let whole = copies();
    let cut = &whole[..whole.len() - "0.0/16 -j ACCEPT\nCOMMIT\n".len()];
    let path = node.file("iptables-legacy-save", cut);
    let report = node.netkeep(&["doctor", "--from", &path, "-o", "json"]).expect_code(1).json();
    assert!(codes(&report).contains("duplicate-rules"), "{report:#}");
    let skipped = report["skipped"].as_array().unwrap();
    assert!(skipped.iter().any(|skip| skip["code"] == "invalid-object"), "{report:#}");
    assert!(skipped.iter().all(|skip| skip["code"].is_string()), "{report:#}");
    let said = report["skipped"].to_string();
    assert!(said.contains("iptables-legacy-save line 1: table filter has no COMMIT"), "{said}");
    // and every other place to cut it at
    for end in (0..whole.len()).step_by(97) {
        let path = node.file("iptables-legacy-save", &whole[..end]);
        let output = node.from(&path);
        assert!(matches!(output.code, Some(0..=2)), "cut at {end}: {output}");
        assert!(!output.stderr.contains("panicked"), "cut at {end}: {output}");
    }
}

#[test]
fn a_dump_that_is_enough_for_no_check_is_not_called_healthy() {
    let node = Node::new();
    let whole = json!({"nftables": [
        {"metainfo": {"version": "1.0.9", "json_schema_version": 1}},
        {"table": {"family": "inet", "name": "t", "handle": 1}},
        {"chain": {"family": "inet", "table": "t", "name": "c", "handle": 1}},
    ]})
    .to_string();
    let path = node.file("nft-ruleset.json", &whole[..whole.len() - 30]);
    cannot_look(node.from(&path), &["no check could be made", "nft-ruleset.json line 1", "ends"]);
    let output = node.netkeep(&["doctor", "--from", &path, "-o", "json"]).expect_code(2);
    let report = output.json();
    assert_eq!(report["checked"], json!([]), "{report:#}");
    assert!(!report["skipped"].as_array().unwrap().is_empty(), "{report:#}");
    assert!(output.stderr.contains("no check could be made"), "{output}");

    // with something beside it that a check can look at it says how much it saw
    let dump = node.folder.path().join("dump");
    fs::create_dir(&dump).unwrap();
    fs::copy(&path, dump.join("nft-ruleset.json")).unwrap();
    fs::write(dump.join("iptables-legacy-save"), "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n").unwrap();
    let text = node.from(dump.to_str().unwrap()).expect_code(0);
    let said = "nothing is wrong as far as could be seen (known in part only: nft";
    assert!(text.stdout.starts_with(said), "{text}");
}

#[test]
fn a_hundred_megabytes_take_bounded_memory_and_the_rules_before_them_count() {
    const BYTES: usize = 100 << 20;
    let node = Node::new();
    let mut file = BufWriter::new(File::create(node.path("iptables-nft-save")).unwrap());
    file.write_all(copies().as_bytes()).unwrap();
    let line = format!("{}\n", "kubelet: nothing that any tool would print ".repeat(1_500));
    let mut written = 0;
    while written < BYTES {
        file.write_all(line.as_bytes()).unwrap();
        written += line.len();
    }
    file.into_inner().unwrap();
    let path = node.path("iptables-nft-save");
    // in KiB: less than the file has
    let script = "ulimit -v 98304 && exec \"$@\"";
    let args = ["-c", script, "sh", NETKEEP, "doctor", "-o", "json", "--from", &path];
    let output = netkeep_for(LONG, Path::new("sh"), &node.namespace, &args).expect_code(1);
    let report = output.json();
    assert!(codes(&report).contains("duplicate-rules"), "{report:#}");
    assert!(report["skipped"].as_array().unwrap().len() < 300, "{}", report["skipped"]);
}

#[test]
fn what_a_dump_has_in_it_does_not_reach_the_terminal_as_commands() {
    let node = Node::new();
    let rule = "-A KUBE-ROUTER-FORWARD -m comment --comment \"\x1b[31m\x1b]0;x\x07\" -j ACCEPT\n";
    let text = copies().replace("COMMIT\n", &format!("{}COMMIT\n", rule.repeat(30)));
    let path = node.file("iptables-nft-save", text);
    // a terminal, as far as colour goes
    let mut command = Command::new(NETKEEP);
    command.env("CLICOLOR_FORCE", "1").args(["doctor", "--from", &path]);
    let output = node.namespace.run(|| command.output().unwrap()).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("duplicate-rules"), "{text}");
    assert!(text.contains("\x1b["), "no colour, so nothing is shown: {text}");
    assert!(!text.contains("\x1b[31m") && !text.contains("\x1b]"), "{text:?}");
    assert!(text.contains("\\u{1b}[31m\\u{1b}]0;x\\u{7}"), "{text:?}");
}

#[test]
fn a_process_that_keeps_the_lock_of_iptables_is_named_on_a_live_node() {
    let node = Node::new();
    // a /run and processes of its own, which end with the first one
    let script = "mount -t tmpfs none /run; flock -o /run/xtables.lock sleep 300 & \
                  while flock -n /run/xtables.lock true; do sleep 0.1; done; \
                  exec \"$1\" doctor -o json";
    let own = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let args = [&own[..], &["sh", "-c", script, "sh", NETKEEP]].concat();
    let output = netkeep_for(LONG, Path::new("unshare"), &node.namespace, &args).expect_code(1);
    let report = output.json();
    assert_eq!(codes(&report), ["lock-held"].into(), "{report:#}");
    let evidence = report["findings"][0]["evidence"].to_string();
    assert!(evidence.contains("flock (pid "), "{evidence}");
    assert!(evidence.contains("flock -o /run/xtables.lock sleep 300"), "{evidence}");
}

#[test]
fn two_snapshots_are_compared_by_meaning() {
    let node = Node::new();
    node.load("iptables-nft-restore", &copies());
    let (healthy, again) = (node.snapshot("healthy.json"), node.snapshot("again.json"));
    let same = node.netkeep(&["diff", &healthy, &again]).expect_code(0);
    assert!(same.stdout.contains("no difference in meaning"), "{same}");
    foreign::nft(&node.namespace, "add table inet t; add chain inet t extra").unwrap();
    node.load("iptables-nft-restore", "*filter\n:FORWARD DROP [0:0]\nCOMMIT\n");
    let broken = node.snapshot("broken.json");

    let text = node.netkeep(&["diff", &healthy, &broken]).expect_code(1);
    assert!(text.stdout.contains("KUBE-ROUTER-FORWARD"), "{text}");
    assert!(text.stdout.contains("extra"), "{text}");
    let diff = node.netkeep(&["diff", &healthy, &broken, "-o", "json"]).expect_code(1).json();
    assert_eq!(keys(&diff), ["groups", "notCompared"].into());
    let groups = diff["groups"].as_array().unwrap();
    assert!(!groups.is_empty());
    for group in groups {
        assert_eq!(keys(group), ["changes", "owner"].into());
        for change in group["changes"].as_array().unwrap() {
            assert_eq!(keys(change), ["count", "kind", "place", "text"].into(), "{change}");
            let kind = change["kind"].as_str().unwrap();
            assert!(["only-in-a", "only-in-b", "order"].contains(&kind), "{change}");
        }
    }
    // the other way round it is the same difference, turned
    let turned = node.netkeep(&["diff", &broken, &healthy, "-o", "json"]).expect_code(1).json();
    let count = |diff: &Value, kind: &str| diff.to_string().matches(kind).count();
    assert_eq!(count(&diff, "only-in-a"), count(&turned, "only-in-b"));
    assert_eq!(count(&diff, "only-in-b"), count(&turned, "only-in-a"));
}

#[test]
fn a_snapshot_that_cannot_be_compared_is_named() {
    let node = Node::new();
    let good = node.snapshot("good.json");
    let mut newer: Value = serde_json::from_slice(&fs::read(&good).unwrap()).unwrap();
    newer["version"] = json!(newer["version"].as_u64().unwrap() + 1);
    let newer = node.file("newer.json", newer.to_string());
    for (bad, why) in [("/no/such/file", "cannot be read"), (&newer, "newer than")] {
        cannot_look(node.netkeep(&["diff", &good, bad]), &[bad, why]);
        cannot_look(node.netkeep(&["diff", bad, &good]), &[bad, why]);
        cannot_look(node.from(bad), &[bad, why]);
    }
    // what a later version added is no reason to refuse, as long as the version is the same
    let mut more: Value = serde_json::from_slice(&fs::read(&good).unwrap()).unwrap();
    more["weather"] = json!("fine");
    let more = node.file("more.json", more.to_string());
    let _ = node.netkeep(&["diff", &good, &more]).expect_code(0);
}

#[test]
fn nobody_who_reads_is_no_error() {
    let node = Node::new();
    let mut text = copies();
    // more than a pipe holds
    for chain in 0..3_000 {
        write!(text, "*filter\n:A-{chain} - [0:0]\n-A A-{chain} -j B-{chain}\nCOMMIT\n").unwrap();
    }
    let path = node.file("iptables-nft-save", text);
    let empty = node.file("empty-nft-save", "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n");
    for args in [
        &["doctor", "--from", &path][..],
        &["doctor", "--from", &path, "-o", "json"],
        &["diff", &path, &empty],
        &["diff", &path, &empty, "-o", "json"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(NETKEEP);
        let output = command.args(args).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), said.as_str()), (Some(1), ""), "{args:?}");
    }
}
