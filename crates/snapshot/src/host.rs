//! Owns what a small file or one system call tells: node, kernel, legacy tables, the lock.

use std::path::Path;
use std::time::{Duration, Instant};

use doctor::snapshot::{LegacyTables, LockHolder};
use xt::legacy;

use crate::{Found, part::why};

pub(crate) fn node() -> Option<String> {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    (!name.is_empty() && name != "(none)").then_some(name)
}

pub(crate) fn kernel() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

pub(crate) fn legacy_tables() -> Result<Found<LegacyTables>, String> {
    let names = |family| legacy::table_names(family).map_err(|error| why(&error));
    Ok(LegacyTables { v4: names(xt::Family::V4)?, v6: names(xt::Family::V6)? }.into())
}

/// How long between two looks at the lock.
const PAUSE: Duration = Duration::from_millis(100);
/// Letters of a command line that are kept.
const LONGEST: usize = 200;

/// Those who hold it; those who wait are not told. Whoever holds it is looked at until it lets go, for
/// `watch` at most: a program of iptables takes the lock for a moment, and a moment is no finding.
pub(crate) fn lock(path: &Path, watch: Duration) -> Result<Found<Vec<LockHolder>>, String> {
    let look = || {
        let holders = legacy::lock_holders(path)
            .map_err(|error| format!("{} or /proc/locks: {error}", path.display()))?;
        Ok::<_, String>(holders.into_iter().filter(|holder| holder.holds).collect::<Vec<_>>())
    };
    let start = Instant::now();
    let mut holding = look()?;
    while !holding.is_empty() && start.elapsed() < watch {
        std::thread::sleep(PAUSE);
        let now = look()?;
        holding.retain(|holder| now.iter().any(|other| other.pid == holder.pid));
    }
    let seconds = start.elapsed().as_secs();
    let told = holding.into_iter().map(|holder| {
        // it took the lock and ended, and a child of it keeps the file
        let heir = || if holder.process.is_empty() { heir(path) } else { None };
        let (pid, process) = heir().unwrap_or((holder.pid, holder.process.clone()));
        LockHolder {
            // 0 is a process outside of this pid namespace
            pid: (pid != 0).then_some(pid),
            command: command(pid),
            process: (!process.is_empty()).then_some(process),
            seconds: (seconds > 0).then_some(seconds),
        }
    });
    Ok(told.collect::<Vec<_>>().into())
}

fn command(pid: u32) -> Option<String> {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let words = line.split(|byte| *byte == 0).filter(|word| !word.is_empty());
    let words: Vec<_> = words.map(String::from_utf8_lossy).collect();
    let line: String = words.join(" ").chars().take(LONGEST).collect();
    (!line.is_empty()).then_some(line)
}

/// A process that has the file open, and its name.
fn heir(path: &Path) -> Option<(u32, String)> {
    let path = std::fs::canonicalize(path).ok()?;
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    processes.into_iter().find_map(|process| {
        let pid = process.file_name().to_str()?.parse::<u32>().ok()?;
        let mut files = std::fs::read_dir(process.path().join("fd")).ok()?.flatten();
        files.find(|file| std::fs::read_link(file.path()).is_ok_and(|to| to == path))?;
        let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
        Some((pid, name.trim().to_owned()))
    })
}
