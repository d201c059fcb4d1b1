//! Settings: flags, environment, the file of `--config` and defaults, joined into one.
//!
//! Precedence, first beats later: flag, environment (`NETKEEP_*`), file ([`file`]), default.

mod file;

use std::path::{Path, PathBuf};
use std::time::Duration;

use agent::checks::INTERVAL_DEFAULT as HOST_CHECKS_DEFAULT;
use agent::config::{
    Config, EmptyFolder, HOLD_TOLERANCE_DEFAULT, STATE_DIR_DEFAULT, TableOwnership,
};
use serde_json::{Map, Value as Json};
use tracing::level_filters::LevelFilter;

use crate::args::{AgentArgs, SourceArgs, TableArg};
use file::{File, Whole, read};

/// The configuration of a command that reconciles once.
pub(crate) fn once(args: SourceArgs) -> Result<Config, BadUsage> {
    let file = read(args.config.as_deref())?;
    join(args, file)
}

/// The configuration of the agent, and what it is to log.
pub(crate) fn agent(args: AgentArgs) -> Result<(Config, LevelFilter), BadUsage> {
    let file = read(args.source.config.as_deref())?;
    let level = args.log_level.or(file.log_level).unwrap_or(LevelFilter::INFO);
    Ok((join_agent(args, file)?, level))
}

fn join_agent(args: AgentArgs, mut file: File) -> Result<Config, BadUsage> {
    let socket = args.socket.or(file.socket.take());
    let metrics = args.metrics.or(file.metrics.take());
    let host_checks = args.host_checks.or(file.host_checks.take().map(|Whole(seconds)| seconds));
    let host_checks = host_checks.map_or(HOST_CHECKS_DEFAULT, |s| Duration::from_secs(s.into()));
    let host_checks = Some(host_checks).filter(|interval| !interval.is_zero());
    let tolerance = args.hold_tolerance.or(file.hold_tolerance.take().map(|Whole(s)| s));
    let tolerance = tolerance.map_or(HOLD_TOLERANCE_DEFAULT, |s| Duration::from_secs(s.into()));
    let hold_tolerance = Some(tolerance).filter(|tolerance| !tolerance.is_zero());
    Ok(Config { socket, metrics, host_checks, hold_tolerance, ..join(args.source, file)? })
}

fn join(args: SourceArgs, file: File) -> Result<Config, BadUsage> {
    let empty = args.allow_empty || file.allow_empty.unwrap_or(false);
    Ok(Config {
        node: args.node.or(file.node).ok_or(BadUsage::Missing("--node NAME"))?,
        source: args
            .source
            .or(file.source)
            .ok_or(BadUsage::Missing("--source dir:PATH or --source kube"))?,
        kubeconfig: args.kubeconfig.or(file.kubeconfig),
        stale_after: args
            .kube_stale_after
            .or(file.kube_stale_after.map(|Whole(seconds)| seconds))
            .map(|seconds| Duration::from_secs(seconds.into())),
        empty: if empty { EmptyFolder::MeansNoObjects } else { EmptyFolder::IsUnavailable },
        state_dir: args.state_dir.or(file.state_dir).unwrap_or_else(|| STATE_DIR_DEFAULT.into()),
        socket: None,
        host_checks: None,
        hold_tolerance: None,
        metrics: None,
        range: args.npl_port_range.or(file.npl_port_range).unwrap_or_default(),
        ownership: match args.table.or(file.table).unwrap_or(TableArg::Exclusive) {
            TableArg::Exclusive => TableOwnership::Exclusive,
            TableArg::Shared => TableOwnership::Shared,
        },
        map_size: args.npl_map_size.or(file.npl_map_size.map(|Whole(size)| size)),
    })
}

/// The settings that hold, by their names in the file of `--config`.
pub(crate) fn told(config: &Config, level: LevelFilter) -> Map<String, Json> {
    let path = |path: &Path| Json::from(path.display().to_string());
    let mut told = Map::new();
    let mut say = |key: &str, value: Json| drop(told.insert(key.to_owned(), value));
    say("node", config.node.as_str().into());
    say("source", config.source.to_string().into());
    if let Some(file) = &config.kubeconfig {
        say("kubeconfig", path(file));
    }
    if let Some(wait) = config.stale_after {
        say("kubeStaleAfter", wait.as_secs().into());
    }
    say("allowEmpty", (config.empty == EmptyFolder::MeansNoObjects).into());
    say("stateDir", path(&config.state_dir));
    say("hostChecks", config.host_checks.map_or(0, |interval| interval.as_secs()).into());
    say("holdTolerance", config.hold_tolerance.map_or(0, |tolerance| tolerance.as_secs()).into());
    if let Some(socket) = &config.socket {
        say("socket", path(socket));
    }
    if let Some(address) = config.metrics {
        say("metrics", address.to_string().into());
    }
    say("nplPortRange", config.range.to_string().into());
    say("nplMapSize", config.map_size().into());
    let table = match config.ownership {
        TableOwnership::Exclusive => "exclusive",
        TableOwnership::Shared => "shared",
    };
    say("table", table.into());
    say("logLevel", level.to_string().into());
    told
}

/// Settings as a file for `--config`: every value as JSON, which is YAML.
pub(crate) fn as_yaml(told: &Map<String, Json>) -> String {
    told.iter()
        .fold(String::new(), |yaml, (key, value)| yaml + key + ": " + &value.to_string() + "\n")
}

/// What was asked for cannot be done as asked: exit code 2.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadUsage {
    /// A setting without a default stands nowhere.
    #[error("{0} is missing (flag, environment or --config; see --help)")]
    Missing(&'static str),
    /// A question that is not understood.
    #[error("{0}")]
    Question(String),
    /// The file of `--config` cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It says something that is no setting.
    #[error("{place} is not a configuration: {message}")]
    Config {
        /// The file, with line and column where it has them.
        place: String,
        /// What is wrong, in one line.
        message: String,
    },
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn what_is_printed_is_a_configuration_that_says_the_same() {
        let file: File = serde_saphyr::from_str(
            "node: n1\nsource: kube\nkubeconfig: '/a: b'\nkubeStaleAfter: 7\nallowEmpty: true\n\
             metrics: '[::1]:9'\nnplPortRange: 61000-61999\nnplMapSize: 70000\ntable: shared\n\
             socket: /s\nstateDir: /d\n",
        )
        .unwrap();
        let args = || {
            let cli = crate::args::Cli::try_parse_from(["netkeep", "agent"]).unwrap();
            let crate::args::Command::Agent(args) = cli.command else { unreachable!() };
            args
        };
        let once = as_yaml(&told(&join_agent(args(), file).unwrap(), LevelFilter::WARN));
        let again: File = serde_saphyr::from_str(&once).unwrap();
        let twice = as_yaml(&told(&join_agent(args(), again).unwrap(), LevelFilter::WARN));
        assert_eq!(once, twice);
        assert!(once.contains("kubeconfig: \"/a: b\"\n"), "{once}");
    }
}
