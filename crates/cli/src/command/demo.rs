//! `netkeep demo`: the incident, told with real packets in a lab of network namespaces.
//!
//! Owns: the stories and how they are told. Needs no root (it enters a user namespace of its own),
//! no cluster and no other program; leaves nothing behind.

mod ip_reuse;
mod naive;
mod node;
mod story;

use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::args::{DemoArgs, Scenario};

pub(super) fn run(args: &DemoArgs) -> Result<ExitCode> {
    if !rustix::process::geteuid().is_root() {
        // The process has one thread yet, as the kernel asks for.
        netns::userns::enter().context("the demo needs network namespaces")?;
    }
    match args.scenario {
        Scenario::IpReuse => ip_reuse::tell()?,
    }
    Ok(ExitCode::SUCCESS)
}
