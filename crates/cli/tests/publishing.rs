//! What is published for Pods, wherever it is published, and what becomes of what others write into
//! the objects: at run time it is overwritten, and while the agent is down it is a claim.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

use std::sync::Arc;

use model::{IpFamily, Protocol};
use testkit::{Pod, Service, Target, World, changed, manifest_of, serve, service_for};

const NETKEEP: &str = env!("CARGO_BIN_EXE_netkeep");
const KEY: &str = "nodeportlocal.antrea.io";
const WEB: &str = "default/web";
const BOTH: [(Protocol, u16); 2] = [(Protocol::Tcp, 8080), (Protocol::Udp, 8080)];

/// One element as Antrea 2.6 writes it.
fn element(pod_port: u16, node_ip: &str, node_port: u16, protocol: &str, family: &str) -> String {
    format!(
        r#"{{"podPort":{pod_port},"nodeIP":"{node_ip}","nodePort":{node_port},"protocol":"{protocol}","ipFamily":"{family}"}}"#
    )
}

/// The annotation of a Pod with these TCP and UDP node ports for its port 8080.
fn annotation(tcp: u16, udp: u16) -> String {
    let tcp = element(8080, "192.0.2.1", tcp, "tcp", "IPv4");
    let udp = element(8080, "192.0.2.1", udp, "udp", "IPv4");
    format!("[{tcp},{udp}]")
}

/// A world, not running yet, with a Pod that serves.
fn world() -> (World, Arc<lab::Pod>, Vec<lab::Server>) {
    let world = World::new(NETKEEP);
    let web = world.pod("web", &["10.244.1.7"]);
    let servers = serve(&web, &BOTH);
    world.folder().put(manifest_of(&web));
    world.folder().put(service_for("web", &BOTH));
    (world, web, servers)
}

fn ports(world: &World) -> [u16; 2] {
    BOTH.map(|(protocol, pod_port)| world.port(WEB, protocol, pod_port))
}

#[test]
fn the_annotation_is_antreas_byte_for_byte_and_its_order_is_stable() {
    let mut world = World::new(NETKEEP);
    let web = world.pod("web", &["10.244.1.7", "fd00:10:244::7"]);
    world.folder().put(manifest_of(&web).uid("0f9c2b1e-7d0a-4c1e-9a55-3f1f6f0b7c1a"));
    let wanted =
        [(Protocol::Udp, 9000), (Protocol::Tcp, 9000), (Protocol::Sctp, 443), (Protocol::Tcp, 80)];
    let service = |ports: &[(Protocol, u16)]| service_for("web", ports).families(&IpFamily::ALL);
    world.folder().put(service(&wanted));
    world.start();
    let v4 = |protocol, pod_port| world.port_of(WEB, IpFamily::V4, protocol, pod_port);
    let v6 = |protocol, pod_port| world.port_of(WEB, IpFamily::V6, protocol, pod_port);
    let mut elements = Vec::new();
    for (pod_port, protocol) in
        [(80, Protocol::Tcp), (443, Protocol::Sctp), (9000, Protocol::Tcp), (9000, Protocol::Udp)]
    {
        let name = protocol.as_str();
        elements.push(element(pod_port, "192.0.2.1", v4(protocol, pod_port), name, "IPv4"));
        elements.push(element(pod_port, "2001:db8::1", v6(protocol, pod_port), name, "IPv6"));
    }
    let expected = format!("[{}]", elements.join(","));
    assert_eq!(world.published_as(WEB, |text| text.matches("podPort").count() == 8), expected);
    let written = world.stage().publications().remove(WEB);

    // Another order of the Service's ports, a second Service, and a restart write nothing.
    let mut reversed = wanted;
    reversed.reverse();
    world.folder().put(service(&reversed));
    let second = Service::new("default/a-second").npl().selector("app", "web");
    world.folder().put(second.port(Protocol::Tcp, 1, Target::Number(80)));
    world.sync();
    world.crash();
    world.start();
    assert_eq!(world.port(WEB, Protocol::Tcp, 80), elements_port(&elements[0]));
    world.sync();
    assert_eq!(world.published(WEB), Some(Some(expected)));
    assert_eq!(world.stage().publications().remove(WEB), written);
}

fn elements_port(element: &str) -> u16 {
    let element: serde_json::Value = serde_json::from_str(element).unwrap();
    element["nodePort"].as_u64().unwrap().try_into().unwrap()
}

#[test]
fn nothing_is_published_any_more_when_nothing_is_left_to_say() {
    let (mut world, web, _servers) = world();
    world.start();
    let [tcp, udp] = ports(&world);
    world.published_as(WEB, |text| text == annotation(tcp, udp));
    world.folder().put(service_for("web", &BOTH[..1]));
    world.published_as(WEB, |text| {
        text == format!("[{}]", element(8080, "192.0.2.1", tcp, "tcp", "IPv4"))
    });
    world.folder().put(changed(service_for("web", &BOTH[..1]), |service| {
        service["spec"]["ports"][0]["targetPort"] = "no-such-name".into();
    }));
    world.unpublished(WEB);
    world.folder().put(service_for("web", &BOTH));
    world.published_as(WEB, |text| text.contains("udp"));
    world.folder().remove(manifest_of(&web));
    world.unpublished(WEB);
}

