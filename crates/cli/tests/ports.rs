//! Node ports: kept from other processes, refused when no mapping stands behind them, handed out
//! from a range that can be too small, and remembered.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::process::Command;
use std::sync::Arc;

use model::{IpFamily, Protocol};
use testkit::{Steady, World, foreign, manifest_of, serve, service_for};

const NETKEEP: &str = env!("CARGO_BIN_EXE_netkeep");
const TABLE: &str = "inet netkeep";
const BOTH: [(Protocol, u16); 2] = [(Protocol::Tcp, 8080), (Protocol::Udp, 8080)];
const KEY: &str = "nodeportlocal.antrea.io";

/// A Pod of the lab and its servers.
type Web = (Arc<lab::Pod>, Vec<lab::Server>);

/// A Pod of the lab that serves, in the folder, selected by the Service `all`.
fn web(world: &World, name: &str, ip: &str) -> Web {
    let pod = world.pod(name, &[ip]);
    let servers = serve(&pod, &BOTH);
    world.folder().put(manifest_of(&pod).label("app", "all"));
    (pod, servers)
}

fn world_with(pods: &[(&str, &str)], args: &[&str]) -> (World, Vec<Web>) {
    let mut world = World::new(NETKEEP).with_args(args);
    world.folder().put(service_for("all", &BOTH));
    let pods = pods.iter().map(|(name, ip)| web(&world, name, ip)).collect();
    world.start();
    (world, pods)
}

fn ports(world: &World, pod: &str) -> [u16; 2] {
    BOTH.map(|(protocol, port)| world.port(&format!("default/{pod}"), protocol, port))
}

/// Every mapping that works, with its port.
fn programmed(world: &World) -> BTreeMap<(String, String, String), u16> {
    let all = world.mappings().into_iter().filter(|mapping| mapping.state == "programmed");
    all.map(|m| ((m.pod, m.protocol, m.family), m.node_port)).collect()
}

/// Fails unless the Pod answers at its ports.
fn answers(world: &World, pod: &str) {
    for ((protocol, _), port) in BOTH.into_iter().zip(ports(world, pod)) {
        assert_eq!(world.who(protocol, port), pod, "{protocol} {port}");
    }
}

#[test]
fn nobody_can_take_a_mapped_port_and_nobody_listens_on_it() {
    let mut world = World::new(NETKEEP);
    let pod = world.pod("web", &["10.244.1.7", "fd00:10:244::7"]);
    world.folder().put(manifest_of(&pod));
    world.folder().put(service_for("web", &BOTH).families(&IpFamily::ALL));
    world.start();
    let listeners =
        || lab::run(world.node(), Command::new("ss").args(["-H", "-l", "-n", "-t"]), "").unwrap();
    for family in IpFamily::ALL {
        let any = |port: u16| match family {
            IpFamily::V4 => SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)),
            IpFamily::V6 => SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)),
        };
        let [tcp, udp] =
            BOTH.map(|(protocol, port)| world.port_of("default/web", family, protocol, port));
        let taken = world.node().run(|| TcpListener::bind(any(tcp)).map(drop)).unwrap();
        assert_eq!(taken.unwrap_err().kind(), ErrorKind::AddrInUse, "{family} tcp {tcp}");
        let taken = world.node().run(|| UdpSocket::bind(any(udp)).map(drop)).unwrap();
        assert_eq!(taken.unwrap_err().kind(), ErrorKind::AddrInUse, "{family} udp {udp}");
        let listening = listeners();
        assert!(!listening.contains(&format!(":{tcp}")), "{listening}");
    }
    // Released, the ports are anybody's.
    let tcp = world.port("default/web", Protocol::Tcp, 8080);
    world.folder().remove(manifest_of(&pod));
    world.until(|| {
        let taken = world.node().run(|| TcpListener::bind(("0.0.0.0", tcp)).map(drop)).unwrap();
        taken.map_err(|error| error.to_string())
    });
}

#[test]
fn a_port_whose_element_is_gone_refuses_at_once_until_it_is_repaired() {
    let (mut world, _pods) = world_with(&[("web", "10.244.1.7")], &["--table", "shared"]);
    let [tcp, udp] = ports(&world, "web");
    answers(&world, "web");
    let node = Arc::clone(world.node());
    let elements = || {
        foreign::delete_element(&node, TABLE, "npl4", &format!("tcp . {tcp}")).unwrap();
        foreign::delete_element(&node, TABLE, "npl4", &format!("udp . {udp}")).unwrap();
    };
    let table = || drop(foreign::delete_table(&node, TABLE).unwrap());
    let everything = || drop(foreign::flush_ruleset(&node).unwrap());
    let damages: [(&str, &dyn Fn()); 3] = [
        ("the elements are gone", &elements),
        ("the table is gone", &table),
        ("everything is gone", &everything),
    ];
    for (what, damage) in damages {
        world.agent().pause();
        damage();
        // Connection refused and ICMP port unreachable: a health check fails at once.
        world.assert_refused(Protocol::Tcp, tcp);
        world.assert_refused(Protocol::Udp, udp);
        world.agent().resume();
        world.until(|| match &world.kernel_mappings()[..] {
            [_, _] => Ok(()),
            other => Err(format!("{what}: {other:?}")),
        });
        assert_eq!(ports(&world, "web"), [tcp, udp], "{what}");
        answers(&world, "web");
    }
}

