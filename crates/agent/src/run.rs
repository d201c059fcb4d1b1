//! The agent's life: one loop, and the threads that feed it.
//!
//! ```text
//! folder, API\                                   /--> publisher (journal synced, then files or API)
//! kernel ----> one channel --> the loop (Keeper) ---> cutter (stale flows)
//! control --/                                    \--> metrics
//! ```
//!
//! Invariants: the loop blocks when there is nothing to do, for [`GENERATION_INTERVAL`] at most;
//! everything that waits in the channel is taken in before the kernel is written, so a burst
//! becomes few transactions; no fixed minimum interval between two writes.

mod announce;
mod cutter;
mod foreign;
mod priority;
mod publisher;
mod queries;

use std::io;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use drivers::DriverError;
use drivers::nft::{NftDriver, NftOptions};
use model::{Finding, Reason};
use thiserror::Error;

use crate::checks::{self, OwnWrites};
use crate::config::{Config, SOCKET_DEFAULT, SourceSpec};
use crate::control::{self, Query};
use crate::keeper::{Keeper, Ports, Settled, Step};
use crate::lock::{self, LockError};
use crate::log_level::LogLevel;
use crate::metrics::Metrics;
use crate::publish::{Publisher, Tampered};
use crate::source::SourceMessage;
use crate::source::dir::{DirOptions, DirSource, WatchError};
use crate::source::kube::{Api, Told};
use announce::Announcing;
use foreign::{ForeignWrite, Repairs};
pub(crate) use publisher::pod_patch;

/// How often the kernel's generation is compared with the last one accounted for. Events tell of
/// changes at once; this is for the events that were lost.
pub const GENERATION_INTERVAL: Duration = Duration::from_secs(30);
/// Memory that changes took is given back when so long nothing was changed, and after this time in
/// any case: it takes a millisecond, which no change is to wait for.
const TRIM_QUIET: Duration = Duration::from_millis(300);
const TRIM_AT_MOST: Duration = Duration::from_secs(10);
/// How long to wait before a kernel that refuses everything is asked again: first, and at most.
const TROUBLE_WAIT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// What reaches the loop.
#[derive(Debug)]
pub(crate) enum Input {
    Source(SourceMessage),
    Foreign(ForeignWrite),
    Query(Query),
    Tampered(Tampered),
    Published(Vec<String>),
    /// How publishing to the API goes.
    Api(kube::Report),
    /// What the doctor found on the node.
    Checked(doctor::Report),
    Cut(cutter::Cut),
    Stop(i32),
}

