//! Owned tables: nobody else may change them, and they outlive their owner if they persist.

use nfnl::{Batch, BatchError, Denied, ElementRef, Family, SetId, Socket, Table, TableFlags};

use crate::support::{in_fresh_netns, nft, try_nft};

fn owned() -> Table {
    Table::new(Family::Inet, "mine").with_flags(TableFlags::OWNER | TableFlags::PERSIST)
}

fn claim(socket: &mut Socket) -> Result<(), BatchError> {
    let mut batch = Batch::new();
    batch.add(&owned()).unwrap();
    socket.commit(&mut batch)
}

#[test]
fn another_socket_is_denied_and_told_which_change_touched_the_owned_table() {
    in_fresh_netns(|| {
        let mut owner = Socket::open().unwrap();
        claim(&mut owner).unwrap();
        let [table] = &owner.tables(Family::ANY).unwrap()[..] else { panic!("one table") };
        assert_eq!(table.owner, Some(owner.port_id()));
        assert!(table.flags.contains(TableFlags::OWNER | TableFlags::PERSIST));
        let mut other = Socket::open().unwrap();
        let mut batch = Batch::new();
        batch.add(&Table::new(Family::Inet, "other")).unwrap();
        let set = SetId::new(Family::Inet, "mine", "s");
        let change = batch.add_elements(&set, [ElementRef::new(&[1, 2, 3, 4])]).unwrap();
        let error = other.commit(&mut batch).unwrap_err();
        let BatchError::Denied(Denied::OwnedTable(rejection)) = &error else { panic!("{error:?}") };
        assert_eq!(rejection.change, change);
        assert_eq!(other.tables(Family::ANY).unwrap().len(), 1);
        let (ok, text) = try_nft(&["add", "chain", "inet", "mine", "c"]);
        assert!(!ok && text.contains("Operation not permitted"), "{text}");
        nft(&["flush", "ruleset"]);
        assert_eq!(other.tables(Family::ANY).unwrap().len(), 1);
    });
}

#[test]
fn a_persistent_table_survives_its_owner_and_is_claimed_by_the_next() {
    in_fresh_netns(|| {
        let mut first = Socket::open().unwrap();
        claim(&mut first).unwrap();
        let mut second = Socket::open().unwrap();
        assert!(matches!(claim(&mut second), Err(BatchError::Denied(_))));
        drop(first);
        let [orphan] = &second.tables(Family::ANY).unwrap()[..] else { panic!("it is gone") };
        assert_eq!(orphan.owner, None);
        claim(&mut second).unwrap();
        let [table] = &second.tables(Family::ANY).unwrap()[..] else { panic!("it is gone") };
        assert_eq!(table.owner, Some(second.port_id()));
    });
}
