//! Owns which base chains are iptables' own: by name, type, hook and priority, as iptables-nft
//! checks it.

use nfnl::{BaseChain, Hook};

/// Tables of iptables, in the order in which iptables-nft-save prints them.
pub(crate) const TABLES: [&str; 5] = ["mangle", "security", "raw", "filter", "nat"];

/// Table, chain, type, hook, priority (linux/netfilter_ipv4.h).
#[rustfmt::skip]
const CHAINS: [(&str, &str, &str, Hook, i32); 17] = [
    ("filter", "INPUT", "filter", Hook::Input, 0),
    ("filter", "FORWARD", "filter", Hook::Forward, 0),
    ("filter", "OUTPUT", "filter", Hook::Output, 0),
    ("raw", "PREROUTING", "filter", Hook::Prerouting, -300),
    ("raw", "OUTPUT", "filter", Hook::Output, -300),
    ("mangle", "PREROUTING", "filter", Hook::Prerouting, -150),
    ("mangle", "INPUT", "filter", Hook::Input, -150),
    ("mangle", "FORWARD", "filter", Hook::Forward, -150),
    ("mangle", "OUTPUT", "route", Hook::Output, -150),
    ("mangle", "POSTROUTING", "filter", Hook::Postrouting, -150),
    ("security", "INPUT", "filter", Hook::Input, 50),
    ("security", "FORWARD", "filter", Hook::Forward, 50),
    ("security", "OUTPUT", "filter", Hook::Output, 50),
    ("nat", "PREROUTING", "nat", Hook::Prerouting, -100),
    ("nat", "INPUT", "nat", Hook::Input, 100),
    ("nat", "OUTPUT", "nat", Hook::Output, -100),
    ("nat", "POSTROUTING", "nat", Hook::Postrouting, 100),
];

/// Whether iptables-nft would take this base chain for its own.
pub(crate) fn is_builtin(table: &str, chain: &str, base: &BaseChain) -> bool {
    CHAINS.iter().any(|(of, name, kind, hook, priority)| {
        (*of, *name, *kind) == (table, chain, base.kind.as_str())
            && (*hook, *priority) == (base.hook, base.priority)
    })
}

/// The builtin chains of a table.
pub(crate) fn chains(table: &str) -> impl Iterator<Item = (&'static str, Hook)> {
    CHAINS.iter().filter(move |(of, ..)| *of == table).map(|(_, chain, _, hook, _)| (*chain, *hook))
}

/// Order in which base chains are printed: that of the hooks.
pub(crate) fn order(hook: Option<Hook>) -> u32 {
    match hook {
        Some(Hook::Prerouting) => 0,
        Some(Hook::Input) => 1,
        Some(Hook::Forward) => 2,
        Some(Hook::Output) => 3,
        Some(Hook::Postrouting) => 4,
        Some(_) => 5,
        None => 6,
    }
}

/// Type, hook and priority in words.
pub(crate) fn words(base: &BaseChain) -> String {
    let hook = match base.hook {
        Hook::Prerouting => "prerouting",
        Hook::Input => "input",
        Hook::Forward => "forward",
        Hook::Output => "output",
        Hook::Postrouting => "postrouting",
        _ => "another hook",
    };
    format!("{} {hook} {}", base.kind, base.priority)
}
