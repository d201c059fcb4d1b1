//! `kill -9` at every failpoint of the agent, during every kind of change: the kernel holds the old
//! or the new state of each Pod, never something between, and the next start makes it whole.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, TcpListener, UdpSocket};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use agent::failpoint;
use model::Protocol;
use testkit::cluster::by_api;
use testkit::{AgentProcess, DEADLINE, KernelTable, Leads, Manifest, Stage, Web, eventually};

const NETKEEP: &str = env!("CARGO_BIN_EXE_netkeep");
/// No change is about this Pod.
const STEADY: &str = "default/web-0";
const LOW: &[&str] = &["--npl-port-range", "61000-61099"];
const HIGH: &[&str] = &["--npl-port-range", "61500-61599"];

/// Points that the agent passes only while it makes a change so, and not at every start: there the
/// agent runs before the change comes. At the others it dies while it starts on a changed folder.
const DURING_CHANGES: &[&str] = &[
    "journal:written",
    "kernel:before-commit",
    "kernel:committed",
    "core:outcome",
    "publish:journal-synced",
    "publish:tmp-written",
    "publish:renamed",
];

/// Points that are passed by who writes files: what goes to the API goes in one request.
const OF_FILES: [&str; 2] = ["publish:tmp-written", "publish:renamed"];
/// Where nothing is to be said anew: files are compared, and objects say by themselves that they
/// need not be patched.
const UNSAID: [&[&str]; 2] = [&OF_FILES, &["publish:journal-synced"]];

/// The points that there are on the way that objects and annotations go.
fn points() -> impl Iterator<Item = &'static str> {
    failpoint::ALL.iter().copied().filter(|point| !by_api() || !OF_FILES.contains(point))
}

/// Pods with their IPs.
type Wanted = &'static [(&'static str, &'static str)];

const ALL: Wanted =
    &[(STEADY, "10.10.0.1"), ("default/web-1", "10.10.0.2"), ("default/web-2", "10.10.0.3")];
const TWO: Wanted = &[(STEADY, "10.10.0.1"), ("default/web-1", "10.10.0.2")];
const MOVED: Wanted = &[(STEADY, "10.10.0.1"), ("default/web-1", "10.10.0.9")];

/// What is there before and after a change, and how it is made.
struct Change {
    before: Wanted,
    after: Wanted,
    /// The port ranges before and after.
    flags: [&'static [&'static str]; 2],
    /// Points that this change does not pass.
    not_passed: &'static [&'static str],
}

struct Node {
    stage: Stage,
    webs: Vec<Web>,
}

impl Node {
    fn new(change: &Change) -> Self {
        let stage = Stage::with(NETKEEP, change.flags[0]);
        let webs = ALL.iter().map(|(name, ip)| stage.pod(name, ip)).collect();
        Self { stage, webs }
    }

    /// Makes the folder, and the Pods, say so.
    fn say(&self, wanted: Wanted) {
        for web in &self.webs {
            match wanted.iter().find(|(name, _)| *name == web.pod.name()) {
                Some((_, ip)) => {
                    let ips: [IpAddr; 1] = [ip.parse().unwrap()];
                    if web.pod.ips() != ips {
                        web.pod.set_ips(&ips).unwrap();
                    }
                    self.stage.folder().put(web.manifest.clone().ips(&ips));
                }
                None => self.take_away(web),
            }
        }
    }

    /// Takes a Pod's object away if it is there.
    fn take_away(&self, web: &Web) {
        let file = Manifest::from(&web.manifest).file_name();
        if self.stage.folder().names().contains(&file) {
            self.stage.folder().remove_file(&file);
        }
    }

    /// Starts an agent that is to die.
    fn start_to_die(&self, point: &str) -> AgentProcess {
        let mut command = self.stage.command("agent");
        AgentProcess::start(self.stage.node(), command.env("NETKEEP_KILL_AT", point))
    }

    fn table(&self) -> KernelTable {
        KernelTable::read(self.stage.node()).unwrap_or_default()
    }

