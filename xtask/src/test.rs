//! `cargo xtask test`: everything a change must pass.

use anyhow::Result;

use crate::host::Privilege;
use crate::step::{Steps, cargo, succeed};
use crate::{image, packages, rootless, suites, tidy};

/// The packages whose tests meet the kernel. As root they run twice, the second time rootless; the
/// others are pure or would do the same twice.
const KERNEL_FACING: [&str; 9] = [
    "netkeep-nfnl",
    "netkeep-xt",
    "netkeep-netns",
    "netkeep-drivers",
    "netkeep-apply",
    "netkeep-agent",
    "netkeep-lab",
    "netkeep-testkit",
    "netkeep-cli",
];

/// The scenarios that are the same wherever objects come from: they run a second time with an API
/// server in the folder's place. It takes minutes, so rootless runs leave it out; the tests of a
/// cluster (`cluster`) are rootless too.
const SCENARIOS: [&str; 9] = [
    "datapath",
    "flows",
    "foreign",
    "kill",
    "ownership",
    "ports",
    "publishing",
    "restart",
    "scale",
];

/// Runs all steps and prints a summary.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let (only_rootless, extra) = match args.split_first() {
        Some((first, rest)) if first == "--rootless" => (true, rest),
        _ => (false, args),
    };
    let privilege = Privilege::current()?;
    let mut steps = Steps::default();
    steps.run("packages: oracles and peers", packages::ensure);
    steps.run("packages: programs unpacked beside", suites::ensure);
    if !steps.all_well() {
        return steps.finish();
    }
    steps.run("fmt", || succeed(cargo().args(["fmt", "--all", "--check"])));
    steps.run("tidy", tidy::run);
    steps.run("clippy", || {
        succeed(cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
    });
    steps.run("build netkeep", || succeed(cargo().args(["build", "--bin", "netkeep"])));
    match privilege {
        _ if only_rootless => rootless_tests(&mut steps, &scoped(extra, workspace())),
        Privilege::User => rootless_tests(&mut steps, &scoped(extra, workspace())),
        Privilege::NamespaceRoot => {
            let tests = scoped(extra, workspace());
            steps.run("tests (root of a user namespace)", || {
                succeed(cargo().arg("test").args(&tests).env(rootless::ROOTLESS, "1"))
            });
        }
        Privilege::Root => {
            let tests = scoped(extra, workspace());
            steps.run("tests (root)", || succeed(cargo().arg("test").args(&tests)));
            steps.run("scenarios by the API", scenarios_by_the_api);
            rootless_tests(&mut steps, &scoped(extra, kernel_facing()));
            // The profile of the tests before, so that only the last crate is built anew; the
            // image that is delivered differs from it in optimisation alone.
            steps.run("image, built and run", || image::build_and_try("dev"));
        }
    }
    steps.finish()
}

fn scenarios_by_the_api() -> Result<()> {
    let binaries = SCENARIOS.iter().flat_map(|name| ["--test", name]);
    let mut tests = cargo();
    tests.args(["test", "--no-fail-fast", "--package", "netkeep-cli"]).args(binaries);
    succeed(tests.env("NETKEEP_TEST_SOURCE", "kube"))
}

fn rootless_tests(steps: &mut Steps, args: &[String]) {
    steps.run("tests (rootless)", || rootless::cargo_test(args));
}

fn workspace() -> Vec<String> {
    vec!["--workspace".to_owned()]
}

fn kernel_facing() -> Vec<String> {
    KERNEL_FACING.iter().flat_map(|package| ["-p".to_owned(), (*package).to_owned()]).collect()
}

/// `--no-fail-fast`, the scope and the caller's arguments; the caller's own `-p` replaces the scope.
fn scoped(extra: &[String], scope: Vec<String>) -> Vec<String> {
    let own = extra
        .iter()
        .take_while(|arg| *arg != "--")
        .any(|arg| arg.starts_with("-p") || arg.starts_with("--package") || arg == "--workspace");
    let mut args = vec!["--no-fail-fast".to_owned()];
    if !own {
        args.extend(scope);
    }
    args.extend_from_slice(extra);
    args
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callers_package_replaces_the_scope() {
        let extra = ["-p".to_owned(), "netkeep-plan".to_owned()];
        assert_eq!(scoped(&extra, workspace()), ["--no-fail-fast", "-p", "netkeep-plan"]);
        let after = ["--".to_owned(), "-p".to_owned()];
        assert_eq!(scoped(&after, workspace()), ["--no-fail-fast", "--workspace", "--", "-p"]);
    }

    #[test]
    fn every_scenario_exists() {
        let tests = crate::root().join("crates/cli/tests");
        for name in SCENARIOS {
            assert!(tests.join(name).with_extension("rs").is_file(), "{name}");
        }
    }

    #[test]
    fn every_kernel_facing_package_exists() {
        let crates = crate::root().join("crates");
        for package in KERNEL_FACING {
            let directory = package.trim_start_matches("netkeep-");
            assert!(crates.join(directory).join("Cargo.toml").is_file(), "{package}");
        }
    }
}
