//! Owns native tables of known systems that packets do not come through: no hook at all, or base chains
//! that lead nowhere while the chains that they must lead to are there.
//!
//! A flush of single chains (`nft flush chain`, a tool that deletes rules it does not know) leaves
//! everything but the jumps, and nothing that lists tables shows it.

use std::collections::BTreeSet;

use model::{Finding, FindingCode, Severity};

use super::super::Found;
use crate::host::Host;
use crate::owners::{self, Owner};
use crate::snapshot::{NftChain, NftTable, Verdict};

/// Base chains of kube-proxy in nftables mode, and the chains that each must lead to. Source:
/// kube-proxy's `nftablesJumpChains` (pkg/proxy/nftables/proxier.go); a chain that this version does
/// not have is not asked for.
const KUBE_PROXY: [(&str, &[&str]); 8] = [
    ("filter-prerouting-pre-dnat", &["firewall-check"]),
    ("filter-output-pre-dnat", &["firewall-check"]),
    ("filter-input", &["nodeport-endpoints-check", "service-endpoints-check"]),
    ("filter-forward", &["service-endpoints-check", "cluster-ips-check"]),
    ("filter-output", &["service-endpoints-check", "cluster-ips-check"]),
    ("nat-prerouting", &["services"]),
    ("nat-output", &["services"]),
    ("nat-postrouting", &["masquerading"]),
];

/// Chains and maps of kube-proxy that never are empty together with Services: what must be in the one
/// for the other to be of use.
const LOOKED_UP: [(&str, &str); 3] = [
    ("services", "service-ips"),
    ("services", "service-nodeports"),
    ("service-endpoints-check", "no-endpoint-services"),
];

pub(super) fn check(host: &Host<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let tables = host.snapshot.nft.known().into_iter().flat_map(|nft| &nft.tables);
    for table in tables {
        let owner = owners::of_table(&table.name);
        let empty = table.chains.iter().all(|chain| chain.rules.is_empty());
        if table.is_of_iptables() || owner == Owner::Host || empty && table.sets.is_empty() {
            continue;
        }
        if table.chains.iter().all(|chain| chain.base.is_none()) {
            findings.extend((!empty).then(|| without_hook(table, owner)));
        } else if owner == Owner::KubeProxy {
            findings.extend(kube_proxy(table));
        } else {
            findings.extend(flushed(table, owner));
        }
    }
    findings
}

fn place(table: &NftTable, chain: &str) -> String {
    format!("table {} {} chain {chain}", table.family, table.name)
}

fn without_hook(table: &NftTable, owner: Owner) -> Finding {
    Found::new(
        FindingCode::MissingAnchor,
        Severity::Error,
        format!("table {} {}", table.family, table.name),
        format!("no chain of the table of {owner} is called by the kernel: none has a hook"),
    )
    .evidence(table.chains.iter().take(5).map(|chain| format!("chain {}", chain.name)))
    .advice(restart(owner))
}

fn restart(owner: Owner) -> String {
    format!("restart {owner}, so that it makes its table anew, and find who flushes its chains")
}

/// Chains that a chain leads to, itself or through others.
fn reached<'a>(table: &'a NftTable, start: &'a NftChain) -> BTreeSet<&'a str> {
    let (mut seen, mut next) = (BTreeSet::new(), vec![start]);
    while let Some(chain) = next.pop() {
        for rule in &chain.rules {
            let of_maps = rule.sets.iter().filter_map(|set| table.set(set));
            let of_maps = of_maps.flat_map(|set| &set.targets);
            for target in rule.targets.iter().chain(of_maps) {
                if let Some(chain) = table.chain(target).filter(|chain| seen.insert(&*chain.name)) {
                    next.push(chain);
                }
            }
            // nothing comes behind
            if ends_all(rule) {
                break;
            }
        }
    }
    seen
}

fn ends_all(rule: &crate::snapshot::NftRule) -> bool {
    let verdict = matches!(
        rule.verdict,
        Some(
            Verdict::Accept
                | Verdict::Drop
                | Verdict::Reject
                | Verdict::Return
                | Verdict::Goto(_)
                | Verdict::Queue
        )
    );
    verdict && rule.conditions == 0
}

fn kube_proxy(table: &NftTable) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (base, needs) in KUBE_PROXY {
        let Some(chain) = table.chain(base) else {
            continue;
        };
        let reached = reached(table, chain);
        let lost: Vec<&str> = needs
            .iter()
            .filter(|name| table.chain(name).is_some_and(|chain| !chain.rules.is_empty()))
            .filter(|name| !reached.contains(*name))
            .copied()
            .collect();
        let without_base = chain.base.is_none() && !needs.is_empty();
        if lost.is_empty() && !without_base {
            continue;
        }
        let what = if without_base {
            "the kernel does not call it: it has no hook".to_owned()
        } else if chain.rules.is_empty() {
            format!("it has no rule, and nothing leads to {}", lost.join(", "))
        } else {
            format!("no rule of it leads to {}", lost.join(", "))
        };
        findings.push(
            Found::new(
                FindingCode::MissingAnchor,
                Severity::Error,
                place(table, base),
                format!("packets do not pass through kube-proxy's {base} as they must: {what}"),
            )
            .evidence(
                chain.rules.iter().map(|rule| format!("{}: {}", place(table, base), rule.text)),
            )
            .evidence(lost.iter().map(|name| format!("{} has rules", place(table, name))))
            .advice(restart(Owner::KubeProxy)),
        );
    }
    findings.extend(no_hooks_left(table));
    findings.extend(emptied(table));
    findings
}

