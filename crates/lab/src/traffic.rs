//! Continuous traffic that is counted: what was asked, what was answered, by whom, and how long
//! the longest silence was.
//!
//! Three kinds: one long-lived connection ([`stream`]), a new connection each time ([`connects`])
//! and datagrams ([`pings`]). Each runs on a thread of its own until stopped or dropped.
//!
//! Invariant: after `stop`, everything sent is either answered or lost.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use model::Protocol;
use netns::Namespace;

use crate::LabError;
use crate::ask::{AskError, Question};

mod pings;
mod stream;
mod tally;

pub use pings::SourcePort;
pub use tally::Counters;
use tally::Tally;

/// How long an answer may take before its question counts as lost.
const PATIENCE: Duration = Duration::from_secs(1);

/// Running traffic; dropping it stops it.
#[derive(Debug)]
pub struct Traffic {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread and its owner both see.
#[derive(Debug)]
struct Shared {
    stop: AtomicBool,
    tally: Mutex<Tally>,
}

impl Shared {
    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn note<T>(&self, note: impl FnOnce(&mut Tally) -> T) -> T {
        note(&mut self.tally.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Traffic {
    /// The counters as they are now.
    pub fn counters(&self) -> Counters {
        self.shared.note(|tally| tally.counters().clone())
    }

    /// Stops, waits up to a second for outstanding answers, and returns the final counters.
    pub fn stop(mut self) -> Counters {
        self.end();
        self.counters()
    }

    fn start(
        namespace: &Namespace,
        what: &str,
        work: impl FnOnce(&Shared) + Send + 'static,
    ) -> Result<Self, LabError> {
        let shared = Arc::new(Shared {
            stop: AtomicBool::new(false),
            tally: Mutex::new(Tally::new(Instant::now())),
        });
        let seen = Arc::clone(&shared);
        let thread = namespace.thread(what, move || {
            work(&seen);
            seen.note(Tally::finish);
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    fn end(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // If it panicked, the counters say what it got to.
            let _ = thread.join();
        }
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.end();
    }
}

/// One TCP connection, on which a question goes out each time; it is never opened again once it
/// broke ([`Counters::broken`]). Fails if it cannot be opened in the first place.
pub fn stream(from: &Namespace, target: SocketAddr, every: Duration) -> Result<Traffic, LabError> {
    let what = "a long-lived tcp connection";
    let question = Question::new(Protocol::Tcp, target);
    let connection = from
        .run(|| crate::ask::tcp::open(&question, Instant::now() + question.patience))?
        .map_err(|source| LabError::Start { what: format!("{what} to {target}"), source })?;
    Traffic::start(from, "stream", move |shared| stream::run(connection, every, shared))
}

/// A question each time, each over a connection (or, for UDP and SCTP, a socket) of its own. The
/// next one starts when the one before has ended and the time has come.
pub fn connects(
    from: &Namespace,
    question: Question,
    every: Duration,
) -> Result<Traffic, LabError> {
    Traffic::start(from, "connects", move |shared| {
        let question = question.within(PATIENCE);
        let mut clock = Clock::new(every);
        let mut number = 0;
        while !shared.is_stopped() {
            number += 1;
            shared.note(|tally| tally.sent(number, Instant::now()));
            let outcome = question.ask_here();
            shared.note(|tally| match &outcome {
                Ok(answer) => {
                    tally.answered(number, &answer.who, answer.seen_peer, Instant::now());
                }
                Err(AskError::Refused) => tally.refused(number),
                Err(_) => tally.lost(number),
            });
            thread::sleep(clock.until_next());
        }
    })
}

/// A UDP datagram each time, without waiting for the answers to those before.
pub fn pings(
    from: &Namespace,
    target: SocketAddr,
    every: Duration,
    source: SourcePort,
) -> Result<Traffic, LabError> {
    Traffic::start(from, "pings", move |shared| pings::run(target, every, source, shared))
}

/// When the next packet is due. Time that was missed is not made up for.
struct Clock {
    next: Instant,
    every: Duration,
}

impl Clock {
    fn new(every: Duration) -> Self {
        Self { next: Instant::now() + every, every }
    }

    /// How long until the next packet, which is then behind us.
    fn until_next(&mut self) -> Duration {
        let now = Instant::now();
        let due = self.next.max(now);
        self.next = due + self.every;
        due - now
    }
}
