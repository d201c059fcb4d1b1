//! How a mapping gets its port: what it may ask for, in which order, and what comes of it.

use std::sync::Arc;

use model::{IpFamily, Key, Mapping, NodePort, Owner, Protocol};

use super::{Ask, LeaseState, Need, PortTable, Reserved, Table, Target};
use crate::journal::{Lease, LeaseChange};

/// Which port a mapping asks for, strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The one that its annotation claims, if that was written while we were not running.
    Changed,
    /// The one that the journal or the kernel's mark remembers.
    Remembered,
    /// The one that its annotation claims, though that may be our own older word.
    Annotated,
    /// The next free one.
    Fresh,
}

impl Level {
    const fn next(self) -> Option<Self> {
        match self {
            Self::Changed => Some(Self::Remembered),
            Self::Remembered => Some(Self::Annotated),
            Self::Annotated => Some(Self::Fresh),
            Self::Fresh => None,
        }
    }
}

/// Why a mapping has no port, or its port no socket.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Denial {
    /// There is no free port in the range.
    Exhausted,
    /// The socket could not be opened; the text says why.
    Failed(Box<str>),
}

/// A remembered port that another process has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The port.
    pub port: NodePort,
    /// Who has it (empty if not known).
    pub holder: Box<str>,
}

/// A mapping that waits.
#[derive(Debug, Clone)]
pub(super) struct Wait {
    level: Level,
    annotated: Option<(Level, NodePort)>,
    /// Steps of the search for a fresh port that are left.
    left: u32,
    denial: Option<Denial>,
}

impl PortTable {
    /// The next port to bind. `marked` tells what the kernel holds under a key: nothing, or an
    /// element with this mark. A port under another's element is not handed out, and one under an
    /// unmarked element only to the mapping that it is remembered for.
    pub fn next_reservation(
        &mut self,
        marked: &dyn Fn(&Key) -> Option<Option<Arc<Owner>>>,
    ) -> Option<(Mapping, NodePort)> {
        if let Some((mapping, port)) = &self.asked
            && self.waiting.contains_key(mapping)
        {
            return Some((mapping.clone(), *port));
        }
        while let Some((level, mapping)) = self.queue.first().cloned() {
            if let Some(port) = self.candidate(level, &mapping, marked) {
                self.asked = Some((mapping.clone(), port));
                return Some((mapping, port));
            }
            self.advance(&mapping, level);
        }
        None
    }

    fn candidate(
        &mut self,
        level: Level,
        mapping: &Mapping,
        marked: &dyn Fn(&Key) -> Option<Option<Arc<Owner>>>,
    ) -> Option<NodePort> {
        let target = Target::from(mapping);
        let own = |port| match marked(&target.key(port)) {
            None | Some(None) => true,
            Some(Some(mark)) => mark == mapping.owner,
        };
        let wait = self.waiting.get(mapping)?;
        match level {
            Level::Changed | Level::Annotated => {
                let (_, port) = wait.annotated.filter(|(claimed, _)| *claimed == level)?;
                let mine = self.lease(&mapping.owner, target).is_some_and(|(p, _)| p == port);
                let vacant = self.table(target).is_vacant(port)
                    && !self.released.contains(&(target.family, target.protocol, port));
                (own(port) && (mine || vacant)).then_some(port)
            }
            Level::Remembered => {
                let (port, state) = self.lease(&mapping.owner, target)?;
                (state.is_remembered() && own(port)).then_some(port)
            }
            Level::Fresh => {
                let (left, range) = (wait.left, self.range);
                let Self { tables, released, .. } = self;
                let table = tables
                    .entry((target.family, target.protocol))
                    .or_insert_with(|| Table::new(range));
                let probe = table.probe(left, |port| {
                    released.contains(&(target.family, target.protocol, port))
                        || marked(&target.key(port)).is_some()
                });
                let (port, left) = probe?;
                self.waiting.get_mut(mapping)?.left = left;
                Some(port)
            }
        }
    }

