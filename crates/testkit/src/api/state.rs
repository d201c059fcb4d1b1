//! What all parts of the server share.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch::Sender;

use super::access::Access;
use super::fault::Faults;
use super::real::Real;
use super::record::Request;
use super::resource::Registry;
use super::store::Store;

/// Everything behind one lock. It is held for the time of a decision, never while bytes are made of
/// lists or while somebody waits.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) registry: Registry,
    pub(super) store: Store,
    pub(super) access: Access,
    pub(super) faults: Faults,
    pub(super) requests: VecDeque<Request>,
    /// How many requests were ever written down; those that were forgotten are the first.
    pub(super) written: usize,
    pub(super) settings: Settings,
    /// With a real server behind, which forgets when it likes: versions before this one are gone.
    pub(super) forgotten: u64,
}

/// How many requests are remembered, for tests that run for hours.
const REMEMBERED: usize = 50_000;

impl State {
    /// Writes a request down; returns its number.
    pub(super) fn write_down(&mut self, request: Request) -> usize {
        if self.requests.len() == REMEMBERED {
            self.requests.pop_front();
        }
        self.requests.push_back(request);
        self.written += 1;
        self.written
    }

    /// Changes a request that is written down, unless it was forgotten meanwhile.
    pub(super) fn noted(&mut self, number: usize, change: impl FnOnce(&mut Request)) {
        let forgotten = self.written - self.requests.len();
        if let Some(at) = number.checked_sub(forgotten + 1)
            && let Some(request) = self.requests.get_mut(at)
        {
            change(request);
        }
    }
}

/// How the server behaves where real ones differ.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    /// How often a watch that allows it is told the version.
    pub(super) bookmarks_every: Duration,
    /// Whether `sendInitialEvents` is known (feature WatchList).
    pub(super) streaming_lists: bool,
    /// Whether a watch from a forgotten version is answered with code 410 instead of an event.
    pub(super) gone_by_code: bool,
    /// The largest body of a request, in bytes.
    pub(super) largest_body: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            // The API server's own: a minute, and 3 MiB.
            bookmarks_every: Duration::from_mins(1),
            streaming_lists: true,
            gone_by_code: false,
            largest_body: 3 << 20,
        }
    }
}

/// The state, and the bell that rings when it has changed.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    pub(super) wake: Sender<()>,
    /// The server that has the objects, unless they are here.
    pub(super) real: Option<Real>,
}

impl Default for Shared {
    fn default() -> Self {
        Self::new(None)
    }
}

impl Shared {
    pub(super) fn new(real: Option<Real>) -> Self {
        Self { state: Mutex::default(), wake: Sender::new(()), real }
    }

    /// The state; also after a panic elsewhere, which has its own message.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and rings.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.lock());
        self.wake.send_replace(());
        result
    }
}
