//! What becomes of flows that conntrack remembers when mappings change under them: those that are
//! stale are cut, and nobody else's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use lab::traffic::{SourcePort, connects, pings, stream};
use lab::{Question, Server, Traffic};
use model::{IpFamily, Protocol};
use netns::Namespace;
use testkit::{DEADLINE, World, eventually, foreign, manifest_of, serve, service_for};

const NETKEEP: &str = env!("CARGO_BIN_EXE_netkeep");
const EVERY: Duration = Duration::from_millis(20);
const BOTH: [(Protocol, u16); 2] = [(Protocol::Tcp, 8080), (Protocol::Udp, 8080)];

/// What tells a flow from a later one of the same ports. Conntrack's own id does not: it is a hash
/// of the entry's address and tuple, and both can come again.
const MARK: u32 = 0x6e6b;

/// The flows of the node, a line each, without those of its own loopback: by them the agent may
/// speak with others.
fn flows(node: &Namespace) -> Vec<String> {
    let own = |line: &String| line.contains(" src=127.0.0.1 ");
    foreign::flows(node).into_iter().filter(|line| !own(line)).collect()
}

/// Marks every flow there is.
fn mark_all(node: &Namespace) {
    let mark = MARK.to_string();
    lab::run(node, Command::new("conntrack").args(["-U", "-f", "ipv4", "-m", &mark]), "").unwrap();
}

/// The marked flows.
fn marked(node: &Namespace) -> Vec<String> {
    let mark = format!(" mark={MARK} ");
    flows(node).into_iter().filter(|line| line.contains(&mark)).collect()
}

/// Whether the flow from this source port is one that was marked.
fn is_marked(node: &Namespace, protocol: Protocol, source: u16) -> bool {
    let from = format!(" sport={source} ");
    marked(node).iter().any(|line| {
        // The first source port is that of the original direction.
        let at = line.find(" sport=");
        line.starts_with(protocol.as_str()) && at.is_some_and(|at| line[at..].starts_with(&from))
    })
}

/// Marks the flow from this source port of the client, and all others.
#[track_caller]
fn mark(node: &Namespace, source: u16) {
    mark_all(node);
    assert!(is_marked(node, Protocol::Udp, source), "no flow from {source}: {:#?}", flows(node));
}

/// Questions by UDP from a fixed source port of the client, each after the answer to the one
/// before: at most one is on its way.
fn in_turn(world: &World, target: SocketAddr, source: u16) -> Traffic {
    let question = Question::new(Protocol::Udp, target).from_port(source);
    connects(world.lab().client(), question, EVERY).unwrap()
}

/// Datagrams from a fixed source port of the client.
fn udp(world: &World, target: SocketAddr, source: u16) -> Traffic {
    pings(world.lab().client(), target, EVERY, SourcePort::Fixed(source)).unwrap()
}

/// Waits until this server has answered a few times more.
#[track_caller]
fn answered(traffic: &Traffic, who: &str) {
    let count = || traffic.counters().by_answerer.get(who).copied().unwrap_or_default();
    let before = count();
    eventually(DEADLINE, || match count() {
        now if now >= before + 3 => Ok(()),
        _ => Err(format!("{who} does not answer: {:?}", traffic.counters())),
    });
}

#[track_caller]
fn nothing_lost(traffic: Traffic) {
    let counters = traffic.stop();
    assert!(counters.lost == 0 && counters.broken.is_none(), "{counters:?}");
}

/// Fails if more was lost than what was on its way when the flow was cut: its answer then finds no
/// flow any more.
#[track_caller]
fn nothing_lost_but_what_was_cut(traffic: Traffic) {
    let counters = traffic.stop();
    assert!(counters.lost <= 1, "{counters:?}");
}

/// A running world with the Pod `web`, whose server says `first`, and a second sandbox for it that
/// is up already, whose server says `second`.
struct Moving {
    world: World,
    web: Arc<lab::Pod>,
    sandbox: Arc<lab::Pod>,
    _servers: Vec<Server>,
    port: u16,
}

impl Moving {
    fn new() -> Self {
        let mut world = World::new(NETKEEP);
        let web = world.pod("web", &["10.244.1.7"]);
        let sandbox = world.pod("sandbox", &["10.244.1.77"]);
        let servers = [(&web, "first"), (&sandbox, "second")];
        let servers = servers
            .into_iter()
            .flat_map(|(pod, who)| {
                BOTH.map(|(protocol, port)| {
                    Server::start(pod.namespace(), protocol, port, who).unwrap()
                })
            })
            .collect();
        world.folder().put(manifest_of(&web));
        world.folder().put(service_for("web", &BOTH));
        world.start();
        let port = world.port("default/web", Protocol::Udp, 8080);
        Self { world, web, sandbox, _servers: servers, port }
    }

