//! Whose a mapping is, over everything that happens to Pods and Services: reused and contested
//! IPs, replaced Pods, late deletes, and every way in which a mapping ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

use std::sync::Arc;

use model::object::Phase;
use model::{IpFamily, Protocol};
use serde_json::Value;
use testkit::{
    Manifest, Pod, Service, Steady, Target, World, changed, manifest_of, serve, service_for,
};

const NETKEEP: &str = env!("CARGO_BIN_EXE_netkeep");
const BOTH: [(Protocol, u16); 2] = [(Protocol::Tcp, 8080), (Protocol::Udp, 8080)];
const IP: &str = "10.244.1.7";
/// When the older and the newer Pod of a pair started, in seconds since 1970.
const OLDER: i64 = 1_767_300_000;
const NEWER: i64 = 1_767_300_100;

/// Clients of both ports of a Pod, which must be mapped.
fn clients_of(world: &World, pod: &str) -> Steady {
    let [tcp, udp] = BOTH.map(|(protocol, port)| {
        world.at(IpFamily::V4, world.port(&format!("default/{pod}"), protocol, port))
    });
    let steady = Steady::start(world.lab().client(), tcp, udp);
    steady.goes_on(pod);
    steady
}

/// The Service of all Pods of these tests, by a label of its own.
fn service() -> Service {
    service_for("all", &BOTH)
}

fn manifest(pod: &lab::Pod) -> Pod {
    manifest_of(pod).label("app", "all")
}

/// A running world with a Pod that is mapped.
fn world_with(pod: &str) -> (World, Arc<lab::Pod>, Vec<lab::Server>) {
    let mut world = World::new(NETKEEP);
    let web = world.pod(pod, &[IP]);
    let servers = serve(&web, &BOTH);
    world.folder().put(manifest(&web));
    world.folder().put(service());
    world.start();
    world.port(&format!("default/{pod}"), Protocol::Udp, 8080);
    (world, web, servers)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// A is told of again; it has finished by now.
    AUpdated,
    ADeleted,
    /// B is told of for the first time, without an IP.
    BAdded,
    /// B runs and has the IP.
    BRuns,
}

/// All orders of the steps in which B is added before it runs.
fn orders() -> Vec<[Step; 4]> {
    const STEPS: [Step; 4] = [Step::AUpdated, Step::ADeleted, Step::BAdded, Step::BRuns];
    let mut orders = Vec::new();
    for number in 0..256_usize {
        let order = [0, 2, 4, 6].map(|shift| STEPS[(number >> shift) % 4]);
        let place = |step| order.iter().position(|other| *other == step);
        let complete = STEPS.iter().all(|step| place(*step).is_some());
        if complete && place(Step::BAdded) < place(Step::BRuns) {
            orders.push(order);
        }
    }
    orders
}

#[test]
fn there_are_twelve_orders_of_the_events_of_two_pods() {
    assert_eq!(orders().len(), 12);
}

/// Goes through every order of the events of A, which begins in this phase, and of B, which
/// inherits A's IP. From when B is up on, no packet to it may be lost.
fn reuse_the_ip_in_every_order(phase_of_a: Phase) {
    let mut world = World::new(NETKEEP);
    let (a, b) = (world.pod("a", &[IP]), world.pod("b", &[IP]));
    let _servers = (serve(&a, &BOTH), serve(&b, &BOTH));
    world.folder().put(service());
    world.start();
    for (round, order) in orders().into_iter().enumerate() {
        let a_is = |phase| {
            let pod = manifest(&a).uid(&format!("a-{round}")).started(OLDER).phase(phase);
            pod.label("touched", if phase == Phase::Succeeded { "again" } else { "once" })
        };
        let b_is = manifest(&b).uid(&format!("b-{round}")).started(NEWER);
        a.take_routes().unwrap();
        world.folder().put(a_is(phase_of_a));
        world.sync();
        let mut clients: Option<Steady> = None;
        for step in order {
            match step {
                Step::AUpdated => world.folder().put(a_is(Phase::Succeeded)),
                Step::ADeleted => world.folder().remove(a_is(phase_of_a)),
                Step::BAdded => world.folder().put(b_is.clone().phase(Phase::Pending).ips(&[])),
                Step::BRuns => {
                    b.take_routes().unwrap();
                    world.folder().put(&b_is);
                }
            }
            world.sync();
            if step == Step::BRuns {
                clients = Some(clients_of(&world, "b"));
            }
            if let Some(clients) = &clients {
                clients.goes_on("b");
            }
        }
        let clients = clients.unwrap_or_else(|| panic!("B never ran in {order:?}"));
        clients.nothing_lost(&["b"]);
        let mappings = world.mappings();
        assert!(mappings.iter().all(|m| m.pod == "default/b"), "{order:?}: {mappings:?}");
        assert_eq!(world.kernel_mappings().len(), 2, "{order:?}");
        assert_eq!(world.findings("address-conflict"), [Value::Null; 0], "{order:?}");
        // Removed last in some orders, present in others.
        world.folder().put(a_is(Phase::Succeeded));
        world.folder().remove(a_is(Phase::Succeeded));
        world.folder().remove(&b_is);
        world.sync();
        assert_eq!(world.mappings(), [], "{order:?}");
        assert_eq!(world.kernel_mappings(), [], "{order:?}");
    }
}

