//! `netkeep apply`.

use std::process::ExitCode;

use ::agent::keeper::Step;
use anyhow::Result;
use model::Severity;
use serde_json::json;
use tracing::level_filters::LevelFilter;

use crate::args::{Format, ReconcileArgs};
use crate::{output, settings};

pub(super) fn run(args: ReconcileArgs) -> Result<ExitCode> {
    super::log_to_stderr(LevelFilter::ERROR);
    let applied = ::agent::once::apply(&settings::once(args.source)?)?;
    let converged = applied.converged();
    let settled = &applied.settled;
    let why = match &settled.step {
        Step::Failed(why) => Some(why.clone()),
        Step::Unsettled => Some("other writers changed the ruleset each time".to_owned()),
        Step::Converged if settled.held > 0 => Some(format!("{} deletions are held", settled.held)),
        Step::Converged => applied.trouble.first().cloned().or_else(|| {
            let mut findings = applied.findings.iter();
            findings.find(|f| f.severity == Severity::Error).map(|f| f.message.clone())
        }),
    };
    match args.output {
        Format::Json => output::json(&json!({
            "converged": converged,
            "changes": applied.changes,
            "held": settled.held,
            "trouble": applied.trouble,
            "reason": why,
            "findings": applied.findings,
        }))?,
        Format::Text => {
            output::findings(&applied.findings);
            let verdict = if converged { "converged and verified" } else { "not converged" };
            let why = why.map_or_else(String::new, |why| format!(" ({why})"));
            output::print(&format!("{} changes; {verdict}{why}\n", applied.changes));
        }
    }
    Ok(if converged { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
