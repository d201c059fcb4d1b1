//! The agent as an actor: what it knows, and one turn of it.
//!
//! Invariants: it has nothing to do unless something comes, for [`GENERATION_INTERVAL`] at most;
//! everything that waits is taken in before the kernel is written, so a burst becomes few
//! transactions; no fixed minimum interval between two writes.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::time::{Duration, Instant};

use drivers::nft::NftDriver;
use model::{Finding, Reason};

use super::announce::Announcing;
use super::foreign::{self, Repairs};
use super::held::Held;
use super::inbox::{Actor, Inbox};
use super::trouble::{Cause, Trouble};
use super::{AgentError, Input, cutter, publisher};
use crate::checks::OwnWrites;
use crate::config::{Config, SourceSpec};
use crate::keeper::{Keeper, Ports, Settled, Step};
use crate::log_level::LogLevel;
use crate::metrics::Metrics;
use crate::publish::Tampered;
use crate::state_lock::StateLock;

/// How often the kernel's generation is compared with the last one accounted for. Events tell of
/// changes at once; this is for the events that were lost.
pub const GENERATION_INTERVAL: Duration = Duration::from_secs(30);
/// Memory that changes took is given back when so long nothing was changed, and after this time in
/// any case: it takes a millisecond, which no change is to wait for.
const TRIM_QUIET: Duration = Duration::from_millis(300);
const TRIM_AT_MOST: Duration = Duration::from_secs(10);

/// The loop's own state.
pub(super) struct Agent {
    pub(super) keeper: Keeper<NftDriver>,
    pub(super) metrics: Metrics,
    /// Since when deletions are held back, and for how long that is well.
    pub(super) held: Held,
    pub(super) repairs: Repairs,
    pub(super) publisher: Sender<publisher::Job>,
    /// Each job of publishing has a copy: while there is one, the publisher is at work.
    pub(super) publishing: Arc<()>,
    pub(super) cutter: Sender<cutter::Job>,
    pub(super) inbox: Inbox<Agent>,
    pub(super) events: foreign::Events,
    /// What the publisher's thread could not do, and still cannot.
    pub(super) publish_trouble: Vec<String>,
    /// What the API refuses to take.
    pub(super) api_trouble: Vec<String>,
    /// Events on objects, where there is an API to say them to.
    pub(super) announcing: Option<Announcing>,
    /// The configuration, as a person reads it.
    pub(super) told_config: serde_json::Value,
    pub(super) log_level: LogLevel,
    /// What the doctor found on the node, whoever made it.
    pub(super) on_node: Vec<Finding>,
    pub(super) own_writes: OwnWrites,
    /// Whether everything that was mapped at the start was checked for stale flows.
    pub(super) first_cut_done: bool,
    /// What keeps the kernel from being reconciled, and until when it is left alone.
    pub(super) trouble: Option<Trouble>,
    pub(super) received: Vec<Instant>,
    /// When the generation was compared last.
    pub(super) checked: Instant,
    /// Whether kernel and objects agreed after the last step.
    pub(super) converged: bool,
    /// When memory is given back if nothing more is changed, and at the latest.
    pub(super) trim: Option<(Instant, Instant)>,
}

impl Agent {
    pub(super) fn start(
        config: &Config,
        driver: NftDriver,
        (files, state): (u64, Option<StateLock>),
        inbox: &Inbox<Self>,
        (told_config, log_level): (serde_json::Value, LogLevel),
    ) -> Result<Self, AgentError> {
        let mut keeper = Keeper::new(config, driver, Ports::new(files));
        keeper.hold_state(state);
        keeper.observe(&Reason::Wanted)?;
        let journal = match keeper.open_journal(&config.state_dir) {
            Ok(path) => Some(path),
            Err(error) => {
                keeper.without_journal(&error);
                None
            }
        };
        let mut announcing = None;
        let outlet = match &config.source {
            SourceSpec::Dir(_) => {
                publisher::Outlet::Files(super::publish_to_files(config, &mut keeper, inbox)?)
            }
            SourceSpec::Kube => {
                let api = super::watch_api(config, keeper.has_adopted(), inbox)?;
                announcing = Some(Announcing::new(api.announcer, &config.node));
                publisher::Outlet::Api(api.publisher)
            }
        };
        let publisher = publisher::start(outlet, journal, inbox.clone())
            .map_err(super::system("start the publisher's thread"))?;
        let cutter =
            cutter::start(inbox.clone()).map_err(super::system("start the cutter's thread"))?;
        Ok(Self {
            keeper,
            metrics: Metrics::new(),
            held: Held::new(config.hold_tolerance, Instant::now()),
            repairs: Repairs::default(),
            publisher,
            publishing: Arc::default(),
            cutter,
            inbox: inbox.clone(),
            events: foreign::Events::NotJoined,
            publish_trouble: Vec::new(),
            api_trouble: Vec::new(),
            announcing,
            told_config,
            log_level,
            on_node: Vec::new(),
            own_writes: OwnWrites::default(),
            first_cut_done: false,
            trouble: None,
            received: Vec::new(),
            checked: Instant::now(),
            converged: false,
            trim: None,
        })
    }

