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
    ContainerPort { name: Some(name.into()), port: number(port), protocol, host_port }
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
fn the_first_usable_ip_of_a_family_serves_it() {
    let pod = pod(&["127.0.0.1", "10.0.0.5", "10.0.0.6"]);
    let service = on_80(ServiceFamilies::Listed(vec![IpFamily::V4]));
    let resolution = resolve(&pod, &[&service], None, |_| true);
    assert_eq!(resolution.wants[0].via, Via::Element("10.0.0.5".parse().unwrap()));
    assert_eq!(resolution.notes, [Note::InvalidIp("127.0.0.1".parse().unwrap())]);
}
