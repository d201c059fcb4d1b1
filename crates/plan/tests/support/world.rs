//! A node without a kernel: the effects around the core, simulated, so that the tests can ask what
//! would have come of a plan. The interpreter (`simulate`) checks each prefix of each plan.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::unnecessary_wraps,
    reason = "tests panic; clippy does not know these functions for tests"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use model::object::{
    ContainerPort, Labels, NplRequest, Phase, PodNetwork, ServiceFamilies, ServicePort,
    ServiceType, TargetPort,
};
use model::owner::{Sandbox, Stay};
use model::{
    Change, ChangeOp, Event, FindingCode, Hold, IpFamily, Key, Mapping, NodePort, Object,
    ObjectKind, Owner, Plan, Pod, PodPort, Protocol, Reason, Service, Uid, Value,
};
use netkeep_plan::order::is_one_move;
use netkeep_plan::{
    Annotation, Config, Core, Lease, LeaseChange, ObservedElement, Publication, Reserved,
};

pub const NODE: &str = "n1";
pub const NODE_IP: &str = "192.0.2.1";
pub const NODE_IP6: &str = "2001:db8::1";

pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub fn node_port(port: u16) -> NodePort {
    NodePort::try_from(i64::from(port)).unwrap()
}

pub fn pod_port(port: u16) -> PodPort {
    PodPort::try_from(i64::from(port)).unwrap()
}

pub fn tcp(port: u16) -> Key {
    Key::Npl { family: IpFamily::V4, protocol: Protocol::Tcp, port: node_port(port) }
}

pub fn to(address: &str, port: u16) -> Value {
    Value::Endpoint { ip: ip(address), port: pod_port(port) }
}

pub fn meta(name: &str, uid: &str) -> model::object::Meta {
    model::object::Meta { namespace: "default".into(), name: name.into(), uid: Uid::new(uid) }
}

pub fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
}

/// A running Pod on our node, labelled `app=web`, whose UID is its name.
pub fn pod(name: &str, ips: &[&str]) -> Pod {
    Pod {
        meta: meta(name, name),
        labels: labels(&[("app", "web")]),
        node_name: Some(NODE.into()),
        network: PodNetwork::Own,
        phase: Phase::Running,
        started: 100,
        pod_ips: ips.iter().map(|text| ip(text)).collect(),
        host_ips: vec![ip(NODE_IP)],
        ports: vec![],
        npl_annotation: None,
        sandbox: Sandbox::Unproven,
        stay: Stay::Staying,
    }
}

pub fn container_port(name: &str, port: u16, protocol: Protocol) -> ContainerPort {
    ContainerPort {
        name: Some(name.into()),
        port: pod_port(port),
        protocol,
        host_port: None,
        host_ip: None,
    }
}

/// A Service that asks for NodePortLocal, selects `app=web` and has these target ports.
pub fn service(name: &str, ports: &[(Protocol, u16)]) -> Service {
    Service {
        meta: meta(name, name),
        service_type: ServiceType::ClusterIp,
        npl: NplRequest::Enabled,
        selector: labels(&[("app", "web")]),
        ports: ports
            .iter()
            .map(|(protocol, port)| ServicePort {
                protocol: *protocol,
                target: TargetPort::Number(pod_port(*port)),
            })
            .collect(),
        families: ServiceFamilies::Listed(vec![IpFamily::V4]),
    }
}

pub fn node(external: &[&str], internal: &[&str]) -> model::Node {
    model::Node {
        meta: model::object::Meta {
            namespace: "".into(),
            name: NODE.into(),
            uid: Uid::new("node"),
        },
        external_ips: external.iter().map(|text| ip(text)).collect(),
        internal_ips: internal.iter().map(|text| ip(text)).collect(),
    }
}

pub fn applied(object: impl Into<AnyObject>) -> Event {
    Event::Applied(object.into().0)
}

pub struct AnyObject(pub Object);
impl From<Pod> for AnyObject {
    fn from(pod: Pod) -> Self {
        Self(Object::Pod(pod))
    }
}
impl From<Service> for AnyObject {
    fn from(service: Service) -> Self {
        Self(Object::Service(service))
    }
}
impl From<model::Node> for AnyObject {
    fn from(node: model::Node) -> Self {
        Self(Object::Node(node))
    }
}

