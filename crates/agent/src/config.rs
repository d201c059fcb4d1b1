//! What the agent is told: one struct, filled by the command line.
//!
//! Precedence, later beats earlier: built-in default, environment (`NETKEEP_*`), flag.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

pub use drivers::nft::TableOwnership;
use model::PortRange;
use thiserror::Error;

pub use crate::source::dir::EmptyFolder;

/// Where the state directory is unless told otherwise.
pub const STATE_DIR_DEFAULT: &str = "/var/lib/netkeep";
/// How long deletions may be held until `/healthz` is red, unless told otherwise.
pub const HOLD_TOLERANCE_DEFAULT: Duration = Duration::from_mins(10);
/// Where the agent's socket is unless told otherwise.
pub const SOCKET_DEFAULT: &str = "/run/netkeep/agent.sock";

/// Where objects come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceSpec {
    /// A folder of manifests.
    Dir(PathBuf),
    /// The Kubernetes API.
    Kube,
}

/// A `--source` that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidSource {
    /// Neither `dir:PATH` nor `kube`.
    #[error(
        "{0:?} is not a source: write dir:PATH (a folder of manifests) or kube (the API server)"
    )]
    Unknown(String),
}

impl std::fmt::Display for SourceSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Dir(path) => write!(f, "dir:{}", path.display()),
            Self::Kube => f.write_str("kube"),
        }
    }
}

impl FromStr for SourceSpec {
    type Err = InvalidSource;
    fn from_str(text: &str) -> Result<Self, InvalidSource> {
        match text.split_once(':') {
            Some(("dir", path)) if !path.is_empty() => Ok(Self::Dir(path.into())),
            None if text == "kube" => Ok(Self::Kube),
            _ => Err(InvalidSource::Unknown(text.to_owned())),
        }
    }
}

/// What the agent does, for whom and where.
#[derive(Debug, Clone)]
pub struct Config {
    /// The node's name: only its Pods count.
    pub node: String,
    /// Where objects come from.
    pub source: SourceSpec,
    /// How to reach the API server: a kubeconfig; `None`: as the Pod that we are, else as `kubectl`.
    pub kubeconfig: Option<PathBuf>,
    /// How long a watch may say nothing, not even a bookmark, before its kind counts as stale;
    /// `None`: the default of `kube`.
    pub stale_after: Option<Duration>,
    /// Whether a folder, or a list, without objects is believed.
    pub empty: EmptyFolder,
    /// How often, at most, the node's rules are checked, whoever made them; `None`: never.
    pub host_checks: Option<Duration>,
    /// How long deletions may be held until `/healthz` is red; `None`: for ever.
    pub hold_tolerance: Option<Duration>,
    /// Where the journal and what is published are kept.
    pub state_dir: PathBuf,
    /// The agent's socket; `None`: the default path, if it can be had.
    pub socket: Option<PathBuf>,
    /// Where `/metrics`, `/healthz`, `/livez` and `/readyz` are served.
    pub metrics: Option<SocketAddr>,
    /// The node ports that may be handed out.
    pub range: PortRange,
    /// Whether others may write to our table.
    pub ownership: TableOwnership,
    /// Elements that each map of mappings can hold; `None`: what the range needs.
    pub map_size: Option<u32>,
}

impl Config {
    /// The way to the API server.
    pub fn access(&self) -> kube::Access {
        self.kubeconfig.clone().map_or(kube::Access::Environment, kube::Access::Kubeconfig)
    }

    /// The size hint of the mapping maps: every port of the range in all three protocols, rounded
    /// up, at least 16,384: five thousand ports, so that few changes of the range need larger maps. A
    /// hint lets the kernel use a fixed hash, twice as fast to fill, of some 16 bytes an element.
    pub fn map_size(&self) -> u32 {
        const LEAST: u32 = 16_384;
        self.map_size
            .unwrap_or_else(|| (u32::from(self.range.len()) * 3).next_power_of_two().max(LEAST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_a_folder_and_anything_else_says_so() {
        assert_eq!("dir:/x:y".parse(), Ok(SourceSpec::Dir("/x:y".into())));
        assert_eq!("kube".parse(), Ok(SourceSpec::Kube));
        assert!(matches!("dir:".parse::<SourceSpec>(), Err(InvalidSource::Unknown(_))));
    }
}
