//! How an event flows: addresses first, then every Pod that the event or the addresses touched.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::owner::Life;
use model::{Key, Owner, Uid, Value};

use super::Core;
use crate::cause::Cause;
use crate::ledger::Delta;
use crate::npl::{self, Resolution, Via, Want};
use crate::ports::{Ask, LeaseState, Memory, Need, Target};
use crate::state::{PodRecord, Touched};

impl Core {
    /// Takes in what an event touched.
    pub(super) fn settle(&mut self, touched: Touched) {
        let Touched { gone, pods, annotations } = touched;
        let mut work = pods.clone();
        for (owner, cause) in gone {
            self.drop_owner(&owner, &cause, &mut work);
        }
        for (uid, annotation) in annotations {
            if self.state.pod(&uid).is_some() {
                self.see_annotation(&uid, annotation.as_deref());
            }
        }
        for uid in &pods {
            self.claim_addresses(uid, &mut work);
        }
        for uid in work {
            self.resolve(&uid);
        }
    }

    /// Lets a Pod claim its IPs. Whoever wins or loses one is to be resolved.
    fn claim_addresses(&mut self, uid: &Uid, work: &mut BTreeSet<Uid>) {
        let Some(pod) = self.state.pod(uid) else { return };
        if let Some(start) = &mut self.start {
            start.remembered.remove(uid);
        }
        let ips = pod.claimed_ips().map(|ip| (ip, ()));
        let deltas = self.addresses.replace(&pod.owner, pod.rank(), ips);
        note_owners(deltas, work);
    }

    /// An owner is no more: all its claims go, and nobody else's.
    pub(super) fn drop_owner(
        &mut self,
        owner: &Arc<Owner>,
        cause: &Cause,
        work: &mut BTreeSet<Uid>,
    ) {
        note_owners(self.addresses.remove(owner), work);
        for Delta { key, before, after } in self.keys.remove(owner) {
            let cause = if after.is_some() { Cause::Repointed } else { cause.clone() };
            self.diff.desire(key, before.as_ref(), after.as_ref(), cause);
        }
        self.diff.ended(owner, &self.keys, cause);
        let leaving = self.ports.want(owner, &[], Memory::Expired);
        self.free_gone(leaving);
        self.notes.remove(&owner.uid);
        self.publisher.forget(&owner.uid);
        if let Some(start) = &mut self.start {
            start.forget(&owner.uid);
        }
    }

    /// Computes all claims of one owner anew and puts them in the place of its older ones.
    pub(super) fn resolve(&mut self, uid: &Uid) {
        let Some(pod) = self.state.pod(uid) else {
            self.resolve_remembered(uid);
            return;
        };
        let owner = Arc::clone(&pod.owner);
        let rank = pod.rank();
        let resolution = self.resolution(pod);
        let memory = if self.start.is_some() { Memory::Trusted } else { Memory::Expired };
        let asks: Vec<Ask> =
            resolution.wants.iter().filter_map(|want| self.ask(uid, want)).collect();
        let leaving = self.ports.want(&owner, &asks, memory);
        let claims = self.claims(&owner, &resolution);
        for Delta { key, before, after } in self.keys.replace(&owner, rank, claims) {
            let cause = match (&before, &after) {
                (_, None) => {
                    self.why_unwanted(uid, &resolution, key, before.as_ref().map(|c| c.value))
                }
                (None, Some(_)) => Cause::Wanted,
                (Some(_), Some(_)) => Cause::Repointed,
            };
            self.diff.desire(key, before.as_ref(), after.as_ref(), cause);
        }
        if rank.life == Life::Terminal {
            self.diff.ended(&owner, &self.keys, &Cause::Finished);
        }
        self.free_gone(leaving);
        if resolution.notes.is_empty() {
            self.notes.remove(uid);
        } else {
            self.notes.insert(uid.clone(), resolution.notes.into());
        }
        self.publisher.touch(uid);
    }

    /// What a Pod is to get, as things are.
    pub(crate) fn resolution(&self, pod: &PodRecord) -> Resolution {
        let services = self.state.services_of(pod);
        npl::resolve(pod, &services, self.state.node(), |ip| self.addresses.wins(ip, &pod.owner))
    }

