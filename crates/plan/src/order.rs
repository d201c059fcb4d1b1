//! The order of changes: every prefix of a plan is safe.
//!
//! An owner's element must never lead to another owner's IP, and a plan may be cut anywhere. What
//! removes badness therefore comes first:
//!
//! 1. the structure, without which nothing can be;
//! 2. deletions and replacements: they can only take wrong elements away, since what is written is
//!    always right; a mapping that moves to another port counts here, its new element just before
//!    its old one, so that both land in one transaction and the service is never without either;
//! 3. additions.
//!
//! Within a step the order is by owner, then by mapping, so that it is the same everywhere.

use std::collections::BTreeSet;

use model::{Change, ChangeOp, IpFamily, Key, PodPort, Protocol, Uid, Value};

/// A mapping without its owner; `None` for what is no mapping.
type Target = Option<(Protocol, IpFamily, PodPort)>;

fn target(change: &Change) -> Target {
    let Change::Element { key: Key::Npl { protocol, family, .. }, before, after, .. } = change
    else {
        return None;
    };
    match after.or(*before) {
        Some(Value::Endpoint { port, .. }) => Some((*protocol, *family, port)),
        _ => None,
    }
}

/// Whether the second change completes the first: the old element of a mapping whose new one the
/// first adds. Such a pair belongs into one transaction.
pub fn is_one_move(first: &Change, second: &Change) -> bool {
    target(first).is_some()
        && target(first) == target(second)
        && first.owner() == second.owner()
        && first.op() == ChangeOp::Add
        && second.op() == ChangeOp::Delete
}

/// Puts the changes in order.
pub fn sort(changes: &mut [Change]) {
    let place = |change: &Change| (change.owner().uid.clone(), target(change));
    let of = |op| changes.iter().filter(move |c| c.op() == op && target(c).is_some());
    let deleted: BTreeSet<(Uid, Target)> = of(ChangeOp::Delete).map(place).collect();
    changes.sort_by_cached_key(|change| {
        let (uid, target) = place(change);
        let (key, phase) = match change {
            Change::Structure { .. } => (None, 0),
            Change::Element { key, .. } if change.op() != ChangeOp::Add => (Some(*key), 1),
            Change::Element { key, .. } => {
                let moves = target.is_some() && deleted.contains(&(uid.clone(), target));
                (Some(*key), if moves { 1 } else { 2 })
            }
        };
        (phase, uid, target, change.op(), key)
    });
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::{Owner, Reason};

    use super::*;

    fn change(uid: &str, port: i64, before: Option<&str>, after: Option<&str>) -> Change {
        let endpoint = |ip: &str| Value::Endpoint {
            ip: ip.parse().unwrap(),
            port: PodPort::try_from(80).unwrap(),
        };
        Change::Element {
            key: Key::Npl {
                family: IpFamily::V4,
                protocol: Protocol::Tcp,
                port: port.try_into().unwrap(),
            },
            before: before.map(endpoint),
            after: after.map(endpoint),
            owner: Arc::new(Owner::pod("default", uid, Uid::new(uid))),
            reason: Reason::Wanted,
        }
    }

    #[test]
    fn what_is_wrong_goes_before_what_is_missing_comes() {
        let add = change("a", 61002, None, Some("10.0.0.1"));
        let delete = change("b", 61001, Some("10.0.0.1"), None);
        let replace = change("c", 61003, Some("10.0.0.1"), Some("10.0.0.3"));
        let structure = Change::Structure {
            op: ChangeOp::Add,
            owner: Arc::new(Owner::netkeep()),
            reason: Reason::Structure("no table".into()),
        };
        let mut changes = vec![add.clone(), replace.clone(), delete.clone(), structure.clone()];
        sort(&mut changes);
        assert_eq!(changes, [structure, delete, replace, add]);
    }

    #[test]
    fn a_mapping_that_moves_is_added_just_before_it_is_deleted() {
        let new = change("b", 61005, None, Some("10.0.0.1"));
        let old = change("b", 40000, Some("10.0.0.1"), None);
        let others = [
            change("a", 61001, Some("10.0.0.7"), None),
            change("a", 61002, None, Some("10.0.0.8")),
            change("c", 61003, Some("10.0.0.9"), None),
        ];
        let mut changes = vec![old.clone(), new.clone()];
        changes.extend(others);
        sort(&mut changes);
        let at = changes.iter().position(|c| *c == new).unwrap();
        assert_eq!(changes[at + 1], old);
        assert!(is_one_move(&changes[at], &changes[at + 1]));
        assert!(!is_one_move(&changes[at + 1], &changes[at]));
    }
}
