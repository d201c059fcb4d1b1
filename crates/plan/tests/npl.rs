//! NodePortLocal as a whole: every situation that Antrea's unit tests cover, and those that its
//! incidents added. Each test drives the core through a simulated node.

#[path = "support/world.rs"]
mod world;

use model::object::{NplRequest, Phase, PodNetwork, ServiceFamilies, ServiceType, TargetPort};
use model::owner::Sandbox;
use model::{FindingCode, IpFamily, Key, MappingState, ObjectKind, Protocol, Uid};
use world::*;

const POD: ObjectKind = ObjectKind::Pod;
const SERVICE: ObjectKind = ObjectKind::Service;

fn web() -> World {
    let mut world = World::new();
    world.apply(service("web", &[(Protocol::Tcp, 80)]));
    world
}

#[test]
fn a_selected_pod_gets_a_port_an_element_and_an_annotation() {
    let mut world = web();
    let plan = world.apply(pod("a", &["10.0.0.5"]));
    assert_eq!(plan.changes.len(), 2, "the mapping and the hairpin");
    assert_eq!(world.leads(), [(tcp(61000), to("10.0.0.5", 80))].into());
    assert!(world.kernel.contains_key(&Key::Hairpin(ip("10.0.0.5"))));
    assert_eq!(world.annotation("a"), Some(says(80, 61000).as_str()));
    let report = &world.core.npl_report()[0];
    assert_eq!(report.state, MappingState::Programmed);
    assert_eq!((report.node_ip.as_str(), report.node_port), (NODE_IP, 61000));
    assert!(world.codes().is_empty());
}

#[test]
fn the_order_of_pod_and_service_does_not_matter() {
    let mut world = World::new();
    assert!(world.apply(pod("a", &["10.0.0.5"])).is_empty());
    world.apply(service("web", &[(Protocol::Tcp, 80)]));
    assert_eq!(world.leads().len(), 1);
}

#[test]
fn a_service_of_another_namespace_selects_nothing() {
    let mut world = World::new();
    let mut other = service("web", &[(Protocol::Tcp, 80)]);
    other.meta.namespace = "other".into();
    world.apply(other);
    assert!(world.apply(pod("a", &["10.0.0.5"])).is_empty());
}

#[test]
fn only_cluster_ip_and_load_balancer_services_count_and_the_type_may_change() {
    let mut world = web();
    world.apply(pod("a", &["10.0.0.5"]));
    let mut changed = service("web", &[(Protocol::Tcp, 80)]);
    for (service_type, mappings) in [
        (ServiceType::NodePort, 0),
        (ServiceType::LoadBalancer, 1),
        (ServiceType::ExternalName, 0),
        (ServiceType::ClusterIp, 1),
    ] {
        changed.service_type = service_type;
        world.apply(changed.clone());
        assert_eq!(world.leads().len(), mappings, "{service_type:?}");
        assert_eq!(world.annotation("a").is_some(), mappings == 1);
        assert_eq!(world.sockets.len(), mappings);
    }
}

#[test]
fn a_service_that_stops_asking_takes_the_mapping_away() {
    let mut world = web();
    world.apply(pod("a", &["10.0.0.5"]));
    let mut disabled = service("web", &[(Protocol::Tcp, 80)]);
    disabled.npl = NplRequest::Disabled;
    let plan = world.apply(disabled);
    assert!(plan.changes.iter().all(|c| c.reason().to_string().contains("no Service asks for it")));
    assert!(world.kernel.is_empty() && world.sockets.is_empty() && world.journal.is_empty());
    assert_eq!(world.annotation("a"), None);
    world.apply(service("web", &[(Protocol::Tcp, 80)]));
    assert_eq!(world.leads().len(), 1);
}

#[test]
fn a_deleted_service_takes_the_mapping_away_but_not_by_an_older_uid() {
    let mut world = web();
    world.apply(pod("a", &["10.0.0.5"]));
    assert!(world.delete(SERVICE, "web", Some("older")).is_empty());
    world.delete(SERVICE, "web", Some("web"));
    assert!(world.kernel.is_empty());
}

