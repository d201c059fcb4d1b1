//! Laws: what holds for every sequence of events. [`World::sync`] checks three of them at every
//! step: no prefix of a plan makes an element lead to an IP that is not its owner's, nothing is
//! deleted under a hold, and a second plan is empty.

#[path = "support/world.rs"]
mod world;

use std::collections::{BTreeMap, BTreeSet};

use model::object::{NplRequest, Phase, ServiceFamilies, ServiceType, TargetPort};
use model::owner::Sandbox;
use model::{
    Event, Finding, FindingCode, IpFamily, Key, Node, Object, ObjectKind, Pod, Protocol, Service,
    Uid,
};
use netkeep_plan::Which;
use proptest::prelude::*;
use world::*;

/// A range so small that ports are reused and run out.
const RANGE: &str = "61000-61005";
const IPS: [&str; 3] = ["10.0.0.1", "10.0.0.2", "10.0.0.3"];
const IPS6: [&str; 3] = ["fd00::1", "fd00::2", "fd00::3"];

#[derive(Debug, Clone)]
enum Op {
    Pod(Box<Pod>, Note),
    DeletePod {
        name: u8,
        uid: Option<u8>,
    },
    Service(Box<Service>),
    DeleteService(u8),
    Node(Option<Node>),
    /// The last event again.
    Repeat,
    Relist,
    Restart {
        services_first: bool,
        tamper: Option<(u8, u8)>,
    },
    Hold(bool),
    Lost(u8),
    /// Somebody else writes an element.
    Intrude {
        port: u8,
        ip: u8,
    },
    Busy(u8),
    Sync,
}

/// What somebody does to the annotation of an applied Pod.
#[derive(Debug, Clone, Copy)]
enum Note {
    Kept,
    Claims(u8),
    Garbage,
}

fn pod_name(n: u8) -> String {
    format!("p{n}")
}

fn uid(name: u8, generation: u8) -> String {
    format!("p{name}-{generation}")
}

fn arb_pod() -> impl Strategy<Value = Op> {
    let identity = (0..4u8, 0..2u8);
    let state = (0..4usize, 0..4usize, 0..6u8, 0..3i64, any::<bool>());
    let template = (0..6u8, 0..4u8, 0..12u8);
    let annotation = prop_oneof![
        6 => Just(Note::Kept),
        1 => (0..6u8).prop_map(Note::Claims),
        1 => Just(Note::Garbage)
    ];
    (identity, state, template, annotation).prop_map(|(identity, state, template, note)| {
        let (name, generation) = identity;
        let (v4, v6, phase, started, proven) = state;
        let (label, ports, place) = template;
        let ips: Vec<&str> = IPS.get(v4).into_iter().chain(IPS6.get(v6)).copied().collect();
        let mut pod = pod(&pod_name(name), &ips);
        pod.meta.uid = Uid::new(uid(name, generation));
        pod.started = started;
        pod.phase = match phase {
            0 => Phase::Succeeded,
            1 => Phase::Pending,
            2 => Phase::Unknown,
            _ => Phase::Running,
        };
        if proven {
            pod.sandbox = Sandbox::Proven;
        }
        if label == 0 {
            pod.labels = labels(&[("app", "db")]);
        }
        pod.ports = vec![container_port("http", 80 + u16::from(ports % 2), Protocol::Tcp)];
        if ports == 3 {
            pod.ports[0].host_port = Some(node_port(8080));
        }
        if place == 0 {
            pod.node_name = Some("n2".into());
        }
        Op::Pod(Box::new(pod), note)
    })
}

fn arb_service() -> impl Strategy<Value = Op> {
    (0..2u8, 0..8u8, 0..4u8, 0..4u8).prop_map(|(name, kind, ports, families)| {
        let mut service = service(&format!("s{name}"), &[(Protocol::Tcp, 80)]);
        match kind {
            0 => service.npl = NplRequest::Disabled,
            1 => service.service_type = ServiceType::NodePort,
            2 => service.selector = labels(&[("app", "db")]),
            3 => service.selector.clear(),
            _ => {}
        }
        if ports > 0 {
            let mut more = service.ports[0].clone();
            more.target = TargetPort::Name("http".into());
            service.ports.push(more.clone());
            more.protocol = Protocol::Udp;
            more.target = TargetPort::Number(pod_port(53));
            service.ports.extend((ports > 1).then_some(more));
        }
        service.families = match families {
            0 => ServiceFamilies::Dual,
            1 => ServiceFamilies::Unstated(None),
            2 => ServiceFamilies::Listed(vec![IpFamily::V6]),
            _ => ServiceFamilies::Listed(vec![IpFamily::V4]),
        };
        Op::Service(Box::new(service))
    })
}

