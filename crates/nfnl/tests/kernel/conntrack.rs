//! Conntrack: insert, list, filter and delete only what is meant.

use std::net::IpAddr;

use nfnl::{
    Event, EventSocket, Group, Happened, Socket, Subject,
    conntrack::{Entry, Filter, L4, Tuple, TupleFilter},
};

use crate::support::in_fresh_netns;

const TCP: u8 = 6;
const UDP: u8 = 17;
const UDPLITE: u8 = 136;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn entry(protocol: u8, src: &str, src_port: u16, dst: &str, dst_port: u16) -> Entry {
    Entry::new(Tuple::new(protocol, ip(src), src_port, ip(dst), dst_port), 300)
}

/// Eleven flows of both families, one with NAT.
fn flows() -> Vec<Entry> {
    let mut nat = entry(TCP, "192.0.2.9", 40_000, "192.0.2.1", 61_000);
    nat.reply = Tuple::new(TCP, ip("10.0.0.7"), 80, ip("192.0.2.9"), 40_000);
    nat.mark = 0x10;
    let mut zoned = entry(UDP, "192.0.2.9", 5, "192.0.2.2", 53);
    zoned.zone = 7;
    let mut ping = entry(1, "192.0.2.9", 0, "192.0.2.1", 0);
    ping.orig.l4 = L4::Icmp { id: 77, kind: 8, code: 0 };
    ping.reply.l4 = L4::Icmp { id: 77, kind: 0, code: 0 };
    vec![
        nat,
        entry(TCP, "192.0.2.9", 40_001, "192.0.2.1", 61_001),
        entry(UDP, "192.0.2.9", 40_000, "192.0.2.1", 61_000),
        entry(UDP, "192.0.2.9", 5, "192.0.2.2", 53),
        zoned,
        ping,
        entry(TCP, "2001:db8::9", 40_000, "2001:db8::1", 61_000),
        entry(UDP, "2001:db8::9", 40_000, "2001:db8::1", 61_000),
        entry(TCP, "2001:db8::9", 40_000, "2001:db8::2", 61_000),
        entry(UDPLITE, "192.0.2.9", 40_000, "192.0.2.1", 61_000),
        entry(UDPLITE, "192.0.2.9", 40_000, "192.0.2.1", 61_002),
    ]
}

fn filled() -> Socket {
    let mut socket = Socket::open().unwrap();
    socket.conntrack_insert(&flows()).unwrap();
    socket
}

fn origs(entries: &[Entry]) -> Vec<(Tuple, u16)> {
    let mut origs: Vec<_> = entries.iter().map(|e| (e.orig, e.zone)).collect();
    origs.sort();
    origs
}

#[test]
fn what_is_inserted_is_listed_and_counted() {
    in_fresh_netns(|| {
        let mut socket = filled();
        let read = socket.conntrack_matching(&Filter::default()).unwrap();
        assert_eq!(origs(&read), origs(&flows()));
        assert_eq!(socket.conntrack_stats().unwrap().entries, 11);
        let nat = read.iter().find(|e| e.mark == 0x10).unwrap();
        assert_eq!((nat.reply.src, nat.reply.src_port()), (ip("10.0.0.7"), Some(80)));
        assert!(nat.timeout_s.is_some_and(|t| t <= 300) && nat.id.is_some());
        assert_eq!(nat.tcp_state, Some(3));
    });
}

fn filters() -> Vec<Filter> {
    let orig = |orig| Filter { orig, ..Filter::default() };
    let reply = |reply| Filter { reply, ..Filter::default() };
    vec![
        orig(TupleFilter::to(ip("192.0.2.1"), TCP, 61_000)),
        orig(TupleFilter { dst: Some(ip("192.0.2.1")), ..TupleFilter::default() }),
        orig(TupleFilter { src: Some(ip("2001:db8::9")), ..TupleFilter::default() }),
        orig(TupleFilter { protocol: Some(UDP), ..TupleFilter::default() }),
        orig(TupleFilter { dst_port: Some(61_000), ..TupleFilter::default() }),
        reply(TupleFilter::from(ip("10.0.0.7"), TCP, 80)),
        reply(TupleFilter { src: Some(ip("10.0.0.7")), ..TupleFilter::default() }),
        Filter { mark: Some((0x10, 0xf0)), ..Filter::default() },
        Filter { zone: Some(7), ..Filter::default() },
        Filter {
            zone: Some(7),
            ..orig(TupleFilter { dst: Some(ip("192.0.2.2")), ..TupleFilter::default() })
        },
        orig(TupleFilter::to(ip("2001:db8::1"), TCP, 61_000)),
        reply(TupleFilter { src: Some(ip("2001:db8::2")), ..TupleFilter::default() }),
        orig(TupleFilter::to(ip("192.0.2.1"), UDPLITE, 61_000)),
        orig(TupleFilter::to(ip("192.0.2.77"), TCP, 1)),
    ]
}

