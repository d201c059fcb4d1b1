//! Owns `missing-anchor`: chains of known systems that packets do not come to, though they must.
//!
//! Reaching is asked, not being there: a jump behind an unconditional verdict counts as missing.

use model::{Finding, FindingCode, Severity};
use xt::Chain;

use super::{Found, Outcome, limited, need_rules};
use crate::host::{Host, TableView};
use crate::owners::{self, Owner};

/// Which builtin chains must lead to a chain.
enum Needs {
    /// Each of these.
    All(&'static [&'static str]),
    /// One of these.
    Any(&'static [&'static str]),
}

/// Table, chain, and where its packets come from. Sources: kube-proxy's `iptablesJumpChains`, the
/// CNI plugin portmap, flannel's `iptables.go`, kube-router's `npc_iptables.go`, Docker's bridge
/// driver, Kube-OVN's `gateway_linux.go`.
const ANCHORS: [(&str, &str, Needs); 22] = [
    ("filter", "KUBE-FORWARD", Needs::All(&["FORWARD"])),
    ("filter", "KUBE-SERVICES", Needs::Any(&["FORWARD", "OUTPUT", "INPUT"])),
    ("filter", "KUBE-EXTERNAL-SERVICES", Needs::Any(&["FORWARD", "INPUT"])),
    ("filter", "KUBE-PROXY-FIREWALL", Needs::Any(&["FORWARD", "INPUT", "OUTPUT"])),
    ("filter", "KUBE-NODEPORTS", Needs::All(&["INPUT"])),
    ("filter", "KUBE-FIREWALL", Needs::Any(&["INPUT", "OUTPUT"])),
    ("nat", "KUBE-SERVICES", Needs::All(&["PREROUTING", "OUTPUT"])),
    ("nat", "KUBE-POSTROUTING", Needs::All(&["POSTROUTING"])),
    ("filter", "KUBE-ROUTER-INPUT", Needs::All(&["INPUT"])),
    ("filter", "KUBE-ROUTER-FORWARD", Needs::All(&["FORWARD"])),
    ("filter", "KUBE-ROUTER-OUTPUT", Needs::All(&["OUTPUT"])),
    ("filter", "FLANNEL-FWD", Needs::All(&["FORWARD"])),
    ("nat", "FLANNEL-POSTRTG", Needs::All(&["POSTROUTING"])),
    ("nat", "CNI-HOSTPORT-DNAT", Needs::Any(&["PREROUTING"])),
    ("nat", "CNI-HOSTPORT-MASQ", Needs::All(&["POSTROUTING"])),
    ("filter", "CNI-FORWARD", Needs::All(&["FORWARD"])),
    ("nat", "DOCKER", Needs::Any(&["PREROUTING"])),
    ("filter", "DOCKER-FORWARD", Needs::All(&["FORWARD"])),
    ("nat", "OVN-PREROUTING", Needs::All(&["PREROUTING"])),
    ("nat", "OVN-POSTROUTING", Needs::All(&["POSTROUTING"])),
    ("nat", "AWS-SNAT-CHAIN-0", Needs::All(&["POSTROUTING"])),
    ("filter", "WEAVE-NPC", Needs::All(&["FORWARD"])),
];

/// Systems whose chains are named after the builtin chain that leads to them.
const PREFIXES: [&str; 3] = ["cali-", "CILIUM_", "ANTREA-"];
const BUILTINS: [&str; 5] = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];

/// A chain that packets of one builtin chain do not come to.
pub(super) struct Missing<'a> {
    /// The chain.
    pub(super) chain: &'a Chain,
    /// Where a jump is missing.
    pub(super) builtin: &'static str,
    /// Whether packets come to it from anywhere.
    pub(super) reached: bool,
}

