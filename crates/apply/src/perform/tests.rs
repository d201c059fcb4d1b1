//! The interpreter against a scripted driver; the same behaviour on the kernel is shown by
//! `drivers/tests`.

use std::collections::BTreeMap;

use drivers::{Observed, ReadBack, Structure};
use model::{IpFamily, NodePort, PodPort, Protocol, Reason, Uid};

use super::*;

/// A kernel that refuses some ports and has room for so many elements.
#[derive(Default)]
struct Scripted {
    table: BTreeMap<Key, Value>,
    refused_ports: Vec<u16>,
    room: Option<usize>,
    errors: Vec<CommitError>,
    parts: Vec<Option<Part>>,
    sizes: Vec<usize>,
}

impl Driver for Scripted {
    fn observe(&mut self) -> Result<Observed, DriverError> {
        Ok(Observed { generation: 0, structure: Structure::Intact, elements: Vec::new() })
    }

    fn structure(&mut self) -> Result<Structure, DriverError> {
        Ok(Structure::Intact)
    }

    fn apply(&mut self, transaction: Transaction<'_>) -> Result<(), CommitError> {
        if let Some(error) = self.errors.pop() {
            return Err(error);
        }
        let mut next = self.table.clone();
        for (index, change) in transaction.changes.iter().enumerate() {
            let Change::Element { key, after, .. } = change else { continue };
            let refused =
                matches!(key, Key::Npl { port, .. } if self.refused_ports.contains(&port.get()));
            let full = after.is_some() && self.room == Some(next.len());
            if refused || full {
                let errno = if full { ENFILE } else { 22 };
                return Err(CommitError::Rejected { index, errno, message: "no".into() });
            }
            match after {
                Some(value) => next.insert(*key, *value),
                None => next.remove(key),
            };
        }
        self.table = next;
        self.parts.push(transaction.structure);
        self.sizes.push(transaction.changes.len());
        Ok(())
    }

    fn read_back(&mut self, keys: &[Key]) -> Result<ReadBack, DriverError> {
        Ok(keys.iter().map(|key| (*key, self.table.get(key).copied())).collect())
    }
}

fn add(port: u16, owner: &str) -> Change {
    Change::Element {
        key: Key::Npl {
            family: IpFamily::V4,
            protocol: Protocol::Tcp,
            port: NodePort::try_from(i64::from(port)).unwrap(),
        },
        before: None,
        after: Some(Value::Endpoint {
            ip: "10.0.0.5".parse().unwrap(),
            port: PodPort::try_from(8080).unwrap(),
        }),
        owner: Arc::new(Owner::pod("default", owner, Uid::new(owner))),
        reason: Reason::Wanted,
    }
}

fn structure(op: ChangeOp) -> Change {
    Change::Structure {
        op,
        owner: Arc::new(Owner::netkeep()),
        reason: Reason::Structure("there is no table".into()),
    }
}

fn plan(changes: Vec<Change>) -> Plan {
    Plan { changes, ..Plan::default() }
}

#[test]
fn one_refused_object_among_a_thousand_does_not_stop_the_others() {
    let mut kernel = Scripted { refused_ports: vec![1_500], ..Scripted::default() };
    let changes = (1_000..2_001).map(|port| add(port, &format!("pod-{port}"))).collect();
    let report = perform(&mut kernel, &plan(changes));
    assert!(matches!(report.progress, Progress::Done));
    assert_eq!(report.committed, 1_000);
    assert_eq!(report.refused.len(), 1);
    assert_eq!(report.refused[0].owner.qualified_name(), "default/pod-1500");
    assert_eq!(kernel.table.len(), 1_000);
}

#[test]
fn a_refused_change_takes_its_owners_other_changes_with_it() {
    let mut kernel = Scripted { refused_ports: vec![2], ..Scripted::default() };
    let report = perform(&mut kernel, &plan(vec![add(1, "a"), add(2, "a"), add(3, "b")]));
    assert_eq!(report.refused.len(), 1);
    assert_eq!(kernel.table.len(), 1);
}

