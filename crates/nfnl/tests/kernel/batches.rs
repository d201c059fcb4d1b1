//! Batches: all or nothing, conditional, precise about what was refused.

use nfnl::{Batch, BatchError, Denied, ElementRef, Errno, Family, Set, Socket, Table, TypeSpec};

use crate::support::{add_keys, in_fresh_netns, is_privileged, keys, nft, table_with_set};

#[test]
fn a_batch_on_a_stale_generation_changes_nothing() {
    in_fresh_netns(|| {
        let mut socket = Socket::open().unwrap();
        let seen = socket.generation().unwrap().id;
        nft(&["add table inet foreign"]);
        let mut batch = Batch::new();
        batch.expect_generation(seen);
        batch.add(&Table::new(Family::Inet, "mine")).unwrap();
        assert!(matches!(socket.commit(&mut batch), Err(BatchError::Stale)));
        assert_eq!(socket.tables(Family::ANY).unwrap().len(), 1);
        batch.expect_generation(socket.generation().unwrap().id);
        socket.commit(&mut batch).unwrap();
        assert_eq!(socket.tables(Family::ANY).unwrap().len(), 2);
    });
}

#[test]
fn a_rejection_names_the_element_among_a_thousand() {
    in_fresh_netns(|| {
        let mut socket = Socket::open().unwrap();
        let set = table_with_set(&mut socket, None);
        let all = keys(1000);
        add_keys(&mut socket, &set, &all[..700]);
        add_keys(&mut socket, &set, &all[701..]);
        let mut batch = Batch::new();
        batch.add(&Table::new(Family::Inet, "before")).unwrap();
        let change =
            batch.delete_elements(&set, all.iter().map(|key| ElementRef::new(key))).unwrap();
        let error = socket.commit(&mut batch).unwrap_err();
        let [rejection] = error.rejections() else { panic!("{error}") };
        assert_eq!(rejection.change, change);
        assert_eq!(rejection.element, Some(700));
        assert_eq!(rejection.errno, Errno::NOT_FOUND);
        assert_eq!(
            error.to_string(),
            "kernel rejected the batch: change 1, element 700: \
             No such file or directory (os error 2)"
        );
        assert!(socket.tables(Family::ANY).unwrap().iter().all(|t| t.name != "before"));
    });
}

#[test]
fn a_rejection_names_the_element_across_the_split_into_messages() {
    in_fresh_netns(|| {
        let mut socket = Socket::open().unwrap();
        let set = table_with_set(&mut socket, None);
        let all = keys(9_000); // 3 messages
        add_keys(&mut socket, &set, &all);
        for missing in [0, 3_276, 3_277, 5_000, 8_999] {
            let mut batch = Batch::new();
            batch.delete_elements(&set, [ElementRef::new(&all[missing])]).unwrap();
            socket.commit(&mut batch).unwrap();
            batch.clear();
            batch.delete_elements(&set, all.iter().map(|key| ElementRef::new(key))).unwrap();
            let error = socket.commit(&mut batch).unwrap_err();
            let elements: Vec<_> = error.rejections().iter().map(|r| r.element).collect();
            assert_eq!(elements, [Some(missing)], "{error}");
            add_keys(&mut socket, &set, &all[missing..=missing]);
        }
    });
}

#[test]
fn every_bad_change_of_a_batch_is_named() {
    in_fresh_netns(|| {
        let mut socket = Socket::open().unwrap();
        let set = table_with_set(&mut socket, None);
        let mut batch = Batch::new();
        batch.add_elements(&set, [ElementRef::new(&[1, 1, 1, 1])]).unwrap();
        batch.delete_elements(&set, [ElementRef::new(&[2, 2, 2, 2])]).unwrap();
        batch.add(&Table::new(Family::Inet, "fine")).unwrap();
        batch.delete(&nfnl::SetId::new(Family::Inet, "t", "absent")).unwrap();
        let error = socket.commit(&mut batch).unwrap_err();
        let changes: Vec<_> = error.rejections().iter().map(|r| (r.change, r.element)).collect();
        assert_eq!(changes, [(1, Some(0)), (3, None)]);
        assert!(error.is_unapplied());
        assert!(socket.elements(&set).unwrap().is_empty());
    });
}

#[test]
fn a_full_set_says_so_and_names_the_element_that_did_not_fit() {
    in_fresh_netns(|| {
        let mut socket = Socket::open().unwrap();
        let set = table_with_set(&mut socket, Some(10));
        let all = keys(12);
        let mut batch = Batch::new();
        batch.add_elements(&set, all.iter().map(|key| ElementRef::new(key))).unwrap();
        let error = socket.commit(&mut batch).unwrap_err();
        let [rejection] = error.rejections() else { panic!("{error}") };
        assert_eq!((rejection.errno, rejection.element), (Errno::FULL, Some(10)));
    });
}

