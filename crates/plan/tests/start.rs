//! Starts, restarts and ports: what is adopted, which port a mapping asks for first, and what
//! happens when it cannot have it.

#[path = "support/world.rs"]
mod world;

use std::sync::Arc;

use model::{
    Event, FindingCode, Key, Object, ObjectKind, Owner, Pod, Protocol, Reason, Service, Uid,
};
use netkeep_plan::{Lease, LeaseChange, Reserved};
use world::*;

/// A world with these Pods (name, IP) behind one Service on port 80.
fn world_of(pods: &[(&str, &str)]) -> World {
    let mut world = World::new();
    world.apply(service("web", &[(Protocol::Tcp, 80)]));
    for (name, address) in pods {
        world.apply(pod(name, &[address]));
    }
    world
}

/// What a source lists after a restart: the Pods carry the annotations that were published.
fn listed(world: &World, pods: &[(&str, &str)]) -> Vec<Pod> {
    let with = |(name, address): &(&str, &str)| {
        let mut pod = pod(name, &[address]);
        pod.npl_annotation = world.annotation(name).map(Into::into);
        pod
    };
    pods.iter().map(with).collect()
}

fn list(pods: Vec<Pod>, services: Vec<Service>) -> Event {
    let mut objects: Vec<Object> = pods.into_iter().map(Object::Pod).collect();
    objects.extend(services.into_iter().map(Object::Service));
    objects.push(Object::Node(node(&[], &[NODE_IP])));
    Event::Listed { kinds: vec![ObjectKind::Pod, ObjectKind::Service, ObjectKind::Node], objects }
}

fn web() -> Service {
    service("web", &[(Protocol::Tcp, 80)])
}

const TWO: &[(&str, &str)] = &[("a", "10.0.0.5"), ("b", "10.0.0.6")];

#[test]
fn a_restart_with_nothing_changed_writes_nothing() {
    let mut world = world_of(TWO);
    let (kernel, journal, published) =
        (world.kernel.clone(), world.journal.clone(), world.published.len());
    for round in 0..6 {
        world.restart();
        let pods = listed(&world, TWO);
        // Each source comes in its own time; nothing happens until the last one has.
        world.core.apply(Event::Listed {
            kinds: vec![ObjectKind::Pod],
            objects: pods.into_iter().map(Object::Pod).collect(),
        });
        assert!(world.sync().is_empty());
        world.core.apply(applied(web()));
        world.core.apply(applied(node(&[], &[NODE_IP])));
        world.core.set_hold(None);
        assert!(world.sync().is_empty(), "round {round}");
        assert_eq!(world.core.take_lease_changes(), []);
    }
    assert_eq!((world.kernel, world.journal), (kernel, journal));
    assert_eq!(world.published.len(), published);
    assert_eq!(world.sockets.len(), 2);
}

#[test]
fn what_went_while_we_were_down_goes_once_in_sync_and_not_before() {
    let mut world = world_of(TWO);
    world.restart();
    let pods = listed(&world, &TWO[..1]);
    world.core.apply(list(pods, vec![web()]));
    let plan = world.sync();
    assert!(plan.is_empty());
    world.core.set_hold(None);
    let plan = world.sync();
    assert_eq!(plan.changes.len(), 2);
    assert!(plan.changes[0].reason().to_string().contains("no longer exists"));
    assert_eq!(world.leads().len(), 1);
    assert_eq!(world.journal.len(), 1);
}

#[test]
fn the_kernels_marks_are_enough_without_a_journal() {
    let mut world = world_of(TWO);
    world.journal.clear();
    world.seen.clear();
    world.annotations.clear();
    world.restart();
    let pods = listed(&world, TWO);
    world.core.apply(list(pods, vec![web()]));
    world.core.set_hold(None);
    assert!(world.sync().is_empty());
    assert_eq!(world.journal.len(), 2, "the journal is told again");
    assert_eq!(world.annotations.len(), 2, "and so are the Pods");
}

