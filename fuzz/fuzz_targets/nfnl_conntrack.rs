//! Conntrack entries: any bytes are decoded or refused, and any entry can be filtered.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nfnl::{
    conntrack::{Entry, Filter, TupleFilter},
    wire::{Attributes, NfHeader},
};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(entry) = Entry::decode(NfHeader::default(), Attributes::new(bytes)) {
        let orig = TupleFilter { dst: Some(entry.orig.dst), ..TupleFilter::default() };
        let filter = Filter { orig, zone: Some(entry.zone), ..Filter::default() };
        assert!(filter.matches(&entry));
        assert_eq!(entry.orig.reversed().reversed(), entry.orig);
    }
});