    fn ask(&self, uid: &Uid, want: &Want) -> Option<Ask> {
        let need = match want.via {
            Via::HostPort(..) => return None,
            Via::Element(_) => Need::Now,
            Via::NoIp | Via::Lost(_) => Need::Keep,
        };
        let annotated = self.start.as_ref().and_then(|start| start.annotated(uid, want.target));
        Some(Ask { target: want.target, need, annotated })
    }

    /// The elements of the mappings that have a port, and one hairpin element an IP.
    fn claims(&self, owner: &Owner, resolution: &Resolution) -> Vec<(Key, Value)> {
        let mut claims = Vec::with_capacity(resolution.wants.len() + 1);
        for want in &resolution.wants {
            let Via::Element(ip) = want.via else { continue };
            let Some(port) = self.usable_port(owner, want.target) else { continue };
            claims
                .push((want.target.key(port), Value::Endpoint { ip, port: want.target.pod_port }));
            claims.push((Key::Hairpin(ip), Value::Present));
        }
        claims
    }

    /// The port of a mapping that may be programmed: its socket is bound, or its element was in
    /// the kernel before we started (traffic goes on while the socket is being bound).
    pub(crate) fn usable_port(&self, owner: &Owner, target: Target) -> Option<model::NodePort> {
        let (port, state) = self.ports.lease(owner, target)?;
        let marked = || self.mark(&target.key(port)).is_some_and(|mark| *mark == *owner);
        (state == LeaseState::Held || marked()).then_some(port)
    }

    /// The owner that the mark of a programmed element names.
    pub(crate) fn mark(&self, key: &Key) -> Option<Arc<Owner>> {
        self.diff.programmed(key, self.keys.winner(key))?.mark
    }

    fn why_unwanted(
        &self,
        uid: &Uid,
        resolution: &Resolution,
        key: Key,
        value: Option<Value>,
    ) -> Cause {
        let Some(pod) = self.state.pod(uid) else { return Cause::Deleted };
        if pod.life == Life::Terminal {
            return Cause::Finished;
        }
        let ip = match (key, value) {
            (Key::Hairpin(ip), _) | (_, Some(Value::Endpoint { ip, .. })) => Some(ip),
            _ => None,
        };
        if let Some(ip) = ip {
            if !pod.ips.contains(&ip) {
                return Cause::AddressGone;
            }
            if !self.addresses.wins(&ip, &pod.owner) {
                return Cause::AddressLost;
            }
        }
        let (Key::Npl { family, protocol, .. }, Some(Value::Endpoint { port, .. })) = (key, value)
        else {
            return Cause::Unselected;
        };
        let target = Target { pod_port: port, protocol, family };
        let wanted = resolution.wants.iter().find(|want| want.target == target);
        match wanted.map(|want| want.via) {
            Some(Via::Element(_)) => Cause::PortMoved,
            _ => Cause::Unselected,
        }
    }

    /// Frees the leases of leaving ports whose element is not, or no longer, in the kernel.
    pub(super) fn free_gone(&mut self, leaving: Vec<Key>) {
        for key in leaving {
            if !self.diff.is_programmed(&key, self.keys.winner(&key)) {
                self.element_gone(&key);
            }
        }
    }

    /// The kernel holds nothing under a key: its lease is over if nobody wants it any more, and a
    /// Pod that has this hostPort may be served there.
    fn element_gone(&mut self, key: &Key) {
        self.ports.element_gone(key);
        for uid in self.overlaid.remove(key).into_iter().flatten() {
            self.publisher.touch(&uid);
        }
    }

    /// The kernel holds something else under a key than we believed: `mark` was its owner.
    pub(super) fn after_news(&mut self, key: &Key, mark: Option<&Arc<Owner>>) {
        let winner = self.keys.winner(key);
        for owner in winner.map(|claim| &claim.owner).into_iter().chain(mark) {
            if self.state.pod(&owner.uid).is_some() {
                self.publisher.touch(&owner.uid);
            }
        }
        if !self.diff.is_programmed(key, winner) {
            self.element_gone(key);
        }
    }
}

fn note_owners<K>(deltas: Vec<Delta<K, ()>>, work: &mut BTreeSet<Uid>) {
    for delta in deltas {
        work.extend(delta.before.into_iter().chain(delta.after).map(|c| c.owner.uid.clone()));
    }
}
