//! WATCH.
//!
//! Owns: one watch as a stream of lines. It reads the log of its kind from the version it has seen,
//! so a slow client delays nobody, and a client further behind than the log gets 410.
//!
//! With a selector, an object that begins to fit is `ADDED` and one that ceases to is `DELETED`, the
//! latter as it was, with the version of the change (the API server's `cacher`).

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use serde_json::Value;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::watch::Receiver;
use tokio::time::Instant;

use super::fault::{Fault, Stage};
use super::list::refuse_options;
use super::refusal::{Cause, Refusal};
use super::render;
use super::request::{Query, Target};
use super::select::Selector;
use super::state::{Shared, State};
use super::store::Change;

/// How much is sent at once.
const CHUNK: usize = 64 * 1024;

/// A watch that runs.
pub(super) struct Watch {
    shared: Arc<Shared>,
    wake: Receiver<()>,
    /// What a real server tells, if it is one that has the objects.
    told: Option<UnboundedReceiver<Line>>,
    target: Target,
    selector: Selector,
    /// Everything up to this version is sent or in `pending`.
    seen: u64,
    pending: VecDeque<Line>,
    bookmarks: Option<Bookmarks>,
    deadline: Option<Instant>,
    stalled: bool,
    phase: Phase,
}

#[derive(Debug, Clone, Copy)]
struct Bookmarks {
    every: Duration,
    next: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    /// The connection breaks next.
    Breaking,
    Ended,
}

/// A line to be sent.
pub(super) struct Line {
    pub(super) kind: &'static str,
    pub(super) object: Arc<Value>,
}

/// What a turn comes to.
enum Turn {
    Send(Vec<u8>),
    SendLater(Vec<u8>, Duration),
    Wait,
}

impl Watch {
    /// Begins a watch, or refuses it.
    pub(super) fn begin(
        shared: &Arc<Shared>,
        state: &State,
        target: &Target,
        query: &Query,
    ) -> Result<Self, Refusal> {
        validate(query, state.settings.streaming_lists)?;
        let selector = selector(target, query)?;
        let version = query.number("resourceVersion")?.unwrap_or(0);
        let allow_bookmarks = query.flag("allowWatchBookmarks");
        let every = state.settings.bookmarks_every;
        let now = Instant::now();
        let seconds = query.number("timeoutSeconds")?.filter(|seconds| *seconds > 0);
        let mut watch = Self {
            shared: Arc::clone(shared),
            wake: shared.wake.subscribe(),
            told: None,
            target: target.clone(),
            selector,
            seen: version,
            pending: VecDeque::new(),
            bookmarks: allow_bookmarks.then(|| Bookmarks { every, next: now + every }),
            deadline: seconds.map(|seconds| now + Duration::from_secs(seconds)),
            stalled: false,
            phase: Phase::Running,
        };
        let current = state.store.version();
        let floor = state.store.bucket(&target.resource.bucket).floor();
        let streaming = query.given_flag("sendInitialEvents");
        if streaming == Some(true) && version > current {
            watch.refuse(&Refusal::too_large(version, current));
        } else if streaming == Some(true) || (streaming.is_none() && version == 0) {
            watch.start_with_all(state, streaming == Some(true) && allow_bookmarks);
        } else if version == 0 {
            watch.seen = current;
        } else if version < floor {
            let refusal = Refusal::too_old(version, floor);
            if state.settings.gone_by_code {
                return Err(refusal);
            }
            watch.refuse(&refusal);
        }
        Ok(watch)
    }

    /// A watch of a real server's.
    pub(super) fn passed_on(
        shared: &Arc<Shared>,
        target: Target,
        told: UnboundedReceiver<Line>,
    ) -> Self {
        Self {
            shared: Arc::clone(shared),
            wake: shared.wake.subscribe(),
            told: Some(told),
            target,
            selector: Selector::default(),
            seen: 0,
            pending: VecDeque::new(),
            bookmarks: None,
            deadline: None,
            stalled: false,
            phase: Phase::Running,
        }
    }

