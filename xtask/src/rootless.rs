//! Running tests without root: in new user, network and mount namespaces.
//!
//! Inside, the tests are uid 0 of a user namespace. They may make and fill namespaces of their own,
//! but the kernel refuses what needs root of the machine (`SO_*BUFFORCE`, raising limits);
//! `NETKEEP_TEST_ROOTLESS=1` says so. There is no way to the outside network, so everything is
//! built before.

use std::process::Command;

use anyhow::{Context, Result};

use crate::step;

/// The hidden command that runs inside the namespaces.
pub(crate) const INSIDE: &str = "--inside-rootless";

/// Tells tests that they are not root of the machine.
pub(crate) const ROOTLESS: &str = "NETKEEP_TEST_ROOTLESS";

/// Runs `cargo test ARGS` in new namespaces: builds first, then starts this program again inside.
pub(crate) fn cargo_test(args: &[String]) -> Result<()> {
    step::succeed(step::cargo().arg("test").arg("--no-run").args(before_separator(args)))?;
    let itself = std::env::current_exe().context("finding this program")?;
    step::succeed(Command::new(itself).arg(INSIDE).args(args))
}

/// The other side of [`cargo_test`]: enters the namespaces first, while there is one thread.
pub(crate) fn run_inside(args: &[String]) -> Result<()> {
    netns::userns::enter()?;
    // The lock file of the iptables programs (peers) is outside what an ordinary user may write,
    // and one file for all network namespaces.
    let lock = std::env::temp_dir().join(format!("netkeep-xtables-{}.lock", std::process::id()));
    let mut tests = step::cargo();
    tests.args(["test", "--offline"]).args(args).env(ROOTLESS, "1").env("XTABLES_LOCKFILE", &lock);
    let outcome = step::succeed(&mut tests);
    // Nobody need have taken the lock.
    let _ = std::fs::remove_file(lock);
    outcome
}

/// Arguments after `--` are for the test binaries, which `--no-run` does not start.
fn before_separator(args: &[String]) -> &[String] {
    let end = args.iter().position(|arg| arg == "--").unwrap_or(args.len());
    &args[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_of_the_test_binaries_are_not_given_to_the_build() {
        let args: Vec<String> = ["-p", "x", "--", "--nocapture"].map(String::from).into();
        assert_eq!(before_separator(&args), ["-p", "x"]);
        assert_eq!(before_separator(&args[..2]), ["-p", "x"]);
    }
}