fn arb_op() -> impl Strategy<Value = Op> {
    let delete =
        (0..4u8, prop::option::of(0..2u8)).prop_map(|(name, uid)| Op::DeletePod { name, uid });
    let nodes = prop_oneof![
        Just(None),
        Just(Some(node(&[], &[NODE_IP]))),
        Just(Some(node(&["203.0.113.9"], &[NODE_IP, NODE_IP6]))),
    ];
    let restart = (any::<bool>(), prop::option::of((0..4u8, 0..6u8)))
        .prop_map(|(services_first, tamper)| Op::Restart { services_first, tamper });
    prop_oneof![
        12 => arb_pod(),
        4 => arb_service(),
        4 => delete,
        1 => (0..2u8).prop_map(Op::DeleteService),
        1 => nodes.prop_map(Op::Node),
        2 => Just(Op::Repeat),
        1 => Just(Op::Relist),
        2 => restart,
        2 => any::<bool>().prop_map(Op::Hold),
        1 => any::<u8>().prop_map(Op::Lost),
        1 => (0..6u8, 0..3u8).prop_map(|(port, ip)| Op::Intrude { port, ip }),
        1 => (0..6u8).prop_map(Op::Busy),
        6 => Just(Op::Sync),
    ]
}

/// A cluster, and the node that hears of it.
struct Run {
    world: World,
    pods: BTreeMap<String, Pod>,
    services: BTreeMap<String, Service>,
    node: Option<Node>,
    last: Option<Event>,
    held: bool,
    log: Vec<String>,
}

impl Run {
    fn new() -> Self {
        let mut world = World::starting(RANGE);
        world.core.set_hold(None);
        let (pods, services, node) = <_>::default();
        Self { world, pods, services, node, last: None, held: false, log: Vec::new() }
    }

    fn of(ops: &[Op]) -> Self {
        let mut run = Self::new();
        for op in ops {
            run.step(op);
        }
        run
    }

    /// The objects as the API shows them now.
    fn objects(&self) -> Vec<Object> {
        let shown = |pod: &Pod| {
            let mut pod = pod.clone();
            pod.npl_annotation =
                self.world.annotations.get(&pod.meta.uid).map(|t| t.as_str().into());
            Object::Pod(pod)
        };
        let mut objects: Vec<Object> = self.pods.values().map(shown).collect();
        objects.extend(self.services.values().cloned().map(Object::Service));
        objects.extend(self.node.clone().map(Object::Node));
        objects
    }

    fn tell(&mut self, event: Event) {
        self.world.core.apply(event.clone());
        self.last = Some(event);
    }

    fn forget(&mut self, name: &str) {
        if let Some(pod) = self.pods.remove(name) {
            self.world.annotations.remove(&pod.meta.uid);
            self.world.seen.remove(&pod.meta.uid);
        }
    }

    fn step(&mut self, op: &Op) {
        match op {
            Op::Pod(pod, note) => {
                let mut pod = (**pod).clone();
                let name = pod.meta.name.to_string();
                if self.pods.get(&name).is_some_and(|older| older.meta.uid != pod.meta.uid) {
                    self.forget(&name);
                }
                match note {
                    Note::Kept => {}
                    Note::Claims(port) => {
                        let text = says(80, 61000 + u16::from(*port));
                        self.world.annotations.insert(pod.meta.uid.clone(), text);
                    }
                    Note::Garbage => {
                        self.world.annotations.insert(pod.meta.uid.clone(), "[{".to_owned());
                    }
                }
                let text = self.world.annotations.get(&pod.meta.uid);
                pod.npl_annotation = text.map(|text| text.as_str().into());
                self.pods.insert(name, pod.clone());
                self.tell(Event::Applied(Object::Pod(pod)));
            }
            Op::DeletePod { name, uid: generation } => {
                let (name, meant) = (pod_name(*name), generation.map(|g| uid(*name, g)));
                let present = self.pods.get(&name).map(|pod| pod.meta.uid.clone());
                if present.is_some_and(|p| meant.as_ref().is_none_or(|m| *m == *p.text())) {
                    self.forget(&name);
                }
                self.tell(deleted(ObjectKind::Pod, &name, meant.as_deref()));
            }
            Op::Service(service) => {
                self.services.insert(service.meta.name.to_string(), (**service).clone());
                self.tell(Event::Applied(Object::Service((**service).clone())));
            }
            Op::DeleteService(name) => {
                let name = format!("s{name}");
                self.services.remove(&name);
                self.tell(deleted(ObjectKind::Service, &name, None));
            }
            Op::Node(node) => {
                self.node.clone_from(node);
                let objects = node.iter().cloned().map(Object::Node).collect();
                self.tell(Event::Listed { kinds: vec![ObjectKind::Node], objects });
            }
            Op::Repeat => {
                // A repeated event is the last word on its object; only then is it a duplicate.
                if let Some(event) = self.last.clone() {
                    self.world.core.apply(event);
                }
            }
            Op::Relist => self.relist(false),
            Op::Restart { services_first, tamper } => self.restart(*services_first, *tamper),
            Op::Hold(held) => {
                self.held = *held;
                self.world.core.set_hold(if *held { hold("a law wants it") } else { None });
            }
            Op::Lost(nth) => {
                let key = self.world.kernel.keys().nth(usize::from(*nth) % 8).copied();
                if let Some(key) = key {
                    self.world.kernel.remove(&key);
                    self.world.core.lost(Which::Keys(&[key]), "somebody");
                }
            }
            Op::Intrude { port, ip } => {
                let key = tcp(61000 + u16::from(*port));
                self.world.kernel.insert(key, (to(IPS[usize::from(*ip)], 80), None));
                let why = model::Reason::Drift("somebody".to_owned());
                self.world.core.observe(self.world.elements(), &why);
            }
            Op::Busy(port) => {
                let socket = (IpFamily::V4, Protocol::Tcp, node_port(61000 + u16::from(*port)));
                let bound = self.world.sockets.contains(&socket);
                if self.world.busy.remove(&socket).is_none() && !bound {
                    self.world.busy.insert(socket, "somebody".to_owned());
                }
            }
            Op::Sync => self.sync(),
        }
    }

