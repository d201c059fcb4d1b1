//! Events: who changed what, and what happens when they come too fast.

use std::{os::fd::AsRawFd, process::Command};

use nfnl::{
    Batch, ElementRef, Error, Event, EventSocket, Family, Group, Happened, Socket, SocketOptions,
    Subject, Table,
};

use crate::support::{add_keys, in_fresh_netns, keys, table_with_set};

fn drain(events: &mut EventSocket) -> Vec<Event> {
    std::iter::from_fn(|| events.try_event().unwrap()).collect()
}

#[test]
fn a_foreign_writer_is_seen_with_its_name_and_pid() {
    in_fresh_netns(|| {
        let mut events = EventSocket::open(&[Group::Nftables]).unwrap();
        let ruleset = "add table inet f; add set inet f s { type ipv4_addr; }; \
                       add element inet f s { 1.2.3.4, 1.2.3.5 }; \
                       add chain inet f c; add rule inet f c counter; add counter inet f n";
        let mut child = Command::new("nft").arg(ruleset).spawn().unwrap();
        let pid = child.id();
        assert!(child.wait().unwrap().success());
        let seen = drain(&mut events);
        let kinds: Vec<_> = seen
            .iter()
            .map(|event| match event {
                Event::Changed { happened: Happened::New, subject, port } => {
                    assert!(*port != 0 && *port != events.port_id());
                    match subject {
                        Subject::Table(t) => format!("table {}", t.name),
                        Subject::Set(s) => format!("set {}", s.name),
                        Subject::Elements { set, elements } => {
                            format!("{} elements of {}", elements.len(), set.name)
                        }
                        Subject::Chain(c) => format!("chain {}", c.name),
                        Subject::Rule(r) => format!("rule of {}", r.expressions.len()),
                        Subject::Stateful(o) => format!("object {}", o.name),
                        other => panic!("{other:?}"),
                    }
                }
                Event::Committed { generation, .. } => {
                    assert_eq!(generation.process.as_deref(), Some("nft"));
                    assert_eq!(generation.pid, Some(pid));
                    "commit".to_owned()
                }
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(kinds.last().map(String::as_str), Some("commit"));
        for expected in ["table f", "set s", "chain c", "rule of 1", "object n"] {
            assert!(kinds.iter().any(|k| k == expected), "{expected} is not in {kinds:?}");
        }
        assert_eq!(kinds.iter().filter(|k| k.ends_with("of s")).count(), 2, "{kinds:?}");
    });
}

#[test]
fn own_events_carry_the_port_id_of_the_socket_that_committed() {
    in_fresh_netns(|| {
        let mut socket = Socket::open().unwrap();
        let set = table_with_set(&mut socket, None);
        add_keys(&mut socket, &set, &keys(2));
        let mut events = EventSocket::open(&[Group::Nftables]).unwrap();
        let mut batch = Batch::new();
        batch.delete_elements(&set, [ElementRef::new(&keys(1)[0])]).unwrap();
        batch.delete(&set).unwrap();
        batch.delete(&Table::new(Family::Inet, "t")).unwrap();
        socket.commit(&mut batch).unwrap();
        let generation = socket.generation().unwrap().id;
        let seen = drain(&mut events);
        for event in &seen {
            let port = match event {
                Event::Changed { happened, port, .. } => {
                    assert_eq!(*happened, Happened::Deleted);
                    port
                }
                Event::Committed { generation: seen, port } => {
                    assert_eq!(seen.id, generation);
                    port
                }
                other => panic!("{other:?}"),
            };
            assert_eq!(*port, socket.port_id());
        }
        assert!(matches!(seen.last(), Some(Event::Committed { .. })));
        assert!(events.as_raw_fd() >= 0);
    });
}

#[test]
fn of_a_muted_socket_only_the_commits_are_told_and_of_others_everything() {
    in_fresh_netns(|| {
        let (mut muted, mut other) = (Socket::open().unwrap(), Socket::open().unwrap());
        let mut events = EventSocket::open(&[Group::Nftables]).unwrap();
        events.mute(muted.port_id());
        let set = table_with_set(&mut muted, None);
        add_keys(&mut muted, &set, &keys(3));
        let mut batch = Batch::new();
        batch.delete_elements(&set, [ElementRef::new(&keys(1)[0])]).unwrap();
        other.commit(&mut batch).unwrap();
        let told: Vec<_> = drain(&mut events)
            .iter()
            .map(|event| match event {
                Event::Committed { port, .. } => ("commit", *port),
                Event::Changed { happened: Happened::Deleted, port, .. } => ("deletion", *port),
                other => panic!("{other:?}"),
            })
            .collect();
        let (muted, other) = (("commit", muted.port_id()), other.port_id());
        assert!(told.starts_with(&[muted]), "{told:?}");
        let rest: Vec<_> = told.iter().filter(|told| **told != muted).copied().collect();
        assert_eq!(rest, [("deletion", other), ("commit", other)]);
    });
}

#[test]
fn an_overrun_is_an_event_of_its_own_and_the_socket_lives_on() {
    in_fresh_netns(|| {
        let mut socket = Socket::open().unwrap();
        let set = table_with_set(&mut socket, None);
        let small = SocketOptions { receive_buffer: 4 << 10, ..SocketOptions::default() };
        let mut events = EventSocket::open_with(&[Group::Nftables], small).unwrap();
        add_keys(&mut socket, &set, &keys(5_000));
        let seen = drain(&mut events);
        assert!(seen.contains(&Event::Overrun), "{} events and no overrun", seen.len());
        let mut batch = Batch::new();
        batch.add(&Table::new(Family::Inet, "later")).unwrap();
        socket.commit(&mut batch).unwrap();
        let event = events.next_event().unwrap();
        assert!(matches!(event, Event::Changed { subject: Subject::Table(_), .. }), "{event:?}");
    });
}

#[test]
fn an_answer_that_is_lost_is_an_unknown_outcome_or_a_rejection_and_never_success() {
    in_fresh_netns(|| {
        let small = SocketOptions { receive_buffer: 1 << 10, ..SocketOptions::default() };
        let mut socket = Socket::open_with(small).unwrap();
        let set = table_with_set(&mut socket, None);
        let mut batch = Batch::new();
        for key in keys(500) {
            batch.delete_elements(&set, [ElementRef::new(&key)]).unwrap();
        }
        let error = socket.commit(&mut batch).unwrap_err();
        assert!(!error.rejections().is_empty(), "{error}");
        let elements = socket.elements(&set);
        assert!(elements.is_ok() || matches!(elements, Err(Error::Lost { .. })), "{elements:?}");
    });
}
