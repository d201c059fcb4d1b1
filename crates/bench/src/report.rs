//! Tables for people and JSON for machines.

use std::fs;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::environment::Environment;
use crate::outcome::{Outcome, Sense, Verdict};

/// Prints a row's figures and notes.
pub(crate) fn print(outcome: &Outcome) {
    for figure in &outcome.figures {
        let ratio = figure.to_floor.map(|ratio| format!("{ratio:>12.2}x raw")).unwrap_or_default();
        let (n, who, what) = (figure.n, &figure.who, &figure.what);
        println!("   {n:>6}  {who:<28} {what:<24} {:>14.2}{ratio}", figure.value);
    }
    for note in &outcome.notes {
        println!("   note: {note}");
    }
}

/// Prints every limit beside what was measured; whether all held and every row ran.
pub(crate) fn print_verdicts(outcomes: &[(&str, Outcome)], failed: &[String]) -> bool {
    println!("\nlimits");
    let mut held = failed.is_empty();
    for (row, outcome) in outcomes {
        for verdict in &outcome.verdicts {
            held &= verdict.held();
            println!("   {}", line(row, verdict));
        }
    }
    for failure in failed {
        println!("   NOT RUN  {failure}");
    }
    held
}

fn line(row: &str, verdict: &Verdict) -> String {
    let word = match (verdict.held(), verdict.quiet) {
        (true, _) => "ok",
        (false, true) => "BROKEN",
        (false, false) => "NOISY",
    };
    let sign = match verdict.sense {
        Sense::AtMost => "<=",
        Sense::AtLeast => ">=",
    };
    let Verdict { goal, what, value, limit, .. } = verdict;
    format!("{word:<7} {goal:<4} {row:<16} {value:>12.3} {sign} {limit:<10} {what}")
}

/// Writes everything to `bench-results/` of the current directory; returns the file.
pub(crate) fn write_json(
    environment: &Environment,
    outcomes: &[(&str, Outcome)],
    failed: &[String],
) -> Result<PathBuf> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock")?.as_secs();
    let rows: Vec<Value> = outcomes.iter().map(|(row, outcome)| to_json(row, outcome)).collect();
    let document = json!({
        "time": now,
        "kernel": environment.kernel,
        "processors": environment.processors,
        "tools": environment.tools,
        "load": environment.load,
        "rows": rows,
        "failed": failed,
    });
    let directory = PathBuf::from("bench-results");
    fs::create_dir_all(&directory).context("creating bench-results")?;
    let file = directory.join(format!("{now}.json"));
    fs::write(&file, serde_json::to_vec_pretty(&document)?)
        .with_context(|| format!("writing {}", file.display()))?;
    Ok(file)
}

fn to_json(row: &str, outcome: &Outcome) -> Value {
    let figures: Vec<Value> = outcome
        .figures
        .iter()
        .map(|figure| {
            json!({
                "n": figure.n,
                "who": figure.who,
                "what": figure.what,
                "value": figure.value,
                "ratioToRaw": figure.to_floor,
            })
        })
        .collect();
    let limits: Vec<Value> = outcome
        .verdicts
        .iter()
        .map(|verdict| {
            json!({
                "goal": verdict.goal,
                "what": verdict.what,
                "value": verdict.value,
                "limit": verdict.limit,
                "atMost": verdict.sense == Sense::AtMost,
                "held": verdict.held(),
                "quiet": verdict.quiet,
            })
        })
        .collect();
    json!({ "row": row, "figures": figures, "limits": limits, "notes": outcome.notes })
}