#[test]
fn a_finished_pods_events_in_any_order_never_touch_the_pod_that_has_its_ip_now() {
    reuse_the_ip_in_every_order(Phase::Succeeded);
}

#[test]
fn a_pod_that_finishes_late_never_touches_the_pod_that_has_its_ip_now() {
    reuse_the_ip_in_every_order(Phase::Running);
}

#[test]
fn all_of_it_at_once_leads_to_the_same() {
    let (world, a, _servers) = world_with("a");
    let b = world.pod("b", &[IP]);
    let _more = serve(&b, &BOTH);
    // Written one after the other, without waiting for the agent.
    world.folder().put(manifest(&b).started(NEWER));
    world.folder().put(manifest(&a).started(OLDER).phase(Phase::Failed));
    let clients = clients_of(&world, "b");
    world.folder().remove(manifest(&a));
    world.sync();
    clients.goes_on("b");
    clients.nothing_lost(&["b"]);
    assert_eq!(world.mappings_of("default/a"), []);
    world.unpublished("default/a");
}

#[test]
fn a_pod_replaced_under_its_name_is_another_owner_with_another_port() {
    let (world, web, servers) = world_with("web");
    let before = BOTH.map(|(protocol, port)| world.port("default/web", protocol, port));
    let uid = world.mappings()[0].uid.clone();
    drop(servers);
    world.lab().remove_pod("web").unwrap();
    let web = {
        let _gone = web;
        world.pod("web", &[IP])
    };
    let _servers = serve(&web, &BOTH);
    world.folder().put(manifest(&web).uid("web-second").started(NEWER));
    world.until(|| match &world.mappings()[..] {
        [tcp, udp] if tcp.uid != uid && tcp.state == "programmed" && udp.state == "programmed" => {
            Ok(())
        }
        other => Err(format!("{other:?}")),
    });
    let clients = clients_of(&world, "web");
    for ((protocol, port), before) in BOTH.into_iter().zip(before) {
        assert_ne!(world.port("default/web", protocol, port), before);
        world.assert_refused(protocol, before);
    }
    let file = world.published_as("default/web", |text| !text.contains(&format!("{}", before[0])));
    assert_eq!(file.matches("podPort").count(), 2);
    clients.nothing_lost(&["web"]);
}

