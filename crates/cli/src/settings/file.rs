//! The file of `--config`: YAML with the flags' names in camelCase.
//!
//! Invariants: what a flag refuses, the file refuses; a key that is no setting, stands twice or has a
//! value of another type is refused, for a misspelt setting must not pass for a default; a refusal is
//! one line that says where. A key without a value and a file without keys set nothing.

use std::fs::File as OnDisk;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use agent::config::SourceSpec;
use model::PortRange;
use serde::{Deserialize, Deserializer};
use tracing::level_filters::LevelFilter;

use super::BadUsage;
use crate::args::{TableArg, limits, log_level, node_name};

/// The longest file that is read, in bytes.
const FILE_MAX: u64 = 1 << 20;

/// What the file says.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct File {
    #[serde(deserialize_with = "node")]
    pub(super) node: Option<String>,
    #[serde(deserialize_with = "parsed")]
    pub(super) source: Option<SourceSpec>,
    #[serde(deserialize_with = "path")]
    pub(super) kubeconfig: Option<PathBuf>,
    pub(super) kube_stale_after:
        Option<Whole<{ limits::STALE_AFTER.0 }, { limits::STALE_AFTER.1 }>>,
    pub(super) allow_empty: Option<bool>,
    #[serde(deserialize_with = "path")]
    pub(super) state_dir: Option<PathBuf>,
    pub(super) host_checks: Option<Whole<{ limits::HOST_CHECKS.0 }, { limits::HOST_CHECKS.1 }>>,
    pub(super) hold_tolerance:
        Option<Whole<{ limits::HOLD_TOLERANCE.0 }, { limits::HOLD_TOLERANCE.1 }>>,
    #[serde(deserialize_with = "path")]
    pub(super) socket: Option<PathBuf>,
    #[serde(deserialize_with = "parsed")]
    pub(super) metrics: Option<SocketAddr>,
    #[serde(deserialize_with = "parsed")]
    pub(super) npl_port_range: Option<PortRange>,
    pub(super) npl_map_size: Option<Whole<{ limits::MAP_SIZE.0 }, { limits::MAP_SIZE.1 }>>,
    pub(super) table: Option<TableArg>,
    #[serde(deserialize_with = "level")]
    pub(super) log_level: Option<LevelFilter>,
}

/// A whole number within these limits, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Whole<const MIN: u32, const MAX: u32>(pub(super) u32);

impl<'de, const MIN: u32, const MAX: u32> Deserialize<'de> for Whole<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let within = text.parse().ok().filter(|number| (MIN..=MAX).contains(number));
        let refuse = || {
            let why = format!("{text:?} is no whole number within {MIN} to {MAX}");
            serde::de::Error::custom(why)
        };
        within.map(Self).ok_or_else(refuse)
    }
}

fn parsed<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let refuse = |why: T::Err| {
        let why = why.to_string();
        let named = why.contains(&text);
        serde::de::Error::custom(if named { why } else { format!("{text:?}: {why}") })
    };
    text.parse().map(Some).map_err(refuse)
}

fn node<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let refuse = |why| serde::de::Error::custom(format!("{text:?}: {why}"));
    node_name(&text).map(Some).map_err(refuse)
}

fn level<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<LevelFilter>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let refuse = |why| serde::de::Error::custom(format!("{text:?}: {why}"));
    log_level(&text).map(Some).map_err(refuse)
}

fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    match Option::<String>::deserialize(deserializer)? {
        Some(text) if text.is_empty() || text.contains('\0') => {
            Err(serde::de::Error::custom(format!("{text:?} is no path")))
        }
        text => Ok(text.map(PathBuf::from)),
    }
}

/// What the file at this path says; nothing without a path.
pub(super) fn read(path: Option<&Path>) -> Result<File, BadUsage> {
    let Some(path) = path else { return Ok(File::default()) };
    let unreadable = |source| BadUsage::Unreadable { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = OnDisk::open(path).map_err(unreadable)?;
    file.take(FILE_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    of(&bytes).map_err(|Wrong { at, message }| BadUsage::Config {
        place: match at {
            Some((line, column)) => format!("{}:{line}:{column}", path.display()),
            None => path.display().to_string(),
        },
        message,
    })
}

/// What is wrong with a file, and where: line and column.
#[derive(Debug, PartialEq, Eq)]
struct Wrong {
    at: Option<(u64, u64)>,
    message: String,
}

fn of(bytes: &[u8]) -> Result<File, Wrong> {
    if bytes.len() as u64 > FILE_MAX {
        let message = format!("it is larger than {FILE_MAX} bytes");
        return Err(Wrong { at: None, message });
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = before.split(|byte| *byte == b'\n').count() as u64;
        Wrong { at: Some((line, 1)), message: "it is no UTF-8 text".to_owned() }
    })?;
    let file: Option<File> = serde_saphyr::from_str(text).map_err(|error| {
        let at = error.location().map(|at| (at.line(), at.column()));
        Wrong { at, message: told(&error.without_snippet().to_string()) }
    })?;
    Ok(file.unwrap_or_default())
}

/// What the parser complains of, without what it says to programmers and the place at its end.
fn told(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let (line, _) = line.rsplit_once(" at line ").unwrap_or((line, ""));
    let ends = [", set DuplicateKeyPolicy", "; use from_str_multiple"];
    let end = ends.iter().filter_map(|end| line.find(end)).min();
    end.map_or(line, |end| &line[..end]).to_owned()
}

#[cfg(test)]
mod tests;