    /// Whether a watch of a real server's is refused before it is asked: as by a server that does
    /// not know streaming lists, or has forgotten the version.
    pub(super) fn refused(
        shared: &Arc<Shared>,
        state: &State,
        target: &Target,
        query: &Query,
    ) -> Result<Option<Self>, Refusal> {
        if !state.settings.streaming_lists {
            validate(query, false)?;
        }
        let version = query.number("resourceVersion")?.unwrap_or(0);
        let streams = query.given_flag("sendInitialEvents").is_some();
        if streams || version == 0 || version >= state.forgotten {
            return Ok(None);
        }
        let refusal = Refusal::too_old(version, state.forgotten);
        if state.settings.gone_by_code {
            return Err(refusal);
        }
        let (_, nothing) = tokio::sync::mpsc::unbounded_channel();
        let mut watch = Self::passed_on(shared, target.clone(), nothing);
        watch.refuse(&refusal);
        Ok(Some(watch))
    }

    /// What is there, as if it had just been added.
    fn start_with_all(&mut self, state: &State, mark_the_end: bool) {
        self.seen = state.store.version();
        for (key, object) in state.store.bucket(&self.target.resource.bucket).objects() {
            if self.covers(key) && self.selector.fits(object) {
                self.pending.push_back(Line { kind: "ADDED", object: Arc::clone(object) });
            }
        }
        if mark_the_end {
            let bookmark = render::bookmark(&self.target.resource, self.seen, true);
            self.pending.push_back(Line { kind: "BOOKMARK", object: Arc::new(bookmark) });
        }
    }

    /// Ends with an `ERROR` event.
    fn refuse(&mut self, refusal: &Refusal) {
        let error = Line { kind: "ERROR", object: Arc::new(refusal.status()) };
        self.pending.push_back(error);
        self.pending.push_back(Line::end());
    }

    fn covers(&self, key: &str) -> bool {
        match &*self.target.namespace {
            "" => true,
            place => key.strip_prefix(place).is_some_and(|rest| rest.starts_with('/')),
        }
    }

    /// The next bytes; an error breaks the connection.
    pub(super) async fn next(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            match self.phase {
                Phase::Running => {}
                Phase::Breaking => {
                    self.phase = Phase::Ended;
                    // Bytes that were handed over just now are sent before the break.
                    tokio::task::yield_now().await;
                    let kind = io::ErrorKind::ConnectionAborted;
                    return Some(Err(io::Error::new(kind, "cut on demand")));
                }
                Phase::Ended => return None,
            }
            self.wake.borrow_and_update();
            match self.turn() {
                Turn::Send(bytes) => return Some(Ok(bytes.into())),
                Turn::SendLater(bytes, later) => {
                    tokio::time::sleep(later).await;
                    return Some(Ok(bytes.into()));
                }
                Turn::Wait if self.phase != Phase::Running => {}
                Turn::Wait => self.wait().await,
            }
        }
    }

    async fn wait(&mut self) {
        let far = Instant::now() + Duration::from_hours(24);
        let bookmark = self.bookmarks.filter(|_| !self.stalled).map_or(far, |marks| marks.next);
        let deadline = self.deadline.unwrap_or(far);
        let told = async {
            match &mut self.told {
                Some(told) => told.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            line = told => self.pending.push_back(line.unwrap_or_else(Line::end)),
            result = self.wake.changed() => {
                // The server has ended.
                if result.is_err() { self.phase = Phase::Ended; }
            }
            () = tokio::time::sleep_until(bookmark) => {}
            () = tokio::time::sleep_until(deadline) => self.phase = Phase::Ended,
        }
    }

    /// What is to be sent now.
    fn turn(&mut self) -> Turn {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        if self.stalled {
            if state.faults.stalls(&self.target, Stage::Stream) {
                return Turn::Wait;
            }
            self.stalled = false;
        }
        match state.faults.hit(&self.target, Stage::Stream) {
            Some(Fault::Stall) => {
                self.stalled = true;
                return Turn::Wait;
            }
            Some(Fault::End) => {
                self.phase = Phase::Ended;
                return Turn::Wait;
            }
            Some(Fault::CutAtLine) => {
                self.phase = Phase::Breaking;
                return Turn::Wait;
            }
            Some(Fault::Expired) => {
                self.pending.clear();
                self.refuse(&Refusal::too_old(self.seen, state.store.version()));
            }
            _ => {}
        }
        self.collect(&state);
        if self.pending.is_empty() { self.bookmark(&state) } else { self.send(&mut state) }
    }

    /// Reads on in the log.
    fn collect(&mut self, state: &State) {
        let bucket = state.store.bucket(&self.target.resource.bucket);
        if self.pending.back().is_some_and(|line| line.kind == END) {
            return;
        }
        if let Some(told) = &mut self.told {
            loop {
                match told.try_recv() {
                    Ok(line) => self.pending.push_back(line),
                    Err(TryRecvError::Empty) => return,
                    Err(TryRecvError::Disconnected) => return self.pending.push_back(Line::end()),
                }
            }
        }
        if self.seen < bucket.lost() {
            // First what is already known.
            if self.pending.is_empty() {
                self.refuse(&Refusal::too_old(self.seen, bucket.lost()));
            }
            return;
        }
        let lines: Vec<Line> =
            bucket.since(self.seen).filter_map(|change| self.line(change)).collect();
        self.pending.extend(lines);
        self.seen = self.seen.max(state.store.version());
    }

    /// A change as this watch sees it.
    fn line(&self, change: &Change) -> Option<Line> {
        if !self.covers(&change.key) {
            return None;
        }
        let fits = |object: &Option<Arc<Value>>| {
            object.clone().filter(|object| self.selector.fits(object))
        };
        let (kind, object) = match (fits(&change.before), fits(&change.after)) {
            (None, None) => return None,
            (None, Some(after)) => ("ADDED", after),
            (Some(_), Some(after)) => ("MODIFIED", after),
            (Some(_), None) => ("DELETED", change.farewell()?),
        };
        Some(Line { kind, object })
    }

    fn bookmark(&mut self, state: &State) -> Turn {
        let now = Instant::now();
        match &mut self.bookmarks {
            Some(marks) if marks.next <= now => {
                marks.next = now + marks.every;
                let object = render::bookmark(&self.target.resource, state.store.version(), false);
                Turn::Send(render::event(&self.target.resource, "BOOKMARK", &object, None))
            }
            _ => Turn::Wait,
        }
    }

    /// As many lines as are sent at once.
    fn send(&mut self, state: &mut State) -> Turn {
        let mut bytes = Vec::new();
        let mut later = Duration::ZERO;
        while bytes.len() < CHUNK
            && let Some(Line { kind, object }) = self.pending.pop_front()
        {
            if kind == END {
                self.phase = Phase::Ended;
                break;
            }
            let harmless = matches!(kind, "BOOKMARK" | "ERROR");
            let fault = if harmless { None } else { state.faults.hit(&self.target, Stage::Event) };
            let line = render::event(&self.target.resource, kind, &object, fault.as_ref());
            match fault {
                Some(Fault::CutMidLine) => {
                    bytes.extend_from_slice(&line[..line.len() / 2]);
                    self.phase = Phase::Breaking;
                    break;
                }
                Some(Fault::Garbage) => bytes.extend_from_slice(b"<html>upstream error</html>\n"),
                Some(Fault::Duplicate) => bytes.extend_from_slice(&line),
                Some(Fault::Delay(time)) => later = time,
                _ => {}
            }
            bytes.extend_from_slice(&line);
        }
        match bytes.is_empty() {
            true => Turn::Wait,
            false if later > Duration::ZERO => Turn::SendLater(bytes, later),
            false => Turn::Send(bytes),
        }
    }
}

