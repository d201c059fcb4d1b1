//! No bytes of a watch panic, hang or make an event that the rest of netkeep could not live with. The
//! same, for longer: `cargo xtask fuzz kube_watch`.
#![allow(clippy::panic, reason = "a test")]

use model::{Event, ObjectKind};
use netkeep_kube::offline::events_of;
use proptest::prelude::*;

const KINDS: [ObjectKind; 3] = [ObjectKind::Pod, ObjectKind::Service, ObjectKind::Node];

const WATCH: &str = concat!(
    r#"{"type":"ADDED","object":{"kind":"Pod","metadata":{"namespace":"default","name":"web","#,
    r#""uid":"u-1","resourceVersion":"7","labels":{"app":"web"},"annotations":{"#,
    r#""nodeportlocal.antrea.io":"[]","nodeportlocal.antrea.io/enabled":"true"}},"spec":{"#,
    r#""nodeName":"n1","selector":{"app":"web"},"ports":[{"port":80,"targetPort":8080,"#,
    r#""protocol":"TCP"}],"containers":[{"ports":[{"containerPort":8080}]}]},"status":{"#,
    r#""phase":"Running","podIP":"10.0.0.1","podIPs":[{"ip":"10.0.0.1"}],"addresses":[{"#,
    r#""type":"InternalIP","address":"192.0.2.1"}],"startTime":"2026-01-01T00:00:00Z"}}}"#,
    "\n",
    r#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"8","annotations":{"#,
    r#""k8s.io/initial-events-end":"true"}}}}"#,
    "\n",
    r#"{"type":"DELETED","object":{"metadata":{"namespace":"default","name":"web","uid":"u-1"}}}"#,
    "\n",
    r#"{"type":"ERROR","object":{"code":410,"reason":"Expired","message":"too old"}}"#,
    "\n",
);

fn check(bytes: &[u8]) {
    for kind in KINDS {
        let events = events_of(kind, bytes, usize::MAX);
        for event in &events {
            match event {
                Event::Applied(object) => {
                    let meta = object.meta();
                    assert!((1..=model::mark::UID_MAX).contains(&meta.uid.text().len()));
                    for part in [&meta.namespace, &meta.name] {
                        assert!(!part.contains(['/', '\n', '\0']), "{part:?}");
                    }
                    assert_eq!(object.kind(), kind);
                }
                Event::Deleted { kind: of, uid, .. } => {
                    assert_eq!(*of, kind);
                    assert!(uid.is_some(), "a Pod of any UID must not end");
                }
                Event::Listed { .. } => panic!("nothing is listed line by line"),
            }
        }
        assert_eq!(events_of(kind, bytes, 7), events, "in pieces");
    }
}

/// Text made of the pieces that watches give a meaning to.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "\n",
        "\n",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "null",
        "7",
        "-1",
        "1e999",
        "true",
        "\\ud800",
        "\\u0000",
        "é",
        "\u{fffd}",
        "{\"type\":\"ADDED\",\"object\":",
        "{\"type\":\"DELETED\",\"object\":",
        "{\"type\":\"BOOKMARK\",\"object\":",
        "{\"type\":\"ERROR\",\"object\":",
        "}\n",
        "\"metadata\":{",
        "\"name\":\"a\",",
        "\"namespace\":\"d\",",
        "\"uid\":\"1\"",
        "\"resourceVersion\":\"9\"",
        "\"labels\":",
        "\"spec\":",
        "\"status\":",
        "\"podIPs\":[{\"ip\":\"::1\"}]",
        "\"ports\":[{}]",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn arbitrary_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        check(&bytes);
    }

    #[test]
    fn arbitrary_text_of_meaningful_pieces_is_answered(text in pieces()) {
        check(text.as_bytes());
    }

    #[test]
    fn a_damaged_watch_is_answered(
        damage in prop::collection::vec((0usize..2_000, any::<u8>()), 1..4), cut in 0usize..2_000,
    ) {
        let mut bytes = WATCH.as_bytes().to_vec();
        for (at, byte) in damage {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        check(&bytes);
        bytes.truncate(cut);
        check(&bytes);
    }
}

#[test]
fn a_sound_watch_is_events() {
    for kind in [ObjectKind::Pod, ObjectKind::Service] {
        let events = events_of(kind, WATCH.as_bytes(), usize::MAX);
        assert!(matches!(events[..], [Event::Applied(_), Event::Deleted { .. }]), "{events:?}");
    }
}
