//! What packets meet at node ports: from outside, from the node, from Pods; every protocol and
//! family; and which Pods and Services have mappings at all.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::process::Command;
use std::time::Duration;

use lab::{AskError, Question};
use model::{IpFamily, Protocol};
use netns::Namespace;
use testkit::{Pod, Service, Steady, Target, World, changed, manifest_of, serve, service_for};

const NETKEEP: &str = env!("CARGO_BIN_EXE_netkeep");
const EVERY_PROTOCOL: [(Protocol, u16); 3] =
    [(Protocol::Tcp, 8080), (Protocol::Udp, 5353), (Protocol::Sctp, 9000)];
const TCP: [(Protocol, u16); 1] = [(Protocol::Tcp, 8080)];

/// Who answers from here at a target, and whom they saw.
#[track_caller]
fn asked(from: &Namespace, protocol: Protocol, target: SocketAddr) -> (String, IpAddr) {
    let answer = Question::new(protocol, target).within(Duration::from_secs(5)).ask(from);
    let answer = answer.unwrap_or_else(|error| panic!("{protocol} {target}: {error}"));
    (answer.who, answer.seen_peer.ip())
}

fn dual_stack(name: &str) -> Service {
    service_for(name, &EVERY_PROTOCOL).families(&IpFamily::ALL)
}

/// A world with a dual-stack Pod `web` that serves every protocol, and the node port of each
/// protocol and family.
fn dual_stack_world() -> (World, Vec<lab::Server>, Vec<(IpFamily, Protocol, u16)>) {
    let mut world = World::new(NETKEEP);
    let pod = world.pod("web", &["10.244.1.7", "fd00:10:244::7"]);
    let servers = serve(&pod, &EVERY_PROTOCOL);
    world.folder().put(manifest_of(&pod));
    world.folder().put(dual_stack("web"));
    world.start();
    let mut ports = Vec::new();
    for family in IpFamily::ALL {
        for (protocol, pod_port) in EVERY_PROTOCOL {
            let port = world.port_of("default/web", family, protocol, pod_port);
            ports.push((family, protocol, port));
        }
    }
    (world, servers, ports)
}

#[test]
fn every_protocol_and_family_reaches_the_pod_which_sees_the_client_itself() {
    let (world, _servers, ports) = dual_stack_world();
    for (family, protocol, port) in ports {
        let client = world.lab().client();
        let (who, seen) = asked(client, protocol, world.at(family, port));
        assert_eq!((who.as_str(), seen), ("web", world.lab().client_ip(family)), "{protocol}");
    }
}

#[test]
fn a_dual_stack_port_has_an_element_of_each_family_in_the_annotation() {
    let (world, _servers, ports) = dual_stack_world();
    let annotation = world.published_as("default/web", |_| true);
    let elements: Vec<serde_json::Value> = serde_json::from_str(&annotation).unwrap();
    let port = |family| {
        let of = |(f, p, _): &&(IpFamily, Protocol, u16)| (*f, *p) == (family, Protocol::Tcp);
        ports.iter().find(of).unwrap().2
    };
    let tcp: Vec<_> = elements.iter().filter(|element| element["podPort"] == 8080).collect();
    assert_eq!(elements.len(), 6, "{annotation}");
    let expected = |family: IpFamily| {
        serde_json::json!({
            "podPort": 8080,
            "nodeIP": world.lab().node_ip(family),
            "nodePort": port(family),
            "protocol": "tcp",
            "ipFamily": family.as_str(),
        })
    };
    assert_eq!(tcp, [&expected(IpFamily::V4), &expected(IpFamily::V6)]);
}

#[test]
fn the_node_and_every_pod_reach_the_node_port_too() {
    let (world, _servers, ports) = dual_stack_world();
    let other = world.pod("other", &["10.244.1.9", "fd00:10:244::9"]);
    let pods = world.lab().pods();
    let itself = pods.iter().find(|pod| pod.name() == "web").unwrap();
    for (family, protocol, port) in ports {
        let target = world.at(family, port);
        assert_eq!(asked(world.node(), protocol, target).0, "web", "the node: {protocol} {target}");
        let (who, seen) = asked(other.namespace(), protocol, target);
        assert_eq!((who.as_str(), Some(seen)), ("web", other.ip(family)), "{protocol} {target}");
        assert_eq!(asked(itself.namespace(), protocol, target).0, "web", "{protocol} {target}");
    }
}