pub fn deleted(kind: ObjectKind, name: &str, uid: Option<&str>) -> Event {
    Event::Deleted { kind, namespace: "default".into(), name: name.into(), uid: uid.map(Uid::new) }
}

pub fn hold(reason: &str) -> Option<Hold> {
    Some(Hold::all(reason))
}

pub type Kernel = BTreeMap<Key, (Value, Option<Arc<Owner>>)>;

/// The interpreter: what a plan does to a kernel.
pub fn simulate(kernel: &mut Kernel, changes: &[Change]) {
    for change in changes {
        let Change::Element { key, before, after, owner, .. } = change else { continue };
        assert_eq!(
            kernel.get(key).map(|(value, _)| *value),
            *before,
            "the plan is mistaken about {key}"
        );
        match after {
            Some(value) => _ = kernel.insert(*key, (*value, Some(Arc::clone(owner)))),
            None => _ = kernel.remove(key),
        }
    }
}

/// The elements that lead to an IP that is not their owner's.
pub fn misleading(core: &Core, kernel: &Kernel) -> BTreeSet<Key> {
    let mut owners: BTreeMap<IpAddr, Uid> = BTreeMap::new();
    for report in core.owners() {
        for text in &report.ips {
            assert_eq!(owners.insert(ip(text), report.uid.clone()), None, "one owner an IP");
        }
    }
    let of = |key: &Key, value: &Value| match (key, value) {
        (_, Value::Endpoint { ip, .. }) | (Key::Hairpin(ip), _) => *ip,
        (Key::Npl { .. }, Value::Present) => panic!("{key} leads nowhere"),
    };
    kernel
        .iter()
        .filter(|(key, (value, mark))| {
            let owner = owners.get(&of(key, value));
            owner.is_none() || owner != mark.as_ref().map(|mark| &mark.uid)
        })
        .map(|(key, _)| *key)
        .collect()
}

/// A node.
pub struct World {
    pub core: Core,
    pub range: String,
    pub kernel: Kernel,
    pub journal: BTreeSet<Lease>,
    pub seen: BTreeMap<Uid, String>,
    pub sockets: BTreeSet<(IpFamily, Protocol, NodePort)>,
    /// Ports of other processes.
    pub busy: BTreeMap<(IpFamily, Protocol, NodePort), String>,
    /// Keys that the kernel refuses.
    pub refuse: BTreeSet<Key>,
    /// The annotations as written.
    pub annotations: BTreeMap<Uid, String>,
    /// All publications since the world began.
    pub published: Vec<Publication>,
}

impl World {
    /// In sync, with our Node, nothing else.
    pub fn new() -> Self {
        let mut world = Self::starting("61000-62000");
        world.core.apply(applied(node(&[], &[NODE_IP])));
        world.core.set_hold(None);
        world
    }

    /// Before anything is known.
    pub fn starting(range: &str) -> Self {
        Self {
            core: new_core(range),
            range: range.to_owned(),
            kernel: Kernel::new(),
            journal: BTreeSet::new(),
            seen: BTreeMap::new(),
            sockets: BTreeSet::new(),
            busy: BTreeMap::new(),
            refuse: BTreeSet::new(),
            annotations: BTreeMap::new(),
            published: Vec::new(),
        }
    }

    /// The agent ends and starts again: the kernel, the journal and the objects stay.
    pub fn restart(&mut self) {
        self.core = new_core(&self.range);
        self.sockets.clear();
        self.core.observe(self.elements(), &Reason::Wanted);
        self.core.remember(self.journal.iter().cloned().collect(), self.seen.clone());
    }

    pub fn elements(&self) -> Vec<ObservedElement> {
        self.kernel.iter().map(|(key, (value, mark))| (*key, *value, mark.clone())).collect()
    }

    pub fn apply(&mut self, object: impl Into<AnyObject>) -> Plan {
        self.core.apply(applied(object));
        self.sync()
    }

    pub fn delete(&mut self, kind: ObjectKind, name: &str, uid: Option<&str>) -> Plan {
        self.core.apply(deleted(kind, name, uid));
        self.sync()
    }

    pub fn reserve(&mut self) {
        let mut rounds = 0;
        while let Some((mapping, port)) = self.core.next_reservation() {
            rounds += 1;
            assert!(rounds < 100_000, "reservations come to an end");
            let socket = (mapping.family, mapping.protocol, port);
            let result = if let Some(holder) = self.busy.get(&socket) {
                Reserved::Taken(holder.clone())
            } else {
                assert!(self.sockets.insert(socket), "{socket:?} is bound already");
                Reserved::Ok
            };
            self.core.reserved(&mapping, port, result);
        }
    }

