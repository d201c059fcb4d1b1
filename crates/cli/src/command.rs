//! The commands, one module each; what they share: logging.

mod agent;
mod apply;
mod demo;
mod explain;
mod plan;
mod show;
mod uninstall;

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::Result;
use tracing::level_filters::LevelFilter;

use crate::args::Command;

/// Does what the command line says.
pub(crate) fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Agent(args) => agent::run(args),
        Command::Plan(args) => plan::run(args),
        Command::Apply(args) => apply::run(args),
        Command::Show(args) => show::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Uninstall(args) => uninstall::run(&args),
        Command::Demo(args) => demo::run(&args),
    }
}

/// Logs to standard error: text for a person, JSON for a collector.
fn log_to_stderr(level: LevelFilter) {
    let builder = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        builder.init();
    } else {
        builder.json().flatten_event(true).with_current_span(false).with_span_list(false).init();
    }
}
