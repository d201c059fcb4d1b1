//! `netkeep-bench`: how netkeep compares with the floor and with its peers, in the same run.
//!
//! Owns: the goals of `crates/bench/README.md` as limits that a run can break.
//!
//! Invariants: absolute times say nothing about another machine, so limits are ratios between
//! things measured in interleaved rounds; every row has a process of its own, every round a fresh
//! network namespace; the same thing measured twice tells whether the machine is quiet enough to
//! judge.
//!
//! Deliberately not here: tests of behaviour. A benchmark only checks that what it timed happened.

#![forbid(unsafe_code)]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "figures are far below 2^53 and not negative"
)]

mod agent;
mod args;
mod contest;
mod environment;
mod mapping;
mod outcome;
mod peers;
mod product;
mod raw;
mod report;
mod rows;
mod stats;

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};

use args::{Args, Mode};
use outcome::Outcome;
use rows::Row;

fn main() -> ExitCode {
    let args = match Args::parse(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(error) => {
            eprintln!("netkeep-bench: {error:#}\n{}", args::USAGE);
            return ExitCode::from(2);
        }
    };
    let held = match &args.one {
        Some(file) => one(&args, file).map(|()| true),
        None => run(&args),
    };
    match held {
        Ok(held) if held || args.mode == Mode::Report => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("netkeep-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What a row that could not run says instead.
type Found = std::result::Result<Outcome, String>;

/// Runs one row here.
fn one(args: &Args, file: &Path) -> Result<()> {
    let [row] = rows::chosen(&args.names)?[..] else { bail!("--one is for one row") };
    let found: Found = (row.run)(args).map_err(|error| format!("{error:#}"));
    fs::write(file, serde_json::to_vec(&found)?)
        .with_context(|| format!("writing {}", file.display()))
}

/// Runs a row where no other has run: a heap with holes that another row left is slower than that of
/// any netkeep that has just started.
fn in_own_process(row: &Row, args: &Args) -> Result<Outcome> {
    let file = tempfile::NamedTempFile::new().context("a file for what the row finds out")?;
    let mut command = Command::new(std::env::current_exe().context("this program's own path")?);
    let status = command.args(args.of_one(row.name, file.path())).status();
    let status = status.context("starting a process for the row")?;
    ensure!(status.success(), "the row's process: {status}");
    let found: Found = serde_json::from_slice(&fs::read(file.path())?).context("its outcome")?;
    found.map_err(anyhow::Error::msg)
}

/// Runs the rows; whether every limit held.
fn run(args: &Args) -> Result<bool> {
    let environment = environment::Environment::read()?;
    println!("{environment}");
    let chosen = rows::chosen(&args.names)?;
    let mut outcomes = Vec::new();
    let mut failed = Vec::new();
    for row in chosen {
        println!("\n== {} ({})", row.name, row.about);
        match in_own_process(row, args) {
            Ok(outcome) => {
                report::print(&outcome);
                outcomes.push((row.name, outcome));
            }
            Err(error) => {
                println!("   FAILED: {error:#}");
                failed.push(format!("{}: {error:#}", row.name));
            }
        }
    }
    let file = report::write_json(&environment, &outcomes, &failed)?;
    let held = report::print_verdicts(&outcomes, &failed);
    println!("load average at the end {}; figures in {}", environment::load()?, file.display());
    Ok(held)
}