#[test]
fn an_annotation_of_the_object_that_is_not_true_is_overwritten() {
    let (mut world, web, _servers) = world();
    world.start();
    let [tcp, udp] = ports(&world);
    let right = annotation(tcp, udp);
    world.published_as(WEB, |text| text == right);
    for tampered in ["", "garbage", "[]", "[{\"podPort\":8080}]", &annotation(61900, 61901)] {
        world.folder().put(manifest_of(&web).annotation(KEY, tampered));
        world.sync();
        world.published_as(WEB, |text| text == right);
        assert_eq!(ports(&world), [tcp, udp], "{tampered}");
        assert_eq!(world.who(Protocol::Udp, udp), "web", "{tampered}");
    }
    world.folder().put(manifest_of(&web));
    world.sync();
    world.published_as(WEB, |text| text == right);
}

#[test]
fn a_claim_that_the_object_makes_while_the_agent_is_down_is_honoured() {
    let (mut world, web, _servers) = world();
    world.start();
    let [tcp, udp] = ports(&world);
    world.published_as(WEB, |text| text == annotation(tcp, udp));
    world.stop();
    world.folder().put(manifest_of(&web).annotation(KEY, &annotation(61500, udp)));
    world.start();
    assert_eq!(ports(&world), [61500, udp]);
    assert_eq!(world.who(Protocol::Tcp, 61500), "web");
    world.assert_refused(Protocol::Tcp, tcp);
    world.published_as(WEB, |text| text == annotation(61500, udp));
}

#[test]
fn claims_that_cannot_be_honoured_change_nothing() {
    let (mut world, web, _servers) = world();
    let other = world.pod("other", &["10.244.1.8"]);
    let _more = serve(&other, &BOTH);
    world.folder().put(manifest_of(&other));
    world.folder().put(service_for("other", &BOTH));
    world.start();
    let before = ports(&world);
    let others = BOTH.map(|(protocol, port)| world.port("default/other", protocol, port));
    world.published_as(WEB, |text| text == annotation(before[0], before[1]));
    for claims in [
        annotation(8443, 0),
        annotation(others[0], others[1]),
        "not json".to_owned(),
        "{}".to_owned(),
        annotation(before[0], before[1]).replace("8080", "99999"),
    ] {
        world.stop();
        world.folder().put(manifest_of(&web).annotation(KEY, &claims));
        world.start();
        assert_eq!(ports(&world), before, "{claims}");
        let kept = BOTH.map(|(protocol, port)| world.port("default/other", protocol, port));
        assert_eq!(kept, others, "{claims}");
        assert_eq!(world.who(Protocol::Tcp, before[0]), "web", "{claims}");
        world.published_as(WEB, |text| text == annotation(before[0], before[1]));
    }
}

#[test]
fn annotations_of_every_older_format_are_read_and_written_anew() {
    let mut world = World::new(NETKEEP);
    let formats = [
        // Antrea 0.13 to 1.3: TCP only.
        ("a", r#"[{"podPort":8080,"nodeIP":"192.0.2.1","nodePort":61101}]"#, Some(61101), None),
        // 1.4 to 1.6: one port for several protocols.
        (
            "b",
            r#"[{"podPort":8080,"nodeIP":"192.0.2.1","nodePort":61102,"protocols":["tcp","udp"]}]"#,
            Some(61102),
            Some(61102),
        ),
        // 1.7 to 1.15: an element a protocol, said twice.
        (
            "c",
            r#"[{"podPort":8080,"nodeIP":"192.0.2.1","nodePort":61103,"protocol":"tcp","protocols":["tcp"]},{"podPort":8080,"nodeIP":"192.0.2.1","nodePort":61104,"protocol":"udp","protocols":["udp"]}]"#,
            Some(61103),
            Some(61104),
        ),
        // 2.0 to 2.5: no family.
        (
            "d",
            r#"[{"podPort":8080,"nodeIP":"192.0.2.1","nodePort":61105,"protocol":"udp"}]"#,
            None,
            Some(61105),
        ),
    ];
    for (number, (name, text, ..)) in formats.iter().enumerate() {
        let ip = format!("10.244.1.{}", number + 1);
        let pod = Pod::new(&format!("default/{name}")).node("n1").ips(&[ip.parse().unwrap()]);
        world.folder().put(pod.label("app", "old").annotation(KEY, text));
    }
    world.folder().put(service_for("old", &BOTH));
    world.start();
    for (name, _, tcp, udp) in formats {
        let pod = format!("default/{name}");
        let found = BOTH.map(|(protocol, port)| world.port(&pod, protocol, port));
        for (claimed, found) in [tcp, udp].into_iter().zip(found) {
            assert_eq!(claimed.unwrap_or(found), found, "{pod}");
        }
        world.published_as(&pod, |text| text == annotation(found[0], found[1]));
    }
}
