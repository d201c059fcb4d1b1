//! What may be said: only what was read back, and nothing before we know everything.

use model::npl::Published;
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
            let said = Said::of(&mappings);
            if self.publisher.says(&uid, said.as_ref()) {
                continue;
            }
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
                namespace: pod.owner.namespace.clone(),
                name: pod.owner.name.clone(),
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
