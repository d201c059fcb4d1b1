//! `explain`: the answers name the objects that make something so.

#![allow(clippy::unwrap_used, reason = "tests panic")]

#[path = "support/world.rs"]
mod world;

use model::Protocol;
use world::*;

fn conflict() -> World {
    let mut world = World::new();
    world.apply(service("web", &[(Protocol::Tcp, 80)]));
    world.apply(pod("a", &["10.0.0.5"]));
    let mut b = pod("b", &["10.0.0.5"]);
    b.started = 200;
    world.apply(b);
    world
}

fn text(world: &World, query: &str) -> String {
    world.core.explain(query).unwrap().to_string()
}

#[test]
fn a_pod_is_explained_by_its_services_its_lease_and_its_rivals() {
    let world = conflict();
    for query in ["pod default/a", "default/a", " pod  default/a "] {
        let text = text(&world, query);
        assert!(text.contains("Service default/web selects it"), "{text}");
        assert!(
            text.contains(
                "IP 10.0.0.5: not its own, Pod default/b has it, because it started later"
            ),
            "{text}"
        );
        assert!(text.contains("warning: address-conflict: Pod default/a"), "{text}");
    }
    let text = text(&world, "pod default/b");
    assert!(
        text.contains("tcp 80 of Pod default/b is IPv4 port 61001 of the node: programmed"),
        "{text}"
    );
    assert!(
        text.contains("element npl4 tcp . 61001 -> 10.0.0.5:80 of Pod default/b: programmed"),
        "{text}"
    );
}

#[test]
fn an_ip_is_explained_by_who_has_it_and_who_lost_it() {
    let world = conflict();
    let text = text(&world, "10.0.0.5");
    assert!(text.starts_with("10.0.0.5 belongs to Pod default/b (uid b)\n"), "{text}");
    assert!(text.contains("Pod default/a (uid a) claims it too"), "{text}");
    assert!(self::text(&world, NODE_IP).contains("is the IPv4 address of node n1"));
    assert!(self::text(&world, "10.9.9.9").contains("no Pod on this node has 10.9.9.9"));
}

#[test]
fn a_port_is_explained_by_its_lease() {
    let world = conflict();
    let held = text(&world, "tcp 61001");
    assert!(
        held.starts_with("IPv4 tcp 61001 is leased to port 80 of Pod default/b (uid b): held\n"),
        "{held}"
    );
    assert!(text(&world, "udp 61001").contains("free in the range 61000-62000"));
    assert!(text(&world, "tcp 22").contains("outside the range"));
}

#[test]
fn a_path_is_explained_by_the_translation_it_meets() {
    let world = conflict();
    let through = text(&world, &format!("10.7.7.7 -> {NODE_IP} tcp 61001"));
    assert!(through.contains("translated to 10.0.0.5:80 of Pod default/b"), "{through}");
    let own = text(&world, &format!("default/b -> {NODE_IP} tcp 61001"));
    assert!(own.contains("masqueraded"), "{own}");
    let direct = text(&world, "10.7.7.7 -> 10.0.0.5 tcp 80");
    assert!(direct.contains("not translated"), "{direct}");
    assert!(direct.contains("reached through the node at 192.0.2.1 tcp 61001"), "{direct}");
    let none = text(&world, &format!("10.7.7.7 -> {NODE_IP} tcp 61009"));
    assert!(none.contains("translated to no Pod"), "{none}");
}

#[test]
fn what_is_not_a_question_is_said_to_be_none() {
    let world = conflict();
    for query in
        ["", "web", "tcp", "tcp 0", "tcp 70000", "icmp 1", "a/b/c", "a -> b tcp 80", "pod x"]
    {
        let error = world.core.explain(query).unwrap_err();
        assert!(error.to_string().contains("is not understood: ask for"), "{query}");
    }
}

#[test]
fn the_answer_is_data_too() {
    let world = conflict();
    let json = serde_json::to_value(world.core.explain("tcp 61001").unwrap()).unwrap();
    assert_eq!(json["pods"][0]["mappings"][0]["podIP"], "10.0.0.5");
    assert_eq!(json["elements"][0]["object"], "npl4 tcp . 61001");
}

#[test]
fn a_pod_on_the_nodes_network_says_why_nothing_leads_to_it() {
    let mut world = World::new();
    world.apply(service("web", &[(Protocol::Tcp, 80)]));
    let mut a = pod("a", &[NODE_IP]);
    a.network = model::object::PodNetwork::Host;
    world.apply(a);
    assert!(world.leads().is_empty());
    let told = text(&world, "default/a");
    assert!(told.contains("Pod default/a is on the node's network (hostNetwork)"), "{told}");
    // One that shows the node's IP and does not say so gets nothing.
    world.apply(pod("b", &[NODE_IP]));
    assert!(world.leads().is_empty() && world.annotation("b").is_none());
    let told = text(&world, "default/b");
    for part in ["it is the node's, and the Pod does not say hostNetwork", "no mapping leads there"]
    {
        assert!(told.contains(part), "{told}");
    }
}

#[test]
fn a_mapping_without_a_node_port_is_told_without_a_number() {
    let mut world = World::starting("61000-61000");
    world.core.apply(applied(service("web", &[(Protocol::Tcp, 80), (Protocol::Tcp, 81)])));
    world.core.apply(applied(pod("a", &["10.0.0.5"])));
    world.core.set_hold(None);
    world.sync();
    for query in ["default/a", "192.0.2.9 -> 10.0.0.5 tcp 81"] {
        let told = text(&world, query);
        assert!(told.contains("IPv4 tcp 81, no node port: error (no free port"), "{told}");
        assert!(!told.contains("tcp 0"), "{told}");
    }
}
