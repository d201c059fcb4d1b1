//! A node in a large cluster under constant change: nothing grows.
//!
//! 500 Pods of this node, 10,000 Services, 5,000 events a minute, for as long as
//! `NETKEEP_SOAK_SECONDS` says (`cargo xtask soak`: half an hour; otherwise a short form). Resident
//! memory, ports, open files, tracked connections and the journal must be at the end what they were
//! after the warm-up, and a relist of everything must write nothing.
//!
//! The warm-up is over when the agent has done once what it does in the time that follows: each Pod
//! was replaced, events came at their rate, the watches were begun anew, and the doctor has looked at
//! the whole node. That first look, half a minute after the start, reads code from the program's file
//! that nothing else uses, and resident memory counts such pages: in a build without optimisation it
//! rises by 5 MiB in that second (`RssFile` from 31,304 to 36,228 KiB, `RssAnon` by 150 KiB) and by
//! nothing after it. It once fell between the two readings, and was taken for growth of 2.7 MiB. Each
//! minute's line tells the two kinds apart; the limit is for both.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fmt;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use model::Protocol;
use testkit::api::{Api, Fault, On};
use testkit::stage::NODE;
use testkit::{AgentProcess, Pod, Service, Stage, Target, eventually, generation};

const NETKEEP: &str = env!("CARGO_BIN_EXE_netkeep");
/// Pods of this node.
const PODS: u16 = 500;
/// Services of the cluster; one in fifty asks for NodePortLocal.
const SERVICES: u16 = 10_000;
/// Services that ask for NodePortLocal; each selects the Pods of its own label.
const ASKING: u16 = SERVICES / 50;
/// Between two events: 5,000 a minute.
const EVERY: Duration = Duration::from_millis(12);
/// How long the first load may take on a busy machine without optimisation.
const LONG: Duration = Duration::from_mins(4);
/// How much resident memory may differ between two quiet moments, in KiB: what the allocator keeps.
const MEMORY: u64 = 2_048;
/// Seconds between two looks at the whole node: the first is soon enough for the warm-up.
const HOST_CHECKS: &str = "5";
/// How often memory is read for one reading, of which the least counts: it is given back a moment
/// after a change, and any scrape takes some for a moment.
const READINGS: usize = 20;

/// How long events are sent.
fn length() -> Duration {
    let seconds = std::env::var("NETKEEP_SOAK_SECONDS").map(|text| text.parse().unwrap());
    Duration::from_secs(seconds.unwrap_or(20))
}

/// The Pod of a place; each time it is replaced it has another name and UID.
fn pod(place: u16, life: u32) -> Pod {
    let [high, low] = place.to_be_bytes();
    let ip = IpAddr::V4(Ipv4Addr::new(10, 40, high, low));
    Pod::new(&format!("many/pod-{place}-{life}"))
        .uid(&format!("00000000-0000-4000-8000-{place:04x}{life:08x}"))
        .node(NODE)
        .label("app", &format!("app-{}", place % ASKING))
        .ips(&[ip])
}

fn service(number: u16) -> Service {
    let service = Service::new(&format!("many/service-{number}"))
        .selector("app", &format!("app-{number}"))
        .port(Protocol::Tcp, 80, Target::Number(8080))
        .port(Protocol::Udp, 53, Target::Number(5353));
    if number < ASKING { service.npl() } else { service }
}

/// What must not grow.
#[derive(Debug, Clone, Copy)]
struct Measured {
    memory: u64,
    ports: f64,
    files: usize,
    flows: usize,
    journal: u64,
}

impl Measured {
    fn now(stage: &Stage, agent: &AgentProcess) -> Self {
        let process = format!("/proc/{}", agent.pid());
        let count = "/proc/sys/net/netfilter/nf_conntrack_count";
        let flows = stage.node().run(|| fs::read_to_string(count).unwrap()).unwrap();
        Self {
            memory: (0..READINGS).map(|_| settled(agent)).min().unwrap(),
            ports: stage.metric("netkeep_node_ports_leased"),
            files: fs::read_dir(format!("{process}/fd")).unwrap().count(),
            flows: flows.trim().parse().unwrap(),
            journal: fs::metadata(stage.state_dir().join("journal.jsonl")).unwrap().len(),
        }
    }
}

