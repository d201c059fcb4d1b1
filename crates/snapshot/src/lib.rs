//! The live half of a snapshot: the calling thread's network namespace, read as it is.
//!
//! # What is where
//! * [`take`] asks for every part in turn; each part is a module that returns what there is.
//! * `part` gives each a thread, a time limit and, if it fails, a reason.
//! * [`module`] knows whether the kernel has what is asked for, because asking can load it.
//!
//! # Invariants
//! * Looking changes nothing: no program is started, no table made, no module loaded, nothing is
//!   written to any socket but questions.
//! * What cannot be had says why; the rest goes on.
//! * Memory is bounded by [`Limits`], time by [`Options::patience`] a part.
//!
//! # Deliberately not here
//! What a snapshot is and what it means: that is `doctor`.

#![forbid(unsafe_code)]

mod conntrack;
mod host;
mod ipset;
mod links;
mod listeners;
pub mod module;
mod nft;
mod ovs;
mod part;
mod rules;
mod sysctls;
mod tools;

use std::path::PathBuf;
use std::time::Duration;

use doctor::snapshot::{Part, RoutingRules, SkippedInput, Snapshot};
use serde_json::Value;

/// Where Open vSwitch listens.
pub const OVSDB: &str = "/var/run/openvswitch/db.sock";

/// How much is taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Rules of nf_tables.
    pub rules: usize,
    /// Links, routes, neighbours, sets: each.
    pub entries: usize,
    /// Elements kept of one set; all are counted.
    pub elements: usize,
    /// Connections kept; all are counted.
    pub flows: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { rules: 500_000, entries: 200_000, elements: 4_096, flows: 4_096 }
    }
}

/// Asks the running agent for its state; why not, if it does not tell.
pub type AskAgent = Box<dyn FnOnce() -> Result<Value, String> + Send>;

/// What is looked at, and for how long.
pub struct Options {
    /// How long one part may take.
    pub patience: Duration,
    /// How much is taken in.
    pub limits: Limits,
    /// The socket of Open vSwitch's database.
    pub ovsdb: PathBuf,
    /// The file that iptables-legacy locks.
    pub xtables_lock: PathBuf,
    /// How long to look at whoever holds that lock, at most; nobody waits if it is free.
    pub lock_watch: Duration,
    /// Asks the agent; nobody is asked without it.
    pub agent: Option<AskAgent>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(30),
            limits: Limits::default(),
            ovsdb: OVSDB.into(),
            xtables_lock: xt::legacy::LOCK_PATH.into(),
            lock_watch: Duration::from_secs(5),
            agent: None,
        }
    }
}

/// What a part found, and what is to be said about it.
pub(crate) struct Found<T> {
    pub(crate) value: T,
    pub(crate) notes: Vec<String>,
}

impl<T> From<T> for Found<T> {
    fn from(value: T) -> Self {
        Self { value, notes: Vec::new() }
    }
}

/// Looks at everything in the calling thread's network namespace. Never fails: what cannot be had
/// is [`Part::Absent`] with its reason.
pub fn take(options: Options) -> Snapshot {
    let Options { patience, limits, ovsdb, xtables_lock, lock_watch, agent } = options;
    let mut looker = part::Looker::new(patience);
    let mut snapshot = Snapshot {
        taken: Some(jiff::Timestamp::now().to_string()),
        node: host::node(),
        kernel: Part::Known(host::kernel()),
        ..Snapshot::default()
    };
    // the lock is interesting while somebody holds it: not after all the rest, but beside it
    let lock_watch = lock_watch.min(patience);
    let lock = part::Looker::begin(move || host::lock(&xtables_lock, lock_watch));
    snapshot.legacy_tables = looker.look("legacy tables", host::legacy_tables);
    rules::take(&mut looker, limits, &mut snapshot);
    snapshot.ipsets = looker.look("ipset", move || ipset::read(limits));
    take_links(&mut looker, limits, &mut snapshot);
    snapshot.conntrack = looker.look("conntrack", move || conntrack::read(limits));
    snapshot.listeners = looker.look("sockets", move || listeners::read(limits));
    snapshot.sysctls = looker.look("sysctls", sysctls::read);
    snapshot.ovs = looker.look("Open vSwitch", move || ovs::read(&ovsdb, patience));
    snapshot.tools = looker.look("tools", tools::find);
    snapshot.agent = match agent {
        Some(ask) => looker.look("the agent", move || ask().map(Found::from)),
        None => Part::Absent("nobody was asked".to_owned()),
    };
    let lock = lock.and_then(|lock| looker.wait(&lock));
    snapshot.xtables_lock = looker.found("the xtables lock", lock);
    let said = looker.notes.into_iter();
    snapshot.skipped = said.map(|(place, why)| SkippedInput { place, why }).collect();
    snapshot
}

fn take_links(looker: &mut part::Looker, limits: Limits, snapshot: &mut Snapshot) {
    use links::Route;
    snapshot.links = looker.look("links", move || Route::open()?.links(limits));
    snapshot.routes = looker.look("routes", move || Route::open()?.routes(limits));
    snapshot.routing_rules = RoutingRules {
        v4: looker.look("routing rules", move || Route::open()?.rules(xt::Family::V4, limits)),
        v6: looker.look("routing rules", move || Route::open()?.rules(xt::Family::V6, limits)),
    };
    snapshot.neighbours = looker.look("neighbours", move || Route::open()?.neighbours(limits));
}

/// The parts that nobody could see, and why.
pub fn absent(snapshot: &Snapshot) -> Vec<(&'static str, &str)> {
    fn why<T>(part: &Part<T>) -> Option<&str> {
        match part {
            Part::Known(_) => None,
            Part::Absent(why) => Some(why),
        }
    }
    let parts = [
        ("rules of iptables-legacy, IPv4", why(&snapshot.rules.legacy_v4)),
        ("rules of iptables-legacy, IPv6", why(&snapshot.rules.legacy_v6)),
        ("rules of iptables-nft, IPv4", why(&snapshot.rules.nft_v4)),
        ("rules of iptables-nft, IPv6", why(&snapshot.rules.nft_v6)),
        ("nf_tables", why(&snapshot.nft)),
        ("ipset", why(&snapshot.ipsets)),
        ("links", why(&snapshot.links)),
        ("routes", why(&snapshot.routes)),
        ("routing rules, IPv4", why(&snapshot.routing_rules.v4)),
        ("routing rules, IPv6", why(&snapshot.routing_rules.v6)),
        ("neighbours", why(&snapshot.neighbours)),
        ("Open vSwitch", why(&snapshot.ovs)),
        ("conntrack", why(&snapshot.conntrack)),
        ("sysctls", why(&snapshot.sysctls)),
        ("the xtables lock", why(&snapshot.xtables_lock)),
        ("the list of legacy tables", why(&snapshot.legacy_tables)),
        ("sockets", why(&snapshot.listeners)),
        ("tools", why(&snapshot.tools)),
        ("the agent", why(&snapshot.agent)),
    ];
    parts.into_iter().filter_map(|(name, why)| Some((name, why?))).collect()
}