#[test]
fn only_addresses_of_the_node_lead_to_the_pod() {
    let (world, _servers, ports) = dual_stack_world();
    let host = world.pod("host", &["10.99.0.1", "fd00:99::1"]);
    let more = "addr add 192.0.2.77/32 dev lo";
    lab::run(world.node(), Command::new("ip").args(more.split(' ')), "").unwrap();
    lab::run(
        world.lab().client(),
        Command::new("ip").args("route add 192.0.2.77/32 via 192.0.2.1".split(' ')),
        "",
    )
    .unwrap();
    for (family, protocol, port) in ports {
        let _server = serve(&host, &[(protocol, port)]);
        let target = SocketAddr::new(host.ip(family).unwrap(), port);
        for from in [world.lab().client(), world.node()] {
            assert_eq!(asked(from, protocol, target).0, "host", "{protocol} {target}");
        }
        if family == IpFamily::V4 {
            let another = SocketAddr::new(Ipv4Addr::new(192, 0, 2, 77).into(), port);
            assert_eq!(asked(world.lab().client(), protocol, another).0, "web", "{another}");
        }
        if protocol == Protocol::Tcp {
            let lo: IpAddr =
                if family == IpFamily::V4 { [127, 0, 0, 1].into() } else { "::1".parse().unwrap() };
            let answer = Question::new(protocol, SocketAddr::new(lo, port)).ask(world.node());
            assert!(matches!(answer, Err(AskError::Refused)), "loopback: {answer:?}");
        }
    }
}

#[test]
fn a_client_loses_nothing_while_other_pods_come_and_go() {
    let mut world = World::new(NETKEEP);
    let both = [(Protocol::Tcp, 8080), (Protocol::Udp, 8080)];
    let pod = world.pod("web", &["10.244.1.7"]);
    let _servers = serve(&pod, &both);
    world.folder().put(manifest_of(&pod));
    world.folder().put(service_for("web", &both));
    world.start();
    let [tcp, udp] = both.map(|(protocol, port)| world.port("default/web", protocol, port));
    let target = |port| world.at(IpFamily::V4, port);
    let steady = Steady::start(world.lab().client(), target(tcp), target(udp));
    steady.goes_on("web");
    world.folder().put(service_for("other", &both));
    for round in 0..5 {
        let other = Pod::new("default/other").node("n1").label("app", "other");
        let other = other.uid(&format!("other-{round}")).ips(&["10.244.1.8".parse().unwrap()]);
        world.folder().put(&other);
        world.port("default/other", Protocol::Udp, 8080);
        world.folder().remove(&other);
        world.sync();
        assert_eq!(world.mappings_of("default/other"), []);
    }
    steady.goes_on("web");
    steady.nothing_lost(&["web"]);
}

