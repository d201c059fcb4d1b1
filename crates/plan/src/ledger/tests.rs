use model::owner::{Life, Sandbox, Stay};

use super::*;

fn owner(uid: &str) -> Arc<Owner> {
    Arc::new(Owner::pod("default", uid, Uid::new(uid)))
}

fn rank(life: Life, sandbox: Sandbox, started: i64) -> Rank {
    Rank { life, sandbox, started, stay: Stay::Staying }
}

fn live(started: i64) -> Rank {
    rank(Life::Live, Sandbox::Unproven, started)
}

fn winner(ledger: &Ledger<u8, u8>, key: u8) -> Option<(String, u8)> {
    ledger.winner(&key).map(|c| (c.owner.name().to_owned(), c.value))
}

#[test]
fn the_strongest_claim_wins_and_the_next_takes_over_in_the_same_change() {
    let (old, new) = (owner("old"), owner("new"));
    let mut ledger = Ledger::<u8, u8>::default();
    ledger.replace(&new, live(2), [(1, 20)]);
    assert!(ledger.replace(&old, live(1), [(1, 10)]).is_empty());
    assert_eq!(winner(&ledger, 1), Some(("new".into(), 20)));
    assert_eq!(ledger.contested().collect::<Vec<_>>(), [&1]);

    let deltas = ledger.remove(&new);
    assert_eq!(deltas.len(), 1);
    assert_eq!(deltas[0].before.as_ref().unwrap().value, 20);
    assert_eq!(deltas[0].after.as_ref().unwrap().value, 10);
    assert_eq!(ledger.contested().count(), 0);
}

#[test]
fn a_rank_that_changes_alone_changes_the_winner() {
    let (a, b) = (owner("a"), owner("b"));
    let mut ledger = Ledger::<u8, u8>::default();
    ledger.replace(&a, live(2), [(1, 10)]);
    ledger.replace(&b, live(1), [(1, 20)]);
    let deltas = ledger.replace(&a, rank(Life::Terminal, Sandbox::Proven, 2), [(1, 10)]);
    assert_eq!(deltas.len(), 1);
    assert_eq!(winner(&ledger, 1), Some(("b".into(), 20)));
}

#[test]
fn equal_ranks_are_decided_by_the_uid() {
    for order in [["a", "b"], ["b", "a"]] {
        let mut ledger = Ledger::<u8, u8>::default();
        for uid in order {
            ledger.replace(&owner(uid), live(1), [(1, 1)]);
        }
        assert_eq!(winner(&ledger, 1).unwrap().0, "b");
    }
}

#[test]
fn replacing_claims_with_themselves_changes_nothing() {
    let a = owner("a");
    let mut ledger = Ledger::<u8, u8>::default();
    assert_eq!(ledger.replace(&a, live(1), [(1, 10), (2, 20)]).len(), 2);
    assert!(ledger.replace(&a, live(1), [(1, 10), (2, 20)]).is_empty());
    assert_eq!(ledger.replace(&a, live(1), [(2, 21)]).len(), 2);
    assert_eq!(ledger.keys_of(&a), [2]);
}

#[test]
fn an_owner_that_leaves_takes_nothing_of_the_others_with_it() {
    let (a, b) = (owner("a"), owner("b"));
    let mut ledger = Ledger::<u8, u8>::default();
    ledger.replace(&a, live(1), [(1, 10), (2, 20)]);
    ledger.replace(&b, live(2), [(1, 10), (3, 30)]);
    assert_eq!(ledger.remove(&a).len(), 1, "only the key that b does not have");
    assert_eq!(winner(&ledger, 1), Some(("b".into(), 10)));
    assert_eq!(winner(&ledger, 3), Some(("b".into(), 30)));
    assert_eq!(ledger.len(), 2);
    ledger.remove(&b);
    assert!(ledger.is_empty());
}

#[test]
fn a_claim_takes_no_more_room_than_its_parts() {
    assert!(size_of::<Claims<model::Value>>() <= 32);
}
