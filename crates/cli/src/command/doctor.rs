//! `netkeep doctor`: what is wrong with this node, or with the one that a dump is of.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use ::doctor::{Report, Snapshot, assemble};
use anyhow::{Result, anyhow};
use model::{FindingCode, Severity};

use crate::args::{DoctorArgs, Format};
use crate::output;

/// Exit code of a diagnosis that could not be made.
pub(super) const CANNOT_LOOK: u8 = 2;

pub(super) fn run(args: &DoctorArgs) -> Result<ExitCode> {
    if let Some(code) = &args.explain {
        return Ok(explain(code));
    }
    let snapshot = match look(&args.from) {
        Ok(snapshot) => snapshot,
        Err(error) => return Ok(cannot_look(&error)),
    };
    let report = ::doctor::run(&snapshot);
    match args.output {
        Format::Json => output::json(&report)?,
        Format::Text if report.checked.is_empty() => {}
        Format::Text => print(&snapshot, &report),
    }
    if report.checked.is_empty() {
        return Ok(cannot_look(&anyhow!("no check could be made: {}", in_the_way(&snapshot))));
    }
    Ok(if report.needs_attention() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What is wrong with an input that is enough for no check.
fn in_the_way(snapshot: &Snapshot) -> String {
    let cut = snapshot.partial.iter().map(|partial| {
        format!("of {} only a part is known: {}: {}", partial.part, partial.place, partial.why)
    });
    let odd = snapshot.skipped.iter().map(|skip| format!("{}: {}", skip.place, skip.why));
    let nothing = || "nothing that a check asks for is in the dump".to_owned();
    cut.chain(odd).next().unwrap_or_else(nothing)
}

/// Says in one line why there is nothing to diagnose.
pub(super) fn cannot_look(error: &anyhow::Error) -> ExitCode {
    output::say(&format!("{error:#}"));
    ExitCode::from(CANNOT_LOOK)
}

/// The snapshot to diagnose: of files, or of this node.
pub(super) fn look(from: &[PathBuf]) -> Result<Snapshot> {
    if from.is_empty() {
        super::snapshot::live_with_rules()
    } else {
        Ok(assemble::from_paths(from)?)
    }
}

fn explain(code: &str) -> ExitCode {
    let Some(found) = FindingCode::from_slug(code) else {
        let near = FindingCode::ALL.iter().map(|code| code.as_str());
        let near: Vec<&str> = near
            .filter(|known| known.split('-').any(|word| word.len() > 3 && code.contains(word)))
            .collect();
        let hint = if near.is_empty() { String::new() } else { format!("; {}?", near.join(", ")) };
        output::say(&format!("there is no finding code {code:?}{hint}"));
        return ExitCode::from(CANNOT_LOOK);
    };
    output::print(::doctor::page(found));
    ExitCode::SUCCESS
}

fn print(snapshot: &Snapshot, report: &Report) {
    for finding in &report.findings {
        output::severity(finding.severity);
        output::print(&format!(" {}: {}: {}\n", finding.code, finding.subject, finding.message));
        for line in &finding.evidence {
            output::print(&format!("    | {line}\n"));
        }
        output::print(&format!("    {}\n", finding.advice));
    }
    let looked = report.checked.len();
    let grave = report.findings.iter().filter(|finding| finding.severity > Severity::Info).count();
    if grave == 0 {
        output::print("nothing is wrong as far as could be seen");
        let parts: BTreeSet<String> =
            snapshot.partial.iter().map(|partial| partial.part.to_string()).collect();
        if !parts.is_empty() {
            let parts = parts.into_iter().collect::<Vec<_>>().join(", ");
            output::print(&format!(" (known in part only: {parts})"));
        }
        output::print("; ");
    }
    output::print(&format!("{looked} checks made"));
    if report.skipped.is_empty() {
        output::print("\n");
        return;
    }
    output::print(&format!(", {} could not look or input left out:\n", report.skipped.len()));
    for skip in &report.skipped {
        let what = skip.code.map_or("input", |code| code.as_str());
        output::print(&format!("    {what}: {}\n", skip.why));
    }
}
