//! Manifests: any bytes are answered with objects that can be lived with, and one-line problems.
#![no_main]

use libfuzzer_sys::fuzz_target;
use manifest::{Limits, parse};

fuzz_target!(|bytes: &[u8]| {
    let parsed = parse("f", bytes, &Limits::default());
    for found in &parsed.objects {
        let meta = found.object.meta();
        assert!((1..=model::mark::UID_MAX).contains(&meta.uid.text().len()));
        for part in [&meta.namespace, &meta.name] {
            assert!(!part.contains(['/', '\n', '\0']) && !matches!(&**part, "." | ".."));
        }
    }
    for problem in parsed.summary.invalid.iter().chain(&parsed.summary.syntax) {
        let line = problem.to_string();
        assert!(!line.chars().any(char::is_control) && line.len() < 2000);
    }
});
