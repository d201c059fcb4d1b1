//! Annotations on their way to the API: one patch a Pod, the newest word only.
//!
//! Invariants: of one Pod there is at most one patch waiting and one on its way; a patch carries the
//! Pod's UID, so a newer Pod of the same name is never written to; waiting for one Pod delays no
//! other, but a server that says 429 delays all; nothing is given up that could still succeed: a Pod
//! that is not found is asked for until the word comes that it is gone, and told meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Method;
use model::Uid;
use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use crate::backoff::Backoff;
use crate::door::Door;
use crate::request::{self, ApiError};

/// The annotation.
const ANNOTATION: &str = "nodeportlocal.antrea.io";
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(10);
/// Patches on their way at once.
const AT_ONCE: usize = 4;
/// Patches a second in the long run, and how many may go at once after a quiet time. A node may
/// hold 500 Pods, and a cluster thousands of nodes.
const RATE: (f64, f64) = (50.0, 200.0);
/// First and longest wait before a patch is tried again.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_mins(1));
/// A Pod that the server does not find was deleted, and the word of it is on its way. Said from so
/// many answers on: then the word does not come, and something is wrong with the server.
const GONE_TELL_AT: u8 = 4;
/// Without the right to patch, or a server that serves the path, nothing changes soon.
const FORBIDDEN: Duration = Duration::from_secs(30);

/// What is to be said about a Pod's annotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Patch {
    /// It has this value.
    Value(String),
    /// It is to be removed.
    Remove,
    /// Nothing any more: the Pod is gone.
    Forget,
}

/// A patch of one Pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodPatch {
    /// Its namespace.
    pub namespace: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// Its UID.
    pub uid: Uid,
    /// What its annotation is to be.
    pub patch: Patch,
}

/// What the publisher says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// What does not go well now, one line each; empty: everything is said or on its way.
    pub trouble: Vec<String>,
    /// Patches that the server took, since the last report.
    pub done: u64,
    /// Patches that failed, since the last report.
    pub failed: u64,
    /// Patches that wait.
    pub waiting: usize,
}

/// Where patches are handed in.
#[derive(Debug, Clone)]
pub struct Publisher {
    sender: UnboundedSender<Job>,
}

#[derive(Debug)]
enum Job {
    Patch(PodPatch),
    Finish(std::sync::mpsc::Sender<()>),
}

impl Publisher {
    /// A publisher and its work, which runs until every publisher is dropped.
    pub fn new(
        door: Arc<Door>,
        report: impl FnMut(Report) + Send,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let (sender, jobs) = unbounded_channel();
        let queue = Queue { waiting: BTreeMap::new(), busy: BTreeMap::new(), paused: None };
        let work = Work { door, queue, tokens: Tokens::new(), flying: JoinSet::new(), report };
        (Self { sender }, work.run(jobs))
    }

    /// Hands in a patch. Never waits.
    pub fn publish(&self, patch: PodPatch) {
        let _ = self.sender.send(Job::Patch(patch));
    }

    /// Asks to be told when everything handed in before has been tried at least once.
    pub fn finish(&self, done: std::sync::mpsc::Sender<()>) {
        let _ = self.sender.send(Job::Finish(done));
    }
}

type Name = (Box<str>, Box<str>);

/// A patch that waits.
#[derive(Debug)]
struct Waiting {
    uid: Uid,
    patch: Patch,
    due: Instant,
    backoff: Backoff,
    /// Whether it was on its way already.
    tried: bool,
    /// How often in a row the Pod was not found.
    gone: u8,
    /// The Pod ended while the patch was on its way: the answer no longer matters.
    ended: bool,
    /// Why it has not gone well so far.
    trouble: Option<String>,
}

/// What waits and what is on its way.
#[derive(Debug)]
struct Queue {
    waiting: BTreeMap<Name, Waiting>,
    /// On their way, with the means to wait again.
    busy: BTreeMap<Name, Waiting>,
    /// The server asked everybody to wait.
    paused: Option<Instant>,
}

impl Queue {
    fn push(&mut self, patch: PodPatch, now: Instant) {
        let PodPatch { namespace, name, uid, patch } = patch;
        let name = (namespace, name);
        if patch == Patch::Forget {
            self.waiting.remove(&name);
            if let Some(sent) = self.busy.get_mut(&name) {
                sent.ended = true;
            }
            return;
        }
        let waiting = Waiting {
            uid,
            patch,
            due: now,
            backoff: Backoff::new(RETRY.0, RETRY.1),
            tried: false,
            gone: 0,
            ended: false,
            trouble: None,
        };
        self.waiting.insert(name, waiting);
    }