#[test]
fn the_journal_is_enough_after_a_reboot() {
    let mut world = world_of(TWO);
    world.delete(ObjectKind::Pod, "a", None);
    world.kernel.clear();
    world.annotations.clear();
    world.restart();
    let pods = listed(&world, TWO);
    world.core.apply(list(pods, vec![web()]));
    world.core.set_hold(None);
    world.sync();
    assert_eq!(world.leads()[&tcp(61001)], to("10.0.0.6", 80));
}

#[test]
fn the_annotation_is_enough_where_nothing_else_is_left() {
    let mut world = world_of(&[]);
    world.restart();
    let mut a = pod("a", &["10.0.0.5"]);
    a.npl_annotation = Some(r#"[{"podPort":80,"nodeIP":"192.0.2.1","nodePort":61077}]"#.into());
    world.core.apply(list(vec![a], vec![web()]));
    world.core.set_hold(None);
    world.sync();
    assert_eq!(world.leads(), [(tcp(61077), to("10.0.0.5", 80))].into());
    assert_eq!(world.annotation("a"), Some(says(80, 61077).as_str()), "in today's form");
}

#[test]
fn an_annotation_written_while_we_were_down_beats_journal_and_kernel() {
    let mut world = world_of(TWO);
    world.restart();
    let mut pods = listed(&world, TWO);
    pods[0].npl_annotation = Some(says(80, 61050).into());
    world.core.apply(list(pods, vec![web()]));
    world.core.set_hold(None);
    let plan = world.sync();
    let ops: Vec<_> = plan.changes.iter().map(|c| c.op().as_str()).collect();
    assert_eq!(ops, ["add", "delete"], "one move, its parts side by side");
    assert!(netkeep_plan::order::is_one_move(&plan.changes[0], &plan.changes[1]));
    assert_eq!(world.leads()[&tcp(61050)], to("10.0.0.5", 80));
    assert_eq!(world.lease("a", 80), Some(node_port(61050)));
    assert_eq!(world.sockets.len(), 2);
}

#[test]
fn an_annotation_that_claims_what_it_may_not_have_is_not_honoured() {
    for text in [
        says(80, 61001),               // another Pod's lease
        says(80, 60999),               // outside the range
        says(81, 61050),               // a port that nobody asks for
        "[{\"podPort\":80".to_owned(), // garbage
    ] {
        let mut world = world_of(TWO);
        world.restart();
        let mut pods = listed(&world, TWO);
        pods[0].npl_annotation = Some(text.as_str().into());
        world.core.apply(list(pods, vec![web()]));
        world.core.set_hold(None);
        assert!(world.sync().is_empty(), "{text}");
        assert_eq!(world.annotation("a"), Some(says(80, 61000).as_str()), "{text}");
    }
}

#[test]
fn two_annotations_that_claim_one_port_are_decided_the_same_way_every_time() {
    for swap in [false, true] {
        let mut world = world_of(&[]);
        world.restart();
        let mut pods = vec![pod("a", &["10.0.0.5"]), pod("b", &["10.0.0.6"])];
        for pod in &mut pods {
            pod.npl_annotation = Some(says(80, 61050).into());
        }
        if swap {
            pods.reverse();
        }
        world.core.apply(list(pods, vec![web()]));
        world.core.set_hold(None);
        world.sync();
        assert_eq!(world.leads()[&tcp(61050)], to("10.0.0.5", 80));
        assert_eq!(world.leads().len(), 2);
    }
}

#[test]
fn a_port_that_another_process_took_meanwhile_is_given_up_and_told() {
    let mut world = world_of(TWO);
    world.restart();
    world
        .busy
        .insert((model::IpFamily::V4, Protocol::Tcp, node_port(61000)), "sshd (pid 9)".into());
    let pods = listed(&world, TWO);
    world.core.apply(list(pods, vec![web()]));
    world.core.set_hold(None);
    let plan = world.sync();
    assert_eq!(plan.changes.len(), 2);
    assert_eq!(world.leads()[&tcp(61002)], to("10.0.0.5", 80));
    assert_eq!(world.codes(), [(FindingCode::PortConflict, "Pod default/a".to_owned())]);
    assert_eq!(world.annotation("a"), Some(says(80, 61002).as_str()));
    world.delete(ObjectKind::Pod, "a", None);
    assert!(world.codes().is_empty());
}

#[test]
fn ports_of_other_processes_are_passed_over() {
    let mut world = world_of(&[]);
    for port in 61000..61003 {
        world.busy.insert((model::IpFamily::V4, Protocol::Tcp, node_port(port)), String::new());
    }
    world.apply(pod("a", &["10.0.0.5"]));
    assert_eq!(world.leads().keys().collect::<Vec<_>>(), [&tcp(61003)]);
    assert!(world.codes().is_empty(), "nobody was promised those ports");
}

#[test]
fn a_changed_range_moves_every_mapping_in_one_plan() {
    let mut world = world_of(TWO);
    world.range = "28000-28010".to_owned();
    world.restart();
    let pods = listed(&world, TWO);
    world.core.apply(list(pods, vec![web()]));
    world.core.set_hold(None);
    let plan = world.sync();
    let ops: Vec<_> = plan.changes.iter().map(|c| c.op().as_str()).collect();
    assert_eq!(ops, ["add", "delete", "add", "delete"]);
    assert_eq!(world.leads().keys().collect::<Vec<_>>(), [&tcp(28000), &tcp(28001)]);
    assert_eq!(world.annotation("a"), Some(says(80, 28000).as_str()));
    let ports: Vec<_> = world.journal.iter().map(|lease| lease.port.get()).collect();
    assert_eq!(ports, [28000, 28001]);
}

#[test]
fn an_ip_that_went_to_another_pod_while_we_were_down_is_never_served_to_the_old_one() {
    let mut world = world_of(TWO);
    world.restart();
    let mut c = pod("c", &["10.0.0.5"]);
    c.started = 300;
    let mut pods = listed(&world, &TWO[1..]);
    pods.push(c);
    world.core.apply(list(pods, vec![web()]));
    world.core.set_hold(None);
    world.sync();
    assert_eq!(world.leads().len(), 2);
    assert_eq!(world.leads()[&tcp(61002)], to("10.0.0.5", 80));
    assert!(misleading(&world.core, &world.kernel).is_empty());
}

#[test]
fn a_new_pod_of_a_known_name_does_not_inherit_the_old_ones_element() {
    let mut world = world_of(TWO);
    world.restart();
    let mut new = pod("a", &["10.0.0.7"]);
    new.meta.uid = Uid::new("a2");
    new.npl_annotation = None;
    let mut pods = listed(&world, &TWO[1..]);
    pods.push(new);
    world.core.apply(list(pods, vec![web()]));
    world.core.set_hold(None);
    world.sync();
    assert_eq!(world.leads()[&tcp(61002)], to("10.0.0.7", 80));
    assert_eq!(world.leads().len(), 2);
}

#[test]
fn unmarked_elements_are_nobodys_and_go() {
    let mut world = world_of(TWO);
    world.kernel.insert(tcp(61500), (to("10.0.0.5", 80), None));
    world.kernel.get_mut(&tcp(61000)).unwrap().1 = None;
    world.restart();
    let pods = listed(&world, TWO);
    world.core.apply(list(pods, vec![web()]));
    world.core.set_hold(None);
    let plan = world.sync();
    assert_eq!(plan.changes.len(), 2, "{plan:#?}");
    assert!(world.kernel.values().all(|(_, mark)| mark.is_some()), "the right one is marked anew");
    assert_eq!(world.leads().len(), 2);
}

#[test]
fn an_exhausted_range_denies_one_mapping_and_a_freed_port_serves_it() {
    let mut world = World::starting("61000-61001");
    world.core.apply(list(vec![], vec![web()]));
    world.core.set_hold(None);
    for (name, address) in [("a", "10.0.0.5"), ("b", "10.0.0.6"), ("c", "10.0.0.7")] {
        world.apply(pod(name, &[address]));
    }
    assert_eq!(world.leads().len(), 2);
    assert_eq!(world.codes(), [(FindingCode::RangeExhausted, "Pod default/c".to_owned())]);
    assert_eq!(world.core.npl_report()[2].reason, "no free port in 61000-61001");
    assert_eq!(world.core.counts().denied, 1);
    world.delete(ObjectKind::Pod, "a", None);
    world.sync();
    assert_eq!(world.leads()[&tcp(61000)], to("10.0.0.7", 80));
    assert!(world.codes().is_empty());
}

#[test]
fn a_pod_of_which_many_ports_have_no_node_port_is_one_finding() {
    let mut world = World::starting("61000-61001");
    let ports: Vec<_> = (1..=20).map(|port| (Protocol::Tcp, port)).collect();
    world.core.apply(list(vec![pod("a", &["10.0.0.5"])], vec![service("web", &ports)]));
    world.core.set_hold(None);
    world.sync();
    let findings = world.core.findings();
    assert_eq!(world.codes(), [(FindingCode::RangeExhausted, "Pod default/a".to_owned())]);
    assert_eq!(findings[0].message, "no node port in 61000-61001 is free for a port of it");
    let evidence = &findings[0].evidence;
    assert_eq!(
        (&*evidence[0], &*evidence[8]),
        ("IPv4 tcp 3 has no node port", "10 more have none")
    );
    assert_eq!(world.core.counts().denied, 18);
}

#[test]
fn a_port_that_another_process_frees_is_found_by_the_retry() {
    let mut world = World::starting("61000-61000");
    let socket = (model::IpFamily::V4, Protocol::Tcp, node_port(61000));
    world.busy.insert(socket, "other (pid 3)".to_owned());
    world.core.apply(list(vec![pod("a", &["10.0.0.5"])], vec![web()]));
    world.core.set_hold(None);
    world.sync();
    let finding = &world.core.findings()[0];
    let said = ["IPv4 tcp 80 has no node port", "tcp 61000 is held by other (pid 3)"];
    assert_eq!(finding.evidence, said);
    world.busy.clear();
    assert!(world.sync().is_empty(), "not before it is told to");
    world.core.retry_exhausted();
    world.sync();
    assert_eq!(world.leads().len(), 1);
}

#[test]
fn a_socket_that_cannot_be_opened_is_told_and_tried_again() {
    let mut world = world_of(&[]);
    world.core.apply(applied(pod("a", &["10.0.0.5"])));
    let (mapping, port) = world.core.next_reservation().unwrap();
    world.core.reserved(&mapping, port, Reserved::Failed("too many open files".to_owned()));
    assert!(world.core.next_reservation().is_none());
    assert_eq!(world.codes()[0].0, FindingCode::ReservationFailed);
    world.core.retry_exhausted();
    world.sync();
    assert_eq!(world.leads().len(), 1);
}

#[test]
fn a_freed_port_is_not_reused_until_the_cursor_wraps() {
    let mut world = World::starting("61000-61003");
    world.core.apply(list(vec![], vec![web()]));
    world.core.set_hold(None);
    let mut seen = Vec::new();
    for round in 0..5 {
        let name = format!("p{round}");
        world.apply(pod(&name, &["10.0.0.5"]));
        seen.extend(world.leads().into_keys());
        world.delete(ObjectKind::Pod, &name, None);
    }
    assert_eq!(seen, [tcp(61000), tcp(61001), tcp(61002), tcp(61003), tcp(61000)]);
}

#[test]
fn a_reservation_that_nobody_wants_any_more_is_closed_again() {
    let mut world = world_of(&[]);
    world.core.apply(applied(pod("a", &["10.0.0.5"])));
    let (mapping, port) = world.core.next_reservation().unwrap();
    world.core.apply(deleted(ObjectKind::Pod, "a", None));
    world.core.reserved(&mapping, port, Reserved::Ok);
    assert_eq!(world.core.take_released(), [(mapping.family, mapping.protocol, port)]);
    assert!(world.core.next_reservation().is_none());
    assert_eq!(world.core.take_lease_changes(), []);
}

#[test]
fn a_journal_of_impossible_leases_is_cleaned_up() {
    let mapping = |uid: &str| model::Mapping {
        owner: Arc::new(Owner::pod("default", uid, Uid::new(uid))),
        pod_port: pod_port(80),
        protocol: Protocol::Tcp,
        family: model::IpFamily::V4,
    };
    let lease = |uid: &str, port: u16| Lease { mapping: mapping(uid), port: node_port(port) };
    let mut world = World::starting("61000-62000");
    world.journal = [lease("a", 61000), lease("b", 61000), lease("a", 61001), lease("c", 5)].into();
    world.restart();
    let pods = listed(&world, TWO);
    world.core.apply(list(pods, vec![web()]));
    world.core.set_hold(None);
    world.sync();
    assert_eq!(world.leads()[&tcp(61000)], to("10.0.0.5", 80));
    assert_eq!(world.journal.len(), 2);
    assert_eq!(
        world.journal.iter().map(|l| l.mapping.owner.uid.to_string()).collect::<Vec<_>>(),
        ["a", "b"]
    );
}

#[test]
fn a_move_that_was_cut_short_settles_on_the_port_that_is_in_the_kernel() {
    let mut world = world_of(&TWO[..1]);
    let mut other = world.journal.first().unwrap().clone();
    for port in [60500, 61400] {
        other.port = node_port(port);
        world.journal.insert(other.clone());
    }
    world.restart();
    let pods = listed(&world, &TWO[..1]);
    world.core.apply(list(pods, vec![web()]));
    world.core.set_hold(None);
    assert!(world.sync().is_empty());
    assert_eq!(world.leads()[&tcp(61000)], to("10.0.0.5", 80));
    assert_eq!(world.journal.len(), 1);
}

#[test]
fn elements_lost_during_the_start_are_put_back_for_owners_not_yet_confirmed() {
    let mut world = world_of(TWO);
    world.restart();
    world.kernel.remove(&tcp(61000));
    world.core.lost(netkeep_plan::Which::Keys(&[tcp(61000)]), "nft (pid 7)");
    let plan = world.sync();
    assert_eq!(plan.changes.len(), 1);
    assert_eq!(plan.changes[0].reason(), &Reason::Drift("nft (pid 7)".to_owned()));
}

#[test]
fn the_journal_hears_of_every_lease_once() {
    let mut world = world_of(&[]);
    world.core.apply(applied(pod("a", &["10.0.0.5"])));
    world.reserve();
    let changes = world.core.take_lease_changes();
    assert!(matches!(changes.as_slice(), [LeaseChange::Taken(_)]));
    assert_eq!(world.core.take_lease_changes(), []);
}

#[test]
fn a_host_port_inside_the_range_is_not_restored_as_a_lease() {
    let mut world = world_of(&[]);
    world.restart();
    let mut a = pod("a", &["10.0.0.5"]);
    let mut port = container_port("http", 80, Protocol::Tcp);
    port.host_port = Some(node_port(61005));
    a.ports = vec![port];
    a.npl_annotation = Some(says(80, 61005).into());
    world.core.apply(list(vec![a], vec![web()]));
    world.core.set_hold(None);
    assert!(world.sync().is_empty());
    assert!(world.sockets.is_empty() && world.published.is_empty());
}

#[test]
fn the_hairpin_of_an_ip_changes_hands_with_it() {
    let mut world = world_of(&TWO[..1]);
    world.delete(ObjectKind::Pod, "a", None);
    world.apply(pod("a", &["10.0.0.5"]));
    let mut new = pod("a", &["10.0.0.5"]);
    new.meta.uid = Uid::new("a2");
    world.apply(new);
    let (_, mark) = &world.kernel[&Key::Hairpin(ip("10.0.0.5"))];
    assert_eq!(mark.as_ref().unwrap().uid, Uid::new("a2"));
}
