//! Owns the one view of a rule set: what both backends and the text of iptables-save are read into.
//!
//! Invariant: nothing is dropped. What this crate has no type for is there by name and bytes
//! ([`Match::Unknown`], [`Target::Unknown`]) or by its words ([`Match::Verbatim`]).

mod selector;

use serde::{Deserialize, Serialize};

pub use self::selector::Selector;
pub(crate) use self::selector::option;
use crate::{Match, Target};

/// Where rules live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// x_tables, what iptables-legacy writes.
    Legacy,
    /// nf_tables with the tables and expressions of iptables-nft.
    NftCompat,
}

/// IPv4 (iptables) or IPv6 (ip6tables).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];
}

impl std::fmt::Display for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Legacy => "iptables-legacy",
            Self::NftCompat => "iptables-nft",
        })
    }
}

impl std::fmt::Display for Family {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// All tables of one backend and family.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruleset {
    /// Where it was found.
    pub backend: Backend,
    /// Of which family.
    pub family: Family,
    /// The tables, in the order found.
    pub tables: Vec<Table>,
    /// What was said beside the rules: warnings of tools in a text, tables that could not be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Ruleset {
    /// Without tables.
    pub fn new(backend: Backend, family: Family) -> Self {
        Self { backend, family, tables: Vec::new(), notes: Vec::new() }
    }

    /// The table of this name.
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.name == name)
    }

    /// How many rules there are.
    pub fn rule_count(&self) -> usize {
        self.tables.iter().flat_map(|table| &table.chains).map(|chain| chain.rules.len()).sum()
    }
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// `filter`, `nat`, `mangle`, `raw`, `security`.
    pub name: String,
    /// Builtin chains in the order of the hooks, then the others by name.
    pub chains: Vec<Chain>,
    /// Whether it was read to its end: a text can stop before `COMMIT`.
    #[serde(default)]
    pub extent: Extent,
}

impl Table {
    /// The chain of this name.
    pub fn chain(&self, name: &str) -> Option<&Chain> {
        self.chains.iter().find(|chain| chain.name == name)
    }
}

/// Whether a table was read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Extent {
    /// To its end.
    #[default]
    Whole,
    /// A text that stopped in the middle, or holds single chains only.
    Part,
}

/// A chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// Its name.
    pub name: String,
    /// Who calls it.
    pub kind: ChainKind,
    /// Packets that met the policy.
    #[serde(default)]
    pub counters: Counters,
    /// Its rules, in order.
    pub rules: Vec<Rule>,
}

/// Who calls a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChainKind {
    /// The kernel, at the hook of its name.
    Builtin {
        /// What happens at its end.
        policy: Policy,
    },
    /// The kernel, at a hook and priority that no iptables chain of this name has: somebody else
    /// made it in a table of iptables-nft. iptables-nft-save does not show it.
    Foreign {
        /// What happens at its end.
        policy: Policy,
        /// Type, hook and priority, as nft names them.
        hook: String,
    },
    /// Rules that jump to it.
    User,
}

impl ChainKind {
    /// The policy; user chains have none.
    pub fn policy(&self) -> Option<Policy> {
        match self {
            Self::Builtin { policy } | Self::Foreign { policy, .. } => Some(*policy),
            Self::User => None,
        }
    }
}

/// What happens to a packet at the end of a builtin chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// Accept.
    Accept,
    /// Drop.
    Drop,
    /// Queue (old kernels).
    Queue,
}

impl Policy {
    /// As iptables-save prints it.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Accept => "ACCEPT",
            Self::Drop => "DROP",
            Self::Queue => "QUEUE",
        }
    }
}

/// Packets and bytes.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
pub struct Counters {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Place in its chain, from 1.
    pub position: u32,
    /// What it asks of the IP header and the interfaces.
    #[serde(default)]
    pub selector: Selector,
    /// What it asks beyond, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<Match>,
    /// What it does; none only counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// Packets and bytes it met; none if the text did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counters: Option<Counters>,
    /// The kernel's name for it (nft only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<u64>,
}

impl Rule {
    /// The same rule somewhere else: equal in what it asks and does, not in place, counters, handle.
    pub fn says_the_same(&self, other: &Self) -> bool {
        self.selector == other.selector
            && self.matches == other.matches
            && self.target == other.target
    }

    /// Its comments, in order.
    pub fn comments(&self) -> impl Iterator<Item = &str> {
        self.matches.iter().filter_map(|found| match found {
            Match::Comment(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// Whether every part of it has a type here.
    pub fn is_known(&self) -> bool {
        self.matches.iter().all(Match::is_known)
            && self.target.as_ref().is_none_or(Target::is_known)
    }
}