    fn sync(&mut self) {
        let before = self.world.published.len();
        let plan = self.world.sync();
        self.log.push(format!("{plan:?}"));
        // The watch shows us our own writing.
        let written: BTreeSet<Uid> =
            self.world.published[before..].iter().map(|p| p.uid.clone()).collect();
        for object in self.objects() {
            if written.contains(&object.meta().uid) {
                self.tell(Event::Applied(object));
            }
        }
    }

    fn relist(&mut self, services_first: bool) {
        use ObjectKind::{Node, Pod, Service};
        let kinds = if services_first { [Service, Node, Pod] } else { [Pod, Service, Node] };
        let objects = self.objects();
        for kind in kinds {
            let objects = objects.iter().filter(|o| o.kind() == kind).cloned().collect();
            self.world.core.apply(Event::Listed { kinds: vec![kind], objects });
        }
        self.last = None;
    }

    fn restart(&mut self, services_first: bool, tamper: Option<(u8, u8)>) {
        self.world.restart();
        if let Some((name, port)) = tamper
            && let Some(pod) = self.pods.get(&pod_name(name))
        {
            let text = says(80, 61000 + u16::from(port));
            self.world.annotations.insert(pod.meta.uid.clone(), text);
        }
        let before = self.world.kernel.clone();
        self.relist(services_first);
        assert_eq!(self.world.kernel, before);
        self.held = false;
        self.world.core.set_hold(None);
        self.sync();
    }

    /// Lets everything come to rest.
    fn rest(&mut self) {
        self.world.core.set_hold(None);
        self.world.core.retry_exhausted();
        // A freed port serves a waiting mapping in the next round, which may free another.
        for _ in 0..8 {
            self.sync();
        }
        assert!(self.world.core.plan(None).is_empty());
        assert!(misleading(&self.world.core, &self.world.kernel).is_empty());
    }

    /// Another node that hears of the same cluster for the first time, with the same kernel and
    /// the same journal.
    fn scratch(&self, reverse: bool) -> World {
        let mut world = World::starting(RANGE);
        world.kernel.clone_from(&self.world.kernel);
        world.journal.clone_from(&self.world.journal);
        world.busy.clone_from(&self.world.busy);
        world.annotations.clone_from(&self.world.annotations);
        world.seen.clone_from(&self.world.annotations);
        world.restart();
        let mut objects = self.objects();
        if reverse {
            objects.reverse();
        }
        let kinds = vec![ObjectKind::Pod, ObjectKind::Service, ObjectKind::Node];
        world.core.apply(Event::Listed { kinds, objects });
        world.core.set_hold(None);
        world
    }
}

