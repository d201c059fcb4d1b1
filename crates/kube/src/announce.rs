//! Kubernetes Events: what a user must know of an object, said on the object.
//!
//! Invariants: the same word on the same object is one Event that counts (`series`), not many; an
//! Event that cannot be written is dropped after a few tries: nothing depends on it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Method;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::{Event, EventSeries};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use model::{Severity, Uid};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::backoff::Backoff;
use crate::door::Door;
use crate::request::{self, ApiError};

/// Who says so.
const CONTROLLER: &str = "netkeep.dev/agent";
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(10);
/// The same word within this time is the same Event. API servers keep Events for an hour.
const SERIES: Duration = Duration::from_mins(30);
/// An Event that goes on is written again at most this often.
const REFRESH: Duration = Duration::from_mins(5);
/// Words kept in mind, and words that may wait.
const KEPT: usize = 1_000;
/// How often one Event is tried.
const TRIES: usize = 4;
/// The longest note, in bytes (validation of events.k8s.io/v1).
const NOTE_MAX: usize = 1_024;

/// The object that an announcement is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Regarding {
    /// `Pod`, `Service` or `Node`.
    pub kind: &'static str,
    /// Its namespace; empty for a Node.
    pub namespace: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// Its UID, where it is known.
    pub uid: Option<Uid>,
}

/// A word on an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Announcement {
    /// The object.
    pub regarding: Regarding,
    /// How much it matters: a warning from [`Severity::Warning`] on.
    pub severity: Severity,
    /// A word in UpperCamelCase: `PortConflict`.
    pub reason: String,
    /// The sentence.
    pub note: String,
}

/// Where announcements are handed in.
#[derive(Debug, Clone)]
pub struct Announcer {
    sender: Sender<Announcement>,
}

impl Announcer {
    /// An announcer for this node and its work, which runs until every announcer is dropped.
    pub fn new(door: Arc<Door>, node: &str) -> (Self, impl Future<Output = ()> + Send + use<>) {
        let (sender, receiver) = channel(KEPT);
        let work = Work { door, node: node.to_owned(), said: BTreeMap::new() };
        (Self { sender }, work.run(receiver))
    }

    /// Hands in an announcement. Never waits: with a thousand waiting, more are dropped.
    pub fn announce(&self, announcement: Announcement) {
        let _ = self.sender.try_send(announcement);
    }
}

/// An Event that was written.
struct Said {
    event: Event,
    first: Instant,
    written: Instant,
    count: i32,
}

struct Work {
    door: Arc<Door>,
    node: String,
    said: BTreeMap<Announcement, Said>,
}

impl Work {
    async fn run(mut self, mut receiver: Receiver<Announcement>) {
        while let Some(announcement) = receiver.recv().await {
            let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(10));
            for _ in 0..TRIES {
                let Err(error) = self.say(&announcement).await else { break };
                tracing::debug!(error = %error.told(), "an Event was not written");
                // No right, or no such namespace: it will not go better the next moment.
                if matches!(error.code(), Some(400 | 403 | 404 | 413 | 422)) {
                    break;
                }
                tokio::time::sleep(backoff.next(error.retry_after())).await;
            }
        }
    }

    async fn say(&mut self, announcement: &Announcement) -> Result<(), ApiError> {
        let now = Instant::now();
        self.said.retain(|_, said| now.duration_since(said.first) < SERIES);
        if let Some(said) = self.said.get_mut(announcement) {
            said.count = said.count.saturating_add(1);
            if now.duration_since(said.written) < REFRESH {
                return Ok(());
            }
            said.event.series = Some(EventSeries {
                count: said.count,
                last_observed_time: MicroTime(Timestamp::now()),
            });
            let (uri, name) = place(&said.event);
            let patch = serde_json::json!({ "series": said.event.series });
            let body = ("application/merge-patch+json", patch.to_string().into_bytes());
            send(&self.door, Method::PATCH, &format!("{uri}/{name}"), body).await?;
            said.written = now;
            return Ok(());
        }
        let event = event(announcement, &self.node);
        let (uri, _) = place(&event);
        let body = serde_json::to_vec(&event)
            .map_err(|error| ApiError::Unreadable(format!("an Event: {error}")))?;
        send(&self.door, Method::POST, &uri, ("application/json", body)).await?;
        if self.said.len() < KEPT {
            let said = Said { event, first: now, written: now, count: 1 };
            self.said.insert(announcement.clone(), said);
        }
        Ok(())
    }
}

async fn send(
    door: &Door,
    method: Method,
    uri: &str,
    body: (&'static str, Vec<u8>),
) -> Result<(), ApiError> {
    let answer = request::send(door, method, uri, Some(body), ANSWER).await?;
    request::whole(answer, ANSWER).await.map(drop)
}

fn place(event: &Event) -> (String, String) {
    let namespace = event.metadata.namespace.as_deref().unwrap_or("default");
    let uri = format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events");
    (uri, event.metadata.name.clone().unwrap_or_default())
}

fn event(announcement: &Announcement, node: &str) -> Event {
    let Announcement { regarding, severity, reason, note } = announcement;
    // Events on cluster-scoped objects live in `default`.
    let namespace = match &*regarding.namespace {
        "" => "default",
        namespace => namespace,
    };
    let name = format!(
        "{}.{:016x}",
        regarding.name.chars().take(200).collect::<String>(),
        fastrand::u64(..)
    );
    Event {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        event_time: Some(MicroTime(Timestamp::now())),
        reporting_controller: Some(CONTROLLER.to_owned()),
        reporting_instance: Some(node.chars().take(128).collect()),
        action: Some("KeepingNode".to_owned()),
        reason: Some(reason.chars().take(128).collect()),
        note: Some(cut(note)),
        type_: Some(if *severity >= Severity::Warning { "Warning" } else { "Normal" }.to_owned()),
        regarding: Some(ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some(regarding.kind.to_owned()),
            name: Some(regarding.name.to_string()),
            namespace: (!regarding.namespace.is_empty()).then(|| regarding.namespace.to_string()),
            uid: regarding.uid.as_ref().map(ToString::to_string),
            ..ObjectReference::default()
        }),
        ..Event::default()
    }
}

fn cut(note: &str) -> String {
    let end = (0..=note.len().min(NOTE_MAX)).rev().find(|at| note.is_char_boundary(*at));
    note[..end.unwrap_or(0)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_within_what_the_api_server_takes() {
        let announcement = Announcement {
            regarding: Regarding {
                kind: "Pod",
                namespace: "d".into(),
                name: "p".repeat(253).into(),
                uid: Some(Uid::new("u")),
            },
            severity: Severity::Error,
            reason: "PortConflict".to_owned(),
            note: "ä".repeat(2_000),
        };
        let event = event(&announcement, &"n".repeat(253));
        assert!(event.metadata.name.unwrap().len() <= 253);
        assert!(event.note.unwrap().len() <= NOTE_MAX);
        assert!(event.reporting_instance.unwrap().len() <= 128);
        assert_eq!(event.type_.as_deref(), Some("Warning"));
    }

    #[test]
    fn an_event_on_a_node_lives_in_default() {
        let regarding =
            Regarding { kind: "Node", namespace: "".into(), name: "n1".into(), uid: None };
        let announcement = Announcement {
            regarding,
            severity: Severity::Info,
            reason: "DriftRepaired".to_owned(),
            note: String::new(),
        };
        let event = event(&announcement, "n1");
        assert_eq!(place(&event).0, "/apis/events.k8s.io/v1/namespaces/default/events");
        assert_eq!(event.regarding.unwrap().namespace, None);
    }
}
