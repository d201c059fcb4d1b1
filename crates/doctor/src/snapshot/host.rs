//! Owns what is neither a rule nor of `ip`: sets, Open vSwitch, conntrack, the lock, tools, sockets,
//! what tools complained about.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// A set of ipset.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IpSet {
    /// Its name.
    pub name: String,
    /// `hash:ip` and so on.
    pub kind: String,
    /// `inet` or `inet6`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// How many it can hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// How many it holds.
    pub count: u64,
    /// How many rules and sets refer to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub references: Option<u64>,
    /// Its elements; of a large set only the first ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub elements: Vec<String>,
}

/// Open vSwitch.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Ovs {
    /// `other_config:flow-restore-wait`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flow_restore_wait: Option<bool>,
    /// Version of the switch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Ports of all bridges.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<OvsPort>,
}

/// A port of a bridge of Open vSwitch.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OvsPort {
    /// The bridge.
    pub bridge: String,
    /// The port, or its interface.
    pub name: String,
    /// `internal`, `vxlan` and so on; nothing for a plain link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Why it does not work (`could not open network device`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Tracked connections.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Conntrack {
    /// How many there are.
    pub count: u64,
    /// How many there can be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Connections; of many only the first ones. Live snapshots hold those of UDP whose destination is
    /// translated, or that nobody answered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flows: Vec<Flow>,
}

/// A tracked connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Flow {
    /// `tcp`, `udp`, `sctp`, `icmp` and so on.
    pub protocol: String,
    /// State, for protocols that have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// As the first packet was sent.
    pub original: Tuple,
    /// As answers come.
    pub reply: Tuple,
    /// Whether an answer was seen.
    #[serde(default)]
    pub replied: bool,
    /// Seconds until it is forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
}

/// One direction of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tuple {
    /// From.
    pub source: IpAddr,
    /// To.
    pub destination: IpAddr,
    /// From port, where there are ports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_port: Option<u16>,
    /// To port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_port: Option<u16>,
}

/// A process that has the lock of iptables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LockHolder {
    /// Its number, if it is in this pid namespace.
    pub pid: Option<u32>,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
    /// Its command line, shortened; not after redaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// For how many seconds at least, if it was looked at more than once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
}

/// Legacy tables of this network namespace: `/proc/net/ip_tables_names`, `ip6_tables_names`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LegacyTables {
    /// Of IPv4.
    pub v4: Vec<String>,
    /// Of IPv6.
    pub v6: Vec<String>,
}

/// A socket that listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listener {
    /// `tcp`, `udp`, `sctp`.
    pub protocol: String,
    /// On which address; nothing for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// On which port.
    pub port: u16,
    /// Whose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
}

/// A tool.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tool {
    /// `iptables-legacy`, `iptables-nft`, `nft` and so on.
    pub name: String,
    /// Its version; nothing if there is no such tool.
    pub version: Option<String>,
}

/// An error that a tool printed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolMessage {
    /// Which file, and which line of it.
    pub place: String,
    /// What it said.
    pub text: String,
}