    /// The Pod has its second sandbox now.
    fn moves(&self) {
        self.world.folder().put(manifest_of(&self.web).ips(&self.sandbox.ips()));
    }

    fn target(&self) -> SocketAddr {
        self.world.at(IpFamily::V4, self.port)
    }

    /// Another Pod whose mapping goes again: once its flow is cut, all cuts before it are done.
    fn other_cuts_are_done(&self) {
        let world = &self.world;
        let pod = world.pod("marker", &["10.244.1.200"]);
        let _servers = serve(&pod, &BOTH);
        world.folder().put(manifest_of(&pod));
        world.folder().put(service_for("marker", &BOTH));
        let port = world.port("default/marker", Protocol::Udp, 8080);
        let traffic = udp(world, world.at(IpFamily::V4, port), 40_999);
        answered(&traffic, "marker");
        traffic.stop();
        let to = format!(" dport={port} ");
        let there = || flows(world.node()).iter().any(|line| line.contains(&to));
        assert!(there());
        world.folder().remove(manifest_of(&pod));
        world.until(|| if there() { Err("its flow is still there".to_owned()) } else { Ok(()) });
        world.lab().remove_pod("marker").unwrap();
    }
}

/// Waits until the marked flow from this source port is gone.
#[track_caller]
fn gone(world: &World, source: u16) {
    world.until(|| {
        if is_marked(world.node(), Protocol::Udp, source) {
            Err(format!("still there: {:#?}", flows(world.node())))
        } else {
            Ok(())
        }
    });
}

#[test]
fn a_udp_client_with_one_source_port_follows_its_mapping() {
    let moving = Moving::new();
    let client = in_turn(&moving.world, moving.target(), 40_001);
    answered(&client, "first");
    mark(moving.world.node(), 40_001);
    moving.moves();
    answered(&client, "second");
    assert!(!is_marked(moving.world.node(), Protocol::Udp, 40_001));
    moving.world.lab().remove_pod("web").unwrap();
    answered(&client, "second");
    assert_eq!(moving.world.port("default/web", Protocol::Udp, 8080), moving.port);
    nothing_lost_but_what_was_cut(client);
}

#[test]
fn flows_of_a_removed_mapping_are_cut() {
    let moving = Moving::new();
    let world = &moving.world;
    let client = udp(world, moving.target(), 40_001);
    let tcp = world.at(IpFamily::V4, world.port("default/web", Protocol::Tcp, 8080));
    let connection = stream(world.lab().client(), tcp, EVERY).unwrap();
    answered(&client, "first");
    answered(&connection, "first");
    mark_all(world.node());
    assert_eq!(marked(world.node()).len(), 2);
    world.folder().remove(service_for("web", &BOTH));
    world.until(|| match marked(world.node()) {
        none if none.is_empty() => Ok(()),
        some => Err(format!("still there: {some:#?}")),
    });
    // And the client is told, instead of talking to a Pod that is not meant any more.
    eventually(DEADLINE, || match client.counters() {
        counters if counters.refused > 0 => Ok(()),
        counters => Err(format!("{counters:?}")),
    });
    assert!(client.stop().by_answerer.keys().eq(["first"]));
}

#[test]
fn unrelated_flows_survive_a_mapping_that_comes_moves_and_goes() {
    let moving = Moving::new();
    let world = &moving.world;
    let other = world.pod("other", &["10.244.1.8"]);
    let host = world.pod("host", &["10.99.0.1"]);
    let _servers = (
        serve(&other, &BOTH),
        serve(&host, &[(Protocol::Udp, moving.port), (Protocol::Udp, 8080)]),
    );
    world.folder().put(manifest_of(&other));
    world.folder().put(service_for("other", &BOTH));
    let other_port = world.port("default/other", Protocol::Udp, 8080);
    let clients = [
        ("another mapping", world.at(IpFamily::V4, other_port), "other"),
        ("routed, to the same Pod and port", "10.244.1.7:8080".parse().unwrap(), "first"),
        ("routed, to another host", "10.99.0.1:8080".parse().unwrap(), "host"),
        (
            "routed, to another host at the same port",
            SocketAddr::new([10, 99, 0, 1].into(), moving.port),
            "host",
        ),
    ];
    let tcp_port = world.port("default/web", Protocol::Tcp, 8080);
    let running: Vec<(&str, u16, Traffic, &str)> = clients
        .into_iter()
        .zip(41_000_u16..)
        .map(|((what, target, who), source)| {
            let traffic = udp(world, target, source);
            answered(&traffic, who);
            (what, source, traffic, who)
        })
        .collect();
    let stays = |when: &str| {
        moving.other_cuts_are_done();
        for (what, source, traffic, who) in &running {
            answered(traffic, who);
            assert!(is_marked(world.node(), Protocol::Udp, *source), "{what}, {when}");
        }
    };
    mark_all(world.node());
    let direct = udp(world, moving.target(), 40_001);
    answered(&direct, "first");
    moving.moves();
    answered(&direct, "second");
    stays("after the mapping moved");
    world.folder().remove(service_for("web", &BOTH));
    world.sync();
    stays("after it went");
    world.folder().put(service_for("web", &BOTH));
    assert_ne!(world.port("default/web", Protocol::Tcp, 8080), tcp_port);
    stays("after it came again");
    for (what, _, traffic, _) in running {
        let counters = traffic.stop();
        assert_eq!(counters.lost, 0, "{what}: {counters:?}");
    }
}

