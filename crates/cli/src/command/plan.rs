//! `netkeep plan`.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use tracing::level_filters::LevelFilter;

use crate::args::{Format, ReconcileArgs};
use crate::{output, settings};

pub(super) fn run(args: ReconcileArgs) -> Result<ExitCode> {
    super::log_to_stderr(LevelFilter::ERROR);
    let config = settings::once(args.source)?;
    let plan = ::agent::once::plan(&config)?;
    let netns = netns::Namespace::current()
        .context("cannot tell which network namespace this is")?
        .identity()
        .to_string();
    match args.output {
        Format::Text => output::print(&::plan::render::text(&plan)),
        Format::Json => output::json(&::plan::render::json(&plan, &netns))?,
    }
    if !plan.is_empty() {
        return Ok(ExitCode::from(2));
    }
    let Some(hold) = &plan.hold else { return Ok(ExitCode::SUCCESS) };
    // That nothing is to be done is not known: not everything that may ask for something was read.
    bail!("cannot tell whether there is nothing to do: {}", hold.reason)
}
