//! A program from start to end: how long, and how much memory at most.

use std::fs;
use std::io::Read;
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, ensure};

use crate::contest::{Sample, Scene, time};

/// A command line.
pub(super) struct Program<'a> {
    pub(super) path: &'a str,
    pub(super) args: &'a [&'a str],
    /// Exit codes that are no failure.
    pub(super) codes: &'a [i32],
}

impl Program<'_> {
    fn command(&self, scene: &Scene) -> Command {
        let mut command = Command::new(self.path);
        command.args(self.args).env("XTABLES_LOCKFILE", scene.xtables_lock());
        command.env("NETKEEP_STATE_DIR", scene.directory());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn ensure_good(&self, status: ExitStatus) -> Result<()> {
        let good = status.code().is_some_and(|code| self.codes.contains(&code));
        ensure!(good, "{} {:?}: {status}", self.path, self.args);
        Ok(())
    }

    /// How long it takes, start to end, printing into nothing.
    pub(super) fn wall(&self, scene: &Scene) -> Result<Sample> {
        let mut command = self.command(scene);
        let mut status = None;
        let took = time(|| {
            status = Some(command.status().with_context(|| format!("running {}", self.path))?);
            Ok(())
        })?;
        self.ensure_good(status.context("it did not run")?)?;
        Ok(Sample::of(&[took]))
    }

    /// The most memory that was resident (`VmHWM`), in MiB, and how many bytes it printed. It is
    /// asked each time the program has to wait for its reader; what it takes in while it prints its
    /// last pipe full is not seen.
    pub(super) fn memory(&self, scene: &Scene) -> Result<(f64, usize)> {
        let mut command = self.command(scene);
        let mut child = command.stdout(Stdio::piped()).spawn().context("starting it")?;
        let mut out = child.stdout.take().context("its output")?;
        let (mut peak, mut printed, mut buffer) = (0.0_f64, 0, vec![0; 64 << 10]);
        loop {
            // one that has ended has none any more
            peak = peak.max(high_water(child.id()).unwrap_or_default());
            let length = out.read(&mut buffer).context("reading its output")?;
            if length == 0 {
                break;
            }
            printed += length;
        }
        self.ensure_good(child.wait().context("waiting for it")?)?;
        ensure!(peak > 0.0, "{} ended before anybody looked", self.path);
        Ok((peak, printed))
    }
}

fn high_water(pid: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kib / 1024.0)
}