/// Findings of what is, not of what was.
fn present(findings: Vec<Finding>) -> BTreeSet<Finding> {
    let past = [FindingCode::PortConflict, FindingCode::ForeignWrite];
    findings.into_iter().filter(|finding| !past.contains(&finding.code)).collect()
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(arb_op(), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig {
        max_shrink_iters: 4000,
        failure_persistence: None,
        ..ProptestConfig::default() })]

    #[test]
    fn incremental_is_from_scratch_and_a_restart_writes_nothing(ops in ops(), reverse: bool) {
        let mut run = Run::of(&ops);
        run.rest();
        let mut scratch = run.scratch(reverse);
        let plan = scratch.sync();
        prop_assert!(plan.is_empty() && plan.held.is_empty(), "{plan:#?}");
        prop_assert_eq!(&scratch.published, &vec![]);
        prop_assert_eq!(&scratch.journal, &run.world.journal);
        prop_assert_eq!(&scratch.sockets, &run.world.sockets);
        let (this, that) = (&run.world.core, &scratch.core);
        prop_assert_eq!(this.desired().collect::<Vec<_>>(), that.desired().collect::<Vec<_>>());
        prop_assert_eq!(this.npl_report(), that.npl_report());
        prop_assert_eq!(present(this.findings()), present(that.findings()));
        prop_assert_eq!(this.owners(), that.owners());
        prop_assert_eq!(this.counts(), that.counts());
    }

    #[test]
    fn the_same_events_give_the_same_plans(ops in ops()) {
        prop_assert_eq!(Run::of(&ops).log, Run::of(&ops).log);
    }

    #[test]
    fn at_rest_the_kernel_holds_what_live_owners_want_and_nothing_else(ops in ops()) {
        let mut run = Run::of(&ops);
        run.rest();
        let world = &run.world;
        let live: BTreeSet<Uid> = run.pods.values()
            .filter(|pod| !matches!(pod.phase, Phase::Succeeded | Phase::Failed))
            .map(|pod| pod.meta.uid.clone())
            .collect();
        let mut desired = Kernel::new();
        for element in world.core.desired() {
            prop_assert!(live.contains(&element.owner.uid), "{element:?}");
            desired.insert(element.key, (element.value, Some(element.owner)));
        }
        prop_assert_eq!(&world.kernel, &desired, "no foreign, unmarked or stale element is left");
        let bound: BTreeSet<Key> = world.sockets.iter()
            .map(|&(family, protocol, port)| Key::Npl { family, protocol, port })
            .collect();
        let served: BTreeSet<Key> =
            desired.into_keys().filter(|key| matches!(key, Key::Npl { .. })).collect();
        prop_assert!(served.is_subset(&bound), "every element has its socket");
        prop_assert_eq!(world.sockets.len(), world.journal.len());
    }

    #[test]
    fn what_is_published_is_what_the_kernel_does(ops in ops()) {
        let mut run = Run::of(&ops);
        run.rest();
        for pod in run.pods.values().filter(|pod| pod.node_name.as_deref() == Some(NODE)) {
            let text = run.world.annotations.get(&pod.meta.uid);
            let said = text.map(|text| netkeep_plan::annotation::parse(text)).unwrap_or_default();
            for entry in said {
                if entry.node_port == node_port(8080) {
                    continue; // a hostPort
                }
                let key = Key::Npl {
                    family: entry.family,
                    protocol: entry.protocol,
                    port: entry.node_port,
                };
                let (_, mark) = run.world.kernel.get(&key).expect("it is said, so it is there");
                prop_assert_eq!(&mark.as_ref().unwrap().uid, &pod.meta.uid);
            }
        }
    }

    #[test]
    fn an_annotation_comes_back_from_its_text(
        entries in prop::collection::btree_set((1..9u16, 0..3usize, any::<bool>(), 1..9u16), 0..6)
    ) {
        let mappings: Vec<_> = entries.into_iter().map(|(port, protocol, six, node)| {
            model::npl::Published {
                pod_port: pod_port(port),
                protocol: Protocol::ALL[protocol],
                family: if six { IpFamily::V6 } else { IpFamily::V4 },
                node_port: node_port(node),
                node_ip: ip(if six { NODE_IP6 } else { NODE_IP }),
            }
        }).collect::<BTreeSet<_>>().into_iter().collect();
        let text = netkeep_plan::annotation::format(&mappings).unwrap_or_default();
        prop_assert_eq!(netkeep_plan::annotation::parse(&text), mappings);
    }

    #[test]
    fn no_annotation_breaks_the_reader(text in "[\\[\\]{}\":,a-zA-Z0-9. -]{0,80}") {
        netkeep_plan::annotation::parse(&text);
    }

    #[test]
    fn no_question_breaks_explain(ops in ops(), text in "[a-z0-9/.: >-]{0,30}") {
        let run = Run::of(&ops);
        let core = &run.world.core;
        let _ = core.explain(&text);
        for query in ["pod default/p0", "10.0.0.1", "tcp 61000", "default/p0 -> 192.0.2.1 tcp 61000"] {
            prop_assert!(core.explain(query).is_ok());
        }
    }
}