    /// One round of the agent: reserve, plan, apply, verify, publish. Answers the plan.
    pub fn sync(&mut self) -> Plan {
        self.reserve();
        let plan = self.core.plan(None);
        assert_eq!(plan, self.core.plan(None), "a plan is the same until something is told");
        if plan.hold.is_some() {
            assert!(plan.changes.iter().all(|c| c.op() != ChangeOp::Delete));
        }
        let before = misleading(&self.core, &self.kernel);
        let mut verified = Vec::new();
        let mut rejected = Vec::new();
        for (at, change) in plan.changes.iter().enumerate() {
            let Change::Element { key, .. } = change else { continue };
            let moves = plan.changes.get(at + 1).is_some_and(|next| is_one_move(change, next));
            if change.op() == ChangeOp::Add
                && !moves
                && plan.hold.is_none()
                && self.refuse.is_empty()
            {
                let left = misleading(&self.core, &self.kernel);
                assert!(left.is_empty(), "{left:?} mislead while {change:?} is added");
            }
            if self.refuse.contains(key) {
                rejected.push((*key, FindingCode::RejectedByKernel, "no".to_owned()));
                continue;
            }
            simulate(&mut self.kernel, std::slice::from_ref(change));
            let now = misleading(&self.core, &self.kernel);
            assert!(now.is_subset(&before), "{change:?} makes {now:?} mislead");
            verified.push((*key, self.kernel.get(key).map(|(value, _)| *value)));
        }
        self.core.outcome(&verified, &rejected);
        self.settle();
        let again = self.core.plan(None);
        assert!(again.changes.is_empty(), "a second plan is not empty: {again:#?}");
        plan
    }

    fn settle(&mut self) {
        for change in self.core.take_lease_changes() {
            match change {
                LeaseChange::Taken(lease) => _ = self.journal.insert(lease),
                LeaseChange::Released(lease) => _ = self.journal.remove(&lease),
            }
        }
        for socket in self.core.take_released() {
            let (family, protocol, port) = socket;
            let key = Key::Npl { family, protocol, port };
            let marked = self.kernel.get(&key).is_some_and(|(_, mark)| mark.is_some());
            assert!(!marked, "{key} lost its socket");
            assert!(self.sockets.remove(&socket), "{socket:?} was not bound");
        }
        for publication in self.core.take_publications() {
            match &publication.annotation {
                Annotation::Set(text) => {
                    self.annotations.insert(publication.uid.clone(), text.clone());
                    self.seen.insert(publication.uid.clone(), text.clone());
                }
                Annotation::Remove => {
                    self.annotations.remove(&publication.uid);
                    self.seen.insert(publication.uid.clone(), String::new());
                }
            }
            self.published.push(publication);
        }
    }

    /// Where each node port leads, of the elements in the kernel.
    pub fn leads(&self) -> BTreeMap<Key, Value> {
        let mappings = self.kernel.iter().filter(|(key, _)| matches!(key, Key::Npl { .. }));
        mappings.map(|(key, (value, _))| (*key, *value)).collect()
    }

    pub fn annotation(&self, uid: &str) -> Option<&str> {
        self.annotations.get(&Uid::new(uid)).map(String::as_str)
    }

    pub fn codes(&self) -> Vec<(FindingCode, String)> {
        self.core.findings().into_iter().map(|f| (f.code, f.subject)).collect()
    }

    pub fn lease(&self, uid: &str, port: u16) -> Option<NodePort> {
        let is = |m: &Mapping| m.owner.uid == Uid::new(uid) && m.pod_port == pod_port(port);
        self.journal.iter().find(|lease| is(&lease.mapping)).map(|lease| lease.port)
    }
}

pub fn new_core(range: &str) -> Core {
    Core::new(Config { node: NODE.into(), range: range.parse().unwrap() })
}

/// The annotation of one TCP mapping.
pub fn says(pod_port: u16, node_port: u16) -> String {
    format!(
        r#"[{{"podPort":{pod_port},"nodeIP":"{NODE_IP}","nodePort":{node_port},"protocol":"tcp","ipFamily":"IPv4"}}]"#
    )
}