    /// Waits until the kernel holds exactly what is wanted, everything is published as the kernel
    /// has it, every port is reserved, and nothing half-done lies about.
    fn is_whole(&self, wanted: Wanted, context: &str) {
        let table = eventually(DEADLINE, || {
            let table = self.table();
            let whole = wanted.iter().all(|(pod, ip)| is_complete(&table, pod, ip));
            let sizes = (table.mappings.len(), table.hairpins.len());
            if whole && sizes == (2 * wanted.len(), wanted.len()) {
                Ok(table)
            } else {
                Err(format!("{context}: {table:?}"))
            }
        });
        eventually(DEADLINE, || {
            let names = files_in(&self.stage.state_dir());
            let mut expected: Vec<String> =
                wanted.iter().map(|(pod, _)| format!("published/pods/{pod}.yaml")).collect();
            if by_api() {
                // Published is on the objects.
                expected.clear();
            }
            expected.splice(0..0, ["journal.jsonl".to_owned(), "lock".to_owned()]);
            if names != expected {
                return Err(format!("{context}: files {names:?}, expected {expected:?}"));
            }
            let published: Vec<String> = self.stage.publications().into_keys().collect();
            if !published.iter().eq(wanted.iter().map(|(pod, _)| pod)) {
                return Err(format!("{context}: published {published:?}"));
            }
            wanted.iter().try_for_each(|(pod, _)| self.is_published(pod, &table, context))
        });
        self.stage.node().run(|| are_reserved(&table, context)).unwrap();
    }

    fn is_published(&self, pod: &str, table: &KernelTable, context: &str) -> Result<(), String> {
        let entries =
            self.stage.published(pod).ok_or(format!("{context}: {pod} is not published"))?;
        let published: Vec<(String, u16)> = entries
            .iter()
            .map(|entry| {
                let port = entry["nodePort"].as_u64().unwrap();
                (entry["protocol"].as_str().unwrap().to_lowercase(), u16::try_from(port).unwrap())
            })
            .collect();
        let held: Vec<(String, u16)> =
            table.of(pod).into_keys().map(|(_, protocol, port)| (protocol, port)).collect();
        if published == held { Ok(()) } else { Err(format!("{context}: {published:?} {held:?}")) }
    }
}

/// Nobody else gets the ports, in the calling thread's namespace.
fn are_reserved(table: &KernelTable, context: &str) {
    for (_, protocol, port) in table.mappings.keys() {
        let bound = match &**protocol {
            "tcp" => TcpListener::bind(("0.0.0.0", *port)).map(drop),
            _ => UdpSocket::bind(("0.0.0.0", *port)).map(drop),
        };
        let kind = bound.map_err(|error| error.kind());
        assert_eq!(kind, Err(std::io::ErrorKind::AddrInUse), "{context}: {protocol} {port}");
    }
}

/// All files below a directory, in order, without sockets.
fn files_in(folder: &Path) -> Vec<String> {
    fn walk(folder: &Path, root: &Path, names: &mut Vec<String>) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, root, names);
            } else {
                names.push(path.strip_prefix(root).unwrap().display().to_string());
            }
        }
    }
    let mut names = Vec::new();
    walk(folder, folder, &mut names);
    names.sort();
    names
}

/// Whether the Pod has both mappings and its hairpin, all of them to this IP.
fn is_complete(table: &KernelTable, pod: &str, ip: &str) -> bool {
    let ip: IpAddr = ip.parse().unwrap();
    let held = table.of(pod);
    let protocols: Vec<&str> = held.keys().map(|(_, protocol, _)| &**protocol).collect();
    let hairpins: Vec<&IpAddr> =
        table.hairpins.iter().filter(|(_, owner)| *owner == pod).map(|(ip, _)| ip).collect();
    protocols == ["tcp", "udp"]
        && held.values().all(|leads| leads.ip == ip && leads.port == testkit::stage::POD_PORT)
        && hairpins == [&ip]
}

/// Every Pod is as it was or as it is to be; nobody else has anything.
fn is_old_or_new(table: &KernelTable, old: &KernelTable, change: &Change, context: &str) {
    let of = |table: &KernelTable, pod: &str| {
        let hairpins: BTreeMap<IpAddr, String> = table
            .hairpins
            .iter()
            .filter(|(_, owner)| *owner == pod)
            .map(|(ip, owner)| (*ip, owner.clone()))
            .collect();
        (table.of(pod), hairpins)
    };
    for (pod, _) in ALL {
        let held = of(table, pod);
        let is_old = held == of(old, pod);
        let is_new = match change.after.iter().find(|(name, _)| name == pod) {
            Some((_, ip)) => is_complete(table, pod, ip),
            None => held.0.is_empty() && held.1.is_empty(),
        };
        assert!(is_old || is_new, "{context}: {pod} is half way: {held:?}");
    }
    let named = |owner: &String| ALL.iter().any(|(pod, _)| pod == owner);
    let leads = |leads: &Leads| named(&leads.owner);
    assert!(table.mappings.values().all(leads) && table.hairpins.values().all(named), "{table:?}");
}

