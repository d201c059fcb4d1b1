//! `netkeep log-level`: what the running agent logs.

use std::process::ExitCode;

use ::agent::control::{Answer, Request};
use anyhow::{Result, bail};

use crate::args::LogLevelArgs;
use crate::output;
use crate::settings::BadUsage;

pub(super) fn run(args: &LogLevelArgs) -> Result<ExitCode> {
    let level = args.level.map(|level| level.to_string());
    match super::show::ask(&args.socket, &Request::LogLevel { level })? {
        Answer::Data { json, .. } => {
            let level = json.get("logLevel").and_then(|level| level.as_str()).unwrap_or_default();
            output::print(&format!("{level}\n"));
            Ok(ExitCode::SUCCESS)
        }
        Answer::BadQuestion(why) => Err(BadUsage::Question(why).into()),
        Answer::Refused(why) => bail!(why),
    }
}