/// Chains that do the work, while the base chain that would lead to them is gone.
fn no_hooks_left(table: &NftTable) -> Option<Finding> {
    let works = |name: &str| table.chain(name).is_some_and(|chain| !chain.rules.is_empty());
    let gone: Vec<&str> = [
        ("services", "nat-prerouting"),
        ("services", "nat-output"),
        ("masquerading", "nat-postrouting"),
    ]
    .into_iter()
    .filter(|(chain, base)| works(chain) && table.chain(base).is_none())
    .map(|(_, base)| base)
    .collect();
    (!gone.is_empty()).then(|| {
        Found::new(
            FindingCode::MissingAnchor,
            Severity::Error,
            format!("table {} {}", table.family, table.name),
            format!("base chains of kube-proxy are gone: {}", gone.join(", ")),
        )
        .evidence(table.chains.iter().take(8).map(|chain| format!("chain {}", chain.name)))
        .advice(restart(Owner::KubeProxy))
    })
}

/// Work chains without rules and maps without elements, while chains of Services are there that only
/// they lead to.
fn emptied(table: &NftTable) -> Vec<Finding> {
    let of_service = |chain: &&NftChain| {
        ["service-", "external-"].iter().any(|prefix| chain.name.starts_with(prefix))
            && chain.name != "service-endpoints-check"
            && !chain.rules.is_empty()
    };
    let services: Vec<&NftChain> = table.chains.iter().filter(of_service).collect();
    if services.is_empty() {
        return Vec::new();
    }
    let mut findings = Vec::new();
    let found = |place: String, message: String| {
        Found::new(FindingCode::EmptyChain, Severity::Error, place, message)
            .evidence(
                services.iter().take(5).map(|chain| format!("chain {} has rules", chain.name)),
            )
            .advice(format!("Services are not translated; {}", restart(Owner::KubeProxy)))
    };
    for name in ["services", "masquerading"] {
        if table.chain(name).is_some_and(|chain| chain.rules.is_empty()) {
            let message =
                format!("kube-proxy's chain {name} has no rule, and there are chains of Services");
            findings.push(found(place(table, name), message));
        }
    }
    let maps = |name: &str| table.set(name).map_or(0, |set| set.count);
    let targets: BTreeSet<&str> =
        table.sets.iter().flat_map(|set| &set.targets).map(String::as_str).collect();
    let led: usize = services.iter().filter(|chain| targets.contains(&*chain.name)).count();
    let both = LOOKED_UP.iter().take(2).all(|(_, map)| table.set(map).is_some());
    if both && led == 0 && maps("service-ips") == 0 {
        let place = format!("table {} {} map service-ips", table.family, table.name);
        let message = format!(
            "kube-proxy's maps of Services have no element, and there are {} of Services",
            super::super::count(services.len(), "chain")
        );
        findings.push(found(place, message));
    }
    findings.extend(lookups_gone(table, &found));
    findings
}

/// Maps with elements that no rule looks up any more.
fn lookups_gone(table: &NftTable, found: &impl Fn(String, String) -> Finding) -> Vec<Finding> {
    let lost = LOOKED_UP.iter().filter(|(chain, map)| {
        let filled = table.set(map).is_some_and(|set| set.count > 0);
        let chain = table.chain(chain).filter(|chain| !chain.rules.is_empty());
        filled
            && chain.is_some_and(|chain| {
                !chain.rules.iter().any(|rule| {
                    rule.sets.iter().any(|set| set == map)
                        || rule.verdict == Some(Verdict::Map((*map).to_owned()))
                })
            })
    });
    lost.map(|(chain, map)| {
        found(
            place(table, chain),
            format!(
                "no rule of kube-proxy's chain {chain} looks up its map {map}, which has elements"
            ),
        )
    })
    .collect()
}

/// Other systems: all base chains empty, and chains with rules beside.
fn flushed(table: &NftTable, owner: Owner) -> Option<Finding> {
    let (bases, others): (Vec<&NftChain>, Vec<&NftChain>) =
        table.chains.iter().partition(|chain| chain.base.is_some());
    let led = bases.iter().any(|base| !base.rules.is_empty());
    let works = others.iter().any(|chain| !chain.rules.is_empty());
    (!led && works).then(|| {
        Found::new(
            FindingCode::MissingAnchor,
            Severity::Error,
            format!("table {} {}", table.family, table.name),
            format!("no base chain of the table of {owner} has a rule: its other chains are met by no packet"),
        )
        .evidence(bases.iter().map(|chain| format!("{} has no rule", place(table, &chain.name))))
        .advice(restart(owner))
    })
}
