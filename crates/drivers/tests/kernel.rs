//! The driver on the real kernel, each test in a network namespace of its own.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::process::Command;
use std::sync::Arc;

use drivers::nft::{NftDriver, NftOptions, TableOwnership};
use drivers::{CommitError, Driver, Part, Structure, Transaction};
use model::{Change, IpFamily, Key, NodePort, Owner, PodPort, Protocol, Reason, Uid, Value};
use netkeep_drivers as drivers;
use netns::Namespace;

fn in_namespace(test: impl FnOnce() + Send) {
    Namespace::create().unwrap().run(test).unwrap();
}

fn open(ownership: TableOwnership) -> NftDriver {
    NftDriver::open(NftOptions { ownership, map_size: 65_536 }).unwrap()
}

fn owner(name: &str) -> Arc<Owner> {
    Arc::new(Owner::pod("default", name, Uid::new(format!("uid-{name}"))))
}

fn key(port: i64) -> Key {
    let port = NodePort::try_from(port).unwrap();
    Key::Npl { family: IpFamily::V4, protocol: Protocol::Tcp, port }
}

fn endpoint(ip: &str) -> Value {
    Value::Endpoint { ip: ip.parse().unwrap(), port: PodPort::try_from(8080).unwrap() }
}

fn change(key: Key, before: Option<Value>, after: Option<Value>, name: &str) -> Change {
    Change::Element { key, before, after, owner: owner(name), reason: Reason::Wanted }
}

fn apply(driver: &mut NftDriver, structure: Option<Part>, changes: &[Change]) {
    let changes: Vec<&Change> = changes.iter().collect();
    driver.apply(Transaction { structure, changes: &changes }).unwrap();
    let wanted: Vec<(Key, Option<Value>)> = changes
        .iter()
        .map(|change| match change {
            Change::Element { key, after, .. } => (*key, *after),
            Change::Structure { .. } => unreachable!(),
        })
        .collect();
    let keys: Vec<Key> = wanted.iter().map(|(key, _)| *key).collect();
    assert_eq!(driver.read_back(&keys).unwrap(), wanted);
}

