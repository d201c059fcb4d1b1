//! `netkeep plan`.

use std::process::ExitCode;

use anyhow::{Context, Result};
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
    Ok(if plan.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(2) })
}
