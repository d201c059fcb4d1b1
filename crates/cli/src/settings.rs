//! Settings: flags, environment, the file of `--config` and defaults, joined into one.
//!
//! Precedence, first beats later: flag, environment (`NETKEEP_*`), file, default. An unknown key in
//! the file is an error: a misspelt setting must not pass for a default.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use agent::checks::INTERVAL_DEFAULT as HOST_CHECKS_DEFAULT;
use agent::config::{Config, EmptyFolder, STATE_DIR_DEFAULT, SourceSpec, TableOwnership};
use model::PortRange;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value as Json};
use tracing::level_filters::LevelFilter;

use crate::args::{AgentArgs, SourceArgs, TableArg, node_name};

/// The file of `--config`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct File {
    #[serde(deserialize_with = "node")]
    node: Option<String>,
    #[serde(deserialize_with = "parsed")]
    source: Option<SourceSpec>,
    kubeconfig: Option<PathBuf>,
    kube_stale_after: Option<u32>,
    allow_empty: Option<bool>,
    state_dir: Option<PathBuf>,
    host_checks: Option<u32>,
    socket: Option<PathBuf>,
    metrics: Option<SocketAddr>,
    npl_port_range: Option<PortRange>,
    npl_map_size: Option<u32>,
    table: Option<TableArg>,
    #[serde(deserialize_with = "parsed")]
    log_level: Option<LevelFilter>,
}

fn parsed<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(serde::de::Error::custom)
}

fn node<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    node_name(&text).map(Some).map_err(serde::de::Error::custom)
}

fn read(path: Option<&Path>) -> Result<File, BadUsage> {
    let Some(path) = path else { return Ok(File::default()) };
    let text = fs::read_to_string(path)
        .map_err(|source| BadUsage::Unreadable { path: path.to_owned(), source })?;
    serde_saphyr::from_str(&text).map_err(|error| {
        // The first line says what and where; a picture of the place follows.
        let message = error.to_string().lines().next().unwrap_or_default().to_owned();
        BadUsage::Config { path: path.to_owned(), message }
    })
}

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
    let host_checks = args.host_checks.or(file.host_checks.take());
    let host_checks = host_checks.map_or(HOST_CHECKS_DEFAULT, |s| Duration::from_secs(s.into()));
    let host_checks = Some(host_checks).filter(|interval| !interval.is_zero());
    Ok(Config { socket, metrics, host_checks, ..join(args.source, file)? })
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
            .or(file.kube_stale_after)
            .map(|seconds| Duration::from_secs(seconds.max(1).into())),
        empty: if empty { EmptyFolder::MeansNoObjects } else { EmptyFolder::IsUnavailable },
        state_dir: args.state_dir.or(file.state_dir).unwrap_or_else(|| STATE_DIR_DEFAULT.into()),
        socket: None,
        host_checks: None,
        metrics: None,
        range: args.npl_port_range.or(file.npl_port_range).unwrap_or_default(),
        ownership: match args.table.or(file.table).unwrap_or(TableArg::Exclusive) {
            TableArg::Exclusive => TableOwnership::Exclusive,
            TableArg::Shared => TableOwnership::Shared,
        },
        map_size: args.npl_map_size.or(file.npl_map_size),
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
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It says something that is no setting.
    #[error("{} is not a configuration: {message}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What and where, in one line.
        message: String,
    },
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn a_configuration_file_is_read_and_a_misspelt_key_is_refused() {
        let file: File = serde_saphyr::from_str(
            "node: n1\nsource: dir:/m\nnplPortRange: 61000-61999\ntable: shared\nlogLevel: warn\n",
        )
        .unwrap();
        assert_eq!(file.node.as_deref(), Some("n1"));
        assert_eq!(file.npl_port_range.unwrap().len(), 1_000);
        assert_eq!(file.log_level, Some(LevelFilter::WARN));
        assert!(serde_saphyr::from_str::<File>("nodes: n1").is_err());
        assert!(serde_saphyr::from_str::<File>("source: kube").is_ok());
        assert!(serde_saphyr::from_str::<File>("source: kubernetes").is_err());
    }

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