    fn take_in(&mut self, input: Input) {
        match input {
            Input::Source(message) => {
                self.received.push(message.received);
                self.metrics.source(&message);
                self.keeper.take_in(message);
                let held = self.keeper.hold().is_some();
                self.metrics.on_hold(held);
                self.held.note(held, Instant::now());
            }
            Input::Foreign(write) => self.foreign(write),
            Input::Tampered(tampered) => self.tampered(&tampered),
            Input::Published(trouble) => self.publish_trouble = trouble,
            Input::Checked(report) => self.examined(report),
            Input::Api(report) => {
                self.metrics.published(&report);
                self.api_trouble = report.trouble;
            }
            Input::Cut(cut) => {
                self.metrics.cut(cut.flows);
                self.keeper.cut_done(&cut.done);
            }
            Input::Query(_) | Input::Stop(_) => {}
        }
    }

    fn settle(&mut self, now: Instant) {
        if self.trouble.is_some_and(|trouble| !trouble.is_due(now)) {
            return;
        }
        let settled = self.keeper.settle(now);
        let received = std::mem::take(&mut self.received);
        self.metrics.settled(&settled, now.elapsed(), &received);
        self.converged = settled.step == Step::Converged;
        self.repaired(&settled);
        log(&settled, received.iter().min().copied());
        self.trouble = match &settled.step {
            Step::Converged => None,
            Step::Unsettled => Some(Trouble::again(self.trouble, Cause::Any, now)),
            Step::Failed(_) => Some(Trouble::again(self.trouble, self.cause(), now)),
        };
        if settled.step == Step::Converged {
            self.join_events();
        }
        self.own_writes.note(self.keeper.driver().commits());
        self.announce(&settled);
        if settled.wrote() {
            let at_most = self.trim.map_or(now + TRIM_AT_MOST, |(_, at_most)| at_most);
            self.trim = Some((now + TRIM_QUIET, at_most));
        }
        self.hand_on(settled);
    }

    /// Gives memory back that the last changes took, once there is time for it.
    fn trim(&mut self, now: Instant) {
        let Some((quiet, at_most)) = self.trim else { return };
        if now < quiet.min(at_most) {
            return;
        }
        if Arc::strong_count(&self.publishing) > 1 {
            // It frees as much again when it is done.
            if now < at_most {
                self.trim = Some((now + TRIM_QUIET, at_most));
                return;
            }
            self.trim = Some((now + TRIM_QUIET, now + TRIM_AT_MOST));
        } else {
            self.trim = None;
        }
        self.keeper.trim();
    }

    /// Publishing and cutting happen on their own threads: neither may delay the next change.
    fn hand_on(&mut self, settled: Settled) {
        // Files in a directory that is another one's by now are not ours to write.
        if !settled.publications.is_empty() && self.keeper.may_publish() {
            let _ = self
                .publisher
                .send(publisher::Job::Publish(settled.publications, Arc::clone(&self.publishing)));
        }
        let in_sync = !self.keeper.core().awaits_sync();
        let mut job = cutter::Job { stale: settled.cuts, mapped: settled.mapped };
        if in_sync && !self.first_cut_done {
            self.first_cut_done = true;
            job.stale.extend(self.keeper.unfinished_cuts());
            job.mapped = self.keeper.mapped_ports();
            let _ = self.publisher.send(publisher::Job::Sweep(self.keeper.pods()));
        }
        job.stale = self.keeper.without_mapping(job.stale);
        if !job.is_empty() {
            let _ = self.cutter.send(job);
        }
    }

