//! What kubectl prints and people write becomes the objects that the API server would make of it.

#![allow(clippy::panic, clippy::unwrap_used, reason = "test functions outside of #[test]")]

use model::object::{
    ContainerPort, NplRequest, Phase, PodNetwork, ServiceFamilies, ServicePort, ServiceType,
    TargetPort,
};
use model::{IpFamily, Node, NodePort, Object, Pod, PodPort, Protocol, Service};
use netkeep_manifest::{Found, Limits, Parsed, parse};

fn read(text: &str) -> Vec<Found> {
    let Parsed { objects, summary } = parse("f", text.as_bytes(), &Limits::default());
    assert_eq!((&summary.invalid, &summary.syntax), (&vec![], &None), "for\n{text}");
    objects
}

fn pods(text: &str) -> Vec<Pod> {
    let pod = |found: Found| match found.object {
        Object::Pod(pod) => pod,
        other => panic!("{other:?}"),
    };
    read(text).into_iter().map(pod).collect()
}

fn service(spec: &str) -> Service {
    let text =
        format!("apiVersion: v1\nkind: Service\nmetadata: {{name: svc}}\nspec: {{{spec}}}\n");
    match read(&text).remove(0).object {
        Object::Service(service) => service,
        other => panic!("{other:?}"),
    }
}

fn port(number: i64) -> PodPort {
    PodPort::try_from(number).unwrap()
}

const KUBECTL_POD_LIST: &str = r#"apiVersion: v1
items:
- apiVersion: v1
  kind: Pod
  metadata:
    annotations:
      kubernetes.io/config.source: api
      netkeep.dev/netns: /run/netns/web-0
      nodeportlocal.antrea.io: '[{"podPort":8080,"nodeIP":"192.168.0.1","nodePort":61000,"protocol":"tcp","ipFamily":"IPv4"}]'
    creationTimestamp: "2026-01-01T00:00:00Z"
    generateName: web-
    labels:
      app: web
      pod-template-hash: "1234567890"
    name: web-0
    namespace: shop
    ownerReferences:
    - apiVersion: apps/v1
      blockOwnerDeletion: true
      controller: true
      kind: ReplicaSet
      name: web
      uid: 11111111-2222-4333-8444-555555555555
    resourceVersion: "4711"
    uid: 0a1b2c3d-0000-4000-8000-000000000001
  spec:
    containers:
    - command:
      - sh
      - -c
      - |
        while true; do
          kind: Pod
        done
      image: web:1
      name: web
      ports:
      - containerPort: 8080
        name: http
        protocol: TCP
      - containerPort: 53
        hostPort: 5353
        protocol: UDP
      resources: {}
    - image: side:1
      name: side
      ports:
      - containerPort: 9090
        protocol: SCTP
    initContainers:
    - image: init:1
      name: init
      ports:
      - containerPort: 1
        protocol: TCP
    - image: sidecar:1
      name: sidecar
      ports:
      - containerPort: 9091
        name: metrics
        protocol: TCP
      restartPolicy: Always
    nodeName: n1
  status:
    conditions:
    - lastProbeTime: null
      status: "True"
      type: Ready
    hostIP: 192.168.0.1
    hostIPs:
    - ip: 192.168.0.1
    - ip: fd00::1
    phase: Running
    podIP: 10.0.0.5
    podIPs:
    - ip: 10.0.0.5
    - ip: fd00:10::5
    startTime: "2026-01-01T00:00:10Z"
kind: List
metadata:
  resourceVersion: ""
"#;

