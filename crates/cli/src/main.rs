//! The `netkeep` command.

#![forbid(unsafe_code)]

mod args;
mod command;
mod output;
mod settings;

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use clap::error::ErrorKind;

fn main() -> ExitCode {
    let cli = match args::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let unsaid = command::unsaid(&cli.command);
    ended(command::run(cli.command), unsaid)
}

/// How a command ended. What it could not say was not done: a script has half of an answer.
fn ended(outcome: anyhow::Result<ExitCode>, unsaid: u8) -> ExitCode {
    let said = output::finish().context("cannot write to standard output");
    let (error, code) = match (outcome, said) {
        (Ok(code), Ok(())) => return code,
        (Ok(_), Err(error)) => (error, unsaid),
        (Err(error), _) => {
            let code = if error.is::<settings::BadUsage>() { 2 } else { 1 };
            (error, code)
        }
    };
    // Some parsers draw what they tell; the first line says it.
    let told = format!("{error:#}");
    output::say(told.lines().next().unwrap_or_default());
    ExitCode::from(code)
}

/// Help as it is; a mistake in one line, with what was probably meant.
fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        output::styled(&error.render().ansi().to_string());
        return ended(Ok(ExitCode::SUCCESS), 1);
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        // Nobody may be reading any more.
        let _ = error.print();
        return ExitCode::from(2);
    }
    output::say(&one_line(&error.to_string()));
    ExitCode::from(2)
}

/// The first paragraph of a message of clap, and its tips.
fn one_line(message: &str) -> String {
    let mut lines = message.lines().map(str::trim);
    let mistake: Vec<&str> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
    let mistake = mistake.join(" ");
    let mut line = mistake.strip_prefix("error: ").unwrap_or(&mistake).to_owned();
    for tip in lines.filter_map(|line| line.strip_prefix("tip: ")) {
        line.push_str("; ");
        line.push_str(tip);
    }
    line.push_str(" (see --help)");
    line
}