#[test]
fn a_host_port_is_published_without_rule_or_lease_if_it_is_of_the_same_protocol() {
    let mut world = World::new(NETKEEP);
    let both = [(Protocol::Tcp, 8080), (Protocol::Udp, 8080)];
    let pod = world.pod("web", &["10.244.1.7"]);
    let _servers = serve(&pod, &both);
    world.folder().put(manifest_of(&pod).host_port(Protocol::Tcp, 8080, 61000));
    world.folder().put(service_for("web", &both));
    world.start();
    // Of the range, and still not taken: it is the container runtime's to redirect.
    assert_eq!(world.port("default/web", Protocol::Tcp, 8080), 61000);
    let udp = world.port("default/web", Protocol::Udp, 8080);
    assert_eq!(world.who(Protocol::Udp, udp), "web");
    let kernel = world.kernel_mappings();
    assert_eq!(kernel.len(), 1, "{kernel:?}");
    assert_eq!((kernel[0].protocol.as_str(), kernel[0].node_port), ("udp", udp));
    world.assert_refused(Protocol::Tcp, 61000);
    let bound = world.node().run(|| TcpListener::bind("0.0.0.0:61000")).unwrap();
    bound.expect("nobody has the hostPort's port");
    let expected = |tcp: u16, udp: u16| {
        format!(
            r#"[{{"podPort":8080,"nodeIP":"192.0.2.1","nodePort":{tcp},"protocol":"tcp","ipFamily":"IPv4"}},{{"podPort":8080,"nodeIP":"192.0.2.1","nodePort":{udp},"protocol":"udp","ipFamily":"IPv4"}}]"#
        )
    };
    world.published_as("default/web", |text| text == expected(61000, udp));

    // Its successor without the hostPort has a port of its own for the same.
    world.folder().put(manifest_of(&pod).uid("the-next-one"));
    let (tcp, udp) = world.until(|| match &world.mappings_of("default/web")[..] {
        [tcp, udp] if [tcp, udp].iter().all(|m| m.reason.is_empty() && m.state == "programmed") => {
            Ok((tcp.node_port, udp.node_port))
        }
        other => Err(format!("{other:?}")),
    });
    assert_eq!(world.who(Protocol::Tcp, tcp), "web");
    world.published_as("default/web", |text| text == expected(tcp, udp));
}

#[test]
fn a_host_port_that_leads_to_another_pods_mapping_is_not_published_until_that_has_gone() {
    let mut world = World::new(NETKEEP);
    let both = [(Protocol::Tcp, 8080), (Protocol::Udp, 8080)];
    let web = world.pod("web", &["10.244.1.7"]);
    let other = world.pod("other", &["10.244.1.8"]);
    let _servers = [serve(&web, &both), serve(&other, &both)];
    world.folder().put(manifest_of(&web));
    world.folder().put(service_for("web", &both[..1]));
    world.folder().put(service_for("other", &both));
    world.start();
    let port = world.port("default/web", Protocol::Tcp, 8080);
    world.folder().put(manifest_of(&other).host_port(Protocol::Tcp, 8080, port));
    let udp = world.port("default/other", Protocol::Udp, 8080);
    // The same twice: while it runs, and after it has started on both.
    for _ in 0..2 {
        world.sync();
        world.published_as("default/other", |text| {
            text.contains("udp") && !text.contains("\"protocol\":\"tcp\"")
        });
        let shown = world.mappings_of("default/other");
        let tcp = shown.iter().find(|mapping| mapping.protocol == "tcp").unwrap();
        assert!(tcp.state == "error" && tcp.reason.contains("default/web"), "{tcp:?}");
        assert!(!world.findings("port-conflict").is_empty());
        assert_eq!(world.who(Protocol::Tcp, port), "web");
        assert_eq!(world.port("default/web", Protocol::Tcp, 8080), port);
        world.crash();
        world.start();
    }
    world.folder().remove(manifest_of(&web));
    world.published_as("default/other", |text| text.contains(&format!("\"nodePort\":{port},")));
    assert_eq!(world.port("default/other", Protocol::Udp, 8080), udp);
    world.until(|| match world.findings("port-conflict")[..] {
        [] => Ok(()),
        ref all => Err(format!("{all:?}")),
    });
}

#[test]
fn a_pod_on_the_host_network_is_published_with_its_own_ports_and_no_rule() {
    let mut world = World::new(NETKEEP);
    let ips = IpFamily::ALL.map(|family| world.lab().node_ip(family));
    let pod = Pod::new("default/web").node("n1").label("app", "web").host_network().ips(&ips);
    world.folder().put(pod.host_port(Protocol::Tcp, 8080, 8080));
    world.folder().put(service_for("web", &TCP).families(&IpFamily::ALL));
    world.start();
    let _server = lab::Server::start(world.node(), Protocol::Tcp, 8080, "node").unwrap();
    for family in IpFamily::ALL {
        let port = world.port_of("default/web", family, Protocol::Tcp, 8080);
        assert_eq!(port, 8080);
        let (who, seen) = asked(world.lab().client(), Protocol::Tcp, world.at(family, port));
        assert_eq!((who.as_str(), seen), ("node", world.lab().client_ip(family)));
    }
    assert_eq!(world.kernel_mappings(), []);
    world.published_as("default/web", |text| text.matches("\"nodePort\":8080").count() == 2);
}

