//! `netkeep sweep` as people and scripts meet it: what others wrote into rules, and a disk that is full.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;

use netns::Namespace;
use testkit::{Output, netkeep};

const NETKEEP: &str = env!("CARGO_BIN_EXE_netkeep");
/// A comment that would write a line of its own, and one that turns the direction of writing.
const FORGED: [&str; 2] = ["calx a\n  chain :FAKE", "calx \u{202e}PORD\u{2066}\u{200f}"];

struct Node {
    namespace: Namespace,
    folder: tempfile::TempDir,
}

impl Node {
    fn new() -> Self {
        let namespace = Namespace::create().unwrap();
        Self { namespace, folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn tool(&self, program: &str, args: &[&str]) -> String {
        let mut command = Command::new(program);
        command.args(args).env("XTABLES_LOCKFILE", self.path("lock"));
        let output = self.namespace.run(|| command.output().unwrap()).unwrap();
        assert!(output.status.success(), "{program} {args:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn sweep(&self, args: &[&str]) -> Output {
        let lock = format!("XTABLES_LOCKFILE={}", self.path("lock"));
        let state = format!("NETKEEP_STATE_DIR={}", self.path("state"));
        let before = [&lock, &state, NETKEEP, "sweep"];
        netkeep(Path::new("env"), &self.namespace, &[&before[..], args].concat())
    }
}

#[test]
fn a_rule_is_one_line_and_turns_no_direction_whatever_its_comment_is() {
    for backend in ["nft", "legacy"] {
        let node = Node::new();
        for comment in FORGED {
            let args = ["-A", "FORWARD", "-m", "comment", "--comment", comment, "-j", "DROP"];
            node.tool(&format!("iptables-{backend}"), &args);
        }
        let backup = node.path("backup.json");
        let select = ["--match", "*calx*", "--backend", backend];
        let plain = |output: &Output| {
            let told = format!("{}{}", output.stdout, output.stderr);
            let turns = ['\u{202e}', '\u{2066}', '\u{200f}'];
            assert!(!told.contains(turns), "{told}");
            assert!(!told.lines().any(|line| line.starts_with("  chain :FAKE")), "{told}");
        };
        for _ in 0..2 {
            let output = node.sweep(&select).expect_code(2);
            plain(&output);
            assert!(output.stdout.contains("calx a\\n  chain :FAKE"), "{output}");
            assert!(output.stdout.contains("calx \\u{202e}PORD"), "{output}");
            let output = node.sweep(&[&select[..], &["-o", "json"]].concat()).expect_code(2);
            plain(&output);
            let rules = output.json()["rules"].to_string();
            assert!(rules.contains("\u{202e}PORD"), "it is the same document: {rules}");
            let _ = std::fs::remove_file(&backup);
            plain(
                &node
                    .sweep(&[&select[..], &["--yes", "--backup", &backup]].concat())
                    .expect_code(0),
            );
            plain(&node.sweep(&["--restore", &backup]).expect_code(2));
            plain(&node.sweep(&["--restore", &backup, "-o", "json"]).expect_code(2));
            plain(&node.sweep(&["--restore", &backup, "--yes"]).expect_code(0));
        }
    }
}

#[test]
fn the_refusal_of_a_rule_with_such_a_comment_is_one_line() {
    let node = Node::new();
    node.tool("iptables-nft", &["-N", "calx"]);
    node.tool("iptables-nft", &["-N", "mine"]);
    for comment in FORGED {
        let args = ["-A", "mine", "-m", "comment", "--comment", &comment[5..], "-j", "calx"];
        node.tool("iptables-nft", &args);
    }
    for more in [&[][..], &["--yes"]] {
        let select = [&["--match", "calx", "--backend", "nft"][..], more].concat();
        let output = node.sweep(&select).expect_code(1);
        assert!(output.stderr.contains("a\\n  chain :FAKE"), "{output}");
        assert!(output.stderr.lines().all(|line| line.starts_with("netkeep: ")), "{output}");
        assert!(!output.stderr.contains('\u{202e}'), "{output}");
    }
}

#[test]
fn on_a_full_disk_nothing_is_taken_out_and_nothing_is_left_behind() {
    // a file system of two pages, one of which is taken
    let script = "mount -t tmpfs -o size=8k tmpfs \"$1\" && head -c 4096 /dev/zero >\"$1/taken\" && \
        folder=$1 && shift && { \"$@\" --backup \"$folder/backup.json\"; code=$?; } && \
        ls -A \"$folder\" && exit $code";
    for backend in ["nft", "legacy"] {
        let node = Node::new();
        let program = format!("iptables-{backend}");
        for number in 0..20 {
            let comment = format!("calx {number} {}", "x".repeat(200));
            let args = ["-A", "FORWARD", "-m", "comment", "--comment", &comment, "-j", "DROP"];
            node.tool(&program, &args);
        }
        let before = node.tool(&program, &["-S"]);
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().display().to_string();
        let lock = format!("XTABLES_LOCKFILE={}", node.path("lock"));
        let args = ["--mount", "env", &lock, "sh", "-c", script, "sh", &place, NETKEEP, "sweep"];
        let what = ["--match", "*calx*", "--backend", backend, "--yes"];
        let args = [&args[..], &what].concat();
        let output = netkeep(Path::new("unshare"), &node.namespace, &args).expect_code(1);
        assert_eq!(output.stdout, "taken\n", "{output}");
        assert!(output.stderr.contains("backup.json cannot be written"), "{output}");
        assert_eq!(node.tool(&program, &["-S"]), before);
    }
}