/// Resident memory of the agent, in KiB.
fn resident(agent: &AgentProcess) -> u64 {
    part(agent, "VmRSS:")
}

/// The same a little later.
fn settled(agent: &AgentProcess) -> u64 {
    std::thread::sleep(Duration::from_millis(100));
    resident(agent)
}

/// One kind of the agent's memory, in KiB (proc(5)).
fn part(agent: &AgentProcess, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", agent.pid())).unwrap();
    let memory = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    memory.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Of what kind the memory is: what the program made, and what is read from its file.
fn kinds(agent: &AgentProcess) -> String {
    let [all, made, file] = ["VmRSS:", "RssAnon:", "RssFile:"].map(|name| part(agent, name));
    format!("resident: {all} KiB ({made} made, {file} of the file)")
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { memory, ports, files, flows, journal } = self;
        write!(
            f,
            "{memory} KiB, {ports} ports, {files} files, {flows} flows, {journal} B of journal"
        )
    }
}

/// Waits until everything is in the kernel and published.
fn quiet(stage: &Stage, agent: &mut AgentProcess) {
    agent.ready(LONG, || {
        let count = |name: &str| stage.metric(&format!("netkeep_{name}"));
        let (verified, pending, waiting) =
            (count("verified_objects"), count("pending_objects"), count("publications_waiting"));
        // two mappings and one hairpin a Pod
        let wanted = f64::from(PODS) * 3.0;
        if (verified, pending, waiting) == (wanted, 0.0, 0.0) {
            Ok(())
        } else {
            Err(format!(
                "{verified} of {wanted} verified, {pending} pending, {waiting} unpublished"
            ))
        }
    });
}

/// Sends events for a while: Pods come and go in pairs, labels change, Services of others change.
struct Churn {
    lives: Vec<u32>,
    sent: u64,
}

