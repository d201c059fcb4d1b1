//! The state index: what the sources said last, of what matters to this node.
//!
//! Owns: the Pods of this node by UID, the Services that ask for NodePortLocal, our own Node.
//! Invariants:
//! - at most one Pod has a namespace and name: a newer UID ends the older Pod, on whatever node
//!   the newer one runs;
//! - a UID is one Pod's: of several that say it the first by name counts;
//! - a delete that names another UID than the present one changes nothing;
//! - an event that says nothing new touches nothing.
//!
//! Deliberately not here: who wins an IP (`ledger`), what a Pod gets (`npl`).

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use model::object::{ContainerPort, Labels, PodNetwork};
use model::owner::{Life, Rank, Sandbox, Stay};
use model::{Event, Node, Object, ObjectKind, Owner, Pod, Service, Uid};

use crate::cause::Cause;

mod pods;
pub(crate) mod services;
mod shared;
mod twins;

use pods::Pods;
use services::Services;
use shared::Shared;
use twins::Twins;

/// A Pod of this node, in the least room: what many Pods have in common is stored once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodRecord {
    /// The Pod as an owner.
    pub owner: Arc<Owner>,
    /// Its labels.
    pub labels: Arc<Labels>,
    /// Its container ports.
    pub ports: Arc<[ContainerPort]>,
    /// Its IPs, primary first, as stated.
    pub ips: Box<[IpAddr]>,
    /// Its node's IPs, as stated.
    pub host_ips: Arc<[IpAddr]>,
    /// When it started, seconds since 1970.
    pub started: i64,
    /// Own network or the node's.
    pub network: PodNetwork,
    /// Whether it still runs.
    pub life: Life,
    /// Whether its network namespace was seen.
    pub sandbox: Sandbox,
    /// Whether its deletion was asked for.
    pub stay: Stay,
}

impl PodRecord {
    /// How strong its claims are.
    pub const fn rank(&self) -> Rank {
        Rank { life: self.life, sandbox: self.sandbox, started: self.started, stay: self.stay }
    }

    /// The IPs that it claims as its own: none on the node's network, no address that can belong
    /// to no single Pod.
    pub fn claimed_ips(&self) -> impl Iterator<Item = IpAddr> {
        let own = self.network == PodNetwork::Own;
        self.ips.iter().copied().filter(move |ip| own && is_pod_ip(ip))
    }
}

/// Whether an address can be a Pod's: not unspecified, loopback, multicast or broadcast.
pub fn is_pod_ip(ip: &IpAddr) -> bool {
    let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    !(ip.is_unspecified() || ip.is_loopback() || ip.is_multicast() || broadcast)
}

/// What an event touched.
#[derive(Debug, Default)]
pub struct Touched {
    /// Pods that are no longer here, and why.
    pub gone: Vec<(Arc<Owner>, Cause)>,
    /// Pods that are new or whose mappings may be others now.
    pub pods: BTreeSet<Uid>,
    /// The annotation that each Pod in the event carries, whether or not anything changed.
    pub annotations: Vec<(Uid, Option<Box<str>>)>,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct State {
    node_name: Box<str>,
    pods: Pods,
    twins: Twins,
    services: Services,
    node: Option<Node>,
    shared: Shared,
}

impl State {
    /// Nothing known, on the node of this name.
    pub fn new(node_name: Box<str>) -> Self {
        Self {
            node_name,
            pods: Pods::default(),
            twins: Twins::default(),
            services: Services::default(),
            node: None,
            shared: Shared::default(),
        }
    }

    /// Rebuilds the maps of Pods with full nodes.
    pub fn pack(&mut self) {
        self.pods.pack();
    }

    /// Our node's name.
    pub fn node_name(&self) -> &str {
        &self.node_name
    }

    /// Our Node object.
    pub const fn node(&self) -> Option<&Node> {
        self.node.as_ref()
    }

    /// The Pod with this UID.
    pub fn pod(&self, uid: &Uid) -> Option<&PodRecord> {
        self.pods.get(uid)
    }

    /// The Pod of this name.
    pub fn pod_named(&self, namespace: &str, name: &str) -> Option<&PodRecord> {
        self.pods.named(namespace, name)
    }

    /// The live Pods of which a container asks for a node port itself.
    pub fn live_pods_with_host_ports(&self) -> impl Iterator<Item = &PodRecord> {
        // Most nodes have none, and it is asked for with every new mapping.
        let some = self.shared.may_have_host_ports();
        let has = |pod: &&PodRecord| pod.ports.iter().any(|port| port.host_port.is_some());
        some.then(|| self.pods().filter(|pod| pod.life == Life::Live).filter(has))
            .into_iter()
            .flatten()
    }

    /// All Pods of this node.
    pub fn pods(&self) -> impl Iterator<Item = &PodRecord> {
        self.pods.iter()
    }

