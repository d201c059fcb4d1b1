//! `netkeep diff`: what two nodes, or two moments of one, differ in.

use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::args::{DiffArgs, Format};
use crate::output;

pub(super) fn run(args: &DiffArgs) -> Result<ExitCode> {
    let load = |path: &std::path::PathBuf| {
        super::doctor::look(std::slice::from_ref(path))
            .with_context(|| format!("nothing to compare in {}", path.display()))
    };
    let (a, b) = match (load(&args.a), load(&args.b)) {
        (Ok(a), Ok(b)) => (a, b),
        (Err(error), _) | (_, Err(error)) => return Ok(super::doctor::cannot_look(&error)),
    };
    let diff = ::doctor::diff::diff(&a, &b);
    match args.output {
        Format::Json => output::json(&diff)?,
        Format::Text if diff.is_empty() => {
            output::print("no difference in meaning\n");
            output::print(&diff.text());
        }
        Format::Text => output::print(&diff.text()),
    }
    Ok(if diff.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
