//! The agent's life: one actor, and the threads that feed it.
//!
//! ```text
//! folder, API\                                /--> publisher (journal synced, then files or API)
//! kernel ----> one inbox --> Agent (Keeper) ---> cutter (stale flows)
//! control --/                                 \--> metrics
//! ```
//!
//! Owns: what is started, in which order, and what each thread sends. The actor is in `run::agent`,
//! the inbox in `run::inbox`.

mod agent;
mod announce;
mod cutter;
mod foreign;
mod held;
mod inbox;
mod priority;
mod publisher;
mod queries;
mod trouble;

use std::io;
use std::ops::ControlFlow;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use drivers::DriverError;
use drivers::nft::{NftDriver, NftOptions};
use thiserror::Error;

use crate::checks;
use crate::config::{Config, SOCKET_DEFAULT, SourceSpec};
use crate::control::{self, Folder, Query};
use crate::keeper::Keeper;
use crate::lock::{self, LockError};
use crate::log_level::LogLevel;
use crate::publish::{Publisher, Tampered};
use crate::source::SourceMessage;
use crate::source::dir::{DirOptions, DirSource, WatchError};
use crate::source::kube::{Api, Told};
use crate::state_lock::{StateHeld, StateLock};
use agent::Agent;
pub use agent::GENERATION_INTERVAL;
use foreign::ForeignWrite;
use inbox::{End, Inbox};
pub(crate) use publisher::pod_patch;

/// A source's message of so few events is carried out at once, on the source's own thread. With
/// more, the next ones are read while these are carried out.
const FEW: usize = 8;