#[test]
fn a_hundred_thousand_elements_go_in_one_batch_or_the_limit_is_named() {
    in_fresh_netns(|| {
        let mut socket = Socket::open().unwrap();
        let set = table_with_set(&mut socket, Some(200_000));
        let all = keys(100_000);
        let mut batch = Batch::new();
        batch.add_elements(&set, all.iter().map(|key| ElementRef::new(key))).unwrap();
        if is_privileged(&socket) {
            socket.commit(&mut batch).unwrap();
        } else {
            let Err(BatchError::TooLarge { bytes, limit }) = socket.commit(&mut batch) else {
                panic!("a small send buffer must refuse {} bytes", batch.bytes());
            };
            assert!(bytes > limit && limit == socket.send_limit());
            assert_eq!(socket.fold_elements(&set, || 0, |n, _| *n += 1).unwrap(), 0);
            for chunk in all.chunks(10_000) {
                add_keys(&mut socket, &set, chunk);
            }
        }
        assert_eq!(socket.fold_elements(&set, || 0, |n, _| *n += 1).unwrap(), 100_000);
    });
}

#[test]
fn a_batch_is_used_again_and_replaces_a_datum() {
    in_fresh_netns(|| {
        let mut socket = Socket::open().unwrap();
        let mut batch = Batch::new();
        batch.add(&Table::new(Family::Inet, "t")).unwrap();
        let (key, data) = (nfnl::DataType::INET_SERVICE, nfnl::DataType::IPV4_ADDR);
        let map = Set::map(Family::Inet, "t", "m", &TypeSpec::from(key), &TypeSpec::from(data));
        batch.add(&map).unwrap();
        socket.commit(&mut batch).unwrap();
        let id = map.set_id();
        let port = 80_u16.to_be_bytes();
        for last in 0..50_u8 {
            batch.clear();
            if last > 0 {
                batch.delete_elements(&id, [ElementRef::new(&port)]).unwrap();
            }
            let address = [10, 0, 0, last];
            batch.add_elements(&id, [ElementRef::new(&port).with_value(&address)]).unwrap();
            socket.commit(&mut batch).unwrap();
            let element = socket.element(&id, &port).unwrap().unwrap();
            assert_eq!(element.data, Some(nfnl::Value::from(address).into()));
        }
    });
}

#[test]
fn no_elements_means_no_message_and_never_all_elements() {
    in_fresh_netns(|| {
        let mut socket = Socket::open().unwrap();
        let set = table_with_set(&mut socket, None);
        add_keys(&mut socket, &set, &keys(3));
        let mut batch = Batch::new();
        batch.delete_elements(&set, []).unwrap();
        socket.commit(&mut batch).unwrap();
        assert_eq!(socket.elements(&set).unwrap().len(), 3);
        batch.clear();
        batch.flush_set(&set).unwrap();
        socket.commit(&mut batch).unwrap();
        assert!(socket.elements(&set).unwrap().is_empty());
    });
}

#[test]
fn destroying_what_is_absent_succeeds_and_deleting_it_does_not() {
    in_fresh_netns(|| {
        let mut socket = Socket::open().unwrap();
        let set = table_with_set(&mut socket, None);
        let mut batch = Batch::new();
        batch.destroy(&Table::new(Family::Inet, "absent")).unwrap();
        batch.destroy_elements(&set, [ElementRef::new(&[9, 9, 9, 9])]).unwrap();
        socket.commit(&mut batch).unwrap();
        batch.clear();
        batch.delete(&Table::new(Family::Inet, "absent")).unwrap();
        let error = socket.commit(&mut batch).unwrap_err();
        assert_eq!(error.rejections()[0].errno, Errno::NOT_FOUND);
    });
}

#[test]
fn the_first_commit_of_a_socket_may_fail_and_later_ones_work() {
    in_fresh_netns(|| {
        let mut socket = Socket::open().unwrap();
        for _ in 0..3 {
            let mut batch = Batch::new();
            batch.delete(&Table::new(Family::Inet, "absent")).unwrap();
            batch.add(&Table::new(Family::Inet, "t")).unwrap();
            assert!(matches!(socket.commit(&mut batch), Err(BatchError::Rejected(_))));
        }
        let mut batch = Batch::new();
        batch.add(&Table::new(Family::Inet, "t")).unwrap();
        socket.commit(&mut batch).unwrap();
        socket.commit(&mut batch).unwrap();
    });
}

#[test]
fn without_the_capability_the_error_says_what_is_missing() {
    in_fresh_netns(|| {
        let mut socket = Socket::open().unwrap();
        crate::support::drop_net_admin();
        let mut batch = Batch::new();
        batch.add(&Table::new(Family::Inet, "t")).unwrap();
        let error = socket.commit(&mut batch).unwrap_err();
        assert!(matches!(error, BatchError::Denied(Denied::Capability)), "{error:?}");
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains("CAP_NET_ADMIN"), "{source}");
        let error = socket.tables(Family::ANY).unwrap_err().to_string();
        assert!(error.contains("CAP_NET_ADMIN"), "{error}");
    });
}
