//! Looking changes nothing, says what it could not see, and what it saw can be kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use doctor::snapshot::{Part, Snapshot};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};
use snapshot::Options;

use crate::support::{Node, known};

fn generation(node: &Node) -> u32 {
    node.0.run(|| nfnl::Socket::open().unwrap().generation_id().unwrap()).unwrap()
}

fn legacy_names(node: &Node) -> Vec<Vec<String>> {
    let names = |family| xt::legacy::table_names(family).unwrap();
    node.0.run(|| xt::Family::BOTH.map(names).to_vec()).unwrap()
}

#[test]
fn a_look_makes_no_table_and_writes_nothing() {
    let node = Node::new();
    node.tool(
        "nft -f -",
        "table ip filter {\nchain INPUT {\ntype filter hook input priority 0;\n}\n}\n",
    );
    node.tool("iptables-legacy -t nat -S", "");
    let before = (generation(&node), legacy_names(&node), node.tool("nft list ruleset", ""));
    let live = node.look();
    assert_eq!((generation(&node), legacy_names(&node), node.tool("nft list ruleset", "")), before);
    assert_eq!(known(&live.legacy_tables).v4, ["nat"]);
    assert!(known(&live.legacy_tables).v6.is_empty());
    assert_eq!(known(&live.rules.legacy_v4).tables.len(), 1);
}

#[test]
fn an_empty_namespace_is_known_to_be_empty() {
    let live = Node::new().look();
    assert!(known(&live.nft).tables.is_empty());
    assert_eq!(known(&live.rules.nft_v4).rule_count(), 0);
    assert!(known(&live.legacy_tables).v4.is_empty());
    assert_eq!(known(&live.links).len(), 1);
    assert!(known(&live.ipsets).is_empty());
    assert!(known(&live.routing_rules.v4).len() >= 3);
    assert_eq!(live.agent, Part::Absent("nobody was asked".to_owned()));
    let Part::Absent(why) = &live.ovs else { panic!("{:?}", live.ovs) };
    assert!(why.contains("there is no Open vSwitch here"), "{why}");
}

#[test]
fn a_snapshot_read_back_is_the_same() {
    let node = Node::new();
    node.tool("nft -f -", "table inet t {\nset s {\ntype ipv4_addr; elements = { 10.0.0.1 }\n}\nchain c {\nip saddr @s drop\n}\n}\n");
    node.tool("iptables-nft -A INPUT -s 10.0.0.1 -m comment --comment x -j DROP", "");
    node.tool("iptables-legacy -A INPUT -m mark --mark 5 -j DROP", "");
    let agent = || Ok(serde_json::json!({"leases": [], "lastPlans": [{"n": 1}]}));
    let live = node.look_with(Options { agent: Some(Box::new(agent)), ..Options::default() });
    let text = serde_json::to_string(&live).unwrap();
    let back: Snapshot = serde_json::from_str(&text).unwrap();
    assert_eq!(back, live);
    assert_eq!(back.agent.known().unwrap()["lastPlans"][0]["n"], 1);
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    assert_eq!(known(&back.kernel), release.trim());
    let hidden = live.redacted(7).unwrap();
    assert_eq!(hidden.node, None);
    assert!(hidden.nft.known().is_some());
}

#[test]
fn an_agent_that_hangs_costs_its_time_and_nothing_else() {
    let node = Node::new();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let ask = move || {
        let _ = held.recv();
        Err("never".to_owned())
    };
    let live = node.look_with(Options {
        patience: Duration::from_secs(3),
        agent: Some(Box::new(ask)),
        ..Options::default()
    });
    assert_eq!(live.agent, Part::Absent("it took more than 3 s".to_owned()));
    known(&live.links);
    drop(release);
}

#[test]
fn tools_are_found_with_the_version_that_they_say() {
    let node = Node::new();
    let live = node.look();
    let version = |name: &str| {
        let tool = known(&live.tools).iter().find(|tool| tool.name == name).unwrap();
        tool.version.clone().unwrap()
    };
    for name in ["iptables-legacy", "iptables-nft", "nft"] {
        let said = node.tool(&format!("{name} --version"), "");
        assert!(said.contains(&format!(" v{}", version(name))), "{said}: {}", version(name));
    }
}