#[test]
fn a_filter_lists_and_deletes_exactly_what_matches() {
    in_fresh_netns(|| {
        for filter in filters() {
            let mut socket = filled();
            let (matching, others): (Vec<_>, Vec<_>) =
                flows().into_iter().partition(|e| filter.matches(e));
            let listed = socket.conntrack_matching(&filter).unwrap();
            assert_eq!(origs(&listed), origs(&matching), "{filter:?}");
            socket.conntrack_delete_matching(&filter).unwrap();
            let left = socket.conntrack_matching(&Filter::default()).unwrap();
            assert_eq!(origs(&left), origs(&others), "{filter:?}");
            socket.conntrack_flush().unwrap();
            assert_eq!(socket.conntrack_stats().unwrap().entries, 0);
        }
    });
}

#[test]
fn the_empty_filter_deletes_nothing() {
    in_fresh_netns(|| {
        let mut socket = filled();
        assert!(socket.conntrack_delete_matching(&Filter::default()).is_err());
        assert_eq!(socket.conntrack_stats().unwrap().entries, 11);
    });
}

#[test]
fn a_delete_by_id_does_not_touch_the_next_connection_with_the_same_tuple() {
    in_fresh_netns(|| {
        let mut socket = filled();
        let all = socket.conntrack_matching(&Filter::default()).unwrap();
        let old = *all.iter().find(|e| e.mark == 0x10).unwrap();
        assert!(socket.conntrack_delete(&old).unwrap());
        assert!(!socket.conntrack_delete(&old).unwrap());
        // ids come from addresses of kernel objects: insert until the tuple has another one
        let other = Entry { id: Some(old.id.unwrap().wrapping_add(1)), ..old };
        socket.conntrack_insert(&[Entry { id: None, ..old }]).unwrap();
        let reborn = socket.conntrack_matching(&filters()[0]).unwrap()[0];
        if reborn.id != other.id {
            assert!(!socket.conntrack_delete(&other).unwrap(), "a wrong id must not match");
        }
        assert_eq!(socket.conntrack_stats().unwrap().entries, 11);
        assert!(socket.conntrack_delete(&reborn).unwrap());
    });
}

#[test]
fn a_delete_respects_the_zone() {
    in_fresh_netns(|| {
        let mut socket = filled();
        let default_zone = entry(UDP, "192.0.2.9", 5, "192.0.2.2", 53);
        assert!(socket.conntrack_delete(&default_zone).unwrap());
        let left = socket.conntrack_matching(&Filter::default()).unwrap();
        assert_eq!(left.iter().filter(|e| e.zone == 7).count(), 1);
        assert_eq!(left.len(), 10);
    });
}

#[test]
fn many_entries_are_inserted_and_one_mapping_of_them_is_deleted() {
    const COUNT: u32 = 20_000;
    in_fresh_netns(|| {
        let mut socket = Socket::open().unwrap();
        let all: Vec<_> = (0..COUNT)
            .map(|i| {
                let src = IpAddr::from((0x0a00_0000 + i).to_be_bytes());
                let port = 61_000 + (i % 100) as u16;
                Entry::new(Tuple::new(UDP, src, 1, ip("192.0.2.1"), port), 600)
            })
            .collect();
        socket.conntrack_insert(&all).unwrap();
        assert_eq!(socket.conntrack_stats().unwrap().entries, COUNT);
        let filter =
            Filter { orig: TupleFilter::to(ip("192.0.2.1"), UDP, 61_042), ..Filter::default() };
        assert_eq!(socket.conntrack_matching(&filter).unwrap().len(), 200);
        socket.conntrack_delete_matching(&filter).unwrap();
        assert_eq!(socket.conntrack_stats().unwrap().entries, COUNT - 200);
        let rest = socket.conntrack_matching(&Filter::default()).unwrap();
        socket.conntrack_delete_all(&rest).unwrap();
        assert_eq!(socket.conntrack_stats().unwrap().entries, 0);
    });
}

#[test]
fn conntrack_events_are_seen() {
    in_fresh_netns(|| {
        let groups = [Group::ConntrackNew, Group::ConntrackDestroy];
        let mut events = EventSocket::open(&groups).unwrap();
        let mut socket = filled();
        socket.conntrack_flush().unwrap();
        let mut counts = (0, 0);
        while let Some(event) = events.try_event().unwrap() {
            match event {
                Event::Changed { happened, subject: Subject::Conntrack(_), .. } => match happened {
                    Happened::New => counts.0 += 1,
                    Happened::Deleted => counts.1 += 1,
                },
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(counts, (11, 11));
    });
}
