//! `cargo xtask soak`: a node of a large cluster under constant change, for half an hour.
//!
//! The same test that `cargo xtask test` runs in its short form, with a release build.

use anyhow::{Context, Result, bail};

use crate::packages;
use crate::step::{cargo, succeed};

/// Minutes unless it is said.
const MINUTES: u64 = 30;

/// `[--minutes N]`
pub(crate) fn run(args: &[String]) -> Result<()> {
    let minutes = match args {
        [] => MINUTES,
        [flag, number] if flag == "--minutes" => {
            number.parse().with_context(|| format!("{number:?} is not a number of minutes"))?
        }
        _ => bail!("usage: cargo xtask soak [--minutes N]"),
    };
    packages::ensure()?;
    let test = ["test", "--release", "-p", "netkeep-cli", "--test", "soak", "--", "--nocapture"];
    let seconds = (minutes * 60).to_string();
    succeed(cargo().args(test).env("NETKEEP_SOAK_SECONDS", seconds))
}