    /// When the next patch may go.
    fn due(&self) -> Option<Instant> {
        let free = self.waiting.iter().filter(|(name, _)| !self.busy.contains_key(*name));
        let due = free.map(|(_, waiting)| waiting.due).min()?;
        Some(self.paused.map_or(due, |paused| paused.max(due)))
    }

    fn take(&mut self, now: Instant) -> Option<(Name, PodPatch)> {
        if self.paused.is_some_and(|until| now < until) {
            return None;
        }
        self.paused = None;
        let ready = |(name, waiting): &(&Name, &Waiting)| {
            waiting.due <= now && !self.busy.contains_key(*name)
        };
        let name = self.waiting.iter().find(ready).map(|(name, _)| name.clone())?;
        let waiting = self.waiting.remove(&name)?;
        let (namespace, pod) = name.clone();
        let (uid, patch) = (waiting.uid.clone(), waiting.patch.clone());
        self.busy.insert(name.clone(), waiting);
        Some((name, PodPatch { namespace, name: pod, uid, patch }))
    }

    /// A patch is back with its answer.
    fn answered(&mut self, name: &Name, answer: Result<(), ApiError>, now: Instant) -> Verdict {
        let Some(mut sent) = self.busy.remove(name) else { return Verdict::Done };
        let Err(error) = answer else { return Verdict::Done };
        let verdict = Verdict::of(&error);
        let wait = match verdict {
            Verdict::Done | Verdict::Replaced => return verdict,
            Verdict::Gone | Verdict::Again => Duration::ZERO,
            Verdict::Hopeless | Verdict::Forbidden | Verdict::Unserved => FORBIDDEN,
            Verdict::Pause => {
                let until = now + sent.backoff.next(error.retry_after());
                self.paused = self.paused.max(Some(until));
                Duration::ZERO
            }
        };
        // What was handed in meanwhile is newer; of a Pod that has ended there is nothing to say.
        if !sent.ended && !self.waiting.contains_key(name) {
            let wait = match verdict {
                // It would be refused again: only another value helps. Told as long as it stands.
                Verdict::Hopeless => Duration::from_hours(1),
                _ => sent.backoff.next(error.retry_after()).max(wait),
            };
            sent.due = now + wait;
            sent.tried = true;
            sent.gone = if verdict == Verdict::Gone { sent.gone.saturating_add(1) } else { 0 };
            let passes = (1..GONE_TELL_AT).contains(&sent.gone);
            sent.trouble = (!passes).then(|| trouble(name, &error));
            self.waiting.insert(name.clone(), sent);
        }
        verdict
    }

    fn trouble(&self) -> Vec<String> {
        let all = self.waiting.values().chain(self.busy.values());
        all.filter_map(|waiting| waiting.trouble.clone()).take(20).collect()
    }
}

fn trouble((namespace, name): &Name, error: &ApiError) -> String {
    format!("the annotation of Pod {namespace}/{name} is not published: {}", error.told())
}

/// What an answer means for a patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// It is said.
    Done,
    /// Another Pod has its name: there is nothing to say.
    Replaced,
    /// The Pod is gone, which its own event will say; or a cache lags.
    Gone,
    /// Nobody serves the path: a proxy in between, or a server without the subresource.
    Unserved,
    /// We may not.
    Forbidden,
    /// This value will never be taken.
    Hopeless,
    /// The server asks everybody to wait.
    Pause,
    /// It may go well next time.
    Again,
}

impl Verdict {
    fn of(error: &ApiError) -> Self {
        let ApiError::Refused { code, message, .. } = error else { return Self::Again };
        match code {
            // Only an answer about the Pod says something of the Pod.
            404 if message.contains("pods \"") => Self::Gone,
            404 | 405 => Self::Unserved,
            // The UID in the patch: a precondition that does not hold, or a field that cannot be
            // changed (which it is depends on the server's version). Any other conflict is a race
            // that the next try wins.
            409 if message.to_ascii_lowercase().contains("uid") => Self::Replaced,
            422 if message.contains("metadata.uid") => Self::Replaced,
            403 => Self::Forbidden,
            400 | 413 | 422 => Self::Hopeless,
            429 => Self::Pause,
            _ => Self::Again,
        }
    }
}

/// A bucket of permits that fills by time.
#[derive(Debug)]
struct Tokens {
    left: f64,
    at: Instant,
}

