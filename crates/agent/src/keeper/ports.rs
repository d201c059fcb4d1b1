//! The node ports we hold, as sockets.

use std::collections::{BTreeMap, BTreeSet};

use drivers::Driver;
use model::{IpFamily, Key, NodePort, Protocol};
use netns::reserve::{Reservation, ReserveError, holder};
use plan::{Reserved, packed};

use super::Keeper;

/// Ports by family, protocol and number.
pub type PortSet = BTreeSet<(IpFamily, Protocol, NodePort)>;

/// How many taken ports in one go are told with their holder.
const NAMED_MAX: usize = 4;

/// Files that are not for ports: sockets, the journal, what the folder and the publisher open.
const FILES_KEPT: u64 = 128;

/// What happens to a port after it was bound.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Bound {
    /// It is held as long as its lease.
    Held,
    /// It is let go at once: only looking (`netkeep plan`). An agent that runs beside holds these.
    LetGo(PortSet),
}

/// The sockets behind the leases.
#[derive(Debug)]
pub struct Ports {
    bound: Bound,
    held: BTreeMap<(IpFamily, Protocol, NodePort), Reservation>,
    /// Held since before any object was known, because the kernel maps them.
    early: PortSet,
    /// How many ports may be held.
    room: usize,
}

impl Ports {
    /// Ports that are held, by a process that may open so many files.
    pub fn new(files: u64) -> Self {
        let room = usize::try_from(files.saturating_sub(FILES_KEPT)).unwrap_or(usize::MAX);
        Self { bound: Bound::Held, held: BTreeMap::new(), early: PortSet::new(), room }
    }

    /// Ports that are only tried; those that the agent beside us holds count as ours.
    pub const fn trial(held_by_agent: PortSet) -> Self {
        Self {
            bound: Bound::LetGo(held_by_agent),
            held: BTreeMap::new(),
            early: PortSet::new(),
            room: usize::MAX,
        }
    }

    fn reserve(
        &mut self,
        family: IpFamily,
        protocol: Protocol,
        port: NodePort,
        names_left: &mut usize,
    ) -> Reserved {
        let place = (family, protocol, port);
        let ours = match &self.bound {
            Bound::Held => self.held.contains_key(&place),
            Bound::LetGo(held_by_agent) => held_by_agent.contains(&place),
        };
        if ours {
            return Reserved::Ok;
        }
        if self.held.len() >= self.room {
            let limit = self.room as u64 + FILES_KEPT;
            return Reserved::Failed(format!(
                "the limit of {limit} open files leaves no room for its socket; raise it"
            ));
        }
        match Reservation::bind(family, protocol, port) {
            Ok(reservation) => {
                if self.bound == Bound::Held {
                    self.held.insert(place, reservation);
                }
                Reserved::Ok
            }
            Err(ReserveError::Taken { .. }) => {
                // Whose it is takes a walk over every process: told for the first few.
                let found = match names_left.checked_sub(1) {
                    Some(left) => {
                        *names_left = left;
                        holder(family, protocol, port)
                    }
                    None => None,
                };
                Reserved::Taken(found.map(|found| found.to_string()).unwrap_or_default())
            }
            Err(error) => Reserved::Failed(super::memory::told(&error)),
        }
    }

    /// Holds a port that the kernel maps already, whoever it turns out to belong to. Somebody else
    /// may have it: then the mapping asks again when its owner is known, and is told.
    fn hold_early(&mut self, family: IpFamily, protocol: Protocol, port: NodePort) {
        let place = (family, protocol, port);
        if self.bound == Bound::Held
            && !self.held.contains_key(&place)
            && self.held.len() < self.room
            && let Ok(reservation) = Reservation::bind(family, protocol, port)
        {
            self.held.insert(place, reservation);
            self.early.insert(place);
        }
    }

    /// Lets go of early ports that are nobody's.
    fn end_early(&mut self, leased: &PortSet) {
        for place in std::mem::take(&mut self.early) {
            if !leased.contains(&place) {
                self.held.remove(&place);
            }
        }
    }

    /// Rebuilds the map of sockets with full nodes.
    pub(super) fn pack(&mut self) {
        packed::map(&mut self.held);
    }

    fn release(&mut self, family: IpFamily, protocol: Protocol, port: NodePort) {
        self.held.remove(&(family, protocol, port));
    }
}

impl<D: Driver> Keeper<D> {
    /// Binds every port that the core asks for, until it asks for none.
    pub(super) fn reserve(&mut self) {
        let mut names_left = NAMED_MAX;
        let mut host_ports = None;
        while let Some((mapping, port)) = self.core.next_reservation() {
            let (family, protocol) = (mapping.family, mapping.protocol);
            // The container runtime redirects these without binding them.
            let holder = host_ports
                .get_or_insert_with(|| self.core.host_ports())
                .get(&(protocol, port))
                .filter(|holder| **holder != mapping.owner)
                // A mapping that packets take already had it first, and keeps it.
                .filter(|_| !self.core.has(&mapping, port));
            let result = match holder {
                Some(holder) => Reserved::Taken(format!("{holder}, as a hostPort")),
                None => self.ports.reserve(family, protocol, port, &mut names_left),
            };
            self.core.reserved(&mapping, port, result);
        }
    }

    /// Holds the ports of what the kernel maps, before any object is known: nobody is to take them
    /// while the source is away.
    pub(super) fn hold_early(&mut self, key: &Key) {
        if let Key::Npl { family, protocol, port } = *key {
            self.ports.hold_early(family, protocol, port);
        }
    }

    /// Once kernel and objects agree, an early port without a lease is nobody's.
    pub(super) fn end_early(&mut self) {
        if !self.ports.early.is_empty() && !self.core.awaits_sync() {
            let place =
                |lease: plan::Lease| (lease.mapping.family, lease.mapping.protocol, lease.port);
            let leased = self.core.leases().map(place).collect();
            self.ports.end_early(&leased);
        }
    }

    /// Closes the sockets of leases that are over.
    pub(super) fn release(&mut self) {
        for (family, protocol, port) in self.core.take_released() {
            self.ports.release(family, protocol, port);
        }
    }
}
