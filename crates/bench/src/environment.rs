//! What the run ran on: printed and stored, because figures mean nothing without it.

use std::fmt;
use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Kernel, processors, tools.
#[derive(Debug, Clone)]
pub(crate) struct Environment {
    /// `/proc/version`, up to the compiler.
    pub(crate) kernel: String,
    /// How many processors.
    pub(crate) processors: usize,
    /// The version line of each peer.
    pub(crate) tools: Vec<String>,
    /// The load average at the start.
    pub(crate) load: String,
}

/// Open files: more than the greatest N.
const FILES: u64 = 131_072;

/// The peers and how each says its version.
const TOOLS: [(&str, &str); 5] = [
    ("nft", "--version"),
    ("iptables-legacy", "--version"),
    ("iptables-nft", "--version"),
    ("ipset", "--version"),
    ("conntrack", "--version"),
];

impl Environment {
    /// Reads it; a missing peer is an error.
    pub(crate) fn read() -> Result<Self> {
        let version = fs::read_to_string("/proc/version").context("reading /proc/version")?;
        let kernel = version.split(" (").next().unwrap_or_default().to_owned();
        let processors = std::thread::available_parallelism()?.get();
        let tools: Result<Vec<String>> =
            TOOLS.iter().map(|(tool, option)| tool_version(tool, option)).collect();
        Ok(Self { kernel, processors, tools: tools?, load: load()? })
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, {} processors, load average {}\n{}",
            self.kernel,
            self.processors,
            self.load,
            self.tools.join("; ")
        )
    }
}

/// How many files an agent that we start may have open: a socket for each mapping, and more. Raised
/// as far as we may (beyond the hard limit with `CAP_SYS_RESOURCE` only).
pub(crate) fn file_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let now = limit.maximum.unwrap_or(u64::MAX);
    let raised = Rlimit { current: limit.current, maximum: Some(FILES) };
    if now < FILES && setrlimit(Resource::Nofile, raised).is_ok() { FILES } else { now }
}

/// The load average of 1, 5 and 15 minutes.
pub(crate) fn load() -> Result<String> {
    let text = fs::read_to_string("/proc/loadavg").context("reading /proc/loadavg")?;
    Ok(text.split_whitespace().take(3).collect::<Vec<_>>().join(" "))
}

fn tool_version(tool: &str, option: &str) -> Result<String> {
    let output = Command::new(tool)
        .arg(option)
        .output()
        .with_context(|| format!("{tool} is missing; `cargo xtask bench` installs the peers"))?;
    if !output.status.success() {
        bail!("{tool} {option}: {}", output.status);
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}
