//! Mappings as `netkeep show npl -o json` prints them, and published files.

use model::{IpFamily, Protocol};
use serde_json::Value;

/// One line of `show npl`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the contract")]
pub struct Mapping {
    pub pod: String,
    pub uid: String,
    pub pod_ip: String,
    pub pod_port: u16,
    pub node_ip: String,
    pub node_port: u16,
    pub protocol: String,
    pub family: String,
    pub state: String,
    pub reason: String,
}

impl Mapping {
    /// Whether it is this one.
    pub fn is(&self, pod: &str, family: IpFamily, protocol: Protocol, pod_port: u16) -> bool {
        self.pod == pod
            && self.family == family.as_str()
            && self.protocol == protocol.as_str()
            && self.pod_port == pod_port
    }
}

#[track_caller]
pub(super) fn read(list: &Value) -> Vec<Mapping> {
    let Value::Array(lines) = list else { panic!("not a list of mappings: {list}") };
    let of = |line: &Value| {
        let text = |key: &str| match &line[key] {
            Value::String(text) => text.clone(),
            other => panic!("{key} is {other} in {line}"),
        };
        let port = |key: &str| match line[key].as_u64().map(u16::try_from) {
            Some(Ok(port)) => port,
            _ => panic!("{key} is {} in {line}", line[key]),
        };
        Mapping {
            pod: text("pod"),
            uid: text("uid"),
            pod_ip: text("podIP"),
            pod_port: port("podPort"),
            node_ip: text("nodeIP"),
            node_port: port("nodePort"),
            protocol: text("protocol"),
            family: text("ipFamily"),
            state: text("state"),
            reason: text("reason"),
        }
    };
    lines.iter().map(of).collect()
}

/// The annotation that a published file asks for: `None` to remove it.
pub(super) fn published(text: &str) -> Result<Option<String>, String> {
    let line = text
        .lines()
        .find_map(|line| line.trim_start().strip_prefix("nodeportlocal.antrea.io:"))
        .ok_or("no annotation")?;
    let scalar = line.trim();
    if scalar == "null" || scalar == "~" {
        return Ok(None);
    }
    if let Some(quoted) = scalar.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        return Ok(Some(quoted.replace("''", "'")));
    }
    // A double-quoted YAML scalar of printable text is a JSON string.
    serde_json::from_str(scalar).map(Some).map_err(|error| error.to_string())
}
