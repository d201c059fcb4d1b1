//! Two incidents from end to end, with real rules, real packets and the real command: rules split
//! between the backends of iptables with the tool for one of them gone, and copies by the thousand.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use lab::{AskError, Lab, Question, Server};
use model::{IpFamily, PodPort, Protocol};
use testkit::Output;

const NETKEEP: &str = env!("CARGO_BIN_EXE_netkeep");
const PORT: u16 = 8080;

/// A lab, and a folder for the lock and the backups.
struct Node {
    lab: Lab,
    folder: tempfile::TempDir,
}

impl Node {
    fn new() -> Self {
        Self { lab: Lab::new().unwrap(), folder: tempfile::tempdir().unwrap() }
    }

    fn load(&self, program: &str, rules: &str) {
        self.restore(&mut Command::new(program), rules);
    }

    /// As `load`, to what there is.
    fn add(&self, program: &str, rules: &str) {
        self.restore(Command::new(program).arg("--noflush"), rules);
    }

    fn restore(&self, command: &mut Command, rules: &str) {
        command.env("XTABLES_LOCKFILE", self.folder.path().join("lock"));
        lab::run(self.lab.node(), command, rules).unwrap();
    }

    fn saved(&self, program: &str) -> String {
        lab::run(self.lab.node(), &mut Command::new(program), "").unwrap()
    }

    /// Runs netkeep where no iptables-legacy is: in a mount namespace of its own something else lies
    /// over the program.
    fn netkeep(&self, args: &[&str]) -> Output {
        let script = "mount --bind /dev/null \"$1\" && shift && exec \"$@\"";
        let legacy = fs::canonicalize("/usr/sbin/iptables-legacy").unwrap();
        let legacy = legacy.display().to_string();
        let folder = self.folder.path().display();
        let lock = format!("XTABLES_LOCKFILE={folder}/lock");
        let state = format!("NETKEEP_STATE_DIR={folder}/state");
        let before = ["--mount", "env", &lock, &state, "sh", "-c", script, "sh", &legacy, NETKEEP];
        testkit::netkeep(Path::new("unshare"), self.lab.node(), &[&before[..], args].concat())
    }

    /// Codes of what the doctor finds, and everything it says.
    fn doctor(&self) -> (BTreeSet<String>, String) {
        let output = self.netkeep(&["doctor", "-o", "json"]);
        let report = output.json();
        let findings = report["findings"].as_array().unwrap();
        let codes = findings.iter().map(|found| found["code"].as_str().unwrap().to_owned());
        (codes.collect(), output.stdout.clone())
    }

    /// The only backup in the state directory.
    fn backup(&self) -> String {
        let mut files = fs::read_dir(self.folder.path().join("state")).unwrap();
        let file = files.next().unwrap().unwrap().path();
        assert!(files.next().is_none(), "more than one backup");
        file.display().to_string()
    }
}

fn ask(from: &netns::Namespace, target: SocketAddr) -> Result<String, AskError> {
    let question = Question::new(Protocol::Tcp, target).within(Duration::from_secs(1));
    question.ask(from).map(|answer| answer.who)
}