#[test]
fn a_pod_as_kubectl_prints_it_is_understood_with_every_fact() {
    let found = read(KUBECTL_POD_LIST);
    assert_eq!(found[0].netns.as_deref(), Some("/run/netns/web-0"));
    assert_eq!((found[0].position.line, found[0].position.column), (3, 3));
    let Object::Pod(pod) = &found[0].object else { panic!() };
    assert_eq!(pod.meta.qualified_name(), "shop/web-0");
    assert_eq!(&*pod.meta.uid.text(), "0a1b2c3d-0000-4000-8000-000000000001");
    assert_eq!(pod.labels["pod-template-hash"].as_ref(), "1234567890");
    assert_eq!(pod.node_name.as_deref(), Some("n1"));
    assert_eq!(pod.network, PodNetwork::Own);
    assert_eq!(pod.phase, Phase::Running);
    assert_eq!(pod.started, 1_767_225_610);
    let ips = |ips: &[std::net::IpAddr]| ips.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(ips(&pod.pod_ips), ["10.0.0.5", "fd00:10::5"]);
    assert_eq!(ips(&pod.host_ips), ["192.168.0.1", "fd00::1"]);
    let container = |name: Option<&str>, number, protocol, host: Option<i64>| ContainerPort {
        name: name.map(Into::into),
        port: port(number),
        protocol,
        host_port: host.map(|host| NodePort::try_from(host).unwrap()),
        host_ip: None,
    };
    assert_eq!(
        pod.ports,
        [
            container(Some("http"), 8080, Protocol::Tcp, None),
            container(None, 53, Protocol::Udp, Some(5353)),
            container(None, 9090, Protocol::Sctp, None),
            // of the sidecar; an init container that ends has no port to lead to
            container(Some("metrics"), 9091, Protocol::Tcp, None),
        ]
    );
    assert!(pod.npl_annotation.as_deref().unwrap().contains("\"nodePort\":61000"));
}

#[test]
fn the_same_list_with_crlf_or_a_byte_order_mark_is_the_same() {
    let plain = read(KUBECTL_POD_LIST);
    assert_eq!(read(&KUBECTL_POD_LIST.replace('\n', "\r\n")), plain);
    assert_eq!(read(&format!("\u{feff}{KUBECTL_POD_LIST}")), plain);
    assert_eq!(read(&format!("# a comment\n---\n{KUBECTL_POD_LIST}...\n")).len(), 1);
}

#[test]
fn a_list_as_the_api_serves_it_is_read_whether_its_kind_comes_first_or_last() {
    let first = r#"{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"1"},
        "items":[{"metadata":{"name":"a"}},{"metadata":{"name":"b","labels":{"x":"\ud83d\ude00\u003c"}}}]}"#;
    let found = pods(first);
    assert_eq!(found.len(), 2);
    assert_eq!(found[1].labels["x"].as_ref(), "😀<");
    let last = "apiVersion: v1\nitems:\n- metadata:\n    name: a\n- metadata:\n    name: b\nkind: PodList\n";
    assert_eq!(pods(last).len(), 2);
    for (kind, name) in [("ServiceList", "Service default/a"), ("NodeList", "Node a")] {
        let text = format!("apiVersion: v1\nkind: {kind}\nitems: [{{metadata: {{name: a}}}}]\n");
        assert_eq!(read(&text)[0].name().to_string(), name);
    }
    let of_others = "apiVersion: apps/v1\nkind: DeploymentList\nitems: [{metadata: {name: a}}]\n";
    assert!(read(of_others).is_empty());
}

#[test]
fn json_as_kubectl_prints_it_is_read_with_tabs_too() {
    let text = "{\n\t\"apiVersion\": \"v1\",\n\t\"kind\": \"Pod\",\n\t\"metadata\": {\n\t\t\"name\": \
                \"a\",\n\t\t\"creationTimestamp\": null\n\t},\n\t\"spec\": {\"containers\": \
                [{\"ports\": [{\"containerPort\": 80}]}]},\n\t\"status\": {}\n}\n";
    let pods = pods(text);
    assert_eq!(pods[0].ports[0].port, port(80));
    // several documents in one file, as `jq` prints them
    let two = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}
---
{"apiVersion":"v1","kind":"Pod","metadata":{"name":"b"}}
"#;
    assert_eq!(read(two).len(), 2);
}