#[test]
fn a_named_target_port_is_resolved_for_each_pod_and_protocol() {
    let mut world = World::new(NETKEEP);
    let a = world.pod("a", &["10.244.1.1"]);
    let b = world.pod("b", &["10.244.1.2"]);
    let _servers = (
        serve(&a, &[(Protocol::Tcp, 8001), (Protocol::Udp, 9001), (Protocol::Tcp, 53)]),
        serve(&b, &[(Protocol::Tcp, 8002)]),
    );
    let of = |pod: &lab::Pod| manifest_of(pod).label("tier", "named");
    let main = of(&a).port(Some("http"), Protocol::Tcp, 8001).port(Some("dns"), Protocol::Tcp, 53);
    // Within one container a name stands for one port.
    world.folder().put(changed(main, |pod| {
        let mut second = pod["spec"]["containers"][0].clone();
        second["name"] = "second".into();
        second["ports"] = serde_json::json!([
            { "containerPort": 9001, "name": "http", "protocol": "UDP" },
        ]);
        pod["spec"]["containers"].as_array_mut().unwrap().push(second);
    }));
    world.folder().put(of(&b).port(Some("http"), Protocol::Tcp, 8002));
    let service = Service::new("default/named").npl().selector("tier", "named");
    let service = service
        .port(Protocol::Tcp, 80, Target::Name("http"))
        .port(Protocol::Udp, 80, Target::Name("http"))
        .port(Protocol::Tcp, 53, Target::Name("dns"));
    world.folder().put(service);
    world.start();
    for (pod, protocol, pod_port) in [
        ("a", Protocol::Tcp, 8001),
        ("a", Protocol::Udp, 9001),
        ("a", Protocol::Tcp, 53),
        ("b", Protocol::Tcp, 8002),
    ] {
        let port = world.port(&format!("default/{pod}"), protocol, pod_port);
        assert_eq!(world.who(protocol, port), pod, "{protocol} {pod_port}");
    }
    assert_eq!(world.mappings().len(), 4, "{:?}", world.mappings());
    let unresolved = world.findings("unresolved-port");
    let subjects: Vec<_> = unresolved.iter().map(|finding| finding["subject"].clone()).collect();
    assert!(subjects.iter().all(|subject| subject.as_str().unwrap().contains("default/b")));
    assert_eq!(subjects.len(), 2, "udp http, and dns: {unresolved:?}");
}

#[test]
fn services_that_lead_to_one_target_share_a_mapping_until_the_last_of_them_is_gone() {
    let mut world = World::new(NETKEEP);
    let pod = world.pod("web", &["10.244.1.7"]);
    let _servers = serve(&pod, &TCP);
    world.folder().put(manifest_of(&pod));
    let second = Service::new("default/second").npl().selector("app", "web");
    let second = second.port(Protocol::Tcp, 443, Target::Number(8080));
    let first = service_for("web", &TCP);
    world.folder().put(&first);
    world.folder().put(&second);
    world.start();
    let port = world.port("default/web", Protocol::Tcp, 8080);
    assert_eq!(world.mappings().len(), 1);
    world.folder().remove(&first);
    world.sync();
    assert_eq!(world.port("default/web", Protocol::Tcp, 8080), port);
    assert_eq!(world.who(Protocol::Tcp, port), "web");
    world.folder().remove(&second);
    world.sync();
    assert_eq!(world.mappings(), []);
    assert_eq!(world.kernel_mappings(), []);
    world.assert_refused(Protocol::Tcp, port);
}