    pub(super) fn check_generation(&mut self) {
        match self.keeper.driver().drifted() {
            Ok(false) => {}
            Ok(true) => self.look_again("a writer whose event was lost"),
            Err(error) => tracing::warn!(%error, "cannot read the ruleset's generation"),
        }
    }

    /// Why the kernel was not reconciled, as it says itself.
    fn cause(&mut self) -> Cause {
        match self.keeper.driver().is_kept_out() {
            Ok(true) => Cause::Owned,
            Ok(false) | Err(_) => Cause::Any,
        }
    }

    /// What is in the way may be gone. While the table is another's nothing but that is looked at.
    fn look_in_trouble(&mut self, now: Instant) {
        if self.trouble.is_some_and(|trouble| trouble.is_owned()) && self.cause() == Cause::Owned {
            self.trouble = Some(Trouble::again(self.trouble, Cause::Owned, now));
            return;
        }
        if let Err(error) = self.keeper.observe(&Reason::Wanted) {
            tracing::debug!(%error, "cannot read the kernel");
        }
    }

    pub(super) fn look_again(&mut self, writer: &str) {
        tracing::debug!(%writer, "looking at the kernel again");
        if let Err(error) = self.keeper.observe(&Reason::Drift(writer.to_owned())) {
            tracing::error!(%error, "cannot read the kernel");
            let now = Instant::now();
            self.trouble.get_or_insert_with(|| Trouble::again(None, Cause::Any, now));
        }
    }

    fn tampered(&mut self, tampered: &Tampered) {
        self.keeper.keep_state();
        match tampered {
            Tampered::Pod { namespace, name } => self.keeper.tampered(Some((namespace, name))),
            Tampered::Everything => self.keeper.tampered(None),
        }
    }

    fn stop(&mut self) {
        let (done, finished) = mpsc::channel();
        if self.publisher.send(publisher::Job::Finish(done)).is_ok() {
            let _ = finished.recv_timeout(Duration::from_secs(3));
        }
    }
}

impl Actor for Agent {
    type Input = Input;

    fn turn(&mut self, inputs: VecDeque<Input>) -> ControlFlow<()> {
        let timed_out = inputs.is_empty();
        // Answered after the step: what is told of an object is then what came of it.
        let mut queries = Vec::new();
        for input in inputs {
            match input {
                Input::Stop(signal) => {
                    tracing::info!(signal, "stopping; the kernel keeps what it has");
                    self.stop();
                    return ControlFlow::Break(());
                }
                Input::Query(query) => queries.push(query),
                other => self.take_in(other),
            }
        }
        let now = Instant::now();
        // Also in the midst of many events.
        if self.trouble.is_some_and(|trouble| trouble.is_due(now)) {
            self.look_in_trouble(now);
        } else if timed_out || now >= self.checked + GENERATION_INTERVAL {
            self.checked = now;
            self.keeper.keep_state();
            self.check_generation();
        }
        self.keeper.retry(now);
        self.repair(now);
        self.settle(now);
        for query in queries {
            self.answer(&query);
        }
        self.trim(now);
        ControlFlow::Continue(())
    }

    fn next_wake(&self) -> Instant {
        let tick = Instant::now() + GENERATION_INTERVAL;
        let trouble = self.trouble.map(|trouble| trouble.at());
        let trim = self.trim.map(|(quiet, at_most)| quiet.min(at_most));
        [self.keeper.next_retry(), trouble, trim, self.repairs.wake()]
            .into_iter()
            .flatten()
            .fold(tick, Instant::min)
    }
}

/// `event`: when the first event was received that the step took in.
fn log(settled: &Settled, event: Option<Instant>) {
    let since_event = |at: Option<Instant>| {
        let took = at.zip(event).map(|(at, event)| at.saturating_duration_since(event));
        took.map(|took| u64::try_from(took.as_micros()).unwrap_or(u64::MAX))
    };
    match &settled.step {
        Step::Failed(why) => tracing::error!(%why, "the kernel was not reconciled"),
        _ if settled.wrote() => tracing::info!(
            added = settled.added,
            replaced = settled.replaced,
            deleted = settled.deleted,
            repaired = settled.repaired,
            refused = settled.refused,
            held = settled.held,
            transactions = settled.transactions,
            committed_us = since_event(settled.committed_at),
            read_back_us = since_event(settled.read_back_at),
            "kernel reconciled"
        ),
        _ => {}
    }
}