#[test]
fn a_long_line_of_json_is_read() {
    let note = "é".repeat(300_000);
    let text = format!(
        r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"annotations":{{"note":"{note}"}},"name":"a"}}}}"#
    );
    assert_eq!(read(&text).len(), 1);
}

#[test]
fn other_kinds_and_empty_documents_are_skipped() {
    let text = "---\n---\n# nothing\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: 5}\n\
                ---\napiVersion: example.com/v1\nkind: Pod\nmetadata: {}\n---\n";
    assert!(read(text).is_empty());
    let count = |text: &str| parse("f", text.as_bytes(), &Limits::default()).summary.documents;
    assert_eq!(count(text), 2);
    for empty in ["", "\n\n", "# only a comment\n", "---\n", "---\n---\n", "null\n", "\u{feff}"] {
        assert_eq!(count(empty), 0, "{empty:?}");
        assert!(read(empty).is_empty());
    }
}

#[test]
fn a_list_may_hold_lists() {
    let text = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: List\n  items:\n  - \
                {apiVersion: v1, kind: Pod, metadata: {name: a}}\n- apiVersion: v1\n  kind: PodList\n  \
                items: [{metadata: {name: b}}]\n";
    let names: Vec<_> = pods(text).iter().map(|p| p.meta.name.to_string()).collect();
    assert_eq!(names, ["a", "b"]);
}

#[test]
fn what_is_not_said_is_as_the_api_server_would_default_it() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - ports:\n    \
                - containerPort: 80\n      hostPort: 0\n";
    let pod = pods(text).remove(0);
    assert_eq!(pod.meta.namespace.as_ref(), "default");
    assert_eq!(&*pod.meta.uid.text(), "name:Pod/default/a");
    assert_eq!((pod.phase, pod.started), (Phase::Pending, 0));
    assert_eq!((pod.ports[0].protocol, pod.ports[0].host_port), (Protocol::Tcp, None));
    let service = service("ports: [{port: 80}]");
    assert_eq!(service.service_type, ServiceType::ClusterIp);
    assert_eq!(service.npl, NplRequest::Disabled);
    assert_eq!(
        service.ports,
        [ServicePort { protocol: Protocol::Tcp, target: TargetPort::Number(port(80)) }]
    );
    assert!(service.selector.is_empty());
}

#[test]
fn the_start_of_a_pod_is_its_start_time_else_its_creation() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, creationTimestamp: \
                2026-01-01T01:00:00+01:00}\n";
    assert_eq!(pods(text)[0].started, 1_767_225_600);
    let text = format!("{text}status: {{startTime: '2026-01-01T00:00:05Z'}}\n");
    assert_eq!(pods(&text)[0].started, 1_767_225_605);
}

#[test]
fn a_pod_on_the_nodes_network_has_its_ports_on_the_node() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  hostNetwork: true\n  \
                containers:\n  - ports:\n    - containerPort: 80\n";
    let pod = pods(text).remove(0);
    assert_eq!(pod.network, PodNetwork::Host);
    assert_eq!(pod.ports[0].host_port.map(NodePort::get), Some(80));
}

#[test]
fn only_the_string_true_asks_for_a_node_port() {
    for (value, want) in [
        ("\"true\"", NplRequest::Enabled),
        ("'true'", NplRequest::Enabled),
        ("!!str true", NplRequest::Enabled),
        ("\"True\"", NplRequest::Disabled),
        ("\" true\"", NplRequest::Disabled),
        ("\"false\"", NplRequest::Disabled),
        ("\"\"", NplRequest::Disabled),
    ] {
        let text = format!(
            "apiVersion: v1\nkind: Service\nmetadata:\n  name: s\n  annotations:\n    \
             nodeportlocal.antrea.io/enabled: {value}\n"
        );
        let Object::Service(service) = read(&text).remove(0).object else { panic!() };
        assert_eq!(service.npl, want, "{value}");
    }
}

