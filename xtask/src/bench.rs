//! `cargo xtask bench`: builds `netkeep`, `netkeep-bench` and its reader for release and runs the benchmarks.

use anyhow::Result;

use crate::packages;
use crate::step::{cargo, succeed};

/// Hands all arguments to `netkeep-bench`.
pub(crate) fn run(args: &[String]) -> Result<()> {
    packages::ensure()?;
    succeed(cargo().args(["build", "--release", "--bin", "netkeep", "--bin", "netkeep-read"]))?;
    succeed(cargo().args(["run", "--release", "-p", "netkeep-bench", "--"]).args(args))
}
