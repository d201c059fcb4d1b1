//! The release `netkeep agent` as a process in a namespace, with a folder of manifests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use netns::Namespace;
use rustix::process::{Pid, Signal, kill_process};

use crate::mapping::Mapping;
use crate::raw::{Elements, Raw};

mod manifests;

pub(crate) use manifests::Folder;

/// The product's table and its map of IPv4 mappings.
pub(crate) const TABLE: &str = "netkeep";
/// See [`TABLE`].
pub(crate) const MAP: &str = "npl4";

/// Who may write to the product's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    /// The agent alone.
    Exclusive,
    /// Anybody.
    Shared,
}

/// A step of the agent, as it logs it: elements added, and how long after it had received the event
/// that caused it the kernel acknowledged them, and they had been read back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Step {
    pub(crate) added: usize,
    pub(crate) committed_us: f64,
    pub(crate) read_back_us: f64,
}

impl Step {
    fn read(line: &str) -> Option<Self> {
        let field = |name: &str| {
            let (_, after) = line.split_once(name)?;
            let digits = after.trim_start_matches(|c: char| !c.is_ascii_digit());
            digits.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u32>().ok()
        };
        let added = field("added")? as usize;
        let committed_us = f64::from(field("committed_us")?);
        Some(Self { added, committed_us, read_back_us: f64::from(field("read_back_us")?) })
    }
}

/// A running agent; dropping it kills it.
pub(crate) struct Agent {
    child: Child,
    log: PathBuf,
}

impl Agent {
    /// Starts it in the namespace on a folder.
    pub(crate) fn start(namespace: &Namespace, folder: &Folder, table: Table) -> Result<Self> {
        Self::start_with(namespace, folder, table, &[])
    }

    /// Like [`Self::start`], with more options.
    pub(crate) fn start_with(
        namespace: &Namespace,
        folder: &Folder,
        table: Table,
        more: &[&str],
    ) -> Result<Self> {
        let log = folder.path().join("agent.log");
        let output = fs::File::options().create(true).append(true).open(&log).context("the log")?;
        let mut command = Command::new(binary()?);
        command.args(["agent", "--node", manifests::NODE, "--log-level", "info"]);
        command.arg("--source").arg(format!("dir:{}", folder.manifests().display()));
        command.arg("--state-dir").arg(folder.path().join("state"));
        command.arg("--socket").arg(folder.path().join("agent.sock"));
        command.args(["--npl-port-range", "2000-65535", "--npl-map-size", "65536"]);
        command.args(["--table", if table == Table::Exclusive { "exclusive" } else { "shared" }]);
        command.args(more);
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        Ok(Self { child: namespace.spawn(&mut command)?, log })
    }

    /// Starts it and waits until `n` mappings are in the kernel and it has come to rest.
    pub(crate) fn settled(
        namespace: &Namespace,
        folder: &Folder,
        table: Table,
        n: usize,
    ) -> Result<Self> {
        let mut agent = Self::start(namespace, folder, table)?;
        agent.wait_for(namespace, n)?;
        Ok(agent)
    }

