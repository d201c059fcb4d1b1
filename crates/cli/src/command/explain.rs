//! `netkeep explain`.

use std::process::ExitCode;

use ::agent::control::{Answer, Request};
use anyhow::{Result, bail};

use crate::args::{ExplainArgs, Format};
use crate::output;
use crate::settings::BadUsage;

pub(super) fn run(args: &ExplainArgs) -> Result<ExitCode> {
    let query = args.what.join(" ");
    match super::show::ask(&args.socket, &Request::Explain { query })? {
        Answer::Data { json, text } => match (args.output, text) {
            (Format::Text, Some(text)) => output::print(&format!("{}\n", text.trim_end())),
            _ => output::json(&json)?,
        },
        Answer::BadQuestion(why) => return Err(BadUsage::Question(why).into()),
        Answer::Refused(why) => bail!(why),
    }
    Ok(ExitCode::SUCCESS)
}
