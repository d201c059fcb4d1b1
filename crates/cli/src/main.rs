//! The `netkeep` command.

#![forbid(unsafe_code)]

mod args;
mod command;
mod output;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = args::Cli::parse();
    match command::run(cli.command) {
        Ok(code) => code,
        Err(error) => {
            anstream::eprintln!("netkeep: {error:#}");
            ExitCode::from(1)
        }
    }
}