#[test]
fn an_empty_selector_selects_nothing() {
    let mut world = World::new();
    let mut empty = service("web", &[(Protocol::Tcp, 80)]);
    empty.selector.clear();
    world.apply(empty);
    assert!(world.apply(pod("a", &["10.0.0.5"])).is_empty());
}

#[test]
fn a_changed_selector_moves_the_mappings_between_the_pods() {
    let mut world = web();
    let mut b = pod("b", &["10.0.0.6"]);
    b.labels = labels(&[("app", "db")]);
    world.apply(pod("a", &["10.0.0.5"]));
    world.apply(b);
    let mut changed = service("web", &[(Protocol::Tcp, 80)]);
    changed.selector = labels(&[("app", "db")]);
    world.apply(changed);
    assert_eq!(world.leads().into_values().collect::<Vec<_>>(), [to("10.0.0.6", 80)]);
    assert!(world.annotation("a").is_none() && world.annotation("b").is_some());
}

#[test]
fn changed_labels_of_a_pod_take_and_give_its_mapping() {
    let mut world = web();
    let mut a = pod("a", &["10.0.0.5"]);
    a.labels = labels(&[("app", "db")]);
    world.apply(a.clone());
    assert!(world.kernel.is_empty());
    a.labels = labels(&[("app", "web"), ("tier", "x")]);
    world.apply(a.clone());
    assert_eq!(world.leads().len(), 1);
    a.labels.clear();
    world.apply(a);
    assert!(world.kernel.is_empty());
}

#[test]
fn a_deleted_pod_leaves_nothing_behind() {
    for uid in [None, Some("a")] {
        let mut world = web();
        world.apply(pod("a", &["10.0.0.5"]));
        world.delete(POD, "a", uid);
        assert!(world.kernel.is_empty() && world.sockets.is_empty() && world.journal.is_empty());
    }
}

#[test]
fn every_target_port_gets_its_own_node_port() {
    let mut world = World::new();
    world.apply(service("web", &[(Protocol::Tcp, 80), (Protocol::Tcp, 81)]));
    world.apply(service("more", &[(Protocol::Tcp, 82)]));
    world.apply(pod("a", &["10.0.0.5"]));
    assert_eq!(world.leads().len(), 3);
    world.delete(SERVICE, "more", None);
    assert_eq!(world.leads().len(), 2, "one of several mappings goes alone");
    assert_eq!(world.sockets.len(), 2);
}

#[test]
fn several_services_on_one_port_share_one_mapping() {
    let mut world = web();
    world.apply(service("also", &[(Protocol::Tcp, 80)]));
    world.apply(pod("a", &["10.0.0.5"]));
    assert_eq!(world.leads().len(), 1);
    assert!(world.delete(SERVICE, "also", None).is_empty());
    assert_eq!(world.leads().len(), 1);
}

#[test]
fn protocols_are_independent_and_sctp_is_one_of_them() {
    let mut world = World::new();
    let ports = Protocol::ALL.map(|protocol| (protocol, 53));
    world.apply(service("dns", &ports));
    world.apply(pod("a", &["10.0.0.5"]));
    assert_eq!(world.leads().len(), 3);
    let ports: Vec<u16> = world.core.npl_report().iter().map(|r| r.node_port).collect();
    assert_eq!(ports, [61000; 3]);
}

#[test]
fn a_host_port_is_reported_without_any_element() {
    let mut world = web();
    let mut a = pod("a", &["10.0.0.5"]);
    let mut port = container_port("http", 80, Protocol::Tcp);
    port.host_port = Some(node_port(40_001));
    a.ports = vec![port];
    assert!(world.apply(a).is_empty());
    assert!(world.sockets.is_empty());
    assert_eq!(world.annotation("a"), Some(says(80, 40_001).as_str()));
    let report = &world.core.npl_report()[0];
    assert_eq!((report.state, report.reason.as_str()), (MappingState::Programmed, "hostPort"));
}

