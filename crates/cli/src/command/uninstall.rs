//! `netkeep uninstall`: leave nothing behind.

use std::process::ExitCode;

use ::agent::uninstall;
use anyhow::Result;
use serde_json::json;

use crate::args::{Format, UninstallArgs};
use crate::output;

pub(super) fn run(args: &UninstallArgs) -> Result<ExitCode> {
    let found = uninstall::look(&args.state_dir)?;
    if args.yes {
        uninstall::remove(&args.state_dir)?;
    }
    match args.output {
        Format::Json => output::json(&json!({ "removed": args.yes, "objects": found }))?,
        Format::Text if found.is_empty() => output::print("nothing of netkeep is here\n"),
        Format::Text => {
            let verb = if args.yes { "removed" } else { "would remove" };
            for object in &found {
                output::print(&format!("{verb} {object}\n"));
            }
            if !args.yes {
                output::print("nothing was changed; run again with --yes\n");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