impl Tokens {
    fn new() -> Self {
        Self { left: RATE.1, at: Instant::now() }
    }

    /// Takes one, or says how long until there is one.
    fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let filled = now.saturating_duration_since(self.at).as_secs_f64() * RATE.0;
        self.left = (self.left + filled).min(RATE.1);
        self.at = now;
        if self.left >= 1.0 {
            self.left -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64((1.0 - self.left) / RATE.0))
    }
}

struct Work<R> {
    door: Arc<Door>,
    queue: Queue,
    tokens: Tokens,
    flying: JoinSet<(Name, Result<(), ApiError>)>,
    report: R,
}

impl<R: FnMut(Report)> Work<R> {
    async fn run(mut self, mut jobs: UnboundedReceiver<Job>) {
        let mut finish: Vec<std::sync::mpsc::Sender<()>> = Vec::new();
        let mut told = Report::default();
        loop {
            let wake = self.launch();
            let untried = self.queue.waiting.values().any(|waiting| !waiting.tried);
            if !untried && self.flying.is_empty() {
                for done in finish.drain(..) {
                    let _ = done.send(());
                }
            }
            let sleep = async {
                match wake {
                    Some(wake) => tokio::time::sleep_until(wake.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                job = jobs.recv() => match job {
                    Some(Job::Patch(patch)) => {
                        self.queue.push(patch, Instant::now());
                        // What a Pod was in trouble with may have ended with the Pod.
                        if !told.trouble.is_empty() {
                            self.tell(&mut told);
                        }
                    }
                    Some(Job::Finish(done)) => finish.push(done),
                    None => return,
                },
                Some(landed) = self.flying.join_next() => {
                    // A task that panicked is not known by name: its Pod waits for the next word.
                    if let Ok((name, answer)) = landed {
                        self.landed(&name, answer, &mut told);
                    }
                }
                () = sleep => {}
            }
        }
    }

    /// Sends what may go; answers when the next may.
    fn launch(&mut self) -> Option<Instant> {
        while self.flying.len() < AT_ONCE {
            let now = Instant::now();
            let due = self.queue.due()?;
            if due > now {
                return Some(due);
            }
            if let Err(wait) = self.tokens.take(now) {
                return Some(now + wait);
            }
            let (name, patch) = self.queue.take(now)?;
            let door = Arc::clone(&self.door);
            self.flying.spawn(async move {
                let answer = send(&door, &patch).await;
                (name, answer)
            });
        }
        None
    }

    fn landed(&mut self, name: &Name, answer: Result<(), ApiError>, told: &mut Report) {
        let went_well = answer.is_ok();
        if let Err(error) = &answer {
            tracing::debug!(pod = %format_args!("{}/{}", name.0, name.1), error = %error.told(),
                "an annotation was not taken");
        }
        self.queue.answered(name, answer, Instant::now());
        told.done += u64::from(went_well);
        told.failed += u64::from(!went_well);
        self.tell(told);
    }

    /// A burst is reported when it is over, another trouble at once.
    fn tell(&mut self, told: &mut Report) {
        let report = Report {
            trouble: self.queue.trouble(),
            waiting: self.queue.waiting.len() + self.queue.busy.len(),
            ..*told
        };
        if self.flying.is_empty() || report.trouble != told.trouble {
            *told = Report { done: 0, failed: 0, ..report.clone() };
            (self.report)(report);
        }
    }
}

/// Whether an answer means that the Pod is gone, or another one by now.
pub(crate) fn is_gone(error: &ApiError) -> bool {
    matches!(Verdict::of(error), Verdict::Gone | Verdict::Replaced)
}

/// Sends one patch.
pub(crate) async fn send(door: &Door, patch: &PodPatch) -> Result<(), ApiError> {
    let PodPatch { namespace, name, uid, patch } = patch;
    let value = match patch {
        Patch::Value(value) => json!(value),
        Patch::Remove | Patch::Forget => json!(null),
    };
    let body =
        json!({ "metadata": { "uid": uid.to_string(), "annotations": { ANNOTATION: value } } });
    let uri = format!("/api/v1/namespaces/{namespace}/pods/{name}/status?fieldManager=netkeep");
    let body = ("application/merge-patch+json", body.to_string().into_bytes());
    let answer = request::send(door, Method::PATCH, &uri, Some(body), ANSWER).await?;
    // The connection serves again only once the answer was read.
    request::whole(answer, ANSWER).await.map(drop)
}

#[cfg(test)]
mod tests;