#[test]
fn a_host_port_that_is_anothers_mapping_is_published_once_that_is_gone_and_not_before() {
    for network in [PodNetwork::Own, PodNetwork::Host] {
        let mut world = web();
        world.apply(pod("a", &["10.0.0.5"]));
        assert_eq!(world.lease("a", 80), Some(node_port(61000)));
        let mut b = pod("b", &["10.0.0.6"]);
        b.network = network;
        let mut port = container_port("http", 80, Protocol::Tcp);
        port.host_port = Some(node_port(61000));
        b.ports = vec![port];
        world.apply(b);
        assert_eq!(world.annotation("b"), None);
        let report = world.core.npl_report().into_iter().find(|report| report.uid == "b").unwrap();
        assert_eq!(report.state, MappingState::Error);
        assert!(report.reason.contains("default/a"), "{report:?}");
        world.delete(ObjectKind::Pod, "a", None);
        assert_eq!(world.annotation("b"), Some(says(80, 61000).as_str()));
    }
}

#[test]
fn a_host_port_of_another_protocol_does_not_count() {
    let mut world = World::new();
    world.apply(service("dns", &[(Protocol::Tcp, 53), (Protocol::Udp, 53)]));
    let mut a = pod("a", &["10.0.0.5"]);
    let mut port = container_port("dns", 53, Protocol::Udp);
    port.host_port = Some(node_port(40_001));
    a.ports = vec![port];
    world.apply(a);
    assert_eq!(world.leads(), [(tcp(61000), to("10.0.0.5", 53))].into());
    assert!(world.annotation("a").unwrap().contains(r#""nodePort":40001,"protocol":"udp""#));
}

#[test]
fn a_pod_on_the_nodes_network_claims_no_ip_and_publishes_its_own_ports() {
    let mut world = World::new();
    world.apply(service("web", &[(Protocol::Tcp, 80), (Protocol::Tcp, 81)]));
    let mut a = pod("a", &[NODE_IP]);
    a.network = PodNetwork::Host;
    let mut port = container_port("http", 80, Protocol::Tcp);
    port.host_port = Some(node_port(40_001));
    a.ports = vec![port];
    assert!(world.apply(a.clone()).is_empty());
    a.meta = meta("b", "b");
    world.apply(a);
    assert!(world.codes().is_empty(), "two Pods may show the node's IP");
    let text = world.annotation("a").unwrap();
    assert!(text.contains(r#""podPort":80,"nodeIP":"192.0.2.1","nodePort":40001"#), "{text}");
    assert!(text.contains(r#""podPort":81,"nodeIP":"192.0.2.1","nodePort":81"#), "{text}");
}

#[test]
fn named_ports_are_looked_up_in_each_pod() {
    let mut world = World::new();
    let mut named = service("web", &[(Protocol::Tcp, 1)]);
    named.ports[0].target = TargetPort::Name("http".into());
    world.apply(named);
    for (name, address, port) in [("a", "10.0.0.5", 8080), ("b", "10.0.0.6", 9090)] {
        let mut pod = pod(name, &[address]);
        pod.ports = vec![
            container_port("http", port, Protocol::Tcp),
            container_port("http", 53, Protocol::Udp),
        ];
        world.apply(pod);
    }
    let leads: Vec<_> = world.leads().into_values().collect();
    assert_eq!(leads, [to("10.0.0.5", 8080), to("10.0.0.6", 9090)]);
}

#[test]
fn an_unknown_port_name_is_a_finding_and_harms_nothing_else() {
    let mut world = World::new();
    let mut named = service("web", &[(Protocol::Tcp, 80), (Protocol::Tcp, 1)]);
    named.ports[1].target = TargetPort::Name("http".into());
    world.apply(named);
    world.apply(pod("a", &["10.0.0.5"]));
    assert_eq!(world.leads().len(), 1);
    assert_eq!(world.codes(), [(FindingCode::UnresolvedPort, "Pod default/a".to_owned())]);
}

#[test]
fn a_pod_of_another_node_gets_nothing() {
    let mut world = web();
    let mut a = pod("a", &["10.0.0.5"]);
    a.node_name = Some("n2".into());
    assert!(world.apply(a.clone()).is_empty());
    a.node_name = None;
    assert!(world.apply(a).is_empty());
    assert!(world.core.npl_report().is_empty());
}

#[test]
fn a_late_delete_does_not_touch_the_new_owner_of_the_ip() {
    // Antrea issue 6527: a finished Pod's object is deleted after its IP went to another Pod.
    for new_first in [false, true] {
        let mut world = web();
        let mut job = pod("job", &["10.0.0.5"]);
        job.phase = Phase::Succeeded;
        if new_first {
            world.apply(pod("b", &["10.0.0.5"]));
            world.apply(job);
        } else {
            world.apply(job);
            world.apply(pod("b", &["10.0.0.5"]));
        }
        assert_eq!(world.codes(), [(FindingCode::ReusedIp, "Pod default/job".to_owned())]);
        assert!(world.delete(POD, "job", Some("job")).is_empty());
        assert_eq!(world.leads(), [(tcp(61000), to("10.0.0.5", 80))].into());
        assert!(world.codes().is_empty());
    }
}

#[test]
fn a_finished_pod_loses_its_mapping_at_once_and_its_successor_gets_another_port() {
    let mut world = web();
    let mut a = pod("a", &["10.0.0.5"]);
    world.apply(a.clone());
    a.phase = Phase::Failed;
    let plan = world.apply(a);
    assert!(plan.changes.iter().all(|c| c.reason().to_string().contains("finished")));
    assert!(world.kernel.is_empty() && world.annotation("a").is_none());
    world.apply(pod("b", &["10.0.0.5"]));
    assert_eq!(world.leads(), [(tcp(61001), to("10.0.0.5", 80))].into());
}

#[test]
fn phases_that_are_not_final_keep_everything() {
    let mut world = web();
    let mut a = pod("a", &["10.0.0.5"]);
    world.apply(a.clone());
    for phase in [Phase::Unknown, Phase::Pending, Phase::Running] {
        a.phase = phase;
        assert!(world.apply(a.clone()).is_empty());
    }
}

#[test]
fn two_live_pods_with_one_ip_are_both_told_and_the_newer_has_it() {
    let mut world = web();
    let mut b = pod("b", &["10.0.0.5"]);
    b.started = 200;
    world.apply(pod("a", &["10.0.0.5"]));
    let plan = world.apply(b);
    assert_eq!(plan.changes.len(), 3, "a's mapping goes, b's comes, the hairpin changes hands");
    assert_eq!(world.leads(), [(tcp(61001), to("10.0.0.5", 80))].into());
    let subjects: Vec<_> = world.codes().into_iter().map(|(_, subject)| subject).collect();
    assert_eq!(subjects, ["Pod default/a", "Pod default/b"]);
    let report = &world.core.npl_report()[0];
    assert_eq!((report.state, report.node_port), (MappingState::Error, 61000));
    assert_eq!(report.reason, "10.0.0.5 belongs to Pod default/b");
    assert!(world.annotation("a").is_none());

    let plan = world.delete(POD, "b", None);
    assert_eq!(plan.changes.len(), 3, "the loser takes over in the same change");
    assert_eq!(world.leads(), [(tcp(61000), to("10.0.0.5", 80))].into());
    assert!(world.codes().is_empty());
}

#[test]
fn a_seen_sandbox_beats_a_newer_start() {
    let mut world = web();
    let mut a = pod("a", &["10.0.0.5"]);
    a.sandbox = Sandbox::Proven;
    let mut b = pod("b", &["10.0.0.5"]);
    b.started = 200;
    world.apply(a);
    assert!(world.apply(b).is_empty());
    assert_eq!(world.leads().keys().collect::<Vec<_>>(), [&tcp(61000)]);
}

#[test]
fn a_new_uid_under_one_name_is_a_new_owner() {
    let mut world = web();
    world.apply(pod("a", &["10.0.0.5"]));
    let mut new = pod("a", &["10.0.0.6"]);
    new.meta.uid = Uid::new("a2");
    world.apply(new);
    assert_eq!(world.leads(), [(tcp(61001), to("10.0.0.6", 80))].into());
    assert!(world.delete(POD, "a", Some("a")).is_empty(), "the late delete of the older one");
    assert_eq!(world.leads().len(), 1);
}

#[test]
fn a_new_uid_on_another_node_ends_the_older_pod() {
    let mut world = web();
    world.apply(pod("a", &["10.0.0.5"]));
    let mut new = pod("a", &["10.9.0.6"]);
    new.meta.uid = Uid::new("a2");
    new.node_name = Some("n2".into());
    world.apply(new);
    assert!(world.kernel.is_empty());
}

#[test]
fn a_pod_that_loses_its_ip_keeps_its_port_for_when_it_is_back() {
    let mut world = web();
    world.apply(pod("a", &["10.0.0.5"]));
    world.apply(pod("b", &["10.0.0.6"]));
    world.apply(pod("a", &[]));
    assert_eq!(world.leads().len(), 1, "no element without an address, ever");
    assert!(world.annotation("a").is_none());
    assert_eq!(world.core.npl_report()[0].state, MappingState::Pending);
    world.apply(pod("a", &["10.0.0.7"]));
    assert_eq!(world.leads()[&tcp(61000)], to("10.0.0.7", 80));
}

#[test]
fn a_changed_ip_repoints_the_element_in_one_change() {
    let mut world = web();
    world.apply(pod("a", &["10.0.0.5"]));
    let plan = world.apply(pod("a", &["10.0.0.6"]));
    let ops: Vec<_> = plan.changes.iter().map(|c| c.op().as_str()).collect();
    assert_eq!(ops, ["delete", "replace", "add"], "hairpin, mapping, hairpin");
    assert_eq!(world.leads(), [(tcp(61000), to("10.0.0.6", 80))].into());
    assert_eq!(world.published.len(), 1, "the annotation is as true as before");
}

#[test]
fn pods_that_swap_their_ips_swap_the_elements() {
    let mut world = web();
    world.apply(pod("a", &["10.0.0.5"]));
    world.apply(pod("b", &["10.0.0.6"]));
    world.core.apply(applied(pod("a", &["10.0.0.6"])));
    world.core.apply(applied(pod("b", &["10.0.0.5"])));
    world.sync();
    assert_eq!(world.leads()[&tcp(61000)], to("10.0.0.6", 80));
    assert_eq!(world.leads()[&tcp(61001)], to("10.0.0.5", 80));
}

#[test]
fn addresses_that_no_pod_can_have_are_refused() {
    for address in ["0.0.0.0", "127.0.0.1", "224.0.0.1", "::", "::1", "ff02::1"] {
        let mut world = World::new();
        let mut both = service("web", &[(Protocol::Tcp, 80)]);
        both.families = ServiceFamilies::Unstated(None);
        world.apply(both);
        assert!(world.apply(pod("a", &[address])).is_empty(), "{address}");
        assert_eq!(world.codes()[0].0, FindingCode::InvalidObject, "{address}");
    }
}

#[test]
fn the_node_address_is_external_before_internal_before_the_pods_host_ip() {
    let mut world = web();
    world.apply(pod("a", &["10.0.0.5"]));
    let plan = world.apply(node(&["203.0.113.9"], &[NODE_IP]));
    assert!(plan.is_empty(), "the rules do not name the node's address");
    assert!(world.annotation("a").unwrap().contains("203.0.113.9"));
    world.delete(ObjectKind::Node, NODE, None);
    world.core.apply(Event::Deleted {
        kind: ObjectKind::Node,
        namespace: "".into(),
        name: NODE.into(),
        uid: None,
    });
    assert!(world.sync().is_empty());
    assert!(world.annotation("a").unwrap().contains(NODE_IP), "the Pod's hostIP");
}

#[test]
fn a_node_without_any_known_address_keeps_its_mappings_and_what_is_said() {
    let mut world = web();
    let mut a = pod("a", &["10.0.0.5"]);
    a.host_ips.clear();
    world.apply(a);
    world.core.apply(Event::Listed { kinds: vec![ObjectKind::Node], objects: vec![] });
    assert!(world.sync().is_empty());
    assert!(world.annotation("a").is_some());
    assert_eq!(world.codes(), [(FindingCode::InvalidObject, "Node n1".to_owned())]);
}

#[test]
fn both_families_get_their_own_ports() {
    let mut world = World::new();
    world.apply(node(&[], &[NODE_IP, NODE_IP6]));
    let mut dual = service("web", &[(Protocol::Tcp, 80)]);
    dual.families = ServiceFamilies::Dual;
    world.apply(dual);
    world.apply(pod("a", &["10.0.0.5", "fd00::5"]));
    assert_eq!(world.leads().len(), 2);
    let text = world.annotation("a").unwrap();
    assert!(text.contains(r#""nodeIP":"2001:db8::1","nodePort":61000"#), "{text}");
    assert!(world.codes().is_empty());
}

#[test]
fn ipv6_alone_works_like_ipv4_alone() {
    let mut world = World::new();
    world.apply(node(&[], &[NODE_IP6]));
    let mut six = service("web", &[(Protocol::Tcp, 80)]);
    six.families = ServiceFamilies::Unstated(None);
    world.apply(six);
    world.apply(pod("a", &["fd00::5"]));
    assert_eq!(world.leads().into_values().collect::<Vec<_>>(), [to("fd00::5", 80)]);
}

#[test]
fn a_family_that_pod_or_node_lacks_is_a_finding_and_the_other_works() {
    let mut dual = service("web", &[(Protocol::Tcp, 80)]);
    dual.families = ServiceFamilies::Listed(vec![IpFamily::V4, IpFamily::V6]);
    for (node_ips, pod_ips) in
        [(vec![NODE_IP, NODE_IP6], vec!["10.0.0.5"]), (vec![NODE_IP], vec!["10.0.0.5", "fd00::5"])]
    {
        let mut world = World::new();
        world.apply(node(&[], &node_ips));
        world.apply(dual.clone());
        world.apply(pod("a", &pod_ips));
        assert_eq!(world.leads().keys().collect::<Vec<_>>(), [&tcp(61000)]);
        assert_eq!(world.codes()[0].0, FindingCode::DualStackAsymmetry);
    }
}

#[test]
fn an_annotation_written_by_others_at_run_time_is_overwritten_never_honoured() {
    let mut world = web();
    let mut a = pod("a", &["10.0.0.5"]);
    world.apply(a.clone());
    for text in [Some(says(80, 61009)), Some("garbage".to_owned()), None] {
        a.npl_annotation = Some(says(80, 61000).into());
        world.apply(a.clone());
        let before = world.published.len();
        a.npl_annotation = text.map(Into::into);
        assert!(world.apply(a.clone()).is_empty());
        assert_eq!(world.published.len(), before + 1);
        assert_eq!(world.annotation("a"), Some(says(80, 61000).as_str()));
    }
}

#[test]
fn an_annotation_on_a_pod_that_nobody_selects_is_removed() {
    let mut world = World::new();
    let mut a = pod("a", &["10.0.0.5"]);
    a.npl_annotation = Some(says(80, 61000).into());
    world.apply(a);
    assert_eq!(world.published[0].annotation, netkeep_plan::Annotation::Remove);
}

#[test]
fn a_change_that_the_kernel_refuses_harms_nobody_else_and_is_tried_again() {
    let mut world = World::new();
    world.refuse.insert(tcp(61000));
    world.apply(service("web", &[(Protocol::Tcp, 80), (Protocol::Tcp, 81)]));
    world.apply(pod("a", &["10.0.0.5"]));
    assert_eq!(world.leads().keys().collect::<Vec<_>>(), [&tcp(61001)]);
    assert_eq!(world.codes(), [(FindingCode::RejectedByKernel, "Pod default/a".to_owned())]);
    assert_eq!(world.annotation("a"), Some(says(81, 61001).as_str()), "only what was read back");
    assert_eq!(world.core.npl_report()[0].state, MappingState::Error);
    assert_eq!(world.core.counts().rejected, 1);

    world.refuse.clear();
    assert!(world.sync().is_empty(), "quarantined");
    world.core.retry_rejected(netkeep_plan::Which::Owner(&Uid::new("a")));
    assert_eq!(world.sync().changes.len(), 1);
    assert_eq!(world.core.counts().programmed, world.core.counts().desired);
    assert!(world.codes().is_empty());
}

#[test]
fn a_refused_deletion_keeps_the_port_until_it_succeeds() {
    let mut world = web();
    world.apply(pod("a", &["10.0.0.5"]));
    world.refuse.insert(tcp(61000));
    world.delete(POD, "a", None);
    assert_eq!(world.sockets.len(), 1, "the element is still there, and so is its socket");
    world.refuse.clear();
    world.core.retry_rejected(netkeep_plan::Which::All);
    world.sync();
    assert!(world.kernel.is_empty() && world.sockets.is_empty());
}

#[test]
fn lost_elements_come_back_and_the_writer_is_named() {
    let mut world = web();
    world.apply(pod("a", &["10.0.0.5"]));
    world.kernel.clear();
    world.core.lost(netkeep_plan::Which::All, "nft (pid 7)");
    assert_eq!(world.codes()[0].0, FindingCode::ForeignWrite);
    assert_eq!(world.core.counts().programmed, 0);
    let plan = world.sync();
    assert_eq!(plan.changes[0].reason().to_string(), "altered by nft (pid 7)");
    assert_eq!(world.leads().len(), 1);
    assert_eq!(world.published.len(), 1, "repaired before anybody was told");
    assert!(world.codes().is_empty());
}

#[test]
fn altered_and_foreign_elements_are_put_right() {
    let mut world = web();
    world.apply(pod("a", &["10.0.0.5"]));
    world.kernel.insert(tcp(61000), (to("10.9.9.9", 80), None));
    world.kernel.insert(tcp(62000), (to("10.9.9.9", 80), None));
    let elements = world.elements();
    world.core.observe(elements, &model::Reason::Drift("nft (pid 7)".to_owned()));
    assert_eq!(world.sync().changes.len(), 2);
    assert_eq!(world.leads(), [(tcp(61000), to("10.0.0.5", 80))].into());
}

#[test]
fn a_relist_deletes_what_it_does_not_name() {
    let mut world = web();
    world.apply(pod("a", &["10.0.0.5"]));
    world.apply(pod("b", &["10.0.0.6"]));
    let objects = vec![model::Object::Pod(pod("b", &["10.0.0.6"]))];
    world.core.apply(Event::Listed { kinds: vec![POD], objects });
    world.sync();
    assert_eq!(world.leads().into_values().collect::<Vec<_>>(), [to("10.0.0.6", 80)]);
}

#[test]
fn under_a_hold_nothing_is_deleted_and_what_comes_back_finds_all_as_it_was() {
    let mut world = web();
    world.apply(pod("a", &["10.0.0.5"]));
    world.core.set_hold(hold("the list came back empty"));
    world.core.apply(Event::Listed { kinds: vec![POD], objects: vec![] });
    let plan = world.sync();
    assert!(plan.is_empty());
    assert_eq!(plan.held.len(), 2);
    assert_eq!(world.sockets.len(), 1);
    world.apply(pod("c", &["10.0.0.9"]));
    assert_eq!(world.leads().len(), 2, "additions go on");

    let plan = world.apply(pod("a", &["10.0.0.5"]));
    assert!(plan.is_empty() && plan.held.is_empty());
    world.core.set_hold(None);
    assert!(world.sync().is_empty());
    assert_eq!(world.leads()[&tcp(61000)], to("10.0.0.5", 80));
}

#[test]
fn under_a_hold_no_annotation_takes_back_what_the_kernel_still_does() {
    let mut world = web();
    world.apply(pod("a", &["10.0.0.5"]));
    world.core.set_hold(hold("Services are not known"));
    world.delete(SERVICE, "web", None);
    assert!(world.annotation("a").is_some());
    world.core.set_hold(None);
    world.sync();
    assert!(world.annotation("a").is_none() && world.kernel.is_empty());
}

use model::Event;