/// Kills an agent at a point; answers whether it got there.
fn die(node: &mut Node, change: &Change, point: &'static str) {
    let old = node.table();
    let mut agent = if DURING_CHANGES.contains(&point) && change.flags[0] == change.flags[1] {
        let mut agent = node.start_to_die(point);
        if change.before.is_empty() {
            node.say(change.after);
        } else {
            node.stage.ready(&mut agent);
            node.is_whole(change.before, point);
            node.say(change.after);
        }
        agent
    } else {
        node.say(change.after);
        node.stage.set_flags(change.flags[1]);
        node.start_to_die(point)
    };
    if change.not_passed.contains(&point) {
        node.is_whole(change.after, point);
        node.stage.ready(&mut agent);
        agent.terminate(DEADLINE);
        return;
    }
    let status = agent.ended(DEADLINE);
    assert_eq!(status.signal(), Some(9), "{point}: {status}\n{}", agent.stderr());
    is_old_or_new(&node.table(), &old, change, point);
}

/// Goes through all failpoints: before, change and death, after; and back.
fn at_every_point(change: &Change) {
    let mut node = Node::new(change);
    let mut clients = None;
    for point in points() {
        if change.before.is_empty() {
            forget(&node);
        } else {
            node.say(change.before);
            node.stage.set_flags(change.flags[0]);
            let mut agent = node.stage.agent();
            node.is_whole(change.before, point);
            if change.flags[0] == change.flags[1] && clients.is_none() {
                clients = Some(node.stage.clients(STEADY));
            }
            agent.terminate(DEADLINE);
        }

        die(&mut node, change, point);

        let mut agent = node.stage.agent();
        node.is_whole(change.after, &format!("after {point}"));
        node.stage.nothing_to_do();
        let port = node.stage.port(STEADY, Protocol::Tcp);
        assert_eq!(node.stage.who(Protocol::Tcp, port), Ok(STEADY.to_owned()), "{point}");
        agent.terminate(DEADLINE);
    }
    if let Some(clients) = clients {
        clients.lost_nothing();
    }
}

/// As if nothing had ever run there.
fn forget(node: &Node) {
    let state = node.stage.state_dir();
    let args = ["uninstall", "--yes", "--state-dir", state.to_str().unwrap()];
    let _ = node.stage.run(&args).expect_code(0);
    assert_eq!(KernelTable::read(node.stage.node()), None);
    node.webs.iter().for_each(|web| node.take_away(web));
}

#[test]
fn killed_in_its_first_start_the_agent_leaves_no_half_and_the_next_makes_it_whole() {
    at_every_point(&Change { before: &[], after: ALL, flags: [LOW, LOW], not_passed: &[] });
}

#[test]
fn killed_while_a_pod_comes_the_agent_leaves_no_half_and_the_next_makes_it_whole() {
    at_every_point(&Change { before: TWO, after: ALL, flags: [LOW, LOW], not_passed: &[] });
}

#[test]
fn killed_while_a_pod_goes_the_agent_leaves_no_half_and_the_next_makes_it_whole() {
    // The file of a Pod that is gone is removed, not written; its object is gone with it.
    let not_passed = UNSAID[usize::from(by_api())];
    at_every_point(&Change { before: ALL, after: TWO, flags: [LOW, LOW], not_passed });
}

#[test]
fn killed_while_a_pod_changes_its_ip_the_agent_leaves_no_half_and_the_next_makes_it_whole() {
    // What is published names ports of the node, which stay: it is compared, and not written.
    let not_passed = UNSAID[usize::from(by_api())];
    at_every_point(&Change { before: TWO, after: MOVED, flags: [LOW, LOW], not_passed });
}

#[test]
fn killed_while_all_ports_move_the_agent_leaves_no_half_and_the_next_makes_it_whole() {
    at_every_point(&Change { before: ALL, after: ALL, flags: [LOW, HIGH], not_passed: &[] });
}
