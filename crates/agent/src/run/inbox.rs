//! What reaches the actor, and who lets it take its turn.
//!
//! Owns: the queue, and the rule that saves a change the way to another thread: whoever brings one
//! small thing while the actor is idle and nothing waits lets it take its turn at once, on the
//! bringer's own thread. Waking another thread costs as much as the change itself where processors
//! sleep. Everything else waits in the queue for the actor's own thread.
//!
//! Invariants: the queue is emptied by the actor's own thread only, under the actor's lock, so
//! inputs are taken in the order in which they came; nothing that was queued is left lying: who queues wakes the actor's thread; an
//! actor that panics ends the loop, on whichever thread that was.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError, Weak};
use std::time::{Duration, Instant};

/// Whom inputs are for.
pub(super) trait Actor: Send + 'static {
    /// What reaches it.
    type Input: Send + 'static;

    /// Takes everything in that has come; none if its time has come (see [`Actor::next_wake`]).
    fn turn(&mut self, inputs: VecDeque<Self::Input>) -> ControlFlow<()>;

    /// When it wants a turn even if nothing comes.
    fn next_wake(&self) -> Instant;
}

/// How long a thread's work gives way to an actor that is busy. Where processors are few, what is done
/// after a thousand changes takes as much of them as the changes.
const GIVE_WAY: Duration = Duration::from_millis(100);
/// How often it is looked whether the actor still is.
const GLANCE: Duration = Duration::from_millis(1);

/// How long one piece of work still gives way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience(Instant);

impl Patience {
    /// Of work that begins now.
    pub(super) fn begin() -> Self {
        Self(Instant::now() + GIVE_WAY)
    }
}

/// The way to an actor; clones lead to the same.
pub(super) struct Inbox<A: Actor>(Arc<Shared<A>>);

struct Shared<A: Actor> {
    state: Mutex<State<A::Input>>,
    woken: Condvar,
    /// How many turns are being taken: one, or none.
    turns: AtomicUsize,
    /// Set once the loop runs.
    actor: OnceLock<Weak<Mutex<A>>>,
}

struct State<I> {
    waiting: VecDeque<I>,
    end: Option<End>,
    /// Until when the actor's thread sleeps; none while it does not.
    sleeps_until: Option<Instant>,
    /// The actor wants its turn sooner than its thread knew.
    sooner: bool,
}

/// Why the loop is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The actor said so.
    Done,
    /// The actor panicked; its state may be half of something.
    Panicked,
}

impl<A: Actor> Clone for Inbox<A> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<A: Actor> Inbox<A> {
    /// An empty one.
    pub(super) fn new() -> Self {
        let state =
            State { waiting: VecDeque::new(), end: None, sleeps_until: None, sooner: false };
        Self(Arc::new(Shared {
            state: Mutex::new(state),
            woken: Condvar::new(),
            turns: AtomicUsize::new(0),
            actor: OnceLock::new(),
        }))
    }

    /// Queues an input; false once the loop is over.
    pub(super) fn send(&self, input: A::Input) -> bool {
        let mut state = self.state();
        if state.end.is_some() {
            return false;
        }
        state.waiting.push_back(input);
        drop(state);
        self.0.woken.notify_one();
        true
    }

    /// As [`Inbox::send`], but lets the actor take its turn here and now if it is idle.
    pub(super) fn hand(&self, input: A::Input) -> bool {
        let Some(actor) = self.0.actor.get().and_then(Weak::upgrade) else {
            return self.send(input);
        };
        let mut actor = match actor.try_lock() {
            Ok(actor) => actor,
            Err(TryLockError::WouldBlock) => return self.send(input),
            Err(TryLockError::Poisoned(_)) => return false,
        };
        if !self.is_empty() {
            // Its own thread is on its way to these.
            return self.send(input);
        }
        let turn = Turn::begin(self);
        let flow = actor.turn(VecDeque::from([input]));
        drop(turn);
        let wake = actor.next_wake();
        drop(actor);
        if flow.is_break() {
            self.end(End::Done);
            return false;
        }
        let mut state = self.state();
        if state.sleeps_until.is_none_or(|until| wake < until) {
            state.sooner = true;
            drop(state);
            self.0.woken.notify_one();
        }
        true
    }

    /// Waits while the actor is at work, as far as the patience goes.
    pub(super) fn give_way(&self, patience: Patience) {
        while self.is_busy() && Instant::now() < patience.0 {
            std::thread::sleep(GLANCE);
        }
    }

    /// Whether the actor is at work or will be at once. A hint for those who come after it: it may
    /// have changed by the time that it is read.
    fn is_busy(&self) -> bool {
        // In this order: a turn begins before its inputs leave the queue.
        !self.is_empty() || self.0.turns.load(Ordering::Relaxed) > 0
    }

    /// The actor's thread: gives it its turns until it ends.
    pub(super) fn run(&self, actor: A) -> End {
        let actor = Arc::new(Mutex::new(actor));
        // Only one actor is ever run on an inbox; a second would get the queue alone.
        let _ = self.0.actor.set(Arc::downgrade(&actor));
        loop {
            let Ok(until) = actor.lock().map(|actor| actor.next_wake()) else {
                return End::Panicked;
            };
            if let Some(end) = self.sleep(until) {
                return end;
            }
            let Ok(mut actor) = actor.lock() else { return End::Panicked };
            let turn = Turn::begin(self);
            let inputs = match self.take_all() {
                Ok(inputs) => inputs,
                Err(end) => return end,
            };
            let flow = actor.turn(inputs);
            drop(turn);
            if flow.is_break() {
                self.end(End::Done);
                return End::Done;
            }
        }
    }

    /// Until something is there, or the time has come. Why the loop is over, if it is.
    fn sleep(&self, until: Instant) -> Option<End> {
        let mut state = self.state();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let rested = left == Duration::ZERO || state.sooner || !state.waiting.is_empty();
            if state.end.is_some() || rested {
                state.sooner = false;
                state.sleeps_until = None;
                return state.end;
            }
            state.sleeps_until = Some(until);
            let woken = self.0.woken.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Whether nothing waits and nothing is over.
    fn is_empty(&self) -> bool {
        let state = self.state();
        state.end.is_none() && state.waiting.is_empty()
    }

    /// Empties the queue. To be called under the actor's lock.
    fn take_all(&self) -> Result<VecDeque<A::Input>, End> {
        let mut state = self.state();
        state.end.map_or_else(|| Ok(std::mem::take(&mut state.waiting)), Err)
    }

    fn end(&self, end: End) {
        self.state().end.get_or_insert(end);
        self.0.woken.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State<A::Input>> {
        // Nothing in this file panics while it holds the lock.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A turn that is being taken. Ends the loop if the actor panics meanwhile.
struct Turn<'a, A: Actor>(&'a Inbox<A>);

impl<'a, A: Actor> Turn<'a, A> {
    fn begin(inbox: &'a Inbox<A>) -> Self {
        inbox.0.turns.fetch_add(1, Ordering::Relaxed);
        Self(inbox)
    }
}

impl<A: Actor> Drop for Turn<'_, A> {
    fn drop(&mut self) {
        self.0.0.turns.fetch_sub(1, Ordering::Relaxed);
        if std::thread::panicking() {
            self.0.end(End::Panicked);
        }
    }
}

#[cfg(test)]
mod tests;