#[test]
fn a_full_set_refuses_its_additions_in_one_step() {
    let mut kernel = Scripted { room: Some(10), ..Scripted::default() };
    let changes = (1..=500).map(|port| add(port, &format!("pod-{port}"))).collect();
    let report = perform(&mut kernel, &plan(changes));
    assert_eq!((report.transactions, kernel.table.len()), (2, 10));
    assert!(report.refused.iter().all(|refusal| refusal.code == FindingCode::SetFull));
}

#[test]
fn a_new_table_is_shown_to_packets_with_its_last_transaction() {
    let mut kernel = Scripted::default();
    let changes = std::iter::once(structure(ChangeOp::Add))
        .chain((1..=2_500).map(|port| add(port, &format!("pod-{port}"))))
        .collect();
    perform(&mut kernel, &plan(changes));
    assert_eq!(kernel.parts, [Some(Part::Maps), None, Some(Part::Chains)]);
    assert!(kernel.sizes.iter().all(|size| *size <= TRANSACTION_CHANGES_MAX));
}

#[test]
fn a_mended_table_carries_packets_from_the_first_transaction() {
    let mut kernel = Scripted::default();
    let mut changes: Vec<_> = (1..=1_500).map(|port| add(port, &format!("pod-{port}"))).collect();
    if let Change::Element { before, after, .. } = &mut changes[0] {
        *before = *after;
    }
    changes.insert(0, structure(ChangeOp::Replace));
    perform(&mut kernel, &plan(changes));
    assert_eq!(kernel.parts, [Some(Part::Whole), None]);
}

#[test]
fn a_table_in_the_place_of_another_has_all_its_elements_from_the_first_transaction() {
    let mut kernel = Scripted { refused_ports: vec![700], ..Scripted::default() };
    let changes = std::iter::once(structure(ChangeOp::Replace))
        .chain((1..=1_500).map(|port| add(port, &format!("pod-{port}"))))
        .collect();
    let report = perform(&mut kernel, &plan(changes));
    assert_eq!((kernel.parts, kernel.sizes), (vec![Some(Part::Whole)], vec![1_499]));
    assert_eq!(report.refused.len(), 1);
}

#[test]
fn a_table_that_the_kernel_refuses_to_mend_is_looked_at_again() {
    let unmendable = CommitError::Unmendable { message: "busy".into() };
    let mut kernel = Scripted { errors: vec![unmendable], ..Scripted::default() };
    let report = perform(&mut kernel, &plan(vec![structure(ChangeOp::Replace)]));
    assert!(matches!(report.progress, Progress::Observe(why) if why.contains("busy")));
}

#[test]
fn a_moved_mapping_is_never_split_over_two_transactions() {
    let mut kernel = Scripted::default();
    let mut changes: Vec<_> = (1..=999).map(|port| add(port, &format!("pod-{port}"))).collect();
    changes.push(add(5_000, "mover"));
    changes.push(add(5_001, "mover"));
    perform(&mut kernel, &plan(changes));
    assert_eq!(kernel.sizes, [1_001]);
}

#[test]
fn an_unknown_outcome_is_neither_success_nor_failure() {
    let unknown = CommitError::UnknownOutcome(DriverError::OwnedByAnother { portid: 1 });
    let mut kernel = Scripted { errors: vec![unknown], ..Scripted::default() };
    let report = perform(&mut kernel, &plan(vec![add(1, "a")]));
    assert!(matches!(report.progress, Progress::Observe(_)));
    assert!(report.read_back.is_empty() && report.refused.is_empty());
}

#[test]
fn an_empty_plan_touches_nothing() {
    let mut kernel = Scripted::default();
    let report = perform(&mut kernel, &plan(Vec::new()));
    assert_eq!((report.transactions, report.committed), (0, 0));
}
