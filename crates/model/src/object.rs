//! The Kubernetes facts that netkeep uses, and the events that carry them.
//!
//! Sources (`agent::source`) build these from manifests or from the API; the state index in `plan`
//! consumes them. Only fields that decide something are kept: a node may hold many thousand.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::owner::{Life, Sandbox, Stay, Uid};
use crate::port::{IpFamily, NodePort, PodPort, Protocol};

/// Labels or a selector.
pub type Labels = BTreeMap<Box<str>, Box<str>>;

/// Name, namespace and UID of an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Meta {
    /// The namespace (empty for cluster-scoped objects).
    pub namespace: Box<str>,
    /// The name.
    pub name: Box<str>,
    /// The UID.
    pub uid: Uid,
}

impl Meta {
    /// `namespace/name`, or the name alone where there is no namespace.
    pub fn qualified_name(&self) -> String {
        if self.namespace.is_empty() {
            self.name.to_string()
        } else {
            format!("{}/{}", self.namespace, self.name)
        }
    }
}

/// `status.phase` of a Pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Accepted, not all containers run yet. Also the default of an absent phase.
    Pending,
    /// At least one container runs.
    Running,
    /// All containers ended well: the sandbox is gone, the IP may be reused.
    Succeeded,
    /// All containers ended, one badly: the sandbox is gone, the IP may be reused.
    Failed,
    /// The kubelet has not reported; the Pod keeps what it has.
    Unknown,
}

impl Phase {
    /// Succeeded and Failed Pods own nothing any more; every other phase does.
    pub const fn life(self) -> Life {
        match self {
            Self::Succeeded | Self::Failed => Life::Terminal,
            Self::Pending | Self::Running | Self::Unknown => Life::Live,
        }
    }
}

/// Which network namespace a Pod runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PodNetwork {
    /// Its own, with its own IPs.
    Own,
    /// The node's (`spec.hostNetwork: true`).
    Host,
}

/// One entry of `spec.containers[].ports`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerPort {
    /// The port's name, by which a Service may refer to it.
    pub name: Option<Box<str>>,
    /// The port inside the Pod.
    pub port: PodPort,
    /// Its protocol.
    pub protocol: Protocol,
    /// The node port that the container runtime maps to it, if any.
    pub host_port: Option<NodePort>,
    /// The only address of the node at which it does; `None`: at all of them.
    pub host_ip: Option<IpAddr>,
}

/// A Pod.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pod {
    /// Name, namespace, UID.
    pub meta: Meta,
    /// Its labels.
    pub labels: Labels,
    /// `spec.nodeName`.
    pub node_name: Option<Box<str>>,
    /// Own network or the node's.
    pub network: PodNetwork,
    /// `status.phase`.
    pub phase: Phase,
    /// `status.startTime`, else `metadata.creationTimestamp`, in seconds since 1970; 0 if neither.
    pub started: i64,
    /// `status.podIPs` (or `podIP`), primary first.
    pub pod_ips: Vec<IpAddr>,
    /// `status.hostIPs` (or `hostIP`).
    pub host_ips: Vec<IpAddr>,
    /// All ports of `spec.containers` (not of init containers).
    pub ports: Vec<ContainerPort>,
    /// The annotation `nodeportlocal.antrea.io` as found on the object.
    pub npl_annotation: Option<Box<str>>,
    /// Whether the Pod's network namespace was seen on this node.
    pub sandbox: Sandbox,
    /// Whether its deletion was asked for (`metadata.deletionTimestamp`).
    pub stay: Stay,
}

/// `spec.type` of a Service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceType {
    /// The default; headless Services too.
    ClusterIp,
    /// NodePort.
    NodePort,
    /// LoadBalancer.
    LoadBalancer,
    /// ExternalName.
    ExternalName,
}

/// Whether a Service asks for NodePortLocal: its annotation `nodeportlocal.antrea.io/enabled` is
/// exactly `true`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NplRequest {
    /// It does.
    Enabled,
    /// It does not.
    Disabled,
}

/// `spec.ports[].targetPort`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TargetPort {
    /// A number, used as it is.
    Number(PodPort),
    /// The name of a container port of the same protocol.
    Name(Box<str>),
}

/// One entry of `spec.ports` of a Service.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServicePort {
    /// Its protocol (default TCP).
    pub protocol: Protocol,
    /// Where it leads (default: the same number as `port`).
    pub target: TargetPort,
}