#[test]
fn a_udp_sender_that_began_before_the_mapping_gets_through_once_it_is_there() {
    let moving = Moving::new();
    let world = &moving.world;
    let next = moving.port + 1;
    let early = udp(world, world.at(IpFamily::V4, next), 40_001);
    eventually(DEADLINE, || match early.counters() {
        counters if counters.refused > 2 => Ok(()),
        counters => Err(format!("{counters:?}")),
    });
    // Conntrack has decided by now that this flow is not redirected.
    mark(world.node(), 40_001);
    let other = world.pod("other", &["10.244.1.8"]);
    let _servers = serve(&other, &BOTH);
    world.folder().put(manifest_of(&other));
    world.folder().put(service_for("other", &BOTH));
    assert_eq!(world.port("default/other", Protocol::Udp, 8080), next);
    answered(&early, "other");
    assert!(!is_marked(world.node(), Protocol::Udp, 40_001));
    assert!(early.stop().by_answerer.keys().eq(["other"]));
}

#[test]
fn an_agent_that_hung_during_the_change_cuts_when_it_goes_on() {
    let mut moving = Moving::new();
    let client = in_turn(&moving.world, moving.target(), 40_001);
    answered(&client, "first");
    moving.world.agent().pause();
    moving.moves();
    answered(&client, "first");
    moving.world.agent().resume();
    answered(&client, "second");
    moving.world.lab().remove_pod("web").unwrap();
    answered(&client, "second");
    nothing_lost_but_what_was_cut(client);
}

#[test]
fn an_agent_killed_between_the_commit_and_the_cut_cuts_after_its_restart() {
    let mut moving = Moving::new();
    let client = in_turn(&moving.world, moving.target(), 40_001);
    answered(&client, "first");
    mark(moving.world.node(), 40_001);
    moving.world.crash();
    // Nothing to do at this start, so the point is reached with the change only.
    moving.world.launch(&[("NETKEEP_KILL_AT", "core:outcome")]);
    moving.world.sync();
    moving.moves();
    moving.world.wait_killed();
    let kernel = moving.world.kernel_mappings();
    assert!(kernel.iter().all(|mapping| mapping.pod_ip == "10.244.1.77"), "{kernel:?}");
    answered(&client, "first");
    assert!(is_marked(moving.world.node(), Protocol::Udp, 40_001));
    moving.world.start();
    answered(&client, "second");
    gone(&moving.world, 40_001);
    nothing_lost_but_what_was_cut(client);
}

#[test]
fn an_agent_killed_before_the_commit_cuts_nothing_that_still_leads_right() {
    let mut moving = Moving::new();
    let client = udp(&moving.world, moving.target(), 40_001);
    answered(&client, "first");
    mark(moving.world.node(), 40_001);
    moving.world.crash();
    moving.world.launch(&[("NETKEEP_KILL_AT", "kernel:before-commit")]);
    moving.world.sync();
    moving.moves();
    moving.world.wait_killed();
    // The journal says that flows to the first sandbox are to be cut. But nothing was changed, and
    // by now the Pod is said to be where it was.
    moving.world.folder().put(manifest_of(&moving.web));
    moving.world.start();
    moving.other_cuts_are_done();
    answered(&client, "first");
    assert!(is_marked(moving.world.node(), Protocol::Udp, 40_001));
    nothing_lost(client);
}

#[test]
fn a_restart_with_nothing_changed_cuts_nothing() {
    let mut moving = Moving::new();
    let client = udp(&moving.world, moving.target(), 40_001);
    let tcp = moving.world.port("default/web", Protocol::Tcp, 8080);
    let connection =
        stream(moving.world.lab().client(), moving.world.at(IpFamily::V4, tcp), EVERY).unwrap();
    answered(&client, "first");
    answered(&connection, "first");
    mark(moving.world.node(), 40_001);
    let before = marked(moving.world.node()).len();
    assert_eq!(before, 2);
    moving.world.stop();
    moving.world.start();
    moving.world.crash();
    moving.world.start();
    moving.other_cuts_are_done();
    assert_eq!(marked(moving.world.node()).len(), before, "{:#?}", flows(moving.world.node()));
    answered(&client, "first");
    nothing_lost(client);
    nothing_lost(connection);
}