/// Stands for the end after an `ERROR`.
const END: &str = "END";

impl Line {
    fn end() -> Self {
        Self { kind: END, object: Arc::new(Value::Null) }
    }
}

fn selector(target: &Target, query: &Query) -> Result<Selector, Refusal> {
    let fields = query.get("fieldSelector").unwrap_or_default();
    let fields = match (&*target.name, fields) {
        ("", fields) => fields.to_owned(),
        (name, "") => format!("metadata.name={name}"),
        (name, fields) => format!("{fields},metadata.name={name}"),
    };
    Selector::parse(&target.resource, query.get("labelSelector"), Some(&fields))
}

/// Options that contradict each other (`validateWatchOptions`).
fn validate(query: &Query, streaming_lists: bool) -> Result<(), Refusal> {
    let mut causes = Vec::new();
    let rule = query.get("resourceVersionMatch");
    let streams = query.given_flag("sendInitialEvents").is_some();
    if streams && rule != Some("NotOlderThan") {
        let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
        causes.push(Cause::forbidden("resourceVersionMatch", why));
    }
    if streams && !streaming_lists {
        let why =
            "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled";
        causes.push(Cause::forbidden("sendInitialEvents", why));
    }
    if let Some(rule) = rule {
        if !streams {
            let why =
                "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
            causes.push(Cause::forbidden("resourceVersionMatch", why));
        }
        if rule != "NotOlderThan" {
            let known = ["NotOlderThan".to_owned()];
            causes.push(Cause::unsupported("resourceVersionMatch", &rule.into(), &known));
        }
    }
    refuse_options(&causes)
}