#[test]
fn of_two_live_pods_with_one_ip_the_newer_answers_until_it_leaves() {
    let (world, a, _servers) = world_with("a");
    world.folder().put(manifest(&a).started(OLDER));
    world.sync();
    let ports_of_a = BOTH.map(|(protocol, port)| world.port("default/a", protocol, port));
    let annotation_of_a = world.published_as("default/a", |_| true);
    let b = world.pod("b", &[IP]);
    let _more = serve(&b, &BOTH);
    let b_is = manifest(&b).started(NEWER);
    world.folder().put(&b_is);
    world.sync();

    let clients = clients_of(&world, "b");
    for mapping in world.mappings_of("default/a") {
        assert_eq!(mapping.state, "error", "{mapping:?}");
        assert!(mapping.reason.contains("default/b"), "{mapping:?}");
    }
    for ((protocol, _), port) in BOTH.into_iter().zip(ports_of_a) {
        world.assert_refused(protocol, port);
    }
    world.unpublished("default/a");
    world.published_as("default/b", |_| true);
    let socket = world.stage().socket();
    let show = ["show", "findings", "-o", "json", "--socket", socket.to_str().unwrap()];
    let findings = world.netkeep(&show).expect_code(0).json();
    let conflicts: Vec<&Value> = findings
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["code"] == "address-conflict")
        .collect();
    assert_eq!(conflicts.len(), 2, "{findings:#}");
    for pod in ["default/a", "default/b"] {
        let names = |finding: &&&Value| finding["subject"].as_str().unwrap().contains(pod);
        let finding = conflicts.iter().find(names).unwrap_or_else(|| panic!("{pod}: {findings:#}"));
        assert!(finding["message"].as_str().unwrap().contains(IP), "{finding:#}");
    }
    clients.goes_on("b");
    clients.nothing_lost(&["b"]);

    // The winner leaves: the other takes over, at the ports that it had.
    a.take_routes().unwrap();
    world.folder().remove(&b_is);
    let ports = BOTH.map(|(protocol, port)| world.port("default/a", protocol, port));
    assert_eq!(ports, ports_of_a);
    clients_of(&world, "a").nothing_lost(&["a"]);
    world.published_as("default/a", |text| text == annotation_of_a);
    world.unpublished("default/b");
    world.sync();
    assert_eq!(world.findings("address-conflict"), [Value::Null; 0]);
}

#[test]
fn a_pod_that_started_earlier_never_takes_the_ip_of_a_later_one() {
    let (world, a, _servers) = world_with("a");
    world.folder().put(manifest(&a).started(NEWER));
    world.sync();
    let clients = clients_of(&world, "a");
    // Told of later, and named so that it comes first in any list.
    let b = Pod::new("default/0-earlier").node("n1").label("app", "all").ips(&a.ips());
    world.folder().put(b.clone().started(OLDER));
    world.sync();
    assert_eq!(world.findings("address-conflict").len(), 2);
    assert_eq!(world.published("default/0-earlier"), None);
    world.folder().put(b.started(OLDER).label("touched", "again"));
    world.sync();
    clients.goes_on("a");
    clients.nothing_lost(&["a"]);
    assert_eq!(world.kernel_mappings().len(), 2);
}

#[test]
fn a_pods_new_ip_keeps_its_ports_and_its_clients() {
    let (world, web, servers) = world_with("web");
    let ports = BOTH.map(|(protocol, port)| world.port("default/web", protocol, port));
    let annotation = world.published_as("default/web", |text| text.contains("udp"));
    let targets = ports.map(|port| world.at(IpFamily::V4, port));
    let clients = Steady::without_stream(world.lab().client(), targets[0], targets[1]);
    clients.goes_on("web");
    // Its new sandbox is up before the old one is gone, so that whatever is lost is lost by the
    // mapping.
    let sandbox = world.pod("sandbox", &["10.244.1.77"]);
    let _more = BOTH.map(|(protocol, port)| {
        lab::Server::start(sandbox.namespace(), protocol, port, "web, again").unwrap()
    });
    world.folder().put(manifest(&web).ips(&sandbox.ips()));
    world.until(|| match world.mappings() {
        all if all.iter().all(|m| m.pod_ip == "10.244.1.77" && m.state == "programmed") => Ok(()),
        other => Err(format!("{other:?}")),
    });
    // Flows from before are cut a moment after the change; until then they are answered as before.
    clients.goes_on("web, again");
    drop(servers);
    world.lab().remove_pod("web").unwrap();
    clients.goes_on("web, again");
    clients.nothing_lost_but_what_was_cut(&["web", "web, again"]);
    assert_eq!(BOTH.map(|(protocol, port)| world.port("default/web", protocol, port)), ports);
    assert_eq!(world.published("default/web"), Some(Some(annotation)));
}

#[test]
fn a_pod_without_an_ip_for_a_while_keeps_its_ports() {
    let (world, web, _servers) = world_with("web");
    let ports = BOTH.map(|(protocol, port)| world.port("default/web", protocol, port));
    world.folder().put(manifest(&web).ips(&[]));
    world.sync();
    assert_eq!(world.kernel_mappings(), []);
    world.unpublished("default/web");
    world.assert_refused(Protocol::Tcp, ports[0]);
    world.folder().put(manifest(&web));
    assert_eq!(BOTH.map(|(protocol, port)| world.port("default/web", protocol, port)), ports);
    clients_of(&world, "web").nothing_lost(&["web"]);
}