    /// Tells what came of binding the port.
    pub fn reserved(&mut self, mapping: &Mapping, port: NodePort, result: Reserved) {
        self.asked = None;
        let target = Target::from(mapping);
        let Some(level) = self.waiting.get(mapping).map(|wait| wait.level) else {
            // Nobody waits for it any more: the socket is to be closed again.
            if result == Reserved::Ok {
                self.released.insert((target.family, target.protocol, port));
            }
            return;
        };
        match result {
            Reserved::Ok => self.grant(mapping, port, level),
            Reserved::Taken(holder) => {
                let lease = self.lease(&mapping.owner, target);
                if lease.is_some_and(|(leased, state)| leased == port && state.is_remembered()) {
                    self.leave(target, port);
                }
                self.table(target).set_taken(port, &holder);
                if level == Level::Fresh {
                    return;
                }
                let refusal = Refusal { port, holder: holder.into() };
                self.refused.entry(mapping.clone()).or_insert(refusal);
                self.advance(mapping, level);
            }
            Reserved::Failed(why) => self.deny(mapping, Denial::Failed(why.into())),
        }
    }

    fn grant(&mut self, mapping: &Mapping, port: NodePort, level: Level) {
        let target = Target::from(mapping);
        let known = self.lease(&mapping.owner, target);
        if let Some((old, _)) = known
            && old != port
        {
            self.leave(target, old);
        }
        let journaled = known == Some((port, LeaseState::Journaled));
        if self.entry(target, port).is_some_and(|entry| entry.is(&mapping.owner, target)) {
            self.set_state(target, port, LeaseState::Held);
        } else if self.entry(target, port).is_none() {
            self.insert(&mapping.owner, target, port, LeaseState::Held);
        } else {
            // It got another holder while the socket was being bound.
            self.released.insert((target.family, target.protocol, port));
            return;
        }
        if level == Level::Fresh {
            let range = self.range;
            self.table(target).cursor = range.next(port);
        }
        if !journaled {
            self.changes.push(LeaseChange::Taken(Lease { mapping: mapping.clone(), port }));
        }
        self.dequeue(mapping);
    }

    /// Enters a wanted mapping into the queue unless it has what it needs.
    pub(super) fn ask(&mut self, owner: &Arc<Owner>, ask: &Ask) {
        let mapping = ask.target.of(owner);
        let has_lease = self.leases_for(owner, ask.target).next().is_some();
        if ask.need == Need::Keep && !has_lease {
            self.cancel(&mapping);
            return;
        }
        if self.waiting.contains_key(&mapping) {
            return;
        }
        let mut lease = self.lease(owner, ask.target);
        let leaving = self.leases_for(owner, ask.target).next();
        if lease.is_none()
            && let Some((port, state)) = leaving
        {
            // Wanted again before its element was gone: it is as if nothing had happened.
            let state = match state {
                LeaseState::Leaving => LeaseState::Held,
                _ => LeaseState::Marked,
            };
            self.set_state(ask.target, port, state);
            lease = Some((port, state));
        }
        let remembered = match lease {
            Some((_, LeaseState::Held)) => return,
            Some(_) => true,
            None => false,
        };
        let level = match ask.annotated {
            Some((Level::Changed, _)) => Level::Changed,
            _ if remembered => Level::Remembered,
            Some(_) => Level::Annotated,
            None => Level::Fresh,
        };
        let left = u32::from(self.range.len());
        let wait = Wait { level, annotated: ask.annotated, left, denial: None };
        self.queue.insert((level, mapping.clone()));
        self.waiting.insert(mapping, wait);
    }

    /// Goes on to the next thing that the mapping may ask for; without one it is denied.
    fn advance(&mut self, mapping: &Mapping, level: Level) {
        let Some(next) = level.next() else {
            self.deny(mapping, Denial::Exhausted);
            return;
        };
        self.queue.remove(&(level, mapping.clone()));
        self.queue.insert((next, mapping.clone()));
        if let Some(wait) = self.waiting.get_mut(mapping) {
            wait.level = next;
        }
    }