#[test]
fn the_families_of_a_service_are_as_stated_or_left_open() {
    use IpFamily::{V4, V6};
    for (spec, want) in [
        ("ipFamilies: [IPv6, IPv4]", ServiceFamilies::Listed(vec![V6, V4])),
        ("ipFamilies: [IPv4], clusterIP: 10.96.0.1", ServiceFamilies::Listed(vec![V4])),
        ("clusterIP: 'fd00::1'", ServiceFamilies::Unstated(Some(V6))),
        ("clusterIP: None", ServiceFamilies::Unstated(None)),
        ("clusterIP: None, ipFamilies: [IPv6]", ServiceFamilies::Listed(vec![V6])),
        ("ipFamilyPolicy: SingleStack", ServiceFamilies::Unstated(None)),
        ("ipFamilyPolicy: RequireDualStack", ServiceFamilies::Dual),
        ("ipFamilyPolicy: PreferDualStack, clusterIP: 10.96.0.1", ServiceFamilies::Dual),
        ("clusterIPs: [10.96.0.1, 'fd00::1']", ServiceFamilies::Listed(vec![V4, V6])),
        ("ports: null", ServiceFamilies::Unstated(None)),
    ] {
        assert_eq!(service(spec).families, want, "{spec}");
    }
}

#[test]
fn target_ports_are_numbers_or_names_and_default_to_the_port() {
    let service = service(
        "ports: [{port: 80, targetPort: 0x1F90}, {port: 53, protocol: UDP, targetPort: dns}, \
         {port: 90, targetPort: 0}]",
    );
    let targets: Vec<_> = service.ports.into_iter().map(|p| p.target).collect();
    assert_eq!(
        targets,
        [
            TargetPort::Number(port(8080)),
            TargetPort::Name("dns".into()),
            TargetPort::Number(port(90)),
        ]
    );
}

#[test]
fn a_node_has_its_addresses_in_order() {
    let text = "apiVersion: v1\nkind: Node\nmetadata: {name: n1, uid: u-1}\nstatus:\n  addresses:\n  \
                - {type: Hostname, address: n1}\n  - {type: InternalIP, address: 10.0.0.1}\n  - \
                {type: ExternalIP, address: 203.0.113.1}\n  - {type: InternalIP, address: 'fd00::1'}\n";
    let Object::Node(Node { meta, external_ips, internal_ips }) = read(text).remove(0).object
    else {
        panic!()
    };
    assert_eq!((meta.qualified_name().as_str(), &*meta.uid.text()), ("n1", "u-1"));
    assert_eq!((external_ips.len(), internal_ips.len()), (1, 2));
}

#[test]
fn anchors_aliases_and_merge_keys_mean_what_they_mean_to_kubectl() {
    let text = "apiVersion: v1\nkind: List\nitems:\n- &first\n  apiVersion: v1\n  kind: Pod\n  metadata: \
                &meta\n    name: a\n    labels: &labels {app: web, tier: front}\n- <<: *first\n  metadata:\n    \
                <<: *meta\n    name: b\n    labels:\n      <<: [{tier: back}, *labels]\n      extra: x\n";
    let pods = pods(text);
    assert_eq!(pods[1].meta.name.as_ref(), "b");
    let labels: Vec<_> = pods[1].labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(labels, ["app=web", "extra=x", "tier=back"]);
}

#[test]
fn an_alias_does_not_reach_into_another_document() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: &m {name: a}\n---\napiVersion: v1\nkind: Pod\nmetadata: *m\n";
    assert!(parse("f", text.as_bytes(), &Limits::default()).summary.syntax.is_some());
}

#[test]
fn a_null_label_is_the_empty_string_as_in_the_api() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  labels:\n    x:\n    y: ~\n";
    let pod = pods(text).remove(0);
    assert_eq!((pod.labels["x"].as_ref(), pod.labels["y"].as_ref()), ("", ""));
}