#[test]
fn every_way_to_end_a_mapping_ends_it_at_once_and_nobody_elses() {
    let (world, _stays, _servers) = world_with("stays");
    let clients = clients_of(&world, "stays");
    let web = world.pod("web", &["10.244.1.8"]);
    let _more = serve(&web, &BOTH);
    let (pod, service) = (manifest_of(&web), service_for("web", &BOTH));
    let enabled = "nodeportlocal.antrea.io/enabled";
    let alter = |change: fn(&mut Value)| Some(changed(&service, change));
    let alter_pod = |change: fn(&mut Value)| Some(changed(&pod, change));
    let whole: [Manifest; 2] = [(&pod).into(), (&service).into()];
    let ways: [(&str, Option<Manifest>, Option<Manifest>); 11] = [
        ("the Pod succeeded", Some(pod.clone().phase(Phase::Succeeded).into()), None),
        ("the Pod failed", Some(pod.clone().phase(Phase::Failed).into()), None),
        (
            "the Pod's label changed",
            alter_pod(|p| p["metadata"]["labels"]["app"] = "x".into()),
            None,
        ),
        ("the Pod was deleted", None, Some((&pod).into())),
        ("the Service was deleted", None, Some((&service).into())),
        (
            "the annotation went",
            alter(|s| drop(s["metadata"].as_object_mut().unwrap().remove("annotations"))),
            None,
        ),
        (
            "the annotation says false",
            Some(service.clone().annotation(enabled, "false").into()),
            None,
        ),
        ("the selector changed", alter(|s| s["spec"]["selector"]["app"] = "x".into()), None),
        ("there is no selector", alter(|s| s["spec"]["selector"] = Value::Null), None),
        ("the type changed", alter(|s| s["spec"]["type"] = "NodePort".into()), None),
        (
            "the Service's ports lead nowhere",
            alter(|s| {
                for port in s["spec"]["ports"].as_array_mut().unwrap() {
                    port["targetPort"] = "no-such-name".into();
                }
            }),
            None,
        ),
    ];
    for (what, put, removed) in ways {
        for object in whole.clone() {
            world.folder().put(object);
        }
        let ports = BOTH.map(|(protocol, port)| world.port("default/web", protocol, port));
        for ((protocol, _), port) in BOTH.into_iter().zip(ports) {
            assert_eq!(world.who(protocol, port), "web", "before {what}");
        }
        world.published_as("default/web", |text| text.contains("udp"));
        if let Some(object) = put {
            world.folder().put(object);
        }
        if let Some(object) = removed {
            world.folder().remove(object);
        }
        world.until(|| match world.mappings_of("default/web") {
            none if none.is_empty() => Ok(()),
            some => Err(format!("{what}: {some:?}")),
        });
        let kernel = world.kernel_mappings();
        assert!(kernel.iter().all(|mapping| mapping.pod == "default/stays"), "{what}: {kernel:?}");
        for ((protocol, _), port) in BOTH.into_iter().zip(ports) {
            world.assert_refused(protocol, port);
        }
        world.unpublished("default/web");
    }
    clients.goes_on("stays");
    clients.nothing_lost(&["stays"]);
}

#[test]
fn a_service_port_that_goes_takes_its_own_mapping_only() {
    let (world, _web, _servers) = world_with("web");
    let [tcp, udp] = BOTH.map(|(protocol, port)| world.port("default/web", protocol, port));
    world.folder().put(service_for("all", &BOTH[..1]));
    world.sync();
    assert_eq!(world.mappings().len(), 1);
    assert_eq!(world.who(Protocol::Tcp, tcp), "web");
    world.assert_refused(Protocol::Udp, udp);
    world.published_as("default/web", |text| !text.contains("udp"));
    let other = Service::new("default/other").npl().selector("app", "all");
    world.folder().put(other.port(Protocol::Udp, 53, Target::Number(8080)));
    let again = world.port("default/web", Protocol::Udp, 8080);
    assert_eq!(world.who(Protocol::Udp, again), "web");
    assert_eq!(world.port("default/web", Protocol::Tcp, 8080), tcp);
}