    fn deny(&mut self, mapping: &Mapping, denial: Denial) {
        let Some(wait) = self.waiting.get_mut(mapping) else { return };
        self.queue.remove(&(wait.level, mapping.clone()));
        let exhausted = denial == Denial::Exhausted;
        wait.denial = Some(denial);
        if exhausted {
            self.table(Target::from(mapping)).denied.insert(mapping.clone());
        }
    }

    /// Lets every denied mapping try again, and forgets which ports other processes had.
    pub fn retry_denied(&mut self) {
        for table in self.tables.values_mut() {
            table.forget_taken();
            table.denied.clear();
        }
        let denied: Vec<_> = self.denied().map(|(mapping, _)| mapping.clone()).collect();
        for mapping in denied {
            self.requeue(&mapping);
        }
    }

    /// A port became free: one of the mappings that were denied for want of one tries again.
    pub(super) fn serve_denied(&mut self, family: IpFamily, protocol: Protocol) {
        let table = self.tables.get_mut(&(family, protocol));
        if let Some(mapping) = table.and_then(|table| table.denied.pop_first()) {
            self.requeue(&mapping);
        }
    }

    fn requeue(&mut self, mapping: &Mapping) {
        let left = u32::from(self.range.len());
        if let Some(wait) = self.waiting.get_mut(mapping) {
            wait.denial = None;
            wait.left = left;
            self.queue.insert((wait.level, mapping.clone()));
        }
    }

    fn dequeue(&mut self, mapping: &Mapping) {
        if let Some(wait) = self.waiting.remove(mapping) {
            self.queue.remove(&(wait.level, mapping.clone()));
            if wait.denial.is_some() {
                self.table(Target::from(mapping)).denied.remove(mapping);
            }
        }
    }

    /// The mapping is not wanted any more.
    pub(super) fn cancel(&mut self, mapping: &Mapping) {
        self.dequeue(mapping);
        self.refused.remove(mapping);
    }

    /// The mappings of an owner that wait.
    pub(super) fn waiting_of(&self, owner: &Arc<Owner>) -> impl Iterator<Item = &Mapping> {
        let least = Target {
            pod_port: std::num::NonZeroU16::MIN.into(),
            protocol: Protocol::Tcp,
            family: IpFamily::V4,
        };
        self.waiting
            .range(least.of(owner)..)
            .map(|(mapping, _)| mapping)
            .take_while(move |mapping| mapping.owner == *owner)
    }

    /// Whether a reservation is outstanding.
    pub fn is_waiting(&self, mapping: &Mapping) -> bool {
        self.waiting.get(mapping).is_some_and(|wait| wait.denial.is_none())
    }

    /// Why a mapping has no port.
    pub fn denial(&self, mapping: &Mapping) -> Option<&Denial> {
        self.waiting.get(mapping).and_then(|wait| wait.denial.as_ref())
    }

    /// The mappings that have no port, or their port no socket, and why.
    pub fn denied(&self) -> impl Iterator<Item = (&Mapping, &Denial)> {
        self.waiting.iter().filter_map(|(m, wait)| Some((m, wait.denial.as_ref()?)))
    }

    /// The mappings that had to take another port than the one remembered, and why.
    pub fn refused(&self) -> impl Iterator<Item = (&Mapping, &Refusal)> {
        self.refused.iter()
    }

    /// The ports that other processes were found to have.
    pub fn taken(&self) -> impl Iterator<Item = (IpFamily, Protocol, NodePort, &str)> {
        self.tables.iter().flat_map(|(&(family, protocol), table)| {
            table.taken().iter().map(move |(port, holder)| (family, protocol, *port, &**holder))
        })
    }
}
