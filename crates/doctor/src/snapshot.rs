//! Owns the snapshot: all that the checks look at, as one versioned value that is one JSON document.
//!
//! Invariant: what is not known is not empty. Every part says either what there is or why nobody
//! could look ([`Part`]); a check that needs an absent part is skipped, never passed.

mod host;
mod net;
mod nft;
mod partial;
mod redact;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use xt::{Backend, Family, Ruleset};

pub(crate) use self::redact::stands_for_another;
pub use self::{
    host::{
        Conntrack, Flow, IpSet, LegacyTables, Listener, LockHolder, Ovs, OvsPort, Tool,
        ToolMessage, Tuple,
    },
    net::{Address, Link, Neighbour, Prefix, Route, RoutingRule},
    nft::{NftBase, NftChain, NftRule, NftRuleset, NftSet, NftTable, Verdict},
    partial::{PartName, Partial},
};

/// The version of the format. Grows when a reader of the previous one could misunderstand.
pub const VERSION: u32 = 1;

/// Something that was looked at, or the reason why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Part<T> {
    /// What there is.
    Known(T),
    /// Why nobody could look.
    Absent(String),
}

impl<T> Part<T> {
    /// What there is.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Absent(_) => None,
        }
    }

    /// Why nobody could look.
    pub fn absent(&self) -> Option<&str> {
        match self {
            Self::Known(_) => None,
            Self::Absent(why) => Some(why),
        }
    }

    /// Adds to what there is; an absent part becomes an empty one first.
    pub fn fill<R>(&mut self, add: impl FnOnce(&mut T) -> R) -> R
    where
        T: Default,
    {
        let mut value = match std::mem::take(self) {
            Self::Known(value) => value,
            Self::Absent(_) => T::default(),
        };
        let result = add(&mut value);
        *self = Self::Known(value);
        result
    }
}

impl<T> Default for Part<T> {
    fn default() -> Self {
        Self::Absent("not in the dump".to_owned())
    }
}

/// One node, as it was at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// [`VERSION`]
    pub version: u32,
    /// When, as RFC 3339, and of which node; nothing after redaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken: Option<String>,
    /// Whether names and addresses were replaced.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub redacted: bool,
    /// Name of the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Rules of iptables, by backend and family.
    #[serde(default)]
    pub rules: Rules,
    /// All of nf_tables, as nft lists it.
    #[serde(default)]
    pub nft: Part<NftRuleset>,
    /// Sets of ipset.
    #[serde(default)]
    pub ipsets: Part<Vec<IpSet>>,
    /// Links with their addresses.
    #[serde(default)]
    pub links: Part<Vec<Link>>,
    /// Routes of all tables.
    #[serde(default)]
    pub routes: Part<Vec<Route>>,
    /// Routing rules of both families, each as asked for.
    #[serde(default)]
    pub routing_rules: RoutingRules,
    /// Neighbours.
    #[serde(default)]
    pub neighbours: Part<Vec<Neighbour>>,
    /// Open vSwitch.
    #[serde(default)]
    pub ovs: Part<Ovs>,
    /// Tracked connections.
    #[serde(default)]
    pub conntrack: Part<Conntrack>,
    /// Sysctls by their dotted names.
    #[serde(default)]
    pub sysctls: Part<BTreeMap<String, String>>,
    /// Who holds the lock of iptables.
    #[serde(default)]
    pub xtables_lock: Part<Vec<LockHolder>>,
    /// Legacy tables that exist in the kernel.
    #[serde(default)]
    pub legacy_tables: Part<LegacyTables>,
    /// Sockets that listen.
    #[serde(default)]
    pub listeners: Part<Vec<Listener>>,
    /// Tools that were found, and those that were looked for and not found.
    #[serde(default)]
    pub tools: Part<Vec<Tool>>,
    /// Kernel release.
    #[serde(default)]
    pub kernel: Part<String>,
    /// What the agent of netkeep says about itself.
    #[serde(default)]
    pub agent: Part<serde_json::Value>,
    /// What tools said went wrong, where a dump kept it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<ToolMessage>,
    /// Parts that are known in part only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partial: Vec<Partial>,
    /// What was in the dump and was not understood.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<SkippedInput>,
}

/// Rules of iptables.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rules {
    /// x_tables, IPv4.
    #[serde(default)]
    pub legacy_v4: Part<Ruleset>,
    /// x_tables, IPv6.
    #[serde(default)]
    pub legacy_v6: Part<Ruleset>,
    /// iptables-nft, IPv4.
    #[serde(default)]
    pub nft_v4: Part<Ruleset>,
    /// iptables-nft, IPv6.
    #[serde(default)]
    pub nft_v6: Part<Ruleset>,
}

impl Rules {
    /// The part of one backend and family.
    pub fn of(&self, backend: Backend, family: Family) -> &Part<Ruleset> {
        match (backend, family) {
            (Backend::Legacy, Family::V4) => &self.legacy_v4,
            (Backend::Legacy, Family::V6) => &self.legacy_v6,
            (Backend::NftCompat, Family::V4) => &self.nft_v4,
            (Backend::NftCompat, Family::V6) => &self.nft_v6,
        }
    }

    /// The part of one backend and family, to be filled.
    pub fn of_mut(&mut self, backend: Backend, family: Family) -> &mut Part<Ruleset> {
        match (backend, family) {
            (Backend::Legacy, Family::V4) => &mut self.legacy_v4,
            (Backend::Legacy, Family::V6) => &mut self.legacy_v6,
            (Backend::NftCompat, Family::V4) => &mut self.nft_v4,
            (Backend::NftCompat, Family::V6) => &mut self.nft_v6,
        }
    }

    /// All four parts that are known.
    pub fn known(&self) -> impl Iterator<Item = &Ruleset> {
        [&self.legacy_v4, &self.legacy_v6, &self.nft_v4, &self.nft_v6]
            .into_iter()
            .filter_map(Part::known)
    }
}

/// Routing rules, by family.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoutingRules {
    /// `ip rule`
    #[serde(default)]
    pub v4: Part<Vec<RoutingRule>>,
    /// `ip -6 rule`
    #[serde(default)]
    pub v6: Part<Vec<RoutingRule>>,
}

impl RoutingRules {
    /// Those of one family.
    pub fn of(&self, family: Family) -> &Part<Vec<RoutingRule>> {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }
}

/// Something in a dump that was not understood, or not taken in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SkippedInput {
    /// Which file, and which line of it.
    pub place: String,
    /// Why.
    pub why: String,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self {
            version: VERSION,
            taken: None,
            redacted: false,
            node: None,
            rules: Rules::default(),
            nft: Part::default(),
            ipsets: Part::default(),
            links: Part::default(),
            routes: Part::default(),
            routing_rules: RoutingRules::default(),
            neighbours: Part::default(),
            ovs: Part::default(),
            conntrack: Part::default(),
            sysctls: Part::default(),
            xtables_lock: Part::default(),
            legacy_tables: Part::default(),
            listeners: Part::default(),
            tools: Part::default(),
            kernel: Part::default(),
            agent: Part::default(),
            messages: Vec::new(),
            partial: Vec::new(),
            skipped: Vec::new(),
        }
    }
}

impl Snapshot {
    /// A sysctl's number.
    pub fn sysctl(&self, name: &str) -> Option<i64> {
        self.sysctls.known()?.get(name)?.trim().parse().ok()
    }

    /// Whether anything at all was looked at.
    pub fn is_blank(&self) -> bool {
        let blank = Self {
            partial: self.partial.clone(),
            skipped: self.skipped.clone(),
            ..Self::default()
        };
        *self == blank
    }
}
