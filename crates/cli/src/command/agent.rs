//! `netkeep agent`.

use std::process::ExitCode;

use anyhow::Result;

use crate::args::AgentArgs;
use crate::settings;

pub(super) fn run(args: AgentArgs) -> Result<ExitCode> {
    let (config, level) = settings::agent(args)?;
    super::log_to_stderr(level);
    ::agent::run::run(&config)?;
    Ok(ExitCode::SUCCESS)
}
