use model::Uid;

use super::*;

fn owner(uid: &str) -> Arc<Owner> {
    Arc::new(Owner::pod("default", uid, Uid::new(uid)))
}

fn port(number: i64) -> NodePort {
    number.try_into().unwrap()
}

fn target(pod_port: i64) -> Target {
    let pod_port = pod_port.try_into().unwrap();
    Target { pod_port, protocol: Protocol::Tcp, family: IpFamily::V4 }
}

fn ask(pod_port: i64) -> Ask {
    Ask { target: target(pod_port), need: Need::Now, annotated: None }
}

fn table(range: &str) -> PortTable {
    PortTable::new(range.parse().unwrap())
}

/// Binds whatever is asked for, and nothing is in the kernel.
fn bind(table: &mut PortTable) -> Vec<u16> {
    let mut bound = Vec::new();
    while let Some((mapping, port)) = table.next_reservation(&|_| None) {
        table.reserved(&mapping, port, Reserved::Ok);
        bound.push(port.get());
    }
    bound
}

fn lease(uid: &str, pod_port: i64, number: i64) -> Lease {
    Lease { mapping: target(pod_port).of(&owner(uid)), port: port(number) }
}

#[test]
fn ports_are_handed_out_in_turn_and_a_leaving_one_not_before_its_element_is_gone() {
    let mut table = table("61000-61002");
    let (a, b) = (owner("a"), owner("b"));
    table.want(&a, &[ask(80), ask(81)], Memory::Expired);
    assert_eq!(bind(&mut table), [61000, 61001]);
    let leaving = table.want(&a, &[ask(81)], Memory::Expired);
    assert_eq!(leaving, [target(80).key(port(61000))]);
    table.want(&b, &[ask(80), ask(81)], Memory::Expired);
    assert_eq!(bind(&mut table), [61002]);
    assert_eq!(table.denied().count(), 1);
    table.element_gone(&leaving[0]);
    assert_eq!(bind(&mut table), [0u16; 0], "its socket is not closed yet");
    assert_eq!(table.take_released(), [(IpFamily::V4, Protocol::Tcp, port(61000))]);
    assert_eq!(bind(&mut table), [61000]);
}

#[test]
fn what_is_wanted_again_in_time_keeps_its_port_and_its_socket() {
    let mut table = table("61000-61002");
    let a = owner("a");
    table.want(&a, &[ask(80)], Memory::Expired);
    bind(&mut table);
    table.take_changes();
    table.want(&a, &[], Memory::Expired);
    table.want(&a, &[ask(80)], Memory::Expired);
    assert_eq!(table.lease(&a, target(80)), Some((port(61000), LeaseState::Held)));
    assert!(bind(&mut table).is_empty() && table.take_changes().is_empty());
}

#[test]
fn a_mapping_without_an_ip_keeps_its_lease_but_takes_none() {
    let mut table = table("61000-61002");
    let keep = Ask { need: Need::Keep, ..ask(80) };
    table.want(&owner("a"), &[keep], Memory::Expired);
    assert!(bind(&mut table).is_empty());
    table.want(&owner("a"), &[ask(80)], Memory::Expired);
    assert_eq!(bind(&mut table), [61000]);
    assert!(table.want(&owner("a"), &[keep], Memory::Expired).is_empty());
}

#[test]
fn remembered_leases_go_before_fresh_ones_and_are_not_given_away() {
    let mut table = table("61000-61003");
    table.remember(&lease("b", 80, 61000), LeaseState::Journaled);
    table.want(&owner("a"), &[ask(80)], Memory::Trusted);
    table.want(&owner("b"), &[ask(80)], Memory::Trusted);
    assert_eq!(bind(&mut table), [61000, 61001], "b first, though a came first");
    let changes = table.take_changes();
    assert_eq!(changes, [LeaseChange::Taken(lease("a", 80, 61001))], "b's is known");
}

#[test]
fn a_remembered_lease_that_nobody_wants_expires() {
    let mut table = table("61000-61003");
    table.remember(&lease("a", 80, 61000), LeaseState::Journaled);
    assert!(table.want(&owner("a"), &[], Memory::Trusted).is_empty());
    let leaving = table.expire();
    assert_eq!(leaving.len(), 1);
    table.element_gone(&leaving[0]);
    assert!(table.is_empty() && table.take_released().is_empty(), "there was no socket");
    assert_eq!(table.take_changes(), [LeaseChange::Released(lease("a", 80, 61000))]);
}

#[test]
fn the_kernel_decides_about_a_port_and_the_journal_about_a_mapping() {
    let mut table = table("61000-61003");
    table.remember(&lease("a", 80, 61000), LeaseState::Marked);
    table.remember(&lease("b", 80, 61000), LeaseState::Journaled);
    table.remember(&lease("a", 80, 61001), LeaseState::Journaled);
    assert_eq!(table.lease(&owner("a"), target(80)), Some((port(61001), LeaseState::Journaled)));
    assert_eq!(table.lease(&owner("b"), target(80)), None);
}

#[test]
fn a_taken_port_is_passed_over_until_the_next_retry() {
    let mut table = table("61000-61001");
    table.want(&owner("a"), &[ask(80)], Memory::Expired);
    for _ in 0..2 {
        let (mapping, port) = table.next_reservation(&|_| None).unwrap();
        table.reserved(&mapping, port, Reserved::Taken("x".to_owned()));
    }
    assert!(table.next_reservation(&|_| None).is_none());
    let mapping = target(80).of(&owner("a"));
    assert_eq!(table.denial(&mapping), Some(&Denial::Exhausted));
    table.retry_denied();
    assert_eq!(bind(&mut table).len(), 1);
    assert_eq!(table.denial(&mapping), None);
}

#[test]
fn a_port_under_somebody_elses_element_is_not_handed_out() {
    let mut table = table("61000-61001");
    table.want(&owner("a"), &[ask(80)], Memory::Expired);
    let stranger = Some(Some(owner("x")));
    let marked =
        |key: &Key| if *key == target(80).key(port(61000)) { stranger.clone() } else { None };
    assert_eq!(table.next_reservation(&marked).unwrap().1, port(61001));
}

#[test]
fn protocols_and_families_have_tables_of_their_own() {
    let mut table = table("61000-61000");
    let asks = Protocol::ALL.into_iter().flat_map(|protocol| {
        IpFamily::ALL
            .map(|family| Ask { target: Target { protocol, family, ..target(80) }, ..ask(80) })
    });
    table.want(&owner("a"), &asks.collect::<Vec<_>>(), Memory::Expired);
    assert_eq!(bind(&mut table), [61000; 6]);
}

#[test]
fn an_owner_that_leaves_while_waiting_is_forgotten() {
    let mut table = table("61000-61000");
    table.want(&owner("a"), &[ask(80)], Memory::Expired);
    table.want(&owner("b"), &[ask(80)], Memory::Expired);
    bind(&mut table);
    table.want(&owner("b"), &[], Memory::Expired);
    assert_eq!(table.denied().count(), 0);
    let leaving = table.want(&owner("a"), &[], Memory::Expired);
    table.element_gone(&leaving[0]);
    table.take_released();
    assert!(bind(&mut table).is_empty());
}
