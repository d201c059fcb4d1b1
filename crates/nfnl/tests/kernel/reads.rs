//! Dumps and single reads, also while somebody writes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use nfnl::{Batch, DataType, Element, ElementRef, Family, Set, SetFlags, SetId, Socket, TypeSpec};

use crate::support::{add_keys, in_fresh_netns, keys, nft, table_with_set};

#[test]
fn a_hundred_thousand_elements_are_read_back_each_once() {
    in_fresh_netns(|| {
        let mut socket = Socket::open().unwrap();
        let set = table_with_set(&mut socket, Some(200_000));
        let all = keys(100_000);
        for chunk in all.chunks(10_000) {
            add_keys(&mut socket, &set, chunk);
        }
        let mut read = socket
            .fold_elements(&set, Vec::new, |read, e| read.push(<[u8; 4]>::try_from(e.key).unwrap()))
            .unwrap();
        read.sort_unstable();
        assert_eq!(read, all);
    });
}

/// Swaps elements of a set until it is told to stop; the number of elements is the same after every commit.
struct Writer {
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<u32>>,
}

impl Writer {
    /// Spawned threads start in the namespace of the thread that spawns them.
    fn start(set: &SetId, first: [u8; 4]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (flag, set) = (Arc::clone(&stop), set.clone());
        let run = move || {
            let mut socket = Socket::open().unwrap();
            let mut batch = Batch::new();
            let (mut writes, mut old) = (0_u32, first);
            while !flag.load(Ordering::Relaxed) {
                batch.clear();
                let new = (0x0b00_0000 + writes).to_be_bytes();
                batch.delete_elements(&set, [ElementRef::new(&old)]).unwrap();
                batch.add_elements(&set, [ElementRef::new(&new)]).unwrap();
                socket.commit(&mut batch).unwrap();
                old = new;
                writes += 1;
                thread::sleep(std::time::Duration::from_millis(u64::from(writes % 16) * 4));
            }
            writes
        };
        Self { stop, thread: Some(thread::spawn(run)) }
    }

    fn finish(mut self) -> u32 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

#[test]
fn a_dump_under_a_concurrent_writer_is_done_again_until_it_is_one_state() {
    in_fresh_netns(|| {
        let mut socket = Socket::open().unwrap();
        let set = table_with_set(&mut socket, None);
        let all = keys(5_000);
        add_keys(&mut socket, &set, &all);
        let writer = Writer::start(&set, all[0]);
        let (mut complete, mut changing, mut restarts) = (0, 0, 0);
        // bounded: a writer that is never seen would be a defect of the test
        for _ in 0..2_000 {
            let mut starts = 0;
            let start = || {
                starts += 1;
                0_u32
            };
            match socket.fold_elements(&set, start, |n, _| *n += 1) {
                Ok(count) => {
                    assert_eq!(count, 5_000);
                    complete += 1;
                }
                Err(nfnl::Error::Changing { .. }) => changing += 1,
                Err(error) => panic!("{error}"),
            }
            restarts += starts - 1;
            if complete > 20 && restarts > 20 {
                break;
            }
        }
        assert!(writer.finish() > 0);
        assert!(complete > 0, "{changing} dumps gave up");
        assert!(restarts > 0, "no dump was ever interrupted: this test did not test anything");
    });
}

#[test]
fn a_consistent_read_sees_one_generation() {
    in_fresh_netns(|| {
        let mut socket = Socket::open().unwrap();
        table_with_set(&mut socket, None);
        let mut interfere = true;
        let ((tables, sets), generation) = socket
            .read_consistent(|socket| {
                let tables = socket.tables(Family::ANY)?;
                if std::mem::take(&mut interfere) {
                    nft(&["add set inet t late { type ipv4_addr; }"]);
                }
                Ok((tables, socket.sets(Family::ANY, None)?))
            })
            .unwrap();
        assert_eq!((tables.len(), sets.len()), (1, 2));
        assert_eq!(generation.id, socket.generation().unwrap().id);
    });
}

#[test]
fn a_part_of_a_consistent_read_is_compared_with_the_whole_and_a_read_alone_by_itself() {
    in_fresh_netns(|| {
        let mut socket = Socket::open().unwrap();
        let set = table_with_set(&mut socket, None);
        add_keys(&mut socket, &set, &keys(10));
        // reads the elements, with a change of the ruleset in between; answers how often it started
        let read = |socket: &mut Socket, mut change: Option<&str>| {
            let mut starts = 0;
            let start = || {
                starts += 1;
                0
            };
            let step = |count: &mut u32, _: &ElementRef<'_>| {
                *count += 1;
                if let Some(change) = change.take() {
                    nft(&[change]);
                }
            };
            assert_eq!(socket.fold_elements(&set, start, step)?, 10);
            Ok::<u32, nfnl::Error>(starts)
        };
        let mut change = Some("add set inet t one { type ipv4_addr; }");
        let mut attempts = 0;
        let (starts, _) = socket
            .read_consistent(|socket| {
                attempts += 1;
                read(socket, change.take())
            })
            .unwrap();
        assert_eq!((attempts, starts), (2, 1));
        let refused = socket.read_consistent(|socket| {
            read(socket, None)?;
            socket.elements(&SetId::new(Family::Inet, "t", "absent"))
        });
        assert!(refused.unwrap_err().is_not_found());
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            socket.read_consistent(|_| -> Result<(), nfnl::Error> { panic!("in the middle of it") })
        }));
        assert!(panicked.is_err());
        assert_eq!(read(&mut socket, Some("add set inet t two { type ipv4_addr; }")).unwrap(), 2);
    });
}