/// What reaches the agent.
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
    /// Another one has the state directory.
    #[error(transparent)]
    State(#[from] StateHeld),
    /// The kernel cannot be used.
    #[error("cannot keep this network namespace")]
    Kernel(#[from] DriverError),
    /// The folder cannot be watched.
    #[error(transparent)]
    Watch(#[from] WatchError),
    /// The path of `--socket` cannot be used.
    #[error(transparent)]
    Socket(#[from] control::ListenError),
    /// The Kubernetes API cannot be configured.
    #[error("cannot use the Kubernetes API")]
    Api(#[from] kube::ConnectError),
    /// A thread panicked while it changed the kernel, and said where.
    #[error("stopped after a panic, of which the log tells; the kernel keeps what it has")]
    Panicked,
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
    let state = StateLock::take(&config.state_dir)?;
    let files = raise_file_limit();
    let driver =
        NftDriver::open(NftOptions { ownership: config.ownership, map_size: config.map_size() })?;
    let inbox = Inbox::new();
    let agent = Agent::start(config, driver, (files, state), &inbox, (told, log_level))?;
    // The core looks at the kernel before the events are joined, so that a first load does not
    // tell us about itself; `join` then compares generations.
    let socket = serve_control(config, lock, &inbox)?;
    stop_on_signals(&inbox)?;
    watch_source(config, &inbox)?;
    if let Some(address) = config.metrics {
        let inbox = inbox.clone();
        crate::http::serve(address, move |query| inbox.send(Input::Query(query)))
            .map_err(system("serve metrics on the given address"))?;
    }
    if let Some(interval) = config.host_checks {
        let inbox = inbox.clone();
        let tell = move |report| inbox.send(Input::Checked(report));
        checks::start(interval, agent.own_writes.clone(), tell)
            .map_err(system("start the thread of the checks"))?;
    }
    tracing::info!(node = %config.node, "netkeep keeps this network namespace");
    let end = inbox.run(agent);
    if let Some(socket) = socket {
        // Nobody else has taken it: we listened until now.
        let _ = std::fs::remove_file(socket);
    }
    match end {
        End::Done => Ok(()),
        End::Panicked => Err(AgentError::Panicked),
    }
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

fn watch_source(config: &Config, inbox: &Inbox<Agent>) -> Result<(), AgentError> {
    // The API's watches began with its publisher: they share a thread.
    let SourceSpec::Dir(path) = &config.source else { return Ok(()) };
    let source =
        DirSource::open(path, DirOptions { empty: config.empty, ..DirOptions::default() })?;
    let inbox = inbox.clone();
    spawn("source", move || {
        let outcome = source.watch_with(|message| go_on(tell(&inbox, message)));
        if let Err(error) = outcome {
            // Without its source the agent would go on with what it knows and look healthy.
            tracing::error!(error = %crate::keeper::told(&error), "the source is lost; stopping");
            let _ = inbox.send(Input::Stop(0));
        }
    })
}

/// A source's message to the agent; false once nobody is there.
fn tell(inbox: &Inbox<Agent>, message: SourceMessage) -> bool {
    let few = message.events.len() <= FEW
        && !message.events.iter().any(|event| matches!(event, model::Event::Listed { .. }));
    let input = Input::Source(message);
    if few { inbox.hand(input) } else { inbox.send(input) }
}

const fn go_on(somebody_listens: bool) -> ControlFlow<()> {
    if somebody_listens { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
}

/// Begins to publish to files, from what the files say now.
fn publish_to_files(
    config: &Config,
    keeper: &mut Keeper<NftDriver>,
    inbox: &Inbox<Agent>,
) -> Result<Publisher, AgentError> {
    let mut files = Publisher::new(&config.state_dir);
    let found = files.read_all();
    for problem in &found.problems {
        tracing::warn!(error = %problem, "a published file cannot be read");
    }
    keeper.found_published(found.published);
    watch_published(&files, inbox)?;
    Ok(files)
}

fn watch_api(config: &Config, adopted: bool, inbox: &Inbox<Agent>) -> Result<Api, AgentError> {
    let inbox = inbox.clone();
    let tell = move |told| match told {
        Told::Source(message) => tell(&inbox, message),
        Told::Published(report) => inbox.send(Input::Api(report)),
    };
    Ok(crate::source::kube::start(config, adopted, tell)?)
}

fn watch_published(files: &Publisher, inbox: &Inbox<Agent>) -> Result<(), AgentError> {
    let watch = match files.watch() {
        Ok(watch) => watch,
        Err(error) => {
            let error = crate::keeper::told(&error);
            tracing::warn!(%error, "tampering with published files will not be noticed");
            return Ok(());
        }
    };
    let inbox = inbox.clone();
    spawn("published", move || {
        priority::behind();
        let outcome = watch.run(|tampered| go_on(inbox.send(Input::Tampered(tampered))));
        if let Err(error) = outcome {
            tracing::warn!(%error, "tampering with published files will not be noticed");
        }
    })
}

/// Answers at the lock's name and at a path; which path, if it could be had.
fn serve_control(
    config: &Config,
    lock: Option<UnixListener>,
    inbox: &Inbox<Agent>,
) -> Result<Option<PathBuf>, AgentError> {
    let send = {
        let inbox = inbox.clone();
        move |query| inbox.send(Input::Query(query))
    };
    if let Some(listener) = lock {
        control::serve(listener, send.clone());
    }
    let listener = match &config.socket {
        Some(path) => Some(control::listen(path, Folder::of(path, &config.state_dir))?),
        // Nobody asked for the default path: in another namespace another agent may have it.
        None => control::listen(SOCKET_DEFAULT.as_ref(), Folder::Ours)
            .inspect_err(|error| tracing::debug!(%error, "no socket at {SOCKET_DEFAULT}"))
            .ok(),
    };
    let Some(listener) = listener else { return Ok(None) };
    control::serve(listener, send);
    Ok(Some(config.socket.clone().unwrap_or_else(|| SOCKET_DEFAULT.into())))
}

fn stop_on_signals(inbox: &Inbox<Agent>) -> Result<(), AgentError> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGTERM, SIGINT, SIGHUP])
        .map_err(system("handle signals"))?;
    let inbox = inbox.clone();
    spawn("signals", move || {
        // A hang-up asks others to read their configuration again; we watch ours.
        if let Some(signal) = signals.forever().find(|signal| *signal != SIGHUP) {
            let _ = inbox.send(Input::Stop(signal));
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
