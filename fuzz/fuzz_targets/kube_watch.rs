//! Watches of the API server: any bytes are answered with events that can be lived with, however
//! they arrive, and with problems of one line.
#![no_main]

use kube::offline::events_of;
use libfuzzer_sys::fuzz_target;
use manifest::{Limits, api};
use model::{Event, ObjectKind};

fuzz_target!(|bytes: &[u8]| {
    let Some((first, bytes)) = bytes.split_first() else { return };
    let kinds = [ObjectKind::Pod, ObjectKind::Service, ObjectKind::Node];
    let kind = kinds[usize::from(*first) % kinds.len()];
    let events = events_of(kind, bytes, bytes.len());
    for event in &events {
        if let Event::Applied(object) = event {
            let meta = object.meta();
            assert!((1..=model::mark::UID_MAX).contains(&meta.uid.text().len()));
            for part in [&meta.namespace, &meta.name] {
                assert!(!part.contains(['/', '\n', '\0']) && !matches!(&**part, "." | ".."));
            }
        }
    }
    assert_eq!(events_of(kind, bytes, 1 + usize::from(*first)), events);
    if let Ok(text) = std::str::from_utf8(bytes) {
        for problem in api::object(kind, text, &Limits::default()).problems {
            assert!(!problem.in_object().chars().any(char::is_control));
        }
    }
});