#[test]
fn elements_are_read_by_key_and_absent_ones_are_nothing() {
    in_fresh_netns(|| {
        let mut socket = Socket::open().unwrap();
        let set = table_with_set(&mut socket, None);
        let all = keys(1500);
        let (even, odd): (Vec<_>, Vec<_>) = all.iter().partition(|key| key[3] % 2 == 0);
        add_keys(&mut socket, &set, &even);
        assert_eq!(socket.element(&set, &even[0]).unwrap(), Some(Element::new(even[0])));
        assert_eq!(socket.element(&set, &odd[0]).unwrap(), None);
        let keys: Vec<_> = all.iter().map(|key| ElementRef::new(key)).collect();
        let found = socket.elements_by_key(&set, &keys).unwrap();
        assert_eq!(found.len(), keys.len());
        for (key, found) in all.iter().zip(found) {
            assert_eq!(found.map(|e| e.key), even.contains(key).then(|| (*key).into()));
        }
        let absent = SetId::new(Family::Inet, "t", "absent");
        assert!(socket.element(&absent, &[1, 2, 3, 4]).unwrap_err().is_not_found());
        assert!(socket.elements(&absent).unwrap_err().is_not_found());
    });
}

#[test]
fn an_address_is_found_in_the_range_that_contains_it() {
    in_fresh_netns(|| {
        let mut socket = Socket::open().unwrap();
        nft(&["add table inet t"]);
        let both = TypeSpec::concat(&[DataType::IPV4_ADDR, DataType::INET_SERVICE]);
        let set = Set::new(Family::Inet, "t", "boxes", &both).with_flags(SetFlags::INTERVAL);
        let mut batch = Batch::new();
        batch.add(&set).unwrap();
        let (low, high) = ([10, 0, 0, 0, 0, 80, 0, 0], [10, 0, 0, 255, 0, 90, 0, 0]);
        let area = ElementRef { key_end: Some(&high), ..ElementRef::new(&low) };
        batch.add_elements(&set.set_id(), [area]).unwrap();
        socket.commit(&mut batch).unwrap();
        let read = socket.sets(Family::Inet, Some("t")).unwrap();
        assert_eq!(read[0].fields, [4, 2]);
        let found = socket.element(&set.set_id(), &[10, 0, 0, 7, 0, 85, 0, 0]).unwrap().unwrap();
        assert_eq!(found.key_end, Some(high.into()));
        let outside = socket.element(&set.set_id(), &[10, 0, 1, 7, 0, 85, 0, 0]).unwrap();
        assert_eq!(outside, None);
    });
}

#[test]
fn one_table_is_read_by_name() {
    in_fresh_netns(|| {
        let mut socket = Socket::open().unwrap();
        nft(&["add table ip t { flags dormant; comment \"hello\"; }"]);
        let table = socket.table(&nfnl::TableId::new(Family::Ip, "t")).unwrap().unwrap();
        assert!(table.flags.contains(nfnl::TableFlags::DORMANT));
        assert_eq!(nfnl::userdata::comment_of(&table.userdata), Some("hello"));
        assert_eq!(socket.table(&nfnl::TableId::new(Family::Ip6, "t")).unwrap(), None);
    });
}
