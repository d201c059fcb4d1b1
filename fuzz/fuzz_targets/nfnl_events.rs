//! Datagrams of the event groups: each message becomes an event, whatever its bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nfnl::Event;

fuzz_target!(|bytes: &[u8]| {
    Event::all(bytes).for_each(drop);
});
