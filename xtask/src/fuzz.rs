//! `cargo xtask fuzz`: runs one fuzz target.

use anyhow::{Context, Result, bail};

use crate::step::{cargo, succeed};

/// Runs the named target, or lists the targets.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let mut target = None;
    let mut seconds: u32 = 60;
    let mut words = args.iter();
    while let Some(word) = words.next() {
        if word == "--seconds" {
            let number = words.next().context("--seconds needs a number")?;
            seconds = number.parse().with_context(|| format!("--seconds {number}"))?;
        } else if target.is_none() && !word.starts_with('-') {
            target = Some(word.as_str());
        } else {
            bail!("{word:?} is not known: cargo xtask fuzz TARGET [--seconds N]");
        }
    }
    let targets = targets()?;
    let Some(target) = target else {
        println!("{}", targets.join("\n"));
        return Ok(());
    };
    if !targets.iter().any(|name| name == target) {
        bail!("no fuzz target {target:?}; there are: {}", targets.join(", "));
    }
    let present = cargo().args(["fuzz", "--version"]).output();
    if !present.is_ok_and(|output| output.status.success()) {
        bail!("cargo-fuzz is missing; run: cargo install --locked cargo-fuzz");
    }
    // `-s none`: sanitizers need a nightly compiler; panics and overflows are found without.
    let limit = format!("-max_total_time={seconds}");
    succeed(cargo().args(["fuzz", "run", "-s", "none", target, "--", &limit]))
}

fn targets() -> Result<Vec<String>> {
    let directory = crate::root().join("fuzz/fuzz_targets");
    let entries = std::fs::read_dir(&directory)
        .with_context(|| format!("reading {}", directory.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs")
            && let Some(stem) = path.file_stem()
        {
            names.push(stem.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}
