//! `netkeep agent`.

use std::process::ExitCode;

use ::agent::config::Config;
use anyhow::Result;

use crate::args::AgentArgs;

pub(super) fn run(args: AgentArgs) -> Result<ExitCode> {
    super::log_to_stderr(args.log_level);
    let config =
        Config { socket: args.socket, metrics: args.metrics, ..super::config(args.source) };
    ::agent::run::run(&config)?;
    Ok(ExitCode::SUCCESS)
}