#[test]
fn each_port_of_a_pod_has_a_mapping_of_its_own() {
    let mut world = World::new(NETKEEP);
    let ports = [
        (Protocol::Tcp, 8080),
        (Protocol::Tcp, 8081),
        (Protocol::Udp, 8080),
        (Protocol::Udp, 53),
        (Protocol::Sctp, 8080),
    ];
    let pod = world.pod("web", &["10.244.1.7"]);
    world.folder().put(manifest_of(&pod));
    world.folder().put(service_for("web", &ports));
    world.start();
    for (protocol, pod_port) in ports {
        let port = world.port("default/web", protocol, pod_port);
        // Only this one is served, so that nothing else can answer.
        let server = serve(&pod, &[(protocol, pod_port)]);
        assert_eq!(world.who(protocol, port), "web", "{protocol} {pod_port}");
        drop(server);
    }
    let mut taken: Vec<_> =
        world.mappings().into_iter().map(|m| (m.protocol, m.node_port)).collect();
    taken.sort();
    taken.dedup();
    assert_eq!(taken.len(), ports.len());
}

#[test]
fn cluster_ip_load_balancer_and_headless_services_count_and_other_types_do_not() {
    let mut world = World::new(NETKEEP);
    let headless = |service: Service| {
        changed(service, |service| {
            service["spec"]["clusterIP"] = "None".into();
            service["spec"]["clusterIPs"] = serde_json::json!(["None"]);
        })
    };
    let of = |kind: &str, port: u16| {
        let service = Service::new(&format!("default/{}", kind.to_lowercase())).npl();
        let service = service.selector("app", "web").service_type(kind);
        service.port(Protocol::Tcp, port, Target::Number(port))
    };
    let pod = world.pod("web", &["10.244.1.7"]);
    let _servers =
        serve(&pod, &[(Protocol::Tcp, 1001), (Protocol::Tcp, 1002), (Protocol::Tcp, 1003)]);
    world.folder().put(manifest_of(&pod));
    world.folder().put(of("ClusterIP", 1001));
    world.folder().put(of("LoadBalancer", 1002));
    let service = Service::new("default/headless").npl().selector("app", "web");
    world.folder().put(headless(service.port(Protocol::Tcp, 1003, Target::Number(1003))));
    world.folder().put(of("NodePort", 2001));
    world.folder().put(changed(of("ExternalName", 2002), |service| {
        service["spec"]["externalName"] = "example.org".into();
    }));
    // Other namespaces, other values of the annotation, and no selector: none of them counts.
    let elsewhere = Service::new("other/web").npl().selector("app", "web");
    world.folder().put(elsewhere.port(Protocol::Tcp, 2003, Target::Number(2003)));
    let unasked = Service::new("default/unasked").selector("app", "web");
    let unasked = unasked.annotation("nodeportlocal.antrea.io/enabled", "yes");
    world.folder().put(unasked.port(Protocol::Tcp, 2004, Target::Number(2004)));
    let all = Service::new("default/all").npl();
    world.folder().put(all.port(Protocol::Tcp, 2005, Target::Number(2005)));
    world.start();
    for pod_port in [1001, 1002, 1003] {
        let port = world.port("default/web", Protocol::Tcp, pod_port);
        assert_eq!(world.who(Protocol::Tcp, port), "web", "{pod_port}");
    }
    let ports: Vec<u16> = world.mappings().iter().map(|mapping| mapping.pod_port).collect();
    assert_eq!(ports, [1001, 1002, 1003]);
}

#[test]
fn only_pods_of_this_node_have_mappings() {
    let mut world = World::new(NETKEEP);
    let pod = world.pod("web", &["10.244.1.7"]);
    let elsewhere = world.pod("elsewhere", &["10.244.1.8"]);
    let _servers = serve(&pod, &TCP);
    let manifest = manifest_of(&elsewhere).label("app", "web").node("n2");
    world.folder().put(manifest_of(&pod));
    world.folder().put(&manifest);
    world.folder().put(service_for("web", &TCP));
    world.start();
    world.port("default/web", Protocol::Tcp, 8080);
    assert_eq!(world.mappings().len(), 1, "{:?}", world.mappings());
    assert_eq!(world.published("default/elsewhere"), None);
}
