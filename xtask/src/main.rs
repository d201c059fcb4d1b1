//! Developer commands of netkeep: `cargo xtask test|tidy|image|bless|fuzz|bench|soak`.
//!
//! Owns: what "the tests pass" means (`.ci/run` calls exactly `cargo xtask test`) and the house
//! rules as data (`tidy`).
//!
//! Invariant: a step that cannot run fails; nothing is skipped silently.

#![forbid(unsafe_code)]

mod bench;
mod bless;
mod fuzz;
mod host;
mod image;
mod packages;
mod rootless;
mod soak;
mod step;
mod suites;
mod test;
mod tidy;

use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  test  [--rootless] [CARGO TEST ARGS]   everything a change must pass; as root also the rootless part
  tidy                                   the house rules, as tests
  image [--profile release|dev]          the container image, built and run; needs root
  bless [CARGO TEST ARGS]                rewrite the golden files, then read the diff
  fuzz  TARGET [--seconds N]             fuzz one target (default 60 s); without TARGET: list them
  suites                                 programs of Debian suites, unpacked beside for the tests
  bench [--check] [--quick] [NAME...]    measure against peers in the same run; --check fails on a limit
  soak  [--minutes N]                    a large cluster under constant change (default 30): nothing grows";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let command = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    let done = match command.as_str() {
        "test" => test::run(&rest),
        "tidy" => tidy::run(),
        "image" => image::run(&rest),
        "bless" => bless::run(&rest),
        "fuzz" => fuzz::run(&rest),
        "suites" => suites::ensure(),
        "bench" => bench::run(&rest),
        "soak" => soak::run(&rest),
        rootless::INSIDE => rootless::run_inside(&rest),
        "help" | "--help" | "-h" => {
            println!("{USAGE}");
            Ok(())
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask {command}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The workspace's root: the parent of this crate.
fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map(PathBuf::from).unwrap_or(here)
}

/// `target`, or what the environment says.
fn target_directory() -> PathBuf {
    let said = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    root().join(said)
}
