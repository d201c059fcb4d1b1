//! The commands, one module each; what they share: logging.

mod agent;
mod apply;
mod demo;
mod diff;
mod doctor;
mod explain;
mod log_level;
mod plan;
mod show;
mod snapshot;
mod sweep;
mod uninstall;

use std::io::IsTerminal;
use std::process::ExitCode;

use ::agent::log_level::LogLevel;
use anyhow::Result;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{fmt, reload};

use crate::args::Command;

/// Does what the command line says.
pub(crate) fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Agent(args) => agent::run(args),
        Command::Plan(args) => plan::run(args),
        Command::Apply(args) => apply::run(args),
        Command::Show(args) => show::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::LogLevel(args) => log_level::run(&args),
        Command::Sweep(args) => sweep::run(&args),
        Command::Uninstall(args) => uninstall::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Snapshot(args) => snapshot::run(args),
    }
}

/// The exit code of a command that could not say what it has to: where 1 means what was found, a script
/// must not take it for that.
pub(crate) const fn unsaid(command: &Command) -> u8 {
    match command {
        Command::Doctor(_) | Command::Diff(_) => doctor::CANNOT_LOOK,
        _ => 1,
    }
}

/// Logs to standard error: text for a person, JSON for a collector. What is logged can be changed
/// later.
fn log_to_stderr(level: LevelFilter) -> LogLevel {
    let (filter, handle) = reload::Layer::new(level);
    let registry = tracing_subscriber::registry().with(filter);
    let lines = fmt::layer().with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        registry.with(lines).init();
    } else {
        let json = lines.json().flatten_event(true).with_current_span(false).with_span_list(false);
        registry.with(json).init();
    }
    let current = handle.clone();
    let get = move || current.with_current(ToString::to_string).unwrap_or_default();
    let set = move |level: &str| {
        let level = crate::args::log_level(level).map_err(|why| format!("{level:?}: {why}"))?;
        handle.reload(level).map_err(|error| error.to_string())
    };
    LogLevel::new(get, set)
}