/// What a policy engine has for a Pod behind this link: others that are not listed are dropped.
fn calico(link: &str) -> String {
    format!(
        "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
         :cali-INPUT - [0:0]\n:cali-FORWARD - [0:0]\n:cali-wl-to-host - [0:0]\n\
         :cali-from-wl-dispatch - [0:0]\n\
         -A INPUT -m comment --comment \"cali:Cz_u1IQiXIMmKD4c\" -j cali-INPUT\n\
         -A FORWARD -m comment --comment \"cali:wUHhoiAYhphO9Mso\" -j cali-FORWARD\n\
         -A cali-INPUT -i pod+ -m comment --comment \"cali:_wjq-Yrma8Ly1Svo\" -g cali-wl-to-host\n\
         -A cali-FORWARD -i pod+ -m comment --comment \"cali:8ZoYfO5HKXWbB3pk\" \
         -j cali-from-wl-dispatch\n\
         -A cali-wl-to-host -m comment --comment \"cali:Ee9Sbo10IpVujdIY\" -j cali-from-wl-dispatch\n\
         -A cali-wl-to-host -m comment --comment \"cali:nSZbcOoG1xPONxb8\" -j ACCEPT\n\
         -A cali-from-wl-dispatch -i {link} -m comment --comment \"cali:uRF8dfjPYnCrWtAm\" -j RETURN\n\
         -A cali-from-wl-dispatch -m comment --comment \"cali:zTj6P0TIgYvgz-md\" \
         -m comment --comment \"Unknown interface\" -j DROP\nCOMMIT\n"
    )
}

#[test]
fn stale_rules_in_legacy_without_its_tool_are_named_swept_and_the_pod_reaches_the_node() {
    let node = Node::new();
    let pod = node.lab.pod("web", &["10.10.0.7".parse().unwrap()]).unwrap();
    let _server = Server::start(node.lab.node(), Protocol::Tcp, PORT, "node").unwrap();
    let at = SocketAddr::new(node.lab.node_ip(IpFamily::V4), PORT);
    assert_eq!(ask(pod.namespace(), at).unwrap(), "node");
    // the half of before the switch knows a Pod that is no more; the new half is as it should be
    node.load("iptables-legacy-restore", &calico("pod999"));
    node.load("iptables-nft-restore", &calico(pod.link()));
    let dropped = ask(pod.namespace(), at);
    assert!(matches!(dropped, Err(AskError::TimedOut)), "{dropped:?}");

    let (codes, said) = node.doctor();
    assert!(codes.contains("split-backends"), "{said}");
    assert!(codes.contains("legacy-without-binary"), "{said}");
    assert!(said.contains("calico"), "{said}");

    let legacy = node.saved("iptables-legacy-save");
    let args = ["sweep", "--of", "calico", "--backend", "legacy"];
    let dry = node.netkeep(&args).expect_code(2);
    assert!(dry.stdout.contains("8 rules and 4 chains would go"), "{dry}");
    assert!(
        dry.stdout.contains("-A INPUT -m comment --comment \"cali:Cz_u1IQiXIMmKD4c\""),
        "{dry}"
    );
    assert_eq!(rules(&node.saved("iptables-legacy-save")), rules(&legacy));

    let done = node.netkeep(&[&args[..], &["--yes"]].concat()).expect_code(0);
    assert!(done.stdout.contains("are gone, verified"), "{done}");
    assert_eq!(ask(pod.namespace(), at).unwrap(), "node");
    assert!(!node.saved("iptables-legacy-save").contains("cali"));
    assert!(node.saved("iptables-nft-save").contains("cali-from-wl-dispatch"));
    let (codes, said) = node.doctor();
    assert!(!codes.contains("split-backends"), "{said}");
    let _ = node.netkeep(&args).expect_code(0);

    // and back
    let backup = node.backup();
    let _ = node.netkeep(&["sweep", "--restore", &backup]).expect_code(2);
    let _ = node.netkeep(&["sweep", "--restore", &backup, "--yes"]).expect_code(0);
    let _ = node.netkeep(&["sweep", "--restore", &backup]).expect_code(0);
    assert_eq!(rules(&node.saved("iptables-legacy-save")), rules(&legacy));
    assert!(matches!(ask(pod.namespace(), at), Err(AskError::TimedOut)));
}

/// The rules of a text of iptables-save.
fn rules(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with("-A ")).collect()
}

/// How many rules of kube-router there are in the beginning.
const COPIES: usize = 5_000;
const PORTION: usize = 250;