    /// Waits until the kernel has exactly `n` mappings, and the agent does nothing any more.
    pub(crate) fn wait_for(&mut self, namespace: &Namespace, n: usize) -> Result<()> {
        let deadline = Instant::now() + Duration::from_mins(2);
        let mut raw = namespace.run(Raw::open)??;
        while mappings(&mut raw) != n {
            if let Some(status) = self.child.try_wait()? {
                bail!("the agent ended ({status}): {}", self.last_words());
            }
            if Instant::now() > deadline {
                let found = mappings(&mut raw);
                bail!("{found} mappings of {n} after 120 s: {}", self.last_words());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.wait_for_rest()
    }

    /// Waits until it has used no processor time for a while. On a busy machine a short pause may
    /// mean that it got no processor, so the pause is long.
    pub(crate) fn wait_for_rest(&self) -> Result<()> {
        const PAUSES: usize = 4;
        let deadline = Instant::now() + Duration::from_mins(5);
        let (mut before, mut pauses) = (self.ticks()?, 0);
        while pauses < PAUSES {
            std::thread::sleep(Duration::from_millis(250));
            let now = self.ticks()?;
            pauses = if now == before { pauses + 1 } else { 0 };
            if Instant::now() > deadline {
                bail!("the agent does not come to rest: {}", self.last_words());
            }
            before = now;
        }
        Ok(())
    }

    /// What it said so far of its steps that wrote to the kernel.
    pub(crate) fn steps(&self) -> Result<Vec<Step>> {
        let log = fs::read_to_string(&self.log).context("the agent's log")?;
        Ok(log.lines().filter_map(Step::read).collect())
    }

    /// User and system time so far, in clock ticks (10 ms).
    pub(crate) fn ticks(&self) -> Result<u64> {
        let stat = fs::read_to_string(self.proc("stat")).context("the agent's stat")?;
        // proc(5): after the name in parentheses, utime is field 14 and stime field 15.
        let after = stat.rsplit_once(") ").map_or("", |(_, after)| after);
        let field = |at: usize| after.split(' ').nth(at).and_then(|text| text.parse::<u64>().ok());
        Ok(field(11).context("utime")? + field(12).context("stime")?)
    }

    /// Resident memory in MiB.
    pub(crate) fn rss(&self) -> Result<f64> {
        let status = fs::read_to_string(self.proc("status")).context("the agent's status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
        let kib: f64 = line.trim().trim_end_matches(" kB").parse().context("VmRSS")?;
        Ok(kib / 1024.0)
    }

    /// How many processes it has started that still live.
    pub(crate) fn children(&self) -> Result<usize> {
        let mut count = 0;
        for task in fs::read_dir(self.proc("task")).context("the agent's threads")? {
            let children = fs::read_to_string(task?.path().join("children")).unwrap_or_default();
            count += children.split_whitespace().count();
        }
        Ok(count)
    }

    /// How often its threads gave up the processor by themselves: wake-ups.
    pub(crate) fn wakeups(&self) -> Result<u64> {
        let mut sum = 0;
        for task in fs::read_dir(self.proc("task")).context("the agent's threads")? {
            let status = fs::read_to_string(task?.path().join("status")).unwrap_or_default();
            let line = status.lines().find_map(|l| l.strip_prefix("voluntary_ctxt_switches:"));
            sum += line.and_then(|text| text.trim().parse::<u64>().ok()).unwrap_or(0);
        }
        Ok(sum)
    }

    /// Ends it the hard way.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.end(Signal::KILL)
    }

    fn end(&mut self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("pid")?;
        kill_process(pid, signal).context("ending the agent")?;
        self.child.wait().context("waiting for the agent")?;
        Ok(())
    }

    fn proc(&self, file: &str) -> PathBuf {
        Path::new("/proc").join(self.child.id().to_string()).join(file)
    }

    fn last_words(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(3).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // Nobody is left to be told.
            let _ = self.end(Signal::KILL);
        }
    }
}

/// How many mappings the product's table has; 0 while there is no table.
pub(crate) fn mappings(raw: &mut Raw) -> usize {
    raw.keys(&Elements::dump(TABLE, MAP)).map_or(0, |keys| keys.len())
}

/// `netkeep`, built beside this program.
pub(crate) fn binary() -> Result<PathBuf> {
    beside("netkeep")
}

/// A program built beside this one.
pub(crate) fn beside(name: &str) -> Result<PathBuf> {
    let itself = std::env::current_exe().context("finding this program")?;
    let path = itself.with_file_name(name);
    if !path.is_file() {
        bail!("{} is missing: run `cargo xtask bench`", path.display());
    }
    Ok(path)
}

/// A folder with the first `n` mappings' Pods.
pub(crate) fn folder(n: usize) -> Result<Folder> {
    let folder = Folder::new()?;
    folder.write_all(&Mapping::first(n))?;
    Ok(folder)
}