    /// Each Pod that says the UID of another, with that other, which counts.
    pub fn twins(&self) -> impl Iterator<Item = (&Owner, &Owner)> {
        let counts = |twin: &Arc<Owner>| self.pods.get(&twin.uid).map(|pod| &*pod.owner);
        self.twins.iter().filter_map(move |twin| Some((&**twin, counts(twin)?)))
    }

    /// The Services that select the Pod and ask for NodePortLocal, by name.
    pub fn services_of(&self, pod: &PodRecord) -> Vec<&Service> {
        self.services.selecting(pod.owner.namespace(), &pod.labels)
    }

    /// All Services that ask for NodePortLocal, used or not, in a namespace.
    pub fn services_in(&self, namespace: &str) -> impl Iterator<Item = &Service> {
        self.services.in_namespace(namespace)
    }

    /// Takes in an event.
    pub fn apply(&mut self, event: Event) -> Touched {
        let mut touched = Touched::default();
        match event {
            Event::Applied(object) => self.applied(object, &mut touched),
            Event::Deleted { kind, namespace, name, uid } => {
                self.deleted(kind, &namespace, &name, uid.as_ref(), &mut touched);
            }
            Event::Listed { kinds, objects } => self.listed(&kinds, objects, &mut touched),
        }
        touched
    }

    fn applied(&mut self, object: Object, touched: &mut Touched) {
        match object {
            Object::Pod(pod) => self.applied_pod(pod, touched),
            Object::Service(service) => self.applied_service(service, touched),
            Object::Node(node) if node.meta.name == self.node_name => {
                if self.node.as_ref() != Some(&node) {
                    self.node = Some(node);
                    touched.pods.extend(self.pods.uids());
                }
            }
            Object::Node(_) => {}
        }
    }

    fn applied_pod(&mut self, pod: Pod, touched: &mut Touched) {
        let Pod { meta, .. } = &pod;
        if let Some(older) = self.pods.named(&meta.namespace, &meta.name)
            && older.owner.uid != meta.uid
        {
            let owner = Arc::clone(&older.owner);
            self.leave(&owner, Cause::Replaced, touched);
        }
        self.twins.remove(&meta.namespace, &meta.name, None);
        let known = self.pods.get(&meta.uid).map(|known| Arc::clone(&known.owner));
        let is_same = |o: &Arc<Owner>| o.name() == &*meta.name && o.namespace() == &*meta.namespace;
        let (owner, twin) = match known {
            Some(known) if is_same(&known) => (Some(known), None),
            known => (None, known),
        };
        if pod.node_name.as_deref() != Some(&self.node_name) {
            if let Some(moved) = owner {
                self.leave(&moved, Cause::Elsewhere, touched);
            }
            return;
        }
        let owner_is_known = owner.is_some();
        let owner = owner
            .unwrap_or_else(|| Arc::new(Owner::pod(&meta.namespace, &meta.name, meta.uid.clone())));
        let record = PodRecord {
            owner,
            life: pod.phase.life(),
            started: pod.started,
            network: pod.network,
            sandbox: pod.sandbox,
            stay: pod.stay,
            labels: self.shared.labels(pod.labels),
            ports: self.shared.ports(pod.ports),
            host_ips: self.shared.ips(pod.host_ips),
            ips: pod.pod_ips.into_boxed_slice(),
        };
        let uid = pod.meta.uid;
        match twin {
            Some(twin) if twins::precedes(&twin, &record.owner) => {
                self.twins.insert(record);
                return;
            }
            Some(_) => {
                if let Some(later) = self.pods.remove(&uid) {
                    self.twins.insert(later);
                }
            }
            None => {}
        }
        touched.annotations.push((uid.clone(), pod.npl_annotation));
        // Owners are equal by UID alone; that a Pod has another name now is news all the same.
        if !owner_is_known || self.pods.get(&uid) != Some(&record) {
            self.pods.insert(record);
            touched.pods.insert(uid);
        }
    }

    /// A Pod is no longer here. Another that waits with its UID takes its place, and its ports.
    fn leave(&mut self, owner: &Arc<Owner>, cause: Cause, touched: &mut Touched) {
        self.pods.remove(&owner.uid);
        match self.twins.next(&owner.uid) {
            Some(next) => {
                touched.pods.insert(owner.uid.clone());
                self.pods.insert(next);
            }
            None => touched.gone.push((Arc::clone(owner), cause)),
        }
    }