/// Which IP families a Service has.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ServiceFamilies {
    /// `spec.ipFamilies`, as the API server defaults it.
    Listed(Vec<IpFamily>),
    /// Not stated, as in hand-written manifests: the family of its cluster IP if it has one, else
    /// of the selected Pod's primary IP, which is what a cluster would have defaulted to.
    Unstated(Option<IpFamily>),
    /// Not listed, but `ipFamilyPolicy` asks for both.
    Dual,
}

/// A Service.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Service {
    /// Name, namespace, UID.
    pub meta: Meta,
    /// Its type.
    pub service_type: ServiceType,
    /// Whether it asks for NodePortLocal.
    pub npl: NplRequest,
    /// Its selector; an empty one selects nothing.
    pub selector: Labels,
    /// Its ports.
    pub ports: Vec<ServicePort>,
    /// Its families.
    pub families: ServiceFamilies,
}

/// A Node.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Node {
    /// Name (and UID); Nodes have no namespace.
    pub meta: Meta,
    /// Addresses of type `ExternalIP`, in order.
    pub external_ips: Vec<IpAddr>,
    /// Addresses of type `InternalIP`, in order.
    pub internal_ips: Vec<IpAddr>,
}

impl Node {
    /// The address to publish for a family: the first `ExternalIP`, else the first `InternalIP`.
    pub fn address(&self, family: IpFamily) -> Option<IpAddr> {
        self.external_ips
            .iter()
            .chain(&self.internal_ips)
            .find(|ip| IpFamily::of(ip) == family)
            .copied()
    }
}

/// The kinds of objects that netkeep reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    /// Pods.
    Pod,
    /// Services.
    Service,
    /// Nodes.
    Node,
}

impl ObjectKind {
    /// The kind as Kubernetes spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pod => "Pod",
            Self::Service => "Service",
            Self::Node => "Node",
        }
    }
}

/// Any object that netkeep reads.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Object {
    /// A Pod.
    Pod(Pod),
    /// A Service.
    Service(Service),
    /// A Node.
    Node(Node),
}

impl Object {
    /// The object's kind.
    pub const fn kind(&self) -> ObjectKind {
        match self {
            Self::Pod(_) => ObjectKind::Pod,
            Self::Service(_) => ObjectKind::Service,
            Self::Node(_) => ObjectKind::Node,
        }
    }

    /// The object's name, namespace and UID.
    pub const fn meta(&self) -> &Meta {
        match self {
            Self::Pod(pod) => &pod.meta,
            Self::Service(service) => &service.meta,
            Self::Node(node) => &node.meta,
        }
    }
}

/// What a source tells the state index. Events may come twice, late and in any order between
/// objects; the index keeps the last word on each object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The object is now so.
    Applied(Object),
    /// The object is gone. A late delete of an older object that had the same name carries the
    /// older UID and must not touch the newer object; without a UID whatever has the name goes.
    Deleted {
        /// The kind of the object.
        kind: ObjectKind,
        /// Its namespace.
        namespace: Box<str>,
        /// Its name.
        name: Box<str>,
        /// Its UID, where the source knows it.
        uid: Option<Uid>,
    },
    /// The complete list of all objects of these kinds: what is not in it is gone.
    Listed {
        /// The kinds that the list covers.
        kinds: Vec<ObjectKind>,
        /// All their objects.
        objects: Vec<Object>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_succeeded_and_failed_pods_lose_what_they_own() {
        for phase in [Phase::Pending, Phase::Running, Phase::Unknown] {
            assert_eq!(phase.life(), Life::Live);
        }
        for phase in [Phase::Succeeded, Phase::Failed] {
            assert_eq!(phase.life(), Life::Terminal);
        }
    }

    #[test]
    fn an_external_address_is_preferred_per_family() {
        let node = Node {
            meta: Meta { namespace: "".into(), name: "n1".into(), uid: Uid::new("n1") },
            external_ips: vec!["203.0.113.1".parse().unwrap()],
            internal_ips: vec!["10.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap()],
        };
        assert_eq!(node.address(IpFamily::V4), Some("203.0.113.1".parse().unwrap()));
        assert_eq!(node.address(IpFamily::V6), Some("fd00::1".parse().unwrap()));
    }
}
