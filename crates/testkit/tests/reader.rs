//! What the builders write is what the product reads.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::net::IpAddr;

use manifest::{Limits, Parsed, parse};
use model::object::{NplRequest, Phase, PodNetwork, ServiceFamilies, TargetPort};
use model::{IpFamily, Object, Protocol};
use netkeep_testkit::{Manifest, Node, Pod, Service, Target, documents, list};

const STARTED: i64 = 1_767_225_700;

fn read(text: &str) -> Vec<Object> {
    let Parsed { objects, summary } = parse("f", text.as_bytes(), &Limits::default());
    assert_eq!((&summary.invalid, &summary.syntax), (&vec![], &None), "for\n{text}");
    objects.into_iter().map(|found| found.object).collect()
}

fn objects() -> [Manifest; 3] {
    let pod = Pod::new("default/web-0")
        .uid("0f9c2b1e-7d0a-4c1e-9a55-3f1f6f0b7c1a")
        .node("n1")
        .label("app", "web")
        .label("enabled", "true")
        .annotation("nodeportlocal.antrea.io", r#"[{"podPort":8080,"note":"it's"}]"#)
        .ips(&["10.10.0.1".parse().unwrap(), "::a".parse().unwrap()])
        .host_ips(&["192.0.2.1".parse().unwrap()])
        .port(Some("http"), Protocol::Tcp, 8080)
        .host_port(Protocol::Sctp, 9, 9009)
        .host_network()
        .phase(Phase::Failed)
        .started(STARTED);
    let service = Service::new("default/web")
        .npl()
        .selector("app", "web")
        .port(Protocol::Tcp, 80, Target::Name("http"))
        .port(Protocol::Udp, 53, Target::Number(5353))
        .families(&[IpFamily::V6, IpFamily::V4]);
    let node = Node::new("n1")
        .internal_ip("192.0.2.1".parse().unwrap())
        .external_ip("2001:db8::1".parse().unwrap());
    [pod.into(), service.into(), node.into()]
}

#[test]
fn every_field_that_a_builder_sets_arrives() {
    let read = read(&documents(objects()));
    let [Object::Pod(pod), Object::Service(service), Object::Node(node)] = &read[..] else {
        panic!("{read:?}")
    };
    assert_eq!(pod.meta.qualified_name(), "default/web-0");
    assert_eq!(&*pod.meta.uid.text(), "0f9c2b1e-7d0a-4c1e-9a55-3f1f6f0b7c1a");
    assert_eq!(pod.labels.get("enabled").map(|label| &**label), Some("true"));
    assert_eq!(pod.node_name.as_deref(), Some("n1"));
    assert_eq!(pod.npl_annotation.as_deref(), Some(r#"[{"podPort":8080,"note":"it's"}]"#));
    assert_eq!(pod.pod_ips, ["10.10.0.1", "::a"].map(|ip| ip.parse::<IpAddr>().unwrap()));
    assert_eq!(pod.host_ips.len(), 1);
    assert_eq!((pod.network, pod.phase), (PodNetwork::Host, Phase::Failed));
    assert_eq!(pod.started, STARTED);
    assert_eq!(pod.ports[0].name.as_deref(), Some("http"));
    assert_eq!(pod.ports[1].host_port.unwrap().get(), 9009);
    assert_eq!(service.npl, NplRequest::Enabled);
    assert_eq!(service.ports[0].target, TargetPort::Name("http".into()));
    let families = vec![IpFamily::V6, IpFamily::V4];
    assert_eq!(service.families, ServiceFamilies::Listed(families));
    assert_eq!(node.address(IpFamily::V4), Some("192.0.2.1".parse().unwrap()));
    assert_eq!(node.address(IpFamily::V6), Some("2001:db8::1".parse().unwrap()));
}

#[test]
fn yaml_json_documents_and_lists_say_the_same() {
    let expected = read(&documents(objects()));
    let list = list(objects());
    assert_eq!(read(&list.yaml()), expected);
    assert_eq!(read(&list.json()), expected);
    let single: Vec<Object> = objects().iter().flat_map(|object| read(&object.json())).collect();
    assert_eq!(single, expected);
}
