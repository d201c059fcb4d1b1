//! `netkeep demo`.

use std::process::ExitCode;

use anyhow::Result;

use crate::args::DemoArgs;

pub(super) fn run(args: &DemoArgs) -> Result<ExitCode> {
    let _ = args;
    Ok(ExitCode::SUCCESS)
}
