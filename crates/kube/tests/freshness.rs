//! When a kind is believed, against a server that says exactly what a test wants it to say.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{StatusCode, Uri};
use futures_util::StreamExt as _;
use futures_util::stream;
use kube_rs::Client;
use model::object::TargetPort;
use model::{Event, Object, ObjectKind};
use netkeep_kube::{Door, Message, Options, Source};

/// Far more than anything here takes.
const LONG: Duration = Duration::from_mins(1);

/// What one watch of Services says, in the pieces in which it arrives, and how it ends.
struct Watch {
    pieces: Vec<String>,
    ends: bool,
}

/// Stays open and says no more.
fn stays(pieces: &[String]) -> Watch {
    Watch { pieces: pieces.to_vec(), ends: false }
}

/// Ends well after this.
fn ends(pieces: &[String]) -> Watch {
    Watch { pieces: pieces.to_vec(), ends: true }
}

fn service(verb: &str, version: u32, port: u16) -> String {
    let object = format!(
        r#"{{"metadata":{{"namespace":"d","name":"s","uid":"1","resourceVersion":"{version}","annotations":{{"nodeportlocal.antrea.io/enabled":"true"}}}},"spec":{{"ports":[{{"port":{port}}}]}}}}"#
    );
    format!("{{\"type\":\"{verb}\",\"object\":{object}}}\n")
}

fn bookmark(version: u32) -> String {
    format!(
        r#"{{"type":"BOOKMARK","object":{{"metadata":{{"resourceVersion":"{version}"}}}}}}{}"#,
        "\n"
    )
}

fn end_of_list(version: u32) -> String {
    format!(
        r#"{{"type":"BOOKMARK","object":{{"metadata":{{"resourceVersion":"{version}","annotations":{{"k8s.io/initial-events-end":"true"}}}}}}}}{}"#,
        "\n"
    )
}

/// A server: Nodes and Pods are listed well, and then silent. The lists of Services, and the watches
/// that go on from a version, each say what comes next in their script; when it is over, lists get
/// no answer and watches end at once.
fn server(lists: Vec<Watch>, watches: Vec<Watch>) -> Router {
    let script = Arc::new(Mutex::new((VecDeque::from(lists), VecDeque::from(watches))));
    Router::new().fallback(move |uri: Uri| {
        let script = Arc::clone(&script);
        async move {
            let lists = uri.query().unwrap_or_default().contains("sendInitialEvents");
            let watch = match uri.path() {
                "/api/v1/services" if lists => script.lock().unwrap().0.pop_front(),
                "/api/v1/services" => {
                    let next = script.lock().unwrap().1.pop_front();
                    Some(next.unwrap_or_else(|| ends(&[])))
                }
                "/api/v1/nodes" => Some(stays(&[node(), end_of_list(10)])),
                _ => Some(stays(&[end_of_list(10)])),
            };
            let Some(Watch { pieces, ends }) = watch else {
                return (StatusCode::SERVICE_UNAVAILABLE, Body::empty());
            };
            // Each piece arrives by itself.
            let pieces = stream::iter(pieces).then(|piece| async move {
                tokio::time::sleep(Duration::from_millis(20)).await;
                Ok::<_, std::io::Error>(Bytes::from(piece))
            });
            let body = if ends {
                Body::from_stream(pieces)
            } else {
                Body::from_stream(pieces.chain(stream::pending()))
            };
            (StatusCode::OK, body)
        }
    })
}

fn node() -> String {
    r#"{"type":"ADDED","object":{"metadata":{"name":"n1","uid":"n","resourceVersion":"1"}}}"#
        .to_owned()
        + "\n"
}

