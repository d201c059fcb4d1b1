//! The hot path does not allocate: an agent that changes one element a time pays for the system calls only.
#![allow(unsafe_code)] // a counting allocator has no safe form

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use nfnl::{Batch, ElementRef, Socket};

use crate::support::{add_keys, in_fresh_netns, keys, table_with_set};

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes to the system's allocator unchanged; counting touches a thread-local integer only, which
// needs no allocation and no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above; `pointer` came from the same allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(run: impl FnOnce()) -> u64 {
    let before = COUNT.get();
    run();
    COUNT.get() - before
}

#[test]
fn a_change_of_one_element_and_a_dump_do_not_allocate() {
    in_fresh_netns(|| {
        let mut socket = Socket::open().unwrap();
        let set = table_with_set(&mut socket, None);
        add_keys(&mut socket, &set, &keys(2_000));
        let mut batch = Batch::new();
        let mut change = |key: [u8; 4]| {
            batch.clear();
            batch.add_elements(&set, [ElementRef::new(&key)]).unwrap();
            batch.delete_elements(&set, [ElementRef::new(&key)]).unwrap();
            socket.commit(&mut batch).unwrap();
        };
        change([9, 0, 0, 0]); // buffers grow once
        let count = allocations(|| (1..100).for_each(|i| change([9, 0, 0, i])));
        assert_eq!(count, 0, "allocations in 99 commits");
        assert!(socket.generation_id().unwrap() > 0); // this buffer grows once, too
        let generation = allocations(|| assert!(socket.generation_id().unwrap() > 0));
        assert_eq!(generation, 0, "allocations in a look at the generation");
        let dump = allocations(|| {
            let count = socket.fold_elements(&set, || 0, |n, _| *n += 1).unwrap();
            assert_eq!(count, 2_000);
        });
        assert_eq!(dump, 0, "allocations in a dump");
    });
}