#[test]
fn copies_by_the_thousand_are_found_and_collapse_to_one_and_packets_are_fast_again() {
    let node = Node::new();
    let ip: IpAddr = "10.10.0.7".parse().unwrap();
    let pod = node.lab.pod("web", &[ip]).unwrap();
    let _server = pod.serve(Protocol::Udp, PodPort::try_from(i64::from(PORT)).unwrap()).unwrap();
    let target = SocketAddr::new(ip, PORT);
    let jump = "-A FORWARD -m comment --comment \"kube-router netpol - TEMCG2JMHZYE7H7T\" \
                -j KUBE-ROUTER-FORWARD\n";
    node.load("iptables-nft-restore", "*filter\n:KUBE-ROUTER-FORWARD - [0:0]\nCOMMIT\n");
    // In portions: without privileges over the machine the tool may send no more at once.
    for _ in 0..COPIES / PORTION {
        let text = format!("*filter\n{}COMMIT\n", jump.repeat(PORTION));
        node.add("iptables-nft-restore", &text);
    }
    node.add(
        "iptables-nft-restore",
        "*filter\n-A FORWARD -d 10.99.0.0/16 -j DROP\n\
         -A KUBE-ROUTER-FORWARD -d 10.98.0.0/16 -j REJECT\nCOMMIT\n",
    );
    let (codes, said) = node.doctor();
    assert!(codes.contains("duplicate-rules"), "{said}");

    let before = rate(&node.lab, target);
    let args = ["sweep", "--duplicates", "--backend", "nft"];
    let dry = node.netkeep(&args).expect_code(2);
    assert!(dry.stdout.contains(&format!("{} rules and 0 chains would go", COPIES - 1)), "{dry}");
    let _ = node.netkeep(&[&args[..], &["--yes"]].concat()).expect_code(0);
    let after = rate(&node.lab, target);
    println!("answers a second through {COPIES} copies: {before:.0}, through one rule: {after:.0}");
    let left = node.saved("iptables-nft-save");
    assert_eq!(
        rules(&left),
        [
            jump.trim(),
            "-A FORWARD -d 10.99.0.0/16 -j DROP",
            "-A KUBE-ROUTER-FORWARD -d 10.98.0.0/16 -j REJECT --reject-with icmp-port-unreachable",
        ]
    );
    let (codes, said) = node.doctor();
    assert!(!codes.contains("duplicate-rules"), "{said}");
    assert!(Path::new(&node.backup()).exists());
}

/// Questions and answers a second through the node: one socket, one question at a time, so that it
/// is the way of the packets that takes the time.
fn rate(lab: &Lab, target: SocketAddr) -> f64 {
    const TIME: Duration = Duration::from_secs(2);
    let work = || {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.connect(target).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let (start, mut answers) = (Instant::now(), 0_u32);
        while start.elapsed() < TIME {
            let _ = socket.send(b"who\n").unwrap();
            assert!(socket.recv(&mut [0; 512]).unwrap() > 0);
            answers += 1;
        }
        f64::from(answers) / start.elapsed().as_secs_f64()
    };
    lab.client().run(work).unwrap()
}

#[test]
fn a_name_that_no_system_has_is_answered_with_all_names() {
    let node = Node::new();
    let output = node.netkeep(&["sweep", "--of", "kube-routr", "--backend", "nft"]).expect_code(2);
    assert!(
        output.stderr.contains("kube-router, ") && output.stderr.lines().count() == 1,
        "{output}"
    );
    for args in [&["sweep"][..], &["sweep", "--duplicates"], &["sweep", "--of", "calico"]] {
        let output = node.netkeep(args).expect_code(2);
        assert_eq!(output.stderr.lines().count(), 1, "{output}");
    }
    let _ = node.netkeep(&["sweep", "--duplicates", "--backend", "legacy"]).expect_code(0);
    let output = node.netkeep(&["sweep", "--restore", "/nonexistent"]).expect_code(1);
    assert!(output.stderr.contains("cannot be read"), "{output}");
}
