//! The builders' output, compared with what a cluster prints.

use model::object::Phase;
use model::{IpFamily, Protocol};

use super::*;

#[test]
fn a_pod_looks_as_kubectl_prints_it() {
    let pod = Pod::new("default/web-0")
        .uid("0f9c2b1e-7d0a-4c1e-9a55-3f1f6f0b7c1a")
        .node("n1")
        .label("app", "web")
        .ips(&["10.10.0.1".parse().unwrap(), "fd00:10::1".parse().unwrap()])
        .host_ips(&["192.0.2.1".parse().unwrap()])
        .port(Some("http"), Protocol::Tcp, 8080)
        .host_port(Protocol::Udp, 53, 5353)
        .annotation("nodeportlocal.antrea.io", r#"[{"podPort":8080}]"#)
        .started(1_767_225_601);
    let expected = r#"apiVersion: v1
kind: Pod
metadata:
  annotations:
    nodeportlocal.antrea.io: '[{"podPort":8080}]'
  creationTimestamp: "2026-01-01T00:00:00Z"
  labels:
    app: web
  name: web-0
  namespace: default
  resourceVersion: "1"
  uid: 0f9c2b1e-7d0a-4c1e-9a55-3f1f6f0b7c1a
spec:
  containers:
  - image: registry.example/app:1.0
    imagePullPolicy: IfNotPresent
    name: app
    ports:
    - containerPort: 8080
      name: http
      protocol: TCP
    - containerPort: 53
      hostPort: 5353
      protocol: UDP
    resources: {}
  dnsPolicy: ClusterFirst
  nodeName: n1
  restartPolicy: Always
  terminationGracePeriodSeconds: 30
status:
  conditions:
  - lastProbeTime: null
    lastTransitionTime: "2026-01-01T00:00:01Z"
    status: "True"
    type: Ready
  hostIP: 192.0.2.1
  hostIPs:
  - ip: 192.0.2.1
  phase: Running
  podIP: 10.10.0.1
  podIPs:
  - ip: 10.10.0.1
  - ip: fd00:10::1
  qosClass: BestEffort
  startTime: "2026-01-01T00:00:01Z"
"#;
    assert_eq!(Manifest::from(&pod).yaml(), expected);
    assert_eq!(Manifest::from(pod).file_name(), "pod-default-web-0.yaml");
}

#[test]
fn a_service_and_a_node_carry_what_decides() {
    let service = Service::new("default/web")
        .npl()
        .selector("app", "web")
        .port(Protocol::Tcp, 80, Target::Number(8080))
        .port(Protocol::Sctp, 9, Target::Name("peer"))
        .families(&[IpFamily::V4, IpFamily::V6]);
    let service = Manifest::from(service);
    let spec = &service.value()["spec"];
    assert_eq!(spec["ipFamilies"], json!(["IPv4", "IPv6"]));
    assert_eq!(spec["ipFamilyPolicy"], "RequireDualStack");
    assert_eq!(spec["ports"][0]["targetPort"], 8080);
    assert_eq!(spec["ports"][1]["targetPort"], "peer");
    assert!(service.yaml().contains("nodeportlocal.antrea.io/enabled: \"true\"\n"));
    let node = Node::new("n1")
        .internal_ip("192.0.2.1".parse().unwrap())
        .external_ip("203.0.113.1".parse().unwrap());
    let node = Manifest::from(node);
    assert_eq!(node.file_name(), "node-n1.yaml");
    let types: Vec<_> = node.value()["status"]["addresses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| &a["type"])
        .collect();
    assert_eq!(types, ["InternalIP", "ExternalIP", "Hostname"]);
}

#[test]
fn a_finished_pod_keeps_its_ip_and_is_not_ready() {
    let ip = "10.10.0.1".parse().unwrap();
    let pod = Manifest::from(Pod::new("a/b").ips(&[ip]).phase(Phase::Succeeded));
    assert_eq!(pod.value()["status"]["phase"], "Succeeded");
    assert_eq!(pod.value()["status"]["podIP"], "10.10.0.1");
    assert_eq!(pod.value()["status"]["conditions"][0]["status"], "False");
}

#[test]
fn many_objects_fit_in_one_text_as_documents_or_as_a_list() {
    let pods = || [Pod::new("a/b"), Pod::new("a/c")];
    assert_eq!(documents(pods()).matches("\n---\n").count(), 1);
    let list = list(pods());
    assert_eq!(list.value()["items"].as_array().unwrap().len(), 2);
    let read: Value = serde_json::from_str(&list.json()).unwrap();
    assert_eq!(&read, list.value());
}