fn nft(args: &str) -> (bool, String) {
    let output = Command::new("nft").args(args.split(' ')).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

#[test]
fn what_is_built_is_intact_and_read_back_with_its_owners() {
    for ownership in [TableOwnership::Exclusive, TableOwnership::Shared] {
        in_namespace(|| {
            let mut driver = open(ownership);
            assert_eq!(driver.observe().unwrap().structure, Structure::Absent);
            let v6 = Key::Npl {
                family: IpFamily::V6,
                protocol: Protocol::Sctp,
                port: NodePort::try_from(61_001).unwrap(),
            };
            let hairpin = Key::Hairpin("10.0.0.5".parse().unwrap());
            let hairpin6 = Key::Hairpin("fd00::5".parse().unwrap());
            let changes = [
                change(key(61_000), None, Some(endpoint("10.0.0.5")), "web"),
                change(v6, None, Some(endpoint("fd00::5")), "web"),
                change(hairpin, None, Some(Value::Present), "web"),
                change(hairpin6, None, Some(Value::Present), "web"),
            ];
            apply(&mut driver, Some(Part::Whole), &changes);
            let observed = driver.observe().unwrap();
            assert_eq!(observed.structure, Structure::Intact);
            assert_eq!(observed.elements.len(), 4);
            assert!(observed.elements.iter().all(|(.., o)| o.as_ref() == Some(&owner("web"))));
            assert!(!driver.drifted().unwrap());
        });
    }
}

#[test]
fn nft_lists_the_table_as_the_design_shows_it() {
    in_namespace(|| {
        let mut driver = open(TableOwnership::Exclusive);
        driver.observe().unwrap();
        let changes = [change(key(61_000), None, Some(endpoint("10.0.0.5")), "web")];
        apply(&mut driver, Some(Part::Whole), &changes);
        let (good, text) = nft("list ruleset");
        assert!(good, "{text}");
        for line in [
            "type inet_proto . inet_service : ipv4_addr . inet_service",
            "elements = { tcp . 61000 comment \"default/web\" : 10.0.0.5 . 8080 }",
            "ip daddr != 127.0.0.0/8 fib daddr type local dnat ip to meta l4proto . th dport map @npl4",
            "ip6 daddr != ::1 fib daddr type local dnat ip6 to meta l4proto . th dport map @npl6",
            "ip saddr . ip daddr @hairpin4 masquerade",
            "ip6 saddr . ip6 daddr @hairpin6 masquerade",
            "type nat hook prerouting priority dstnat - 10; policy accept;",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(nft("-j list ruleset").0);
    });
}

/// A program that another test starts holds our sockets, too, until it has become that program.
fn until_unowned() {
    for _ in 0..500 {
        if !nft("list table inet netkeep").1.contains("flags owner") {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("the table is still owned");
}

#[test]
fn the_owner_flag_refuses_others_survives_the_owner_and_is_claimed_with_the_next_change() {
    in_namespace(|| {
        let mut first = open(TableOwnership::Exclusive);
        first.observe().unwrap();
        let web = [change(key(61_000), None, Some(endpoint("10.0.0.5")), "web")];
        apply(&mut first, Some(Part::Whole), &web);
        assert!(!nft("delete table inet netkeep").0);
        assert!(!nft("flush chain inet netkeep npl").0);
        nft("flush ruleset");
        assert_eq!(first.observe().unwrap().elements.len(), 1);

        let mut second = open(TableOwnership::Exclusive);
        second.observe().unwrap();
        let refused = second.apply(Transaction { structure: None, changes: &[&web[0]] });
        assert!(matches!(refused, Err(CommitError::Failed(_))), "{refused:?}");
        assert!(second.is_kept_out().unwrap() && !first.is_kept_out().unwrap());

        drop(first);
        let mut third = open(TableOwnership::Exclusive);
        until_unowned();
        assert!(!second.is_kept_out().unwrap());
        let before = third.observe().unwrap();
        assert_eq!(before.structure, Structure::Intact);
        assert_eq!(third.observe().unwrap().generation, before.generation);
        apply(&mut third, None, &[change(key(61_001), None, Some(endpoint("10.0.0.6")), "two")]);
        assert!(!nft("delete table inet netkeep").0);
        assert_eq!(third.observe().unwrap().elements.len(), 2);
        drop(third);
        until_unowned();
        assert!(nft("delete table inet netkeep").0);
        assert!(!second.is_kept_out().unwrap());
    });
}

#[test]
fn every_kind_of_damage_is_noticed_and_mended() {
    let damages: &[&str] = &[
        "delete chain inet netkeep prerouting",
        "flush chain inet netkeep npl",
        "add rule inet netkeep npl tcp dport 61000 drop",
        "insert rule inet netkeep output counter accept",
        "add chain inet netkeep foreign",
        "add set inet netkeep foreign { type ipv4_addr; }",
        "add element inet netkeep npl4 { icmp . 61000 : 10.0.0.9 . 1 }",
        "add element inet netkeep hairpin4 { 10.0.0.1 . 10.0.0.2 }",
    ];
    for damage in damages {
        in_namespace(|| {
            let mut driver = open(TableOwnership::Shared);
            driver.observe().unwrap();
            let web = [change(key(61_000), None, Some(endpoint("10.0.0.5")), "web")];
            apply(&mut driver, Some(Part::Whole), &web);
            if damage.contains("delete chain") {
                nft("flush chain inet netkeep prerouting");
            }
            let (done, text) = nft(damage);
            assert!(done, "{damage}: {text}");
            assert!(driver.drifted().unwrap(), "{damage}");
            let observed = driver.observe().unwrap();
            assert!(matches!(observed.structure, Structure::Damaged(_)), "{damage}: {observed:?}");
            assert_eq!(observed.elements.len(), 1, "{damage}");
            apply(&mut driver, Some(Part::Whole), &[]);
            let observed = driver.observe().unwrap();
            assert_eq!(observed.structure, Structure::Intact, "{damage}");
            assert_eq!(observed.elements.len(), 1, "{damage}");
        });
    }
}

#[test]
fn a_table_that_was_put_to_sleep_is_built_anew() {
    in_namespace(|| {
        let mut driver = open(TableOwnership::Shared);
        driver.observe().unwrap();
        apply(&mut driver, Some(Part::Whole), &[]);
        assert!(nft("add table inet netkeep { flags dormant; }").0);
        let observed = driver.observe().unwrap();
        assert!(matches!(observed.structure, Structure::Unusable(_)), "{observed:?}");
        apply(&mut driver, Some(Part::Whole), &[]);
        assert_eq!(driver.observe().unwrap().structure, Structure::Intact);
    });
}

#[test]
fn a_table_with_less_room_serves_packets_and_is_built_anew() {
    in_namespace(|| {
        let small = NftOptions { ownership: TableOwnership::Shared, map_size: 1_024 };
        let mut driver = NftDriver::open(small).unwrap();
        driver.observe().unwrap();
        let web = [change(key(61_000), None, Some(endpoint("10.0.0.5")), "web")];
        apply(&mut driver, Some(Part::Whole), &web);
        let large = NftOptions { map_size: 4_096, ..small };
        let mut driver = NftDriver::open(large).unwrap();
        let observed = driver.observe().unwrap();
        assert!(matches!(observed.structure, Structure::TooSmall(_)), "{observed:?}");
        assert_eq!(observed.structure.faults(), [] as [String; 0]);
        assert!(nft("flush chain inet netkeep prerouting").0);
        let observed = driver.observe().unwrap();
        assert_eq!(observed.structure.faults().len(), 3, "{observed:?}");
        apply(&mut driver, Some(Part::Whole), &web);
        assert_eq!(driver.observe().unwrap().structure, Structure::Intact);
    });
}

#[test]
fn a_table_with_other_maps_is_built_anew() {
    in_namespace(|| {
        assert!(nft("add table inet netkeep").0);
        assert!(nft("add map inet netkeep npl4 { type ipv4_addr : ipv4_addr; }").0);
        let mut driver = open(TableOwnership::Exclusive);
        let observed = driver.observe().unwrap();
        assert!(matches!(observed.structure, Structure::Unusable(_)), "{observed:?}");
        let web = [change(key(61_000), None, Some(endpoint("10.0.0.5")), "web")];
        apply(&mut driver, Some(Part::Whole), &web);
        assert_eq!(driver.observe().unwrap().structure, Structure::Intact);
        assert!(!nft("delete table inet netkeep").0);
    });
}

#[test]
fn an_element_is_replaced_and_deleted() {
    in_namespace(|| {
        let mut driver = open(TableOwnership::Exclusive);
        driver.observe().unwrap();
        let (five, six) = (endpoint("10.0.0.5"), endpoint("10.0.0.6"));
        apply(&mut driver, Some(Part::Whole), &[change(key(61_000), None, Some(five), "web")]);
        apply(&mut driver, None, &[change(key(61_000), Some(five), Some(six), "other")]);
        let observed = driver.observe().unwrap();
        assert_eq!(observed.elements, [(key(61_000), six, Some(owner("other")))]);
        apply(&mut driver, None, &[change(key(61_000), Some(six), None, "other")]);
        assert_eq!(driver.observe().unwrap().elements, []);
    });
}

#[test]
fn many_elements_are_read_back_like_few() {
    in_namespace(|| {
        let mut driver = open(TableOwnership::Exclusive);
        driver.observe().unwrap();
        let changes: Vec<Change> = (0..900)
            .map(|n| change(key(10_000 + n), None, Some(endpoint("10.0.0.5")), &format!("pod-{n}")))
            .collect();
        apply(&mut driver, Some(Part::Whole), &changes);
        let mut keys: Vec<Key> = (0..900).map(|n| key(10_000 + n)).collect();
        keys.push(key(9_999));
        let all = driver.read_back(&keys).unwrap();
        let each: Vec<_> =
            keys.iter().map(|key| driver.read_back(&[*key]).unwrap().remove(0)).collect();
        assert_eq!(all, each);
        assert_eq!(all.last(), Some(&(key(9_999), None)));
    });
}

#[test]
fn a_full_map_names_the_change_that_did_not_fit() {
    in_namespace(|| {
        let options = NftOptions { ownership: TableOwnership::Exclusive, map_size: 1_000 };
        let mut driver = NftDriver::open(options).unwrap();
        driver.observe().unwrap();
        apply(&mut driver, Some(Part::Whole), &[]);
        let changes: Vec<Change> = (0..1_001)
            .map(|n| change(key(10_000 + n), None, Some(endpoint("10.0.0.5")), &format!("pod-{n}")))
            .collect();
        let changes: Vec<&Change> = changes.iter().collect();
        match driver.apply(Transaction { structure: None, changes: &changes }) {
            Err(CommitError::Rejected { index: 1_000, errno: 23, .. }) => {}
            other => panic!("expected the last change to be refused, got {other:?}"),
        }
        assert_eq!(driver.observe().unwrap().elements, [], "nothing of it was applied");
    });
}

#[test]
fn a_commit_planned_on_an_older_ruleset_is_stale_unless_the_table_is_ours() {
    in_namespace(|| {
        let mut driver = open(TableOwnership::Shared);
        driver.observe().unwrap();
        apply(&mut driver, Some(Part::Whole), &[]);
        assert!(nft("add table inet other").0);
        let web = change(key(61_000), None, Some(endpoint("10.0.0.5")), "web");
        let stale = driver.apply(Transaction { structure: None, changes: &[&web] });
        assert!(matches!(stale, Err(CommitError::Stale)), "{stale:?}");
        driver.observe().unwrap();
        apply(&mut driver, None, &[web]);
        // Whoever knows of the other's commit looks at nothing again.
        let before = driver.generation();
        assert!(nft("delete element inet netkeep npl4 { tcp . 61000 }").0);
        driver.planned_on(before.wrapping_add(1));
        apply(&mut driver, None, &[change(key(61_000), None, Some(endpoint("10.0.0.5")), "web")]);
        driver.planned_on(before);
        assert_eq!(driver.generation(), before.wrapping_add(2), "it does not go back");
    });
    in_namespace(|| {
        let mut driver = open(TableOwnership::Exclusive);
        driver.observe().unwrap();
        apply(&mut driver, Some(Part::Whole), &[]);
        assert!(nft("add table inet other").0);
        apply(&mut driver, None, &[change(key(61_000), None, Some(endpoint("10.0.0.5")), "web")]);
    });
}

/// The table as an agent that has ended leaves it: with one element, owned by nobody.
fn orphan() {
    let mut driver = open(TableOwnership::Exclusive);
    driver.observe().unwrap();
    let web = [change(key(61_000), None, Some(endpoint("10.0.0.5")), "web")];
    apply(&mut driver, Some(Part::Whole), &web);
    drop(driver);
    until_unowned();
}

/// What an agent does about what it sees, until nothing is left to do; how often it had to look.
fn mend(driver: &mut NftDriver) -> usize {
    let web = change(key(61_000), None, Some(endpoint("10.0.0.5")), "web");
    for looks in 1..8 {
        let observed = driver.observe().unwrap();
        let anew = match observed.structure {
            Structure::Intact if observed.elements.len() == 1 => return looks,
            Structure::Intact | Structure::Damaged(_) => observed.elements.is_empty(),
            Structure::Absent | Structure::TooSmall(_) | Structure::Unusable(_) => true,
        };
        let changes = if anew { vec![&web] } else { Vec::new() };
        let structure = (observed.structure != Structure::Intact).then_some(Part::Whole);
        match driver.apply(Transaction { structure, changes: &changes }) {
            Ok(()) | Err(CommitError::Stale | CommitError::Unmendable { .. }) => {}
            Err(error) => panic!("{error:?} after {:?}", observed.structure),
        }
    }
    panic!("not mended: {:?}", driver.observe().unwrap());
}

/// What others may do to a table that nobody owns.
const DAMAGES: &[&str] = &[
    "delete table inet netkeep",
    "flush table inet netkeep",
    "flush chain inet netkeep npl",
    "flush chain inet netkeep prerouting; delete chain inet netkeep prerouting",
    "flush chain inet netkeep output; delete chain inet netkeep output",
    "flush chain inet netkeep postrouting; delete chain inet netkeep postrouting",
    "flush chain inet netkeep prerouting; flush chain inet netkeep output; \
     delete chain inet netkeep npl",
    "rename chain inet netkeep npl other",
    "chain inet netkeep prerouting { policy drop; }",
    "add rule inet netkeep npl counter accept",
    "insert rule inet netkeep postrouting masquerade",
    "add chain inet netkeep theirs",
    "add chain inet netkeep theirs { type nat hook prerouting priority -150; }",
    "add set inet netkeep theirs { type ipv4_addr; }",
    "flush chain inet netkeep npl; delete map inet netkeep npl4",
    "add element inet netkeep npl4 { icmp . 61000 : 10.0.0.9 . 1 }",
    "delete element inet netkeep npl4 { tcp . 61000 }",
    // A map of verdicts keeps the chains that it leads to from being removed.
    "add map inet netkeep theirs { type inet_service : verdict; elements = { 80 : jump npl }; }",
];

#[test]
fn a_table_that_nobody_owns_is_mended_and_owned_again() {
    for damage in DAMAGES {
        for observed_before in [false, true] {
            in_namespace(|| {
                orphan();
                let mut driver = open(TableOwnership::Exclusive);
                if observed_before {
                    assert_eq!(driver.observe().unwrap().structure, Structure::Intact);
                }
                let (done, text) = nft(damage);
                assert!(done, "{damage}: {text}");
                let looks = mend(&mut driver);
                let expected = if Some(&damage) == DAMAGES.last().as_ref() { 4 } else { 2 };
                assert_eq!(looks, expected, "{damage}");
                assert!(!nft("delete table inet netkeep").0, "not owned after {damage}");
                assert!(!driver.drifted().unwrap(), "{damage}");
                // It is ours: what comes next costs no second look.
                apply(
                    &mut driver,
                    None,
                    &[change(key(61_001), None, Some(endpoint("10.0.0.6")), "two")],
                );
            });
        }
    }
}

#[test]
fn a_table_that_was_put_to_sleep_while_nobody_owned_it_is_awake_and_owned_again() {
    use nfnl::{Batch, Family, Socket, Table, TableFlags};
    in_namespace(|| {
        orphan();
        let mut driver = open(TableOwnership::Exclusive);
        driver.observe().unwrap();
        let flags = TableFlags::PERSIST | TableFlags::DORMANT;
        let mut batch = Batch::new();
        batch.add(&Table::new(Family::Inet, "netkeep").with_flags(flags)).unwrap();
        Socket::open().unwrap().commit(&mut batch).unwrap();
        assert!(matches!(driver.observe().unwrap().structure, Structure::Unusable(_)));
        mend(&mut driver);
        assert!(!nft("delete table inet netkeep").0);
    });
}

#[test]
fn what_the_kernel_refuses_to_mend_is_built_anew_without_a_moment_in_between() {
    for ownership in [TableOwnership::Exclusive, TableOwnership::Shared] {
        in_namespace(|| {
            let mut driver = open(ownership);
            driver.observe().unwrap();
            let web = [change(key(61_000), None, Some(endpoint("10.0.0.5")), "web")];
            apply(&mut driver, Some(Part::Whole), &web);
            drop(driver);
            until_unowned();
            assert!(nft(DAMAGES.last().unwrap()).0);
            let mut driver = open(ownership);
            let before = driver.observe().unwrap();
            assert!(matches!(before.structure, Structure::Damaged(_)), "{before:?}");
            let looks = mend(&mut driver);
            // Damaged, looked again, refused, built anew, seen.
            assert!(looks <= 4, "{looks} looks");
            let claim = u32::from(ownership == TableOwnership::Exclusive);
            let writes = driver.observe().unwrap().generation - before.generation;
            assert_eq!(writes, 1 + claim, "{ownership:?}");
            assert_eq!(driver.commits(), writes, "{ownership:?}");
        });
    }
}

#[test]
fn elements_of_a_table_that_is_built_anew_are_told_with_their_owners() {
    in_namespace(|| {
        let mut driver = open(TableOwnership::Shared);
        driver.observe().unwrap();
        let web = [change(key(61_000), None, Some(endpoint("10.0.0.5")), "web")];
        apply(&mut driver, Some(Part::Whole), &web);
        assert!(nft("flush chain inet netkeep npl; delete map inet netkeep npl6").0);
        let observed = driver.observe().unwrap();
        assert!(matches!(observed.structure, Structure::Unusable(_)), "{observed:?}");
        assert_eq!(observed.elements, [(key(61_000), endpoint("10.0.0.5"), Some(owner("web")))]);
        assert!(nft("delete map inet netkeep npl4").0);
        let other = "add map inet netkeep npl4 { type inet_proto . inet_service : mark; \
                     elements = { tcp . 61000 : 7 }; }";
        assert!(nft(other).0);
        assert_eq!(driver.observe().unwrap().elements, []);
    });
}
