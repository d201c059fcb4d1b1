//! `netkeep show`: what the agent knows, or what the kernel holds.

use std::process::ExitCode;

use ::agent::control::{self, Answer, AskError, Request};
use ::agent::kernel;
use anyhow::{Result, bail};
use serde_json::Value as Json;

use crate::args::{ShowArgs, SocketArg, TableFormat, What};
use crate::output;

pub(super) fn run(args: &ShowArgs) -> Result<ExitCode> {
    let json = if args.kernel { from_kernel(args.what)? } else { from_agent(args)? };
    match args.output {
        TableFormat::Json => output::json(&json)?,
        TableFormat::Table => output::table(columns(args.what), &json),
    }
    Ok(ExitCode::SUCCESS)
}

fn from_kernel(what: What) -> Result<Json> {
    Ok(match what {
        What::Npl => serde_json::to_value(kernel::mappings()?)?,
        What::Owners => serde_json::to_value(kernel::owners()?)?,
        What::Findings => serde_json::to_value(kernel::findings()?)?,
    })
}

fn from_agent(args: &ShowArgs) -> Result<Json> {
    let request = match args.what {
        What::Npl => Request::Npl,
        What::Owners => Request::Owners,
        What::Findings => Request::Findings,
    };
    match ask(&args.socket, &request)? {
        Answer::Data { json, .. } => Ok(json),
        Answer::Refused(why) | Answer::BadQuestion(why) => bail!(why),
    }
}

/// Asks the agent at the path; without one the agent of this network namespace.
pub(super) fn ask(socket: &SocketArg, request: &Request) -> Result<Answer, AskError> {
    match &socket.socket {
        Some(path) => control::ask(path, request),
        None => control::ask_here(&SocketArg::fallback(), request),
    }
}

const fn columns(what: What) -> &'static [(&'static str, &'static str)] {
    match what {
        What::Npl => &[
            ("POD", "pod"),
            ("POD IP", "podIP"),
            ("POD PORT", "podPort"),
            ("NODE IP", "nodeIP"),
            ("NODE PORT", "nodePort"),
            ("PROTOCOL", "protocol"),
            ("FAMILY", "ipFamily"),
            ("STATE", "state"),
            ("REASON", "reason"),
        ],
        What::Owners => &[
            ("KIND", "kind"),
            ("NAMESPACE", "namespace"),
            ("NAME", "name"),
            ("UID", "uid"),
            ("LIFE", "life"),
            ("IPS", "ips"),
            ("ELEMENTS", "elements"),
        ],
        What::Findings => &[
            ("SEVERITY", "severity"),
            ("CODE", "code"),
            ("SUBJECT", "subject"),
            ("MESSAGE", "message"),
            ("ADVICE", "advice"),
        ],
    }
}