/// All chains of a table that are not reached as they must be.
pub(super) fn missing<'a>(view: &TableView<'a>) -> Vec<Missing<'a>> {
    if !view.is_whole() {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut ask = |name: &str, needs: &Needs| {
        let Some(number) = view.number(name) else { return };
        let Some(chain) = view.chain(name) else { return };
        let reached = view.is_reached(number);
        let of = |builtin: &&&'static str| !view.is_reached_from(number, builtin);
        match needs {
            Needs::All(all) => {
                let unreached = all.iter().filter(of).copied();
                found.extend(unreached.map(|builtin| Missing { chain, builtin, reached }));
            }
            Needs::Any(any) if any.iter().filter(of).count() == any.len() => {
                found.extend(any.first().map(|builtin| Missing { chain, builtin, reached }));
            }
            Needs::Any(_) => {}
        }
    };
    for (table, chain, needs) in &ANCHORS {
        if *table == view.name() {
            ask(chain, needs);
        }
    }
    for builtin in &BUILTINS {
        for prefix in PREFIXES {
            ask(&format!("{prefix}{builtin}"), &Needs::All(std::slice::from_ref(builtin)));
        }
    }
    found
}

pub(super) fn check(host: &Host<'_>) -> Outcome {
    need_rules(host)?;
    let mut findings: Vec<Finding> = Vec::new();
    for view in &host.tables {
        for missing in missing(view) {
            findings.extend(finding(view, &missing));
        }
    }
    findings.extend(native(host));
    Ok(limited(findings))
}

fn finding(view: &TableView<'_>, missing: &Missing<'_>) -> Option<Finding> {
    let Missing { chain, builtin, reached } = missing;
    let severity = match (chain.rules.is_empty(), reached) {
        (false, _) => Severity::Error,
        (true, false) => Severity::Warning,
        // nothing is lost
        (true, true) => return None,
    };
    let owner = owners::of_chain(&chain.name);
    let number = view.number(&chain.name)?;
    let mut evidence: Vec<String> =
        chain.rules.iter().take(3).map(|rule| view.show(chain, rule)).collect();
    let what =
        if let Some((from, rule)) = view.callers(number).find(|(from, _)| from.name == *builtin) {
            evidence.insert(0, view.show(from, rule));
            "the jump stands behind a verdict that takes every packet"
        } else {
            evidence.push(format!("{}: {builtin} has no -j {}", view.place(), chain.name));
            "no jump"
        };
    let policy = view.chain(builtin).and_then(|chain| chain.kind.policy());
    if policy == Some(xt::Policy::Drop) {
        evidence.push(format!("{}: the policy of {builtin} is DROP", view.place()));
    }
    Some(
        Found::new(
            FindingCode::MissingAnchor,
            severity,
            format!("{} {}", view.place(), chain.name),
            format!(
                "packets of {builtin} do not come to {} ({owner}, {}): {what}",
                chain.name,
                super::count(chain.rules.len(), "rule")
            ),
        )
        .evidence(evidence)
        .advice(format!(
            "what {} does for packets of {builtin} does not happen; restart {owner} so that it puts \
             its jumps back, and look for who flushes {builtin}",
            chain.name
        )),
    )
}

/// Native tables of known systems that the kernel never calls.
fn native(host: &Host<'_>) -> Vec<Finding> {
    let tables = host.snapshot.nft.known().into_iter().flat_map(|nft| &nft.tables);
    let of_system = |name: &str| owners::of_table(name) != Owner::Host;
    tables
        .filter(|table| !table.is_of_iptables() && of_system(&table.name))
        .filter(|table| table.chains.iter().any(|chain| !chain.rules.is_empty()))
        .filter(|table| table.chains.iter().all(|chain| chain.base.is_none()))
        .map(|table| {
            let owner = owners::of_table(&table.name);
            Found::new(
                FindingCode::MissingAnchor,
                Severity::Error,
                format!("table {} {}", table.family, table.name),
                format!(
                    "no chain of the table of {owner} is called by the kernel: none has a hook"
                ),
            )
            .evidence(table.chains.iter().take(5).map(|chain| format!("chain {}", chain.name)))
            .advice(format!("restart {owner}, so that it makes its table anew"))
        })
        .collect()
}
