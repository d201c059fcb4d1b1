//! `cargo xtask bench`: builds `netkeep`, `netkeep-bench` and its reader for release and runs the
//! benchmarks.

use std::process::Command;

use anyhow::Result;

use crate::packages;
use crate::step::{cargo, succeed};

/// In one command, so that what they share is built once.
const BUILD: [&str; 10] = [
    "build",
    "--release",
    "-p",
    "netkeep-cli",
    "--bin",
    "netkeep",
    "-p",
    "netkeep-bench",
    "--bins",
    "--locked",
];

/// Hands all arguments to `netkeep-bench`.
pub(crate) fn run(args: &[String]) -> Result<()> {
    packages::ensure()?;
    succeed(cargo().args(BUILD))?;
    let bench = crate::target_directory().join("release/netkeep-bench");
    succeed(Command::new(bench).args(args))
}
