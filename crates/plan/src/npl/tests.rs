use std::sync::Arc;

use model::object::{ContainerPort, Meta, NplRequest, ServicePort, ServiceType};
use model::owner::{Sandbox, Stay};
use model::{Owner, Uid};

use super::*;

fn number(port: i64) -> PodPort {
    port.try_into().unwrap()
}

fn container(name: &str, port: i64, protocol: Protocol, host: Option<i64>) -> ContainerPort {
    let host_port = host.map(|port| port.try_into().unwrap());
    ContainerPort {
        name: Some(name.into()),
        port: number(port),
        protocol,
        host_port,
        host_ip: None,
    }
}

fn pod(ips: &[&str]) -> PodRecord {
    PodRecord {
        owner: Arc::new(Owner::pod("default", "a", Uid::new("a"))),
        labels: Arc::default(),
        ports: Arc::new([]),
        ips: ips.iter().map(|ip| ip.parse().unwrap()).collect(),
        host_ips: Arc::new(["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()]),
        started: 0,
        network: PodNetwork::Own,
        life: Life::Live,
        sandbox: Sandbox::Unproven,
        stay: Stay::Staying,
    }
}

fn service(ports: Vec<(Protocol, TargetPort)>, families: ServiceFamilies) -> Service {
    let ports = ports.into_iter().map(|(protocol, target)| ServicePort { protocol, target });
    Service {
        meta: Meta { namespace: "default".into(), name: "s".into(), uid: Uid::new("s") },
        service_type: ServiceType::ClusterIp,
        npl: NplRequest::Enabled,
        selector: [("app".into(), "web".into())].into(),
        ports: ports.collect(),
        families,
    }
}

fn on_80(families: ServiceFamilies) -> Service {
    service(vec![(Protocol::Tcp, TargetPort::Number(number(80)))], families)
}

/// (family, how it is served) of every want.
fn vias(pod: &PodRecord, service: &Service) -> Vec<(IpFamily, Via)> {
    let resolution = resolve(pod, &[service], None, |_| true);
    resolution.wants.iter().map(|want| (want.target.family, want.via)).collect()
}

#[test]
fn unstated_families_are_those_of_the_cluster_ip_or_of_the_primary_ip() {
    let (four, six) = ("10.0.0.5".parse().unwrap(), "fd00::5".parse().unwrap());
    let expected_six = vec![(IpFamily::V6, Via::Element(six))];
    let both = [(IpFamily::V4, Via::Element(four)), (IpFamily::V6, Via::Element(six))];
    let pod = pod(&["fd00::5", "10.0.0.5"]);
    assert_eq!(vias(&pod, &on_80(ServiceFamilies::Unstated(None))), expected_six);
    assert_eq!(vias(&pod, &on_80(ServiceFamilies::Unstated(Some(IpFamily::V4)))), both[..1]);
    assert_eq!(vias(&pod, &on_80(ServiceFamilies::Dual)), both);
    let listed = ServiceFamilies::Listed(vec![IpFamily::V6]);
    assert_eq!(vias(&pod, &on_80(listed)), expected_six);
}

#[test]
fn the_families_of_several_services_add_up() {
    let services = [
        on_80(ServiceFamilies::Listed(vec![IpFamily::V4])),
        on_80(ServiceFamilies::Listed(vec![IpFamily::V6])),
    ];
    let services: Vec<_> = services.iter().collect();
    let resolution = resolve(&pod(&["10.0.0.5", "fd00::5"]), &services, None, |_| true);
    assert_eq!(resolution.wants.len(), 2);
}

#[test]
fn a_name_leads_to_every_container_port_of_that_name_and_protocol() {
    let mut pod = pod(&["10.0.0.5"]);
    pod.ports = Arc::new([
        container("http", 80, Protocol::Tcp, None),
        container("http", 81, Protocol::Tcp, None),
        container("http", 82, Protocol::Udp, None),
    ]);
    let named = service(
        vec![(Protocol::Tcp, TargetPort::Name("http".into()))],
        ServiceFamilies::Unstated(None),
    );
    let resolution = resolve(&pod, &[&named], None, |_| true);
    let ports: Vec<_> = resolution.wants.iter().map(|w| w.target.pod_port.get()).collect();
    assert_eq!(ports, [80, 81]);
    assert!(resolution.notes.is_empty());
}

#[test]
fn a_lost_ip_is_wanted_still_but_not_served() {
    let ip: IpAddr = "10.0.0.5".parse().unwrap();
    let service = on_80(ServiceFamilies::Unstated(None));
    let resolution = resolve(&pod(&["10.0.0.5"]), &[&service], None, |_| false);
    assert_eq!(resolution.wants[0].via, Via::Lost(ip));
}

#[test]
fn a_pod_without_any_ip_waits_without_complaint() {
    let resolution = resolve(&pod(&[]), &[&on_80(ServiceFamilies::Dual)], None, |_| true);
    assert!(resolution.wants.iter().all(|want| want.via == Via::NoIp));
    assert_eq!((resolution.wants.len(), resolution.notes.len()), (2, 0));
}

#[test]
fn a_finished_pod_gets_nothing() {
    let mut pod = pod(&["10.0.0.5"]);
    pod.life = Life::Terminal;
    let service = on_80(ServiceFamilies::Dual);
    assert_eq!(resolve(&pod, &[&service], None, |_| true), Resolution::default());
}

#[test]
fn a_host_port_is_taken_as_it_is() {
    let mut pod = pod(&["10.0.0.5"]);
    pod.ports = Arc::new([container("http", 80, Protocol::Tcp, Some(61000))]);
    let via = vias(&pod, &on_80(ServiceFamilies::Unstated(None)))[0].1;
    assert_eq!(via, Via::HostPort(61000.try_into().unwrap(), "10.0.0.5".parse().unwrap()));
}

#[test]
fn a_host_port_at_an_address_that_is_not_the_nodes_gets_a_mapping_of_its_own() {
    let mut pod = pod(&["10.0.0.5", "fd00::5"]);
    let service = on_80(ServiceFamilies::Dual);
    let element = |ip: &str| Via::Element(ip.parse().unwrap());
    let host = |ip: &str| Via::HostPort(61000.try_into().unwrap(), ip.parse().unwrap());
    let node = model::Node {
        meta: Meta { namespace: "".into(), name: "n".into(), uid: Uid::new("n") },
        external_ips: vec!["203.0.113.1".parse().unwrap()],
        internal_ips: Vec::new(),
    };
    for (host_ip, four, six) in [
        (None, host("10.0.0.5"), host("fd00::5")),
        (Some("127.0.0.1"), element("10.0.0.5"), element("fd00::5")),
        (Some("::1"), element("10.0.0.5"), element("fd00::5")),
        (Some("198.51.100.9"), element("10.0.0.5"), element("fd00::5")),
        (Some("192.0.2.1"), host("10.0.0.5"), element("fd00::5")),
        (Some("203.0.113.1"), host("10.0.0.5"), element("fd00::5")),
        (Some("2001:db8::1"), element("10.0.0.5"), host("fd00::5")),
    ] {
        let mut port = container("http", 80, Protocol::Tcp, Some(61000));
        port.host_ip = host_ip.map(|ip| ip.parse().unwrap());
        pod.ports = Arc::new([port]);
        let resolution = resolve(&pod, &[&service], Some(&node), |_| true);
        let vias: Vec<Via> = resolution.wants.iter().map(|want| want.via).collect();
        assert_eq!(vias, [four, six], "{host_ip:?}");
    }
    // One of several that says the same port is served everywhere.
    let mut narrow = container("http", 80, Protocol::Tcp, Some(61001));
    narrow.host_ip = Some("127.0.0.1".parse().unwrap());
    pod.ports = Arc::new([narrow, container("http", 80, Protocol::Tcp, Some(61000))]);
    assert_eq!(vias(&pod, &service)[0].1, host("10.0.0.5"));
}

#[test]
fn an_ip_that_is_the_nodes_own_is_mapped_to_by_nothing() {
    let pod = pod(&["192.0.2.1", "fd00::5"]);
    let resolution = resolve(&pod, &[&on_80(ServiceFamilies::Dual)], None, |_| true);
    let vias: Vec<Via> = resolution.wants.iter().map(|want| want.via).collect();
    assert_eq!(vias, [Via::Element("fd00::5".parse().unwrap())]);
    assert_eq!(resolution.notes, [Note::NodesIp("192.0.2.1".parse().unwrap())]);
}

#[test]
fn the_first_usable_ip_of_a_family_serves_it() {
    let pod = pod(&["127.0.0.1", "10.0.0.5", "10.0.0.6"]);
    let service = on_80(ServiceFamilies::Listed(vec![IpFamily::V4]));
    let resolution = resolve(&pod, &[&service], None, |_| true);
    assert_eq!(resolution.wants[0].via, Via::Element("10.0.0.5".parse().unwrap()));
    assert_eq!(resolution.notes, [Note::InvalidIp("127.0.0.1".parse().unwrap())]);
}
