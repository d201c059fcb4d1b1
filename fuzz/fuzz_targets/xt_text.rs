//! The text of iptables-save, of any bytes: read, printed, read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xt::{Backend, Family, text};

fuzz_target!(|bytes: &[u8]| {
    for family in Family::BOTH {
        let read =
            |text: &[u8]| text::parse(Backend::Legacy, family, text, text::Limits::default());
        let Ok(ruleset) = read(bytes) else { continue };
        let mut printed = Vec::new();
        text::save(&ruleset, text::Shown::WithCounters, &mut printed).unwrap();
        // longer than the longest line, because of quotes
        let _ = read(&printed);
    }
});