impl Churn {
    fn run(&mut self, api: &Api, length: Duration, every_minute: impl Fn()) {
        const MINUTE: Duration = Duration::from_mins(1);
        let began = Instant::now();
        let (mut next, mut told) = (began, began + MINUTE);
        // Not between the end of a Pod and the next Pod at its place: all are wanted afterwards.
        while began.elapsed() < length || !self.sent.is_multiple_of(4) {
            self.step(api);
            if Instant::now() >= told {
                every_minute();
                told += MINUTE;
            }
            next += EVERY;
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
    }

    fn step(&mut self, api: &Api) {
        let round = self.sent / 4;
        let place = u16::try_from(round % u64::from(PODS)).unwrap();
        let life = &mut self.lives[usize::from(place)];
        match self.sent % 4 {
            0 => drop(api.delete("pods", &format!("many/pod-{place}-{life}"))),
            1 => {
                *life += 1;
                api.put(pod(place, *life));
            }
            2 => {
                let name = format!("many/service-{}", ASKING + place);
                api.edit("services", &name, |service| {
                    service["metadata"]["labels"]["round"] = round.to_string().into();
                });
            }
            _ => {
                api.edit("pods", &format!("many/pod-{place}-{life}"), |pod| {
                    pod["metadata"]["labels"]["round"] = round.to_string().into();
                });
            }
        }
        self.sent += 1;
    }
}

/// How many events were so far within each time, in seconds.
fn latencies(stage: &Stage, until: &str) -> Vec<(f64, f64)> {
    let text = stage.metrics();
    let bucket = |line: &str| {
        let rest = line.strip_prefix("netkeep_event_to_")?.strip_prefix(until)?;
        let rest = rest.strip_prefix("_seconds_bucket{le=\"")?;
        let (bound, count) = rest.split_once("\"}")?;
        Some((bound.parse().unwrap_or(f64::INFINITY), count.trim().parse().ok()?))
    };
    text.lines().filter_map(bucket).collect()
}

/// The time within which this share of the events between two readings was so far, in milliseconds, as
/// the agent's histogram has it: an upper bound, by a quarter at most up to 8 ms, by two above.
fn within(before: &[(f64, f64)], after: &[(f64, f64)], share: f64) -> f64 {
    let counts: Vec<f64> =
        after.iter().zip(before).map(|(after, before)| after.1 - before.1).collect();
    let all = counts.last().unwrap();
    let at = counts.iter().position(|count| *count >= all * share).unwrap();
    after[at].0 * 1_000.0
}

#[test]
fn nothing_grows_under_constant_change_and_a_relist_of_everything_writes_nothing() {
    let flags = ["--npl-port-range", "50000-54999", "--host-checks", HOST_CHECKS];
    let stage = Stage::in_cluster(NETKEEP, &flags);
    let api = stage.cluster().unwrap().api();
    api.namespace("many");
    (0..SERVICES).for_each(|number| drop(api.put(service(number))));
    (0..PODS).for_each(|place| drop(api.put(pod(place, 0))));
    let mut agent = stage.start();
    quiet(&stage, &mut agent);

    let began = Instant::now();
    let mut churn = Churn { lives: vec![0; PODS.into()], sent: 0 };
    // Every Pod is replaced once before the first measurement: what the first of a kind leaves in
    // caches is no growth.
    while churn.sent < u64::from(PODS) * 4 {
        churn.step(api);
    }
    // And so it goes for a while: what the allocator keeps for that, it keeps once.
    churn.run(api, length() / 10, || ());
    println!("after the first changes, {}", kinds(&agent));
    stage.cluster().unwrap().server().cut_connections();
    while stage.metric("netkeep_host_checks_total") < 1.0 {
        churn.run(api, Duration::from_secs(1), || ());
        assert!(began.elapsed() < LONG, "the node was not looked at");
    }
    println!("after the first look at the node, {}", kinds(&agent));
    quiet(&stage, &mut agent);
    let before = Measured::now(&stage, &agent);
    let way = || ["commit", "kernel"].map(|until| latencies(&stage, until));
    let way_before = way();
    // The way it went tells growth from what the allocator keeps once.
    churn.run(api, length(), || println!("{}", kinds(&agent)));
    quiet(&stage, &mut agent);
    let after = Measured::now(&stage, &agent);
    let way_after = way();
    println!("{} events\nbefore: {before}\nafter:  {after}", churn.sent);
    for (until, before, after) in [
        ("the kernel's acknowledgement", &way_before[0], &way_after[0]),
        ("what was read back", &way_before[1], &way_after[1]),
    ] {
        let [p50, p99] = [0.5, 0.99].map(|share| within(before, after, share));
        println!("event to {until}: p50 <= {p50} ms, p99 <= {p99} ms");
    }
    assert!(after.memory <= before.memory + MEMORY, "{before} -> {after}");
    assert!(after.ports <= before.ports, "{before} -> {after}");
    // Connections to the API server are kept for a while.
    assert!(after.files <= before.files + 8, "{before} -> {after}");
    assert!(after.flows <= before.flows + 16, "{before} -> {after}");
    // It is compacted as it grows, and never larger than that.
    assert!(after.journal <= 4 << 20, "{before} -> {after}");

    let written = generation(stage.node());
    api.compact();
    let lists = || {
        api.requests()
            .iter()
            .filter(|request| request.parameter("resourceVersion").is_none())
            .count()
    };
    let listed = lists();
    api.fault(On::verb("watch"), Fault::Expired).times(3);
    eventually(LONG, || if lists() >= listed + 3 { Ok(()) } else { Err("no relist".to_owned()) });
    quiet(&stage, &mut agent);
    assert_eq!(generation(stage.node()), written, "a relist wrote to the kernel");
}
