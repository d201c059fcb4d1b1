//! `netkeep-bench`: how netkeep compares with the floor and with its peers, in the same run.
//!
//! Owns: the goals of `crates/bench/README.md` as limits that a run can break.
//!
//! Invariants: absolute times say nothing about another machine, so limits are ratios between
//! things measured in interleaved rounds; every round has a fresh network namespace of its own; the
//! same thing measured twice tells whether the machine is quiet enough to judge.
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

use std::process::ExitCode;

use anyhow::Result;

use args::{Args, Mode};

fn main() -> ExitCode {
    let args = match Args::parse(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(error) => {
            eprintln!("netkeep-bench: {error:#}\n{}", args::USAGE);
            return ExitCode::from(2);
        }
    };
    match run(&args) {
        Ok(held) if held || args.mode == Mode::Report => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("netkeep-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
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
        match (row.run)(args) {
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
