//! `netkeep uninstall`: leave nothing behind.

use std::process::ExitCode;

use ::agent::uninstall::{self, Found};
use anyhow::Result;
use serde_json::json;

use crate::args::{Format, UninstallArgs};
use crate::output;

/// Of so much that stays each is named.
const NAMED_MAX: usize = 20;

pub(super) fn run(args: &UninstallArgs) -> Result<ExitCode> {
    let found = uninstall::look(&args.state_dir)?;
    if args.yes {
        uninstall::remove(&args.state_dir)?;
    }
    let others = || found.others.iter().map(|path| path.display().to_string());
    match args.output {
        Format::Json => output::json(&json!({
            "removed": args.yes,
            "objects": found.ours,
            "left": others().collect::<Vec<_>>(),
            "heldBy": found.held.as_ref().map(ToString::to_string),
        }))?,
        Format::Text => {
            if found.ours.is_empty() {
                output::print("nothing of netkeep is here\n");
            }
            let verb = if args.yes { "removed" } else { "would remove" };
            for object in &found.ours {
                output::print(&format!("{verb} {object}\n"));
            }
            stays(&found, args.yes);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn stays(found: &Found, done: bool) {
    let verb = if done { "left" } else { "would leave" };
    for path in found.others.iter().take(NAMED_MAX) {
        output::print(&format!("{verb} {}, which is not the agent's\n", path.display()));
    }
    if let Some(more) = found.others.len().checked_sub(NAMED_MAX).filter(|more| *more > 0) {
        output::print(&format!("{verb} {more} more\n"));
    }
    if done || found.ours.is_empty() {
        return;
    }
    match &found.held {
        Some(holder) => output::print(&format!(
            "nothing was changed; first stop the netkeep that has the state directory ({holder})\n"
        )),
        None => output::print("nothing was changed; run again with --yes\n"),
    }
}