    fn applied_service(&mut self, service: Service, touched: &mut Touched) {
        let (namespace, name) = (service.meta.namespace.clone(), service.meta.name.clone());
        let older = self.services.get(&namespace, &name).cloned();
        if !services::is_of_interest(&service) {
            if let Some(older) = older {
                self.services.remove(&namespace, &name);
                self.touch_selected(&older, touched);
            }
            return;
        }
        if older.as_ref() == Some(&service) {
            return;
        }
        if let Some(older) = &older {
            self.touch_selected(older, touched);
        }
        self.touch_selected(&service, touched);
        self.services.insert(service);
    }

    fn deleted(
        &mut self,
        kind: ObjectKind,
        namespace: &str,
        name: &str,
        uid: Option<&Uid>,
        touched: &mut Touched,
    ) {
        let meant = |present: &Uid| uid.is_none_or(|uid| uid == present);
        match kind {
            ObjectKind::Pod => {
                self.twins.remove(namespace, name, uid);
                let Some(pod) = self.pods.named(namespace, name) else { return };
                if meant(&pod.owner.uid) {
                    let owner = Arc::clone(&pod.owner);
                    self.leave(&owner, Cause::Deleted, touched);
                }
            }
            ObjectKind::Service => {
                let Some(service) = self.services.get(namespace, name) else { return };
                if meant(&service.meta.uid) {
                    let service = service.clone();
                    self.services.remove(namespace, name);
                    self.touch_selected(&service, touched);
                }
            }
            ObjectKind::Node => {
                let ours = self.node.as_ref().is_some_and(|n| &*n.meta.name == name);
                if ours && self.node.as_ref().is_some_and(|n| meant(&n.meta.uid)) {
                    self.node = None;
                    touched.pods.extend(self.pods.uids());
                }
            }
        }
    }

    fn listed(&mut self, kinds: &[ObjectKind], objects: Vec<Object>, touched: &mut Touched) {
        let present: BTreeSet<(ObjectKind, Uid)> =
            objects.iter().map(|o| (o.kind(), o.meta().uid.clone())).collect();
        let is_gone =
            |kind, uid: &Uid| kinds.contains(&kind) && !present.contains(&(kind, uid.clone()));

        let pods: Vec<_> = self
            .pods
            .iter()
            .filter(|pod| is_gone(ObjectKind::Pod, &pod.owner.uid))
            .map(|pod| Arc::clone(&pod.owner))
            .collect();
        if kinds.contains(&ObjectKind::Pod) {
            self.twins.clear();
            self.rename(&objects);
        }
        for owner in pods {
            self.pods.remove(&owner.uid);
            touched.gone.push((owner, Cause::Deleted));
        }
        let services: Vec<_> = self
            .services
            .iter()
            .filter(|service| is_gone(ObjectKind::Service, &service.meta.uid))
            .cloned()
            .collect();
        for service in services {
            self.services.remove(&service.meta.namespace, &service.meta.name);
            self.touch_selected(&service, touched);
        }
        if self.node.as_ref().is_some_and(|node| is_gone(ObjectKind::Node, &node.meta.uid)) {
            self.node = None;
            touched.pods.extend(self.pods.uids());
        }
        for object in in_order(objects) {
            self.applied(object, touched);
        }
    }

    /// Of Pods that a list has by another name only, the older name goes.
    fn rename(&mut self, objects: &[Object]) {
        let listed = |object: &Object| match object {
            Object::Pod(pod) => {
                Some((pod.meta.uid.clone(), pod.meta.namespace.clone(), pod.meta.name.clone()))
            }
            _ => None,
        };
        let listed: BTreeSet<_> = objects.iter().filter_map(listed).collect();
        let uids: BTreeSet<&Uid> = listed.iter().map(|(uid, ..)| uid).collect();
        let renamed = self.pods.iter().map(|pod| &pod.owner).filter(|owner| {
            let name = (owner.uid.clone(), owner.namespace().into(), owner.name().into());
            uids.contains(&owner.uid) && !listed.contains(&name)
        });
        let renamed: Vec<Uid> = renamed.map(|owner| owner.uid.clone()).collect();
        for uid in renamed {
            self.pods.remove(&uid);
        }
    }

    fn touch_selected(&self, service: &Service, touched: &mut Touched) {
        for pod in self.pods.in_namespace(&service.meta.namespace) {
            if services::selects(service, &pod.labels) {
                touched.pods.insert(pod.owner.uid.clone());
            }
        }
    }
}

/// A list is a set: where two of its objects have one name, the same one is last however the list
/// is ordered (a live Pod after a finished one, the newer start after the older).
fn in_order(mut objects: Vec<Object>) -> Vec<Object> {
    objects.sort_by(|a, b| {
        let key = |object: &Object| match object {
            Object::Pod(pod) => Some((pod.phase.life(), pod.sandbox, pod.started, pod.stay)),
            _ => None,
        };
        (a.kind(), key(a), &a.meta().uid).cmp(&(b.kind(), key(b), &b.meta().uid))
    });
    objects
}

#[cfg(test)]
mod tests;
