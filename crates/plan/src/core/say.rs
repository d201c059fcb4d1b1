//! What may be said: only what was read back, and nothing before we know everything.

use model::npl::Published;
use model::object::PodNetwork;
use model::{Key, NodePort, Owner, Value};

use super::Core;
use crate::annotation;
use crate::npl::{Via, Want};
use crate::ports::Target;
use crate::publish::{Annotation, Publication, Said};
use crate::state::PodRecord;

impl Core {
    pub(super) fn publications(&mut self) -> Vec<Publication> {
        if self.start.is_some() && self.hold.is_some() {
            return Vec::new();
        }
        let mut publications = Vec::new();
        for uid in self.publisher.take_touched() {
            let Some(pod) = self.state.pod(&uid) else { continue };
            // Without any address of the node nothing true can be said; a change of the Node
            // touches every Pod.
            let Some(mappings) = self.verified_mappings(pod) else { continue };
            let overlaid = self.overlaid_host_ports(pod);
            let said = Said::of(&mappings);
            for key in overlaid {
                self.overlaid.entry(key).or_default().insert(uid.clone());
            }
            if self.publisher.says(&uid, said.as_ref()) {
                continue;
            }
            let Some(pod) = self.state.pod(&uid) else { continue };
            let holds = self.hold.is_some() || self.may_be_asked_for(&pod.owner);
            if holds && self.takes_back(pod, said.as_ref()) {
                self.publisher.touch(&uid);
                continue;
            }
            let annotation = match annotation::format(&mappings) {
                Some(text) => Annotation::Set(text),
                None => Annotation::Remove,
            };
            publications.push(Publication {
                namespace: pod.owner.namespace().into(),
                name: pod.owner.name().into(),
                uid: uid.clone(),
                annotation,
            });
            self.publisher.say(&uid, said);
        }
        publications
    }

    /// What is true of a Pod now, sorted; `None` if the node's address is not known.
    pub(crate) fn verified_mappings(&self, pod: &PodRecord) -> Option<Vec<Published>> {
        let mut mappings = Vec::new();
        for want in self.resolution(pod).wants {
            let node_port = match want.via {
                Via::HostPort(port, _) if self.overlays(&pod.owner, want.target.key(port)) => {
                    continue;
                }
                Via::HostPort(port, _) => port,
                Via::Element(_) => match self.verified_port(&pod.owner, &want) {
                    Some(port) => port,
                    None => continue,
                },
                Via::NoIp | Via::Lost(_) => continue,
            };
            let Target { pod_port, protocol, family } = want.target;
            let node_ip = want.node_ip?;
            mappings.push(Published { pod_port, protocol, family, node_port, node_ip });
        }
        mappings.sort_unstable();
        Some(mappings)
    }

    /// The elements that stand in the way of this Pod's hostPorts.
    fn overlaid_host_ports(&self, pod: &PodRecord) -> Vec<Key> {
        let none = pod.ports.iter().all(|port| port.host_port.is_none());
        if none && pod.network == PodNetwork::Own {
            return Vec::new();
        }
        let overlaid = |want: Want| {
            let Via::HostPort(port, _) = want.via else { return None };
            let key = want.target.key(port);
            self.overlays(&pod.owner, key).then_some(key)
        };
        self.resolution(pod).wants.into_iter().filter_map(overlaid).collect()
    }

    fn overlays(&self, owner: &Owner, key: Key) -> bool {
        self.overlay(owner, key).is_some()
    }

    /// Whose mapping has the node port that this owner's container asks for itself, if somebody
    /// else's: the node leads there, and not to this owner.
    pub(crate) fn overlay(&self, owner: &Owner, key: Key) -> Option<String> {
        let Key::Npl { family, protocol, port } = key else { return None };
        if let Some((mapping, _)) = self.ports.holder(family, protocol, port) {
            return (*mapping.owner != *owner).then(|| mapping.owner.to_string());
        }
        match self.diff.programmed(&key, self.keys.winner(&key))?.mark {
            Some(mark) => (*mark != *owner).then(|| mark.to_string()),
            None => Some("an unknown owner".to_owned()),
        }
    }

    /// The port of a mapping whose element is in the kernel as wanted.
    pub(crate) fn verified_port(&self, owner: &Owner, want: &Want) -> Option<NodePort> {
        let Via::Element(ip) = want.via else { return None };
        let port = self.usable_port(owner, want.target)?;
        let key = want.target.key(port);
        let programmed = self.diff.programmed(&key, self.keys.winner(&key))?;
        let wanted = Value::Endpoint { ip, port: want.target.pod_port };
        (programmed.value == wanted && self.keys.wins(&key, owner)).then_some(port)
    }

    /// Whether saying this would take back a mapping that the kernel still serves: deletions are
    /// held, and a load balancer must not be sent away on the strength of what we do not know.
    fn takes_back(&self, pod: &PodRecord, said: Option<&Said>) -> bool {
        let now = self.publisher.said(&pod.owner.uid).map(Said::entries).unwrap_or_default();
        let next = said.map(Said::entries).unwrap_or_default();
        now.iter().any(|(target, port)| {
            let kept = next.iter().any(|(other, _)| other == target);
            let key: Key = target.key(*port);
            !kept && self.mark(&key).is_some_and(|mark| mark == pod.owner)
        })
    }
}