/// Why the agent could not start, or had to end.
#[derive(Debug, Error)]
pub enum AgentError {
    /// Another one runs here.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The kernel cannot be used.
    #[error("cannot keep this network namespace")]
    Kernel(#[from] DriverError),
    /// The folder cannot be watched.
    #[error(transparent)]
    Watch(#[from] WatchError),
    /// The Kubernetes API cannot be configured.
    #[error("cannot use the Kubernetes API")]
    Api(#[from] kube::ConnectError),
    /// A thread, a signal handler or a socket could not be had.
    #[error("cannot {action}")]
    System {
        /// What was tried.
        action: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Runs the agent until a signal stops it. The kernel keeps what it has. `told` is the
/// configuration as a person reads it.
pub fn run(
    config: &Config,
    told: serde_json::Value,
    log_level: LogLevel,
) -> Result<(), AgentError> {
    netns::use_one_arena();
    let lock = lock::acquire()?;
    let files = raise_file_limit();
    let driver =
        NftDriver::open(NftOptions { ownership: config.ownership, map_size: config.map_size() })?;
    let (sender, receiver) = mpsc::channel();
    let mut agent = Agent::start(config, driver, files, &sender, (told, log_level))?;
    // The core looks at the kernel before the events are joined, so that a first load does not
    // tell us about itself; `join` then compares generations.
    serve_control(config, lock, &sender)?;
    stop_on_signals(&sender)?;
    watch_source(config, &sender)?;
    if let Some(address) = config.metrics {
        let sender = sender.clone();
        crate::http::serve(address, move |query| sender.send(Input::Query(query)).is_ok())
            .map_err(system("serve metrics on the given address"))?;
    }
    if let Some(interval) = config.host_checks {
        let sender = sender.clone();
        let tell = move |report| sender.send(Input::Checked(report)).is_ok();
        checks::start(interval, agent.own_writes.clone(), tell)
            .map_err(system("start the thread of the checks"))?;
    }
    tracing::info!(node = %config.node, "netkeep keeps this network namespace");
    agent.run(&receiver);
    Ok(())
}

fn system(action: &'static str) -> impl FnOnce(io::Error) -> AgentError {
    move |source| AgentError::System { action, source }
}

/// How many files may be open, raised as far as it goes.
fn raise_file_limit() -> u64 {
    netns::raise_file_limit()
        .inspect(|limit| tracing::debug!(limit, "open files allowed"))
        .inspect_err(|error| tracing::warn!(%error, "cannot raise the limit of open files"))
        // What every system grants.
        .unwrap_or(1_024)
}

/// The loop's own state.
struct Agent {
    keeper: Keeper<NftDriver>,
    metrics: Metrics,
    repairs: Repairs,
    publisher: Sender<publisher::Job>,
    /// Each job of publishing has a copy: while there is one, the publisher is at work.
    publishing: Arc<()>,
    cutter: Sender<cutter::Job>,
    sender: Sender<Input>,
    events: foreign::Events,
    publish_trouble: Vec<String>,
    /// Events on objects, where there is an API to say them to.
    announcing: Option<Announcing>,
    /// The configuration, as a person reads it.
    told_config: serde_json::Value,
    log_level: LogLevel,
    /// What the doctor found on the node, whoever made it.
    on_node: Vec<Finding>,
    own_writes: OwnWrites,
    /// Whether everything that was mapped at the start was checked for stale flows.
    first_cut_done: bool,
    trouble_wait: Option<(Instant, Duration)>,
    received: Vec<Instant>,
    /// When the generation was compared last.
    checked: Instant,
    /// Whether kernel and objects agreed after the last step.
    converged: bool,
    /// When memory is given back if nothing more is changed, and at the latest.
    trim: Option<(Instant, Instant)>,
}

impl Agent {
    fn start(
        config: &Config,
        driver: NftDriver,
        files: u64,
        sender: &Sender<Input>,
        (told_config, log_level): (serde_json::Value, LogLevel),
    ) -> Result<Self, AgentError> {
        let mut keeper = Keeper::new(config, driver, Ports::new(files));
        keeper.observe(&Reason::Wanted)?;
        let sync = match keeper.open_journal(&config.state_dir) {
            Ok(sync) => Some(sync),
            Err(error) => {
                keeper.without_journal(&error);
                None
            }
        };
        let mut announcing = None;
        let outlet = match &config.source {
            SourceSpec::Dir(_) => {
                publisher::Outlet::Files(publish_to_files(config, &mut keeper, sender)?)
            }
            SourceSpec::Kube => {
                let api = watch_api(config, keeper.has_adopted(), sender)?;
                announcing = Some(Announcing::new(api.announcer, &config.node));
                publisher::Outlet::Api(api.publisher)
            }
        };
        let publisher = publisher::start(outlet, sync, sender.clone())
            .map_err(system("start the publisher's thread"))?;
        let cutter = cutter::start(sender.clone()).map_err(system("start the cutter's thread"))?;
        Ok(Self {
            keeper,
            metrics: Metrics::new(),
            repairs: Repairs::default(),
            publisher,
            publishing: Arc::default(),
            cutter,
            sender: sender.clone(),
            events: foreign::Events::NotJoined,
            publish_trouble: Vec::new(),
            announcing,
            told_config,
            log_level,
            on_node: Vec::new(),
            own_writes: OwnWrites::default(),
            first_cut_done: false,
            trouble_wait: None,
            received: Vec::new(),
            checked: Instant::now(),
            converged: false,
            trim: None,
        })
    }

    fn run(&mut self, receiver: &Receiver<Input>) {
        loop {
            let first = match self.next_wake() {
                Some(wake) => {
                    match receiver.recv_timeout(wake.saturating_duration_since(Instant::now())) {
                        Ok(input) => Some(input),
                        Err(RecvTimeoutError::Timeout) => None,
                        Err(RecvTimeoutError::Disconnected) => return,
                    }
                }
                None => match receiver.recv() {
                    Ok(input) => Some(input),
                    Err(_) => return,
                },
            };
            let timed_out = first.is_none();
            let waiting = std::iter::from_fn(|| receiver.try_recv().ok());
            // Answered after the step: what is told of an object is then what came of it.
            let mut queries = Vec::new();
            for input in first.into_iter().chain(waiting) {
                match input {
                    Input::Stop(signal) => {
                        tracing::info!(signal, "stopping; the kernel keeps what it has");
                        self.stop();
                        return;
                    }
                    Input::Query(query) => queries.push(query),
                    other => self.take_in(other),
                }
            }
            let now = Instant::now();
            // Also in the midst of many events.
            if self.trouble_wait.is_some_and(|(at, _)| now >= at) {
                self.look_in_trouble();
            } else if timed_out || now >= self.checked + GENERATION_INTERVAL {
                self.checked = now;
                self.check_generation();
            }
            self.keeper.retry(now);
            self.repair(now);
            self.settle(now);
            for query in queries {
                self.answer(&query);
            }
            self.trim(now);
        }
    }

    fn next_wake(&self) -> Option<Instant> {
        let tick = Instant::now() + GENERATION_INTERVAL;
        let trouble = self.trouble_wait.map(|(at, _)| at);
        let trim = self.trim.map(|(quiet, at_most)| quiet.min(at_most));
        [Some(tick), self.keeper.next_retry(), trouble, trim, self.repairs.wake()]
            .into_iter()
            .flatten()
            .min()
    }

    fn take_in(&mut self, input: Input) {
        match input {
            Input::Source(message) => {
                self.received.push(message.received);
                self.metrics.source(&message);
                self.keeper.take_in(message);
            }
            Input::Foreign(write) => self.foreign(write),
            Input::Tampered(tampered) => self.tampered(&tampered),
            Input::Published(trouble) => self.publish_trouble = trouble,
            Input::Checked(report) => self.examined(report),
            Input::Api(report) => {
                self.metrics.published(&report);
                self.publish_trouble = report.trouble;
            }
            Input::Cut(cut) => {
                self.metrics.cut(cut.flows);
                self.keeper.cut_done(&cut.done);
            }
            Input::Query(_) | Input::Stop(_) => {}
        }
    }

    fn settle(&mut self, now: Instant) {
        if self.trouble_wait.is_some_and(|(at, _)| now < at) {
            return;
        }
        let settled = self.keeper.settle(now);
        let received = std::mem::take(&mut self.received);
        self.metrics.settled(&settled, now.elapsed(), &received);
        self.repairs.settled(&settled);
        self.converged = settled.step == Step::Converged;
        let since_event = settled.read_back_at.zip(received.iter().min());
        log(&settled, since_event.map(|(done, event)| done.saturating_duration_since(*event)));
        self.trouble_wait = match (&settled.step, self.trouble_wait) {
            (Step::Converged, _) => None,
            (_, None) => Some((now + TROUBLE_WAIT.0, TROUBLE_WAIT.0)),
            (_, Some((_, wait))) => {
                let wait = (wait * 2).min(TROUBLE_WAIT.1);
                Some((now + wait, wait))
            }
        };
        if settled.step == Step::Converged {
            self.join_events();
        }
        self.own_writes.add(settled.transactions);
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
        netns::trim_memory();
    }

    /// Publishing and cutting happen on their own threads: neither may delay the next change.
    fn hand_on(&mut self, settled: Settled) {
        if !settled.publications.is_empty() {
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

    fn check_generation(&mut self) {
        match self.keeper.driver().drifted() {
            Ok(false) => {}
            Ok(true) => self.look_again("a writer whose event was lost"),
            Err(error) => tracing::warn!(%error, "cannot read the ruleset's generation"),
        }
    }

    /// What is in the way may be gone: that a table went with its owner is in no event, and in no
    /// generation (Linux, `nft_rcv_nl_event`).
    fn look_in_trouble(&mut self) {
        if let Err(error) = self.keeper.observe(&Reason::Wanted) {
            tracing::debug!(%error, "cannot read the kernel");
        }
    }

    fn look_again(&mut self, writer: &str) {
        if let Err(error) = self.keeper.observe(&Reason::Drift(writer.to_owned())) {
            tracing::error!(%error, "cannot read the kernel");
            let now = Instant::now();
            self.trouble_wait.get_or_insert((now + TROUBLE_WAIT.0, TROUBLE_WAIT.0));
        }
    }

    fn tampered(&mut self, tampered: &Tampered) {
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

fn log(settled: &Settled, since_event: Option<Duration>) {
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
            since_event_us = since_event.map(|took| took.as_micros()),
            "kernel reconciled"
        ),
        _ => {}
    }
}

fn watch_source(config: &Config, sender: &Sender<Input>) -> Result<(), AgentError> {
    // The API's watches began with its publisher: they share a thread.
    let SourceSpec::Dir(path) = &config.source else { return Ok(()) };
    let source =
        DirSource::open(path, DirOptions { empty: config.empty, ..DirOptions::default() })?;
    let sender = sender.clone();
    spawn("source", move || {
        let outcome = source.watch_with(|message| match sender.send(Input::Source(message)) {
            Ok(()) => std::ops::ControlFlow::Continue(()),
            Err(_) => std::ops::ControlFlow::Break(()),
        });
        if let Err(error) = outcome {
            // Without its source the agent would go on with what it knows and look healthy.
            tracing::error!(error = %crate::keeper::told(&error), "the source is lost; stopping");
            let _ = sender.send(Input::Stop(0));
        }
    })
}

/// Begins to publish to files, from what the files say now.
fn publish_to_files(
    config: &Config,
    keeper: &mut Keeper<NftDriver>,
    sender: &Sender<Input>,
) -> Result<Publisher, AgentError> {
    let mut files = Publisher::new(&config.state_dir);
    let found = files.read_all();
    for problem in &found.problems {
        tracing::warn!(error = %problem, "a published file cannot be read");
    }
    keeper.found_published(found.published);
    watch_published(&files, sender)?;
    Ok(files)
}

fn watch_api(config: &Config, adopted: bool, sender: &Sender<Input>) -> Result<Api, AgentError> {
    let sender = sender.clone();
    let tell = move |told| {
        let input = match told {
            Told::Source(message) => Input::Source(message),
            Told::Published(report) => Input::Api(report),
        };
        sender.send(input).is_ok()
    };
    Ok(crate::source::kube::start(config, adopted, tell)?)
}

fn watch_published(files: &Publisher, sender: &Sender<Input>) -> Result<(), AgentError> {
    let watch = match files.watch() {
        Ok(watch) => watch,
        Err(error) => {
            let error = crate::keeper::told(&error);
            tracing::warn!(%error, "tampering with published files will not be noticed");
            return Ok(());
        }
    };
    let sender = sender.clone();
    spawn("published", move || {
        priority::behind();
        let outcome = watch.run(|tampered| match sender.send(Input::Tampered(tampered)) {
            Ok(()) => std::ops::ControlFlow::Continue(()),
            Err(_) => std::ops::ControlFlow::Break(()),
        });
        if let Err(error) = outcome {
            tracing::warn!(%error, "tampering with published files will not be noticed");
        }
    })
}

fn serve_control(
    config: &Config,
    lock: Option<UnixListener>,
    sender: &Sender<Input>,
) -> Result<(), AgentError> {
    let send = {
        let sender = sender.clone();
        move |query| sender.send(Input::Query(query)).is_ok()
    };
    if let Some(listener) = lock {
        control::serve(listener, send.clone());
    }
    let listener = match &config.socket {
        Some(path) => Some(control::listen(path).map_err(system("listen on the --socket path"))?),
        // Nobody asked for the default path: in another namespace another agent may have it.
        None => control::listen(SOCKET_DEFAULT.as_ref())
            .inspect_err(|error| tracing::debug!(%error, "no socket at {SOCKET_DEFAULT}"))
            .ok(),
    };
    if let Some(listener) = listener {
        control::serve(listener, send);
    }
    Ok(())
}

fn stop_on_signals(sender: &Sender<Input>) -> Result<(), AgentError> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGTERM, SIGINT, SIGHUP])
        .map_err(system("handle signals"))?;
    let sender = sender.clone();
    spawn("signals", move || {
        // A hang-up asks others to read their configuration again; we watch ours.
        if let Some(signal) = signals.forever().find(|signal| *signal != SIGHUP) {
            let _ = sender.send(Input::Stop(signal));
        }
    })
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), AgentError> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map(drop)
        .map_err(system("start a thread"))
}
