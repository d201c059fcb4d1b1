//! Between the journal's words and the core's: leases, annotations last seen, flows to cut.

use std::collections::BTreeMap;
use std::sync::Arc;

use apply::journal::{Lease as Noted, Remembered};
use drivers::Driver;
use model::{Mapping, Owner, Uid};
use plan::{Lease, LeaseChange};

use super::{Keeper, Outlet};
use crate::state_lock::StateLock;

impl<D: Driver> Keeper<D> {
    pub(super) fn take_in_memory(&mut self, remembered: Remembered) {
        if remembered.garbled > 0 {
            tracing::warn!(
                lines = remembered.garbled,
                "lines of the journal could not be read and were skipped"
            );
        }
        self.seen = remembered
            .seen
            .into_iter()
            .filter_map(|(uid, text)| Some((Uid::new(uid), text?.into_boxed_str())))
            .collect();
        // Of a Pod that we know and that carried no annotation, this is known too: an annotation on
        // it was written while we were away.
        let mut seen: BTreeMap<Uid, String> =
            remembered.leases.iter().map(|lease| (Uid::new(&lease.uid), String::new())).collect();
        seen.extend(self.seen.iter().map(|(uid, text)| (uid.clone(), text.to_string())));
        self.cuts = remembered.cuts.into_iter().collect();
        let leases = remembered.leases.into_iter().map(lease).collect();
        self.core.remember(leases, seen);
    }

    /// Writes down what the core promised since the last time.
    pub(super) fn note_leases(&mut self) {
        let changes = self.core.take_lease_changes();
        let Some(journal) = &mut self.journal else { return };
        for change in changes {
            match change {
                LeaseChange::Taken(lease) => journal.lease(noted(&lease)),
                LeaseChange::Released(Lease { mapping, port }) => {
                    journal.release(mapping.family, mapping.protocol, port);
                }
            }
        }
    }

    /// Holds the lock of the state directory as long as this lives.
    pub fn hold_state(&mut self, state: Option<StateLock>) {
        self.state = state;
    }

    /// Sees to it that the state directory is still ours. One that was taken away, and is another one's
    /// since, is not written any more: what is in the kernel needs none.
    pub fn keep_state(&mut self) {
        let Some(Err(held)) = self.state.as_mut().map(StateLock::renew) else { return };
        tracing::error!(error = %held, "the state directory was taken away; going on without a journal");
        self.state = None;
        self.journal = None;
        self.state_lost = Some(format!("the state directory was taken away: {held}"));
    }

    /// Whether what is published may be written: to the API always.
    pub fn may_publish(&self) -> bool {
        self.state_lost.is_none() || self.outlet == Outlet::Api
    }

    /// Hands the journal's records to the kernel; trouble is told, not fatal: the kernel's marks
    /// remember too.
    pub(super) fn write_journal(&mut self) {
        let Some(journal) = &mut self.journal else { return };
        self.journal_trouble = journal.write().err().map(|error| told(&error));
        if self.journal_trouble.is_none() && journal.wants_compaction() {
            // The file may be gone, and the whole directory with it.
            self.keep_state();
            let Some(journal) = &mut self.journal else { return };
            let leases: Vec<_> = self.core.leases().map(|lease| noted(&lease)).collect();
            let seen =
                self.seen.iter().map(|(uid, text)| (uid.to_string(), Some(text.to_string())));
            let cuts = self.cuts.iter().cloned();
            let compacted = journal.compact(leases.into_iter(), seen, cuts);
            self.journal_trouble = compacted.err().map(|error| told(&error));
            self.keep_state();
        }
    }
}

/// An error with its causes, in one line.
pub(crate) fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

fn lease(noted: Noted) -> Lease {
    let owner = Owner::pod(&noted.namespace, &noted.name, Uid::new(noted.uid));
    Lease {
        mapping: Mapping {
            owner: Arc::new(owner),
            pod_port: noted.pod_port,
            protocol: noted.protocol,
            family: noted.family,
        },
        port: noted.node_port,
    }
}

fn noted(lease: &Lease) -> Noted {
    Noted {
        uid: lease.mapping.owner.uid.to_string(),
        namespace: lease.mapping.owner.namespace().to_owned(),
        name: lease.mapping.owner.name().to_owned(),
        family: lease.mapping.family,
        protocol: lease.mapping.protocol,
        pod_port: lease.mapping.pod_port,
        node_port: lease.port,
    }
}