#[test]
fn a_port_that_another_process_has_is_passed_over() {
    let mut world = World::new(NETKEEP);
    world.folder().put(service_for("all", &BOTH));
    let _web = web(&world, "web", "10.244.1.7");
    let _taken = world
        .node()
        .run(|| {
            let tcp = [61000, 61001].map(|port| TcpListener::bind(("0.0.0.0", port)).unwrap());
            (tcp, UdpSocket::bind("192.0.2.1:61000").unwrap())
        })
        .unwrap();
    world.start();
    assert_eq!(ports(&world, "web"), [61002, 61001]);
    answers(&world, "web");
    world.published_as("default/web", |text| text.contains("61002") && text.contains("61001"));
}

#[test]
fn a_port_that_was_taken_while_the_agent_was_down_is_replaced_published_and_told() {
    let (mut world, _pods) = world_with(&[("web", "10.244.1.7"), ("stays", "10.244.1.8")], &[]);
    let [tcp, udp] = ports(&world, "web");
    let stays = ports(&world, "stays");
    world.stop();
    let holder = world.node().run(|| TcpListener::bind(("0.0.0.0", tcp)).unwrap()).unwrap();
    world.start();
    let moved = world.until(|| match ports(&world, "web") {
        [moved, same] if moved != tcp && same == udp => Ok(moved),
        other => Err(format!("{other:?}")),
    });
    answers(&world, "web");
    assert_eq!(ports(&world, "stays"), stays);
    world.published_as("default/web", |text| {
        text.contains(&moved.to_string()) && text.contains(&format!("{udp},\"protocol\":\"udp\""))
    });
    let findings = world.findings("port-conflict");
    assert_eq!(findings.len(), 1, "{findings:?}");
    let text = findings[0].to_string();
    assert!(text.contains("default/web") && text.contains(&tcp.to_string()), "{text}");
    // The port is the other process' now: nothing of ours stands in its way.
    let kernel = world.kernel_mappings();
    assert!(!kernel.iter().any(|m| m.protocol == "tcp" && m.node_port == tcp), "{kernel:?}");
    drop(holder);
}

#[test]
fn a_range_that_is_too_small_serves_whom_it_can_and_the_others_as_ports_become_free() {
    let names = ["a", "b", "c", "d", "e"];
    let pods: Vec<(&str, String)> =
        names.iter().zip(1..).map(|(name, n)| (*name, format!("10.244.1.{n}"))).collect();
    let pods: Vec<(&str, &str)> = pods.iter().map(|(name, ip)| (*name, ip.as_str())).collect();
    let (world, pods) = world_with(&pods, &["--npl-port-range", "61000-61002"]);
    let served = world.until(|| match programmed(&world) {
        served if served.len() == 6 => Ok(served),
        other => Err(format!("{other:?}")),
    });
    let errors: Vec<_> =
        world.mappings().into_iter().filter(|mapping| mapping.state == "error").collect();
    assert_eq!(errors.len(), 4, "two Pods, by TCP and UDP: {errors:?}");
    assert!(errors.iter().all(|m| m.reason.contains("61000-61002")), "{errors:?}");
    assert_eq!(world.findings("range-exhausted").len(), 2, "one a Pod");
    let winners: Vec<&str> =
        names.into_iter().filter(|name| served.contains_key(&of(name, "tcp"))).collect();
    assert_eq!(winners.len(), 3);
    for winner in &winners {
        answers(&world, winner);
    }
    let losers: Vec<&&str> = names.iter().filter(|name| !winners.contains(name)).collect();
    for loser in &losers {
        assert_eq!(world.published(&format!("default/{loser}")), None);
    }

    let stays = winners[1];
    let target = |protocol: &str| world.at(IpFamily::V4, served[&of(stays, protocol)]);
    let clients = Steady::start(world.lab().client(), target("tcp"), target("udp"));
    // One leaves, one gets in.
    let leaves = pods.iter().find(|(pod, _)| pod.name() == winners[0]).unwrap();
    world.folder().remove(manifest_of(&leaves.0));
    let now = world.until(|| match programmed(&world) {
        now if now.len() == 6 && !now.contains_key(&of(winners[0], "udp")) => Ok(now),
        other => Err(format!("{other:?}")),
    });
    for (mapping, port) in served.iter().filter(|((pod, ..), _)| !pod.ends_with(winners[0])) {
        assert_eq!(now.get(mapping), Some(port), "{mapping:?} was disturbed");
    }
    let came: Vec<&&&str> =
        losers.iter().filter(|name| now.contains_key(&of(name, "tcp"))).collect();
    assert_eq!(came.len(), 1, "{now:?}");
    answers(&world, came[0]);
    assert_eq!(world.findings("range-exhausted").len(), 1);
    clients.goes_on(stays);
    clients.nothing_lost(&[stays]);
}

