//! Owns nf_tables as nft lists it: tables, chains with their hooks, sets, rules as text and by what
//! the checks need of them.

use serde::{Deserialize, Serialize};

/// All tables.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NftRuleset {
    /// The tables, in the order listed.
    pub tables: Vec<NftTable>,
}

impl NftRuleset {
    /// The table of this family and name.
    pub fn table(&self, family: &str, name: &str) -> Option<&NftTable> {
        self.tables.iter().find(|table| table.family == family && table.name == name)
    }
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NftTable {
    /// `ip`, `ip6`, `inet`, `arp`, `bridge`, `netdev`.
    pub family: String,
    /// Its name.
    pub name: String,
    /// `owner`, `persist`, `dormant`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
    /// Its chains.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub chains: Vec<NftChain>,
    /// Its sets and maps.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sets: Vec<NftSet>,
}

impl NftTable {
    /// The chain of this name.
    pub fn chain(&self, name: &str) -> Option<&NftChain> {
        self.chains.iter().find(|chain| chain.name == name)
    }

    /// The set or map of this name.
    pub fn set(&self, name: &str) -> Option<&NftSet> {
        self.sets.iter().find(|set| set.name == name)
    }

    /// Whether iptables-nft works on this table: `ip` or `ip6` and one of its five names.
    pub fn is_of_iptables(&self) -> bool {
        matches!(self.family.as_str(), "ip" | "ip6")
            && matches!(self.name.as_str(), "filter" | "nat" | "mangle" | "raw" | "security")
    }
}

/// A chain.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NftChain {
    /// Its name.
    pub name: String,
    /// Where the kernel calls it, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<NftBase>,
    /// Its rules, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<NftRule>,
}

/// Where the kernel calls a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NftBase {
    /// `filter`, `nat`, `route`.
    pub kind: String,
    /// `prerouting`, `input`, `forward`, `output`, `postrouting`, `ingress`.
    pub hook: String,
    /// Lower is earlier.
    pub priority: i32,
    /// `accept` or `drop`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NftRule {
    /// As nft prints it, shortened where it is long. Without counters and comment.
    pub text: String,
    /// Its comment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The kernel's name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handle: Option<u64>,
    /// Packets it met, if it counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packets: Option<u64>,
    /// How many conditions it has.
    pub conditions: u32,
    /// What it does at its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Sets and maps that it looks up, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sets: Vec<String>,
    /// Chains that it can lead to, those of maps inside it included.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<String>,
    /// Whether it holds what no option of iptables stands for: sets, maps, joined keys.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub native: bool,
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// Ends this table's chain with yes.
    Accept,
    /// Ends everything.
    Drop,
    /// Ends everything, and tells the sender.
    Reject,
    /// Back to the caller.
    Return,
    /// Into a chain and back.
    Jump(String),
    /// Into a chain, not back.
    Goto(String),
    /// Looked up in a map.
    Map(String),
    /// New destination.
    Dnat(String),
    /// New source.
    Snat(String),
    /// New source, that of the link.
    Masquerade,
    /// To this node.
    Redirect(String),
    /// To a program.
    Queue,
}

/// A set or a map.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NftSet {
    /// Its name.
    pub name: String,
    /// Type of the key (`ipv4_addr . inet_service`).
    pub key: String,
    /// Type of the data of a map.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// `interval`, `timeout`, `dynamic`, `constant`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
    /// Whether intervals that touch are merged (nft's JSON before 1.0.7 does not say).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub auto_merge: bool,
    /// How many it can hold, if that is limited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// How many it holds.
    pub count: u64,
    /// Its elements, as nft prints them; of a large set only the first ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub elements: Vec<String>,
    /// Chains that its verdicts lead to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<String>,
}
