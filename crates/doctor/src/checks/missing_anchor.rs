//! Owns `missing-anchor`: chains of known systems that packets do not come to, though they must.
//!
//! Reaching is asked, not being there: a jump behind an unconditional verdict counts as missing, one
//! that asks what its system does not ask leads only some packets there ([`way`]), and a rule before
//! it can take the packets that the chain is for.

mod native;
mod way;

use model::{Finding, FindingCode, Severity};
use xt::Chain;

use self::way::{Obstacle, Taken};
use super::{Found, Outcome, limited, need_rules};
use crate::host::{Host, TableView};
use crate::owners;

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
const ANCHORS: [(&str, &str, Needs); 23] = [
    ("filter", "KUBE-FORWARD", Needs::All(&["FORWARD"])),
    ("filter", "KUBE-SERVICES", Needs::Any(&["FORWARD", "OUTPUT", "INPUT"])),
    ("filter", "KUBE-EXTERNAL-SERVICES", Needs::Any(&["FORWARD", "INPUT"])),
    ("filter", "KUBE-PROXY-FIREWALL", Needs::Any(&["FORWARD", "INPUT", "OUTPUT"])),
    ("filter", "KUBE-NODEPORTS", Needs::All(&["INPUT"])),
    ("filter", "KUBE-IPVS-FILTER", Needs::All(&["INPUT"])),
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

/// Calls `ask` with each chain of a table that must be reached, and from where.
fn anchors<'a>(view: &TableView<'a>, mut ask: impl FnMut(&'a Chain, &Needs)) {
    if !view.is_whole() {
        return;
    }
    for (table, name, needs) in &ANCHORS {
        if let (true, Some(chain)) = (*table == view.name(), view.chain(name)) {
            ask(chain, needs);
        }
    }
    for builtin in &BUILTINS {
        for prefix in PREFIXES {
            if let Some(chain) = view.chain(&format!("{prefix}{builtin}")) {
                ask(chain, &Needs::All(std::slice::from_ref(builtin)));
            }
        }
    }
}

/// All chains of a table that are not reached as they must be.
pub(super) fn missing<'a>(view: &TableView<'a>) -> Vec<Missing<'a>> {
    let mut found = Vec::new();
    anchors(view, |chain, needs| {
        let Some(number) = view.number(&chain.name) else { return };
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
    });
    found
}

pub(super) fn check(host: &Host<'_>) -> Outcome {
    if host.snapshot.nft.known().is_none() {
        need_rules(host)?;
    }
    let mut findings: Vec<Finding> = Vec::new();
    for view in &host.tables {
        for missing in missing(view) {
            findings.extend(finding(view, &missing));
        }
        anchors(view, |chain, needs| findings.extend(hindered(view, chain, needs)));
    }
    findings.extend(native::check(host));
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

/// Chains whose way is not open to every packet.
fn hindered<'a>(view: &TableView<'a>, chain: &'a Chain, needs: &Needs) -> Vec<Finding> {
    let (Needs::All(builtins) | Needs::Any(builtins)) = needs;
    let Some(number) = view.number(&chain.name).filter(|_| !chain.rules.is_empty()) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    for builtin in builtins.iter().filter(|builtin| view.is_reached_from(number, builtin)) {
        if let Some(obstacle) = way::obstacle(view, chain, builtin) {
            findings.push(obstructed(view, chain, builtin, &obstacle));
        } else if works_on_packets(view, chain, builtin) {
            let taken = way::taken(view, builtin, chain).into_iter();
            findings.extend(taken.map(|taken| bypassed(view, chain, builtin, &taken)));
        }
    }
    findings
}

/// Chains whose packets nobody else may have before: translation, and policies on what is forwarded.
fn works_on_packets(view: &TableView<'_>, chain: &Chain, builtin: &str) -> bool {
    const POLICIES: [&str; 3] = ["KUBE-ROUTER-FORWARD", "cali-FORWARD", "WEAVE-NPC"];
    const TRANSLATIONS: [&str; 5] =
        ["KUBE-SERVICES", "CNI-HOSTPORT-DNAT", "DOCKER", "cali-PREROUTING", "OVN-PREROUTING"];
    let name = chain.name.as_str();
    match view.name() {
        "nat" => matches!(builtin, "PREROUTING" | "OUTPUT") && TRANSLATIONS.contains(&name),
        "filter" => POLICIES.contains(&name),
        _ => false,
    }
}

fn obstructed(
    view: &TableView<'_>,
    anchor: &Chain,
    builtin: &str,
    obstacle: &Obstacle<'_>,
) -> Finding {
    let owner = owners::of_chain(&anchor.name);
    let place = format!("{} {}", view.place(), anchor.name);
    let (message, evidence, advice) = match obstacle {
        Obstacle::Asks { chain, jump } => (
            format!(
                "only some packets of {builtin} come to {} ({owner}): the jump asks what {owner} does \
                 not ask",
                anchor.name
            ),
            vec![view.show(chain, jump)],
            format!(
                "what {} does for packets of {builtin} happens for those alone that the jump asks for; \
                 restart {owner}, so that it puts its own jump there, and look for who changed it",
                anchor.name
            ),
        ),
        Obstacle::Behind { chain, jump, by } => (
            format!(
                "packets of {builtin} do not come to {} ({owner}): no packet comes back from rule {} \
                 of {}, which stands before the jump",
                anchor.name, by.position, chain.name
            ),
            vec![view.show(chain, by), view.show(chain, jump)],
            format!(
                "what {} does for packets of {builtin} does not happen; move the rule behind the \
                 jump, or remove it",
                anchor.name
            ),
        ),
    };
    Found::new(FindingCode::MissingAnchor, Severity::Error, place, message)
        .evidence(evidence)
        .advice(advice)
}

fn bypassed(view: &TableView<'_>, anchor: &Chain, builtin: &str, taken: &Taken<'_>) -> Finding {
    let owner = owners::of_chain(&anchor.name);
    let chain = view.chain(builtin);
    let show = |chain: &Chain, rule| view.show(chain, rule);
    let mut evidence: Vec<String> = chain.map(|chain| show(chain, taken.by)).into_iter().collect();
    evidence.extend(taken.rules.iter().take(5).map(|rule| show(anchor, rule)));
    let whose = if taken.rules.is_empty() {
        "packets of a link or a protocol".to_owned()
    } else {
        format!("every packet of {} of it", super::count(taken.rules.len(), "rule"))
    };
    let (severity, loss) = match view.name() {
        "nat" => (Severity::Error, "they are not translated"),
        _ => (Severity::Warning, "its policies do not hold for them"),
    };
    Found::new(
        FindingCode::MissingAnchor,
        severity,
        format!("{} {}", view.place(), anchor.name),
        format!(
            "rule {} of {builtin} takes {whose} before they come to {} ({owner}): {loss}",
            taken.by.position, anchor.name
        ),
    )
    .evidence(evidence)
    .advice(format!(
        "move rule {} of {builtin} behind the jump to {}, or make it ask for less",
        taken.by.position, anchor.name
    ))
}