/// The key of a Pod's mapping in [`programmed`].
fn of(pod: &str, protocol: &str) -> (String, String, String) {
    (format!("default/{pod}"), protocol.to_owned(), "IPv4".to_owned())
}

#[test]
fn another_range_moves_every_mapping_and_publishes_it() {
    let (mut world, _pods) = world_with(&[("web", "10.244.1.7")], &[]);
    let before = ports(&world, "web");
    world.stop();
    world.set_args(&["--npl-port-range", "61500-61599"]);
    world.start();
    let after = world.until(|| match ports(&world, "web") {
        after if after.iter().all(|port| (61500..61600).contains(port)) => Ok(after),
        other => Err(format!("{other:?}")),
    });
    answers(&world, "web");
    for ((protocol, _), port) in BOTH.into_iter().zip(before) {
        world.assert_refused(protocol, port);
    }
    world.published_as("default/web", |text| {
        after.iter().all(|port| text.contains(&port.to_string())) && !text.contains("6100")
    });
    assert_eq!(world.kernel_mappings().len(), 2);
}

#[test]
fn a_freed_port_is_not_handed_out_again_at_once() {
    let (mut world, pods) = world_with(&[("a", "10.244.1.1"), ("b", "10.244.1.2")], &[]);
    let freed = ports(&world, "b");
    world.folder().remove(manifest_of(&pods[1].0));
    world.sync();
    let _c = web(&world, "c", "10.244.1.3");
    let next = ports(&world, "c");
    assert!(next.iter().zip(freed).all(|(next, freed)| *next > freed), "{next:?} {freed:?}");
    // Nor by an agent that is new to it.
    world.folder().remove(manifest_of(&pods[0].0));
    world.sync();
    world.stop();
    world.start();
    let _d = web(&world, "d", "10.244.1.4");
    assert!(ports(&world, "d").iter().zip(next).all(|(d, c)| *d > c));
}

/// A world whose only Pod has ports that nobody would give it anew, and those ports.
fn with_later_ports() -> (World, Web, [u16; 2]) {
    let (world, mut pods) = world_with(&[("gone", "10.244.1.1")], &[]);
    ports(&world, "gone");
    let web = web(&world, "web", "10.244.1.7");
    let before = ports(&world, "web");
    world.folder().remove(manifest_of(&pods.remove(0).0));
    world.sync();
    assert_ne!(before, [61000, 61000]);
    (world, web, before)
}

#[test]
fn ports_survive_a_restart_a_flush_and_a_reboot() {
    let (mut world, pod, before) = with_later_ports();
    world.stop();
    world.start();
    assert_eq!(ports(&world, "web"), before, "after a restart");
    world.crash();
    world.start();
    assert_eq!(ports(&world, "web"), before, "after a crash");
    world.crash();
    foreign::flush_ruleset(world.node()).unwrap();
    assert_eq!(foreign::ruleset(world.node()), "");
    world.start();
    assert_eq!(ports(&world, "web"), before, "after a flush");
    answers(&world, "web");
    drop(pod);
    world.reboot();
    // After a reboot the kubelet starts the same Pod again, in a new sandbox with another IP.
    let _pod = web(&world, "web", "10.244.1.99");
    world.start();
    assert_eq!(ports(&world, "web"), before, "after a reboot");
    answers(&world, "web");
}

#[test]
fn without_a_journal_ports_come_from_the_kernels_marks() {
    let (mut world, _pod, before) = with_later_ports();
    world.crash();
    fs::remove_dir_all(world.stage().state_dir()).unwrap();
    world.start();
    assert_eq!(ports(&world, "web"), before);
    answers(&world, "web");
    world.published_as("default/web", |text| text.contains(&before[0].to_string()));
}

#[test]
fn without_a_journal_and_a_kernel_ports_come_from_the_annotation() {
    let (mut world, pod, before) = with_later_ports();
    let text = world.published_as("default/web", |text| text.contains("udp"));
    let forget = |world: &mut World| {
        world.crash();
        foreign::flush_ruleset(world.node()).unwrap();
        fs::remove_file(world.stage().state_dir().join("journal.jsonl")).unwrap();
    };
    forget(&mut world);
    world.start();
    assert_eq!(ports(&world, "web"), before, "from what was published");
    forget(&mut world);
    // Where it was published into a file, that is lost too.
    let _ = fs::remove_dir_all(world.stage().state_dir().join("published"));
    world.folder().put(manifest_of(&pod.0).label("app", "all").annotation(KEY, &text));
    world.start();
    assert_eq!(ports(&world, "web"), before, "from the object itself");
    answers(&world, "web");
}
