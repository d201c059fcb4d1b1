//! `netkeep agent`.

use std::process::ExitCode;

use anyhow::Result;

use crate::args::AgentArgs;
use crate::{output, settings};

pub(super) fn run(args: AgentArgs) -> Result<ExitCode> {
    let only_print = args.print_config;
    let (config, level) = settings::agent(args)?;
    let told = settings::told(&config, level);
    if only_print {
        output::print(&settings::as_yaml(&told));
        return Ok(ExitCode::SUCCESS);
    }
    let log_level = super::log_to_stderr(level);
    ::agent::run::run(&config, told.into(), log_level)?;
    Ok(ExitCode::SUCCESS)
}
