//! The others: the programs that agents of other projects start for the same state.

pub(crate) mod text;

use std::fs::{self, File};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};

use crate::contest::Scene;
use crate::mapping::Mapping;

/// Starts a program in the namespace of the calling thread and waits; anything but success is an
/// error.
pub(crate) fn run(scene: &Scene, program: &str, args: &[&str]) -> Result<()> {
    finish(program, &mut command(scene, program, args))
}

/// Like [`run`], with the text of a file of the scene as input.
pub(crate) fn feed(scene: &Scene, program: &str, args: &[&str], input: &Input) -> Result<()> {
    let file = File::open(&input.0).context("opening the input")?;
    finish(program, command(scene, program, args).stdin(file))
}

/// What a program prints.
pub(crate) fn output(scene: &Scene, program: &str, args: &[&str]) -> Result<Output> {
    command(scene, program, args).output().with_context(|| format!("running {program}"))
}

/// Whether a program says yes (0) or no (1).
pub(crate) fn ask(scene: &Scene, program: &str, args: &[&str]) -> Result<bool> {
    let output = output(scene, program, args)?;
    Ok(output.status.success())
}

/// Input written before the clock starts.
pub(crate) struct Input(std::path::PathBuf);

impl Input {
    /// Writes the text into the scene's directory.
    pub(crate) fn write(scene: &Scene, name: &str, text: &str) -> Result<Self> {
        let path = scene.directory().join(name);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        Ok(Self(path))
    }
}

fn command(scene: &Scene, program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).env("XTABLES_LOCKFILE", scene.xtables_lock());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

fn finish(program: &str, command: &mut Command) -> Result<()> {
    let output = command.spawn().and_then(std::process::Child::wait_with_output);
    let output = output.with_context(|| format!("running {program}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{program}: {}: {}", output.status, said.lines().next().unwrap_or_default());
    }
    Ok(())
}

/// The arguments of one `iptables` call about a mapping's rule.
pub(crate) fn rule_args(verb: &str, mapping: &Mapping) -> Vec<String> {
    let mut args = ["-t", "nat", verb, text::CHAIN].map(str::to_owned).to_vec();
    args.extend(text::iptables_rule(mapping));
    args
}

/// `iptables -C`: whether the rule is there.
pub(crate) fn has_rule(scene: &Scene, program: &str, mapping: &Mapping) -> Result<bool> {
    let args = rule_args("-C", mapping);
    ask(scene, program, &args.iter().map(String::as_str).collect::<Vec<_>>())
}

/// What a program prints, with no scene.
pub(crate) fn plain(program: &str, args: &[&str]) -> Result<Output> {
    Command::new(program).args(args).output().with_context(|| format!("running {program}"))
}
