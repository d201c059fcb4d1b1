//! A legacy table of any bytes: taken apart, put together, printed, or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xt::{
    Family,
    legacy::{Blob, Edit},
    text,
};

fuzz_target!(|bytes: &[u8]| {
    let Some((head, entries)) = bytes.split_at_checked(42) else { return };
    let word = |at: usize| u32::from(u16::from_ne_bytes([head[2 * at], head[2 * at + 1]]));
    let blob = Blob {
        family: if word(20) & 1 == 0 { Family::V4 } else { Family::V6 },
        table: "fuzz".to_owned(),
        valid_hooks: word(10),
        hook_entry: std::array::from_fn(word),
        underflow: std::array::from_fn(|hook| word(hook + 5)),
        entries: entries.to_vec().into(),
    };
    if let Ok(table) = blob.table() {
        text::save_table(&table, text::Shown::WithCounters, &mut std::io::sink()).unwrap();
    }
    if let Ok(edit) = Edit::of(blob) {
        edit.finish().unwrap();
    }
});
