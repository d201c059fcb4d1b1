//! `cargo xtask bless`: rewrites the golden files. The reviewer reads the diff.

use anyhow::Result;

use crate::step::{cargo, succeed};

/// Runs the golden tests with `NETKEEP_BLESS=1`; without arguments all tests with `golden` in
/// their name.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let all = ["--workspace".to_owned(), "golden".to_owned()];
    let args = if args.is_empty() { &all[..] } else { args };
    succeed(cargo().arg("test").args(args).env("NETKEEP_BLESS", "1"))?;
    println!("blessed; now read `git diff`");
    Ok(())
}