/// What a source said, in order, until one of its messages is the last that is waited for.
#[track_caller]
fn said(server: Router, patience: Duration, is_last: impl Fn(&[Said]) -> bool) -> Vec<Said> {
    let retry = (Duration::from_millis(10), Duration::from_millis(50));
    let options = Options { stale_after: patience, retry, ..Options::of("n1") };
    let mut all = Vec::new();
    let listen = |message: Message| {
        all.push(Said::of(&message));
        if is_last(&all) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let seen = Arc::new(tokio::sync::Notify::new());
    let in_time = runtime.block_on(async {
        let door = Arc::new(Door::of(Client::new(server, "default")));
        let mut listen = listen;
        let told = Arc::clone(&seen);
        let listener = move |message| {
            let flow = listen(message);
            if flow.is_break() {
                told.notify_one();
            }
            flow
        };
        let run = Source::new(door, options).run(listener);
        tokio::select! {
            () = run => true,
            () = seen.notified() => true,
            () = tokio::time::sleep(LONG) => false,
        }
    });
    assert!(in_time, "it never came: {all:#?}");
    all
}

/// Of a message: whether Services are fresh in it, why deletions are held, and the ports of the
/// Service that it tells of.
#[derive(Debug)]
struct Said {
    fresh: bool,
    hold: Option<String>,
    ports: Vec<u16>,
    /// How many objects it says to be gone.
    gone: usize,
}

impl Said {
    fn of(message: &Message) -> Self {
        let ports = message.events.iter().filter_map(|event| match event {
            Event::Applied(Object::Service(service)) => match service.ports.first()?.target {
                TargetPort::Number(port) => Some(port.get()),
                TargetPort::Name(_) => None,
            },
            _ => None,
        });
        Self {
            fresh: message.fresh.contains(&(ObjectKind::Service, true)),
            hold: message.hold.as_ref().map(|hold| hold.reason.clone()),
            ports: ports.collect(),
            gone: message.events.iter().filter(|event| is_end(event)).count(),
        }
    }
}

fn is_end(event: &Event) -> bool {
    matches!(event, Event::Deleted { .. })
}

/// A list of the Service with port 80, up to version 10.
fn list() -> Vec<String> {
    vec![service("ADDED", 7, 80), end_of_list(10)]
}

/// Breaks off within a line: the watch is lost.
fn broken() -> Watch {
    ends(&["{\"type\":\"ERROR\",\"object\":{\"code\":500}}\n".to_owned()])
}

#[test]
fn the_core_is_told_what_was_missed_before_it_is_told_that_the_kind_is_fresh_again() {
    let lists = vec![stays(&[list().concat(), broken().pieces.concat()])];
    // One piece with all that was missed: the last of it counts.
    let missed = [service("MODIFIED", 11, 81), service("MODIFIED", 12, 82)].concat();
    let said = said(server(lists, vec![stays(&[missed])]), LONG, |said| {
        said.last().unwrap().fresh && said.iter().any(|said| said.ports.ends_with(&[82]))
    });
    let lost = said.iter().rposition(|said| !said.fresh && said.ports.is_empty()).unwrap();
    let told = said.iter().position(|said| said.ports.ends_with(&[82])).unwrap();
    assert!(lost < told, "{said:#?}");
    assert!(said[lost..=told].iter().all(|said| !said.fresh && said.hold.is_some()), "{said:#?}");
    assert!(said.last().unwrap().hold.is_none(), "{said:#?}");
}

#[test]
fn watches_that_end_at_once_and_well_keep_nothing_fresh() {
    // On a busy machine a list may take longer than the patience: it is asked for again.
    let lists = (0..20).map(|_| ends(&list())).collect();
    let patience = Duration::from_millis(600);
    let said = said(server(lists, Vec::new()), patience, |said| {
        said.iter().any(|said| said.fresh) && !said.last().unwrap().fresh
    });
    let hold = said.last().unwrap().hold.as_deref().unwrap();
    assert!(hold.contains("the Services may be out of date"), "{hold}");
    assert!(hold.contains("said nothing for"), "{hold}");
}

#[test]
fn a_bookmark_is_a_word_and_one_of_the_past_is_none() {
    // It goes on with a bookmark of what is known, which is well, and then with an older one.
    let lists = vec![ends(&list()), stays(&[service("ADDED", 13, 83), end_of_list(13)])];
    let watches = vec![ends(&[bookmark(10)]), stays(&[bookmark(9)])];
    let said = said(server(lists, watches), LONG, |said| {
        said.last().unwrap().fresh && said.iter().any(|said| said.ports == [83])
    });
    let holds: Vec<&str> = said.iter().filter_map(|said| said.hold.as_deref()).collect();
    let past = |hold: &&&str| hold.contains("BOOKMARK of version 9, but 10 is known");
    assert!(holds.iter().any(|hold| past(&hold)), "{said:#?}");
}

#[test]
fn an_event_of_the_past_is_not_taken_in() {
    let lists = vec![ends(&list()), stays(&[service("ADDED", 13, 83), end_of_list(13)])];
    let watches = vec![stays(&[service("MODIFIED", 9, 79)])];
    let said = said(server(lists, watches), LONG, |said| {
        said.last().unwrap().fresh && said.iter().any(|said| said.ports == [83])
    });
    assert!(said.iter().all(|said| !said.ports.contains(&79)), "{said:#?}");
}

#[test]
fn data_that_were_set_back_are_believed_once_they_have_stayed_so_and_not_before() {
    // Restored from a backup: the watch is silent, and lists are older and lack the Service.
    let other = service("ADDED", 3, 85).replace(r#""name":"s""#, r#""name":"other""#);
    let restored = || stays(&[other.clone(), end_of_list(5)]);
    let mut lists = vec![ends(&list())];
    lists.extend((0..40).map(|_| restored()));
    let said = said(server(lists, vec![broken(), stays(&[])]), Duration::from_secs(1), |said| {
        said.last().unwrap().fresh && said.iter().any(|said| said.gone > 0)
    });
    // Nine in a row are refused, with all that they hold; the tenth counts.
    let older = |said: &&Said| {
        let hold = said.hold.as_deref().unwrap_or_default();
        hold.contains("the list is of version 5, older than 10, known")
    };
    assert!(said.iter().filter(older).count() >= 9, "{said:#?}");
    let first = said.iter().position(|said| said.ports == [85] || said.gone > 0).unwrap();
    assert!(said[..first].iter().filter(older).count() >= 9, "{said:#?}");
    assert_eq!(said.iter().map(|said| said.gone).sum::<usize>(), 1);
}
