//! Owns `orphan-chain`: chains with rules that nothing leads to. Of known systems with anchors this is
//! `missing-anchor`; here are the others.
//!
//! Some systems write chains that they may need later, and lead to them when they do: while such a
//! system is in force, those are no leftovers.

use model::{FindingCode, Severity};
use xt::ChainKind;

use super::{Found, Outcome, count, missing_anchor, need_rules};
use crate::host::{Host, TableView};
use crate::owners::{self, Owner};

/// What ufw makes whether its rules use it or not, after `ufw-` or `ufw6-`: its policies and levels
/// of logging choose among them (ufw's src/ufw-init-functions, src/backend_iptables.py).
const OF_UFW: [&str; 7] = [
    "logging-allow",
    "logging-deny",
    "skip-to-policy-input",
    "skip-to-policy-output",
    "skip-to-policy-forward",
    "user-limit",
    "user-limit-accept",
];

/// What firewalld makes for each zone in both families; a zone whose sources are addresses of one
/// family is led to in that one only (firewalld's src/firewall/core/ipXtables.py).
const OF_ZONES: [&str; 6] = ["IN_", "FWD_", "FWDI_", "FWDO_", "PRE_", "POST_"];

/// The marks of kube-proxy, used by Services of the family, and of older kubelets.
const MARKS: [&str; 2] = ["KUBE-MARK-MASQ", "KUBE-MARK-DROP"];

/// What Pods of the family come to (kube-router's pkg/controllers/netpol/npc_iptables.go).
const OF_PODS: [&str; 3] = ["KUBE-NWPLCY-COMMON", "KUBE-NWPLCY-DEFAULT", "KUBE-NWPLCY-TAIL"];

/// The mark of the plugin portmap, used by ports of hosts; it stays when the last one goes.
const OF_PORTMAP: &str = "CNI-HOSTPORT-SETMARK";

pub(super) fn check(host: &Host<'_>) -> Outcome {
    need_rules(host)?;
    let mut findings = Vec::new();
    for view in host.tables.iter().filter(|view| view.is_whole()) {
        let anchors: std::collections::BTreeSet<&str> =
            missing_anchor::missing(view).iter().map(|m| m.chain.name.as_str()).collect();
        let orphans: Vec<_> = view
            .chains()
            .filter(|(number, chain)| {
                view.count_of_callers(*number) == 0
                    && chain.kind == ChainKind::User
                    && !chain.rules.is_empty()
                    && !anchors.contains(chain.name.as_str())
                    && !is_spare(view, &chain.name)
            })
            .map(|(_, chain)| chain)
            .collect();
        if orphans.is_empty() {
            continue;
        }
        findings.push(
            Found::new(
                FindingCode::OrphanChain,
                Severity::Info,
                view.place(),
                format!("{} with rules that nothing leads to", count(orphans.len(), "chain")),
            )
            .evidence(orphans.iter().map(|chain| {
                format!("{}: {} ({})", view.place(), chain.name, count(chain.rules.len(), "rule"))
            }))
            .advice("no packet meets them: leftovers, or the first half of a change; remove them"),
        );
    }
    Ok(findings)
}

/// Whether a system that is in force keeps a chain of this name in store.
fn is_spare(view: &TableView<'_>, name: &str) -> bool {
    let keepers = keepers(name);
    !keepers.is_empty()
        && view.chains().any(|(number, chain)| {
            keepers.contains(&owners::of_chain(&chain.name)) && view.count_of_callers(number) > 0
        })
}

/// The systems of which one must be in force for a chain of this name to be in store.
fn keepers(name: &str) -> &'static [Owner] {
    let of_ufw = || {
        let rest = name.strip_prefix("ufw-").or_else(|| name.strip_prefix("ufw6-"));
        rest.is_some_and(|rest| OF_UFW.contains(&rest))
    };
    match owners::of_chain(name) {
        Owner::Ufw if of_ufw() => &[Owner::Ufw],
        Owner::Firewalld if OF_ZONES.iter().any(|zone| name.starts_with(zone)) => {
            &[Owner::Firewalld]
        }
        Owner::KubeProxy | Owner::Kubelet if MARKS.contains(&name) => {
            &[Owner::KubeProxy, Owner::Kubelet]
        }
        Owner::KubeRouter if OF_PODS.contains(&name) => &[Owner::KubeRouter],
        Owner::CniPlugins if name == OF_PORTMAP => &[Owner::CniPlugins],
        _ => &[],
    }
}