#[test]
fn who_holds_the_lock_of_iptables_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    let lock = xt::legacy::XtablesLock::acquire(&path, Duration::ZERO).unwrap();
    let node = Node::new();
    let live_now = || {
        let lock_watch = Duration::from_millis(1_200);
        let xtables_lock = path.clone();
        node.look_with(Options { xtables_lock, lock_watch, ..Options::default() })
    };
    let live = live_now();
    let [holder] = known(&live.xtables_lock).as_slice() else { panic!("{live:?}") };
    // by number, name and command line, and for how long it was seen to have it
    assert_eq!(holder.pid, Some(std::process::id()));
    assert!(holder.seconds >= Some(1), "{holder:?}");
    assert!(holder.command.as_ref().unwrap().contains("kernel"), "{holder:?}");
    drop(lock);
    assert!(known(&live_now().xtables_lock).is_empty());
}

#[test]
fn a_lock_that_a_child_keeps_after_its_taker_ended_is_the_childs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    // the shell takes the lock and ends; sleep has the file still
    let script = format!("exec 9>{0}; flock 9; sleep 60 & echo $!", path.display());
    let mut command = std::process::Command::new("sh");
    let output = command.args(["-c", &script]).stdin(std::process::Stdio::null());
    let mut shell = output.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut said_pid = String::new();
    let mut said = std::io::BufReader::new(shell.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut said, &mut said_pid).unwrap();
    let child: u32 = said_pid.trim().parse().unwrap();
    shell.wait().unwrap();
    let lock_watch = Duration::from_millis(10);
    let node = Node::new();
    let live = node.look_with(Options { xtables_lock: path, lock_watch, ..Options::default() });
    let ended = rustix::process::Pid::from_raw(child.cast_signed()).unwrap();
    rustix::process::kill_process(ended, rustix::process::Signal::KILL).unwrap();
    let holders = known(&live.xtables_lock);
    assert_eq!(holders[0].pid, Some(child), "{holders:?}");
    assert_eq!(holders[0].process.as_deref(), Some("sleep"));
}

#[test]
fn without_rights_parts_are_absent_with_their_reason_and_the_rest_is_there() {
    let node = Node::new();
    node.tool("iptables-legacy -A INPUT -j ACCEPT", "");
    node.tool("nft add table ip t", "");
    let live = node
        .0
        .run(|| {
            // of this thread, and of those it starts
            let no = CapabilitySet::empty();
            let sets = CapabilitySets { effective: no, permitted: no, inheritable: no };
            set_capabilities(None, sets).unwrap();
            snapshot::take(Options::default())
        })
        .unwrap();
    for (seen, word) in [
        (live.nft.known().is_some(), format!("{:?}", live.nft)),
        (live.rules.legacy_v4.known().is_some(), format!("{:?}", live.rules.legacy_v4)),
        (live.ipsets.known().is_some(), format!("{:?}", live.ipsets)),
        (live.rules.nft_v6.known().is_some(), format!("{:?}", live.rules.nft_v6)),
    ] {
        assert!(!seen, "{word}");
        assert!(word.to_lowercase().contains("permi"), "{word}");
    }
    known(&live.links);
    known(&live.routes);
    known(&live.kernel);
}

#[test]
fn rules_that_change_meanwhile_are_read_whole_or_not_at_all() {
    let node = Node::new();
    let rules: Vec<String> =
        (0..200).map(|n| format!("add rule ip t c tcp dport {n} drop")).collect();
    node.tool("nft -f -", &format!("add table ip t\nadd chain ip t c\n{}\n", rules.join("\n")));
    let done = Arc::new(AtomicBool::new(false));
    let writer = {
        let done = Arc::clone(&done);
        let write = move || {
            let mut socket = nfnl::Socket::open().unwrap();
            let table = nfnl::Table::new(nfnl::Family::Ip6, "other");
            while !done.load(Ordering::Relaxed) {
                let mut batch = nfnl::Batch::new();
                batch.add(&table).unwrap();
                batch.delete(&table.id()).unwrap();
                socket.commit(&mut batch).unwrap();
                std::thread::sleep(Duration::from_millis(2));
            }
        };
        node.0.thread("writer", write).unwrap()
    };
    for _ in 0..3 {
        match node.look().nft {
            Part::Known(nft) => {
                assert_eq!(nft.table("ip", "t").unwrap().chain("c").unwrap().rules.len(), 200);
                assert!(nft.table("ip6", "other").is_none());
            }
            // a slow machine may not find one moment of peace
            Part::Absent(why) => {
                assert!(why.contains("kept changing") || why.contains("took more than"), "{why}");
            }
        }
    }
    done.store(true, Ordering::Relaxed);
    writer.join().unwrap();
}
