//! Owns `split-backends`: rules of one system in both backends of iptables, or systems that work on
//! different ones. The kernel runs both: a DROP of either is final, and of two translations of one
//! address the hook that was registered last wins, which restarts can turn around.

use std::collections::{BTreeMap, BTreeSet};

use model::{Finding, FindingCode, Severity};
use xt::{Backend, Family, Target};

use super::{Found, Outcome, need_rules};
use crate::host::{Frontend, Host, NatBackend, TableView};
use crate::owners::Owner;

pub(super) fn check(host: &Host<'_>) -> Outcome {
    need_rules(host)?;
    let mut findings = Vec::new();
    for family in Family::BOTH {
        findings.extend(of_family(host, family));
    }
    if findings.is_empty() {
        findings.extend(by_family(host).or_else(|| unseen_half(host)));
    }
    Ok(findings)
}

/// A system that keeps each family in another backend: each tool shows one family, and a system that
/// looks for its rules with one tool takes those of the other family for lost.
fn by_family(host: &Host<'_>) -> Option<Finding> {
    const BACKENDS: [Backend; 2] = [Backend::Legacy, Backend::NftCompat];
    let of = |family| BACKENDS.map(|backend| owned(host, backend, family));
    let (v4, v6) = (of(Family::V4), of(Family::V6));
    let home = |[legacy, nft]: &[BTreeMap<Owner, usize>; 2], owner| match (
        legacy.contains_key(&owner),
        nft.contains_key(&owner),
    ) {
        (true, false) => Some(Backend::Legacy),
        (false, true) => Some(Backend::NftCompat),
        _ => None,
    };
    let owners: BTreeSet<Owner> = v4.iter().flat_map(BTreeMap::keys).copied().collect();
    let split = owners.into_iter().filter(|owner| *owner != Owner::Host).filter_map(|owner| {
        let (of_v4, of_v6) = (home(&v4, owner)?, home(&v6, owner)?);
        (of_v4 != of_v6).then(|| format!("{owner}: IPv4 in {of_v4}, IPv6 in {of_v6}"))
    });
    let split: Vec<String> = split.collect();
    if split.is_empty() {
        return None;
    }
    let mut evidence = Vec::new();
    for (family, [legacy, nft]) in [(Family::V4, &v4), (Family::V6, &v6)] {
        let lines = counts(legacy, nft).into_iter().filter(|line| !line.ends_with("rules of "));
        evidence.extend(lines.map(|line| format!("{family}: {line}")));
    }
    Some(
        Found::new(
            FindingCode::SplitBackends,
            Severity::Warning,
            "iptables",
            format!("{}: neither tool shows the whole", split.join("; ")),
        )
        .evidence(evidence)
        .advice(
            "both rule sets are in force. Make the system use one backend for both families \
             (update-alternatives of iptables and of ip6tables, or the setting of the system), then \
             sweep the other: netkeep sweep --of NAME --backend legacy or nft",
        ),
    )
}

/// How many rules each system has in one backend.
pub(super) fn owned(host: &Host<'_>, backend: Backend, family: Family) -> BTreeMap<Owner, usize> {
    let mut counts = BTreeMap::new();
    let views = host.tables.iter().filter(|v| v.backend == backend && v.family == family);
    for view in views {
        for (owner, owned) in view.owned() {
            *counts.entry(*owner).or_default() += owned.rules;
        }
    }
    counts
}

fn of_family(host: &Host<'_>, family: Family) -> Vec<Finding> {
    let legacy = owned(host, Backend::Legacy, family);
    let nft = owned(host, Backend::NftCompat, family);
    let systems = |counts: &BTreeMap<Owner, usize>| {
        counts.keys().copied().filter(|owner| *owner != Owner::Host).collect::<BTreeSet<_>>()
    };
    let (in_legacy, in_nft) = (systems(&legacy), systems(&nft));
    let both: Vec<Owner> = in_legacy.intersection(&in_nft).copied().collect();
    let mut findings: Vec<Finding> =
        both.iter().map(|owner| one_system(host, family, *owner, &legacy, &nft)).collect();
    let only_legacy: Vec<&str> =
        in_legacy.difference(&in_nft).map(|owner| owner.as_str()).collect();
    if findings.is_empty() && !only_legacy.is_empty() && !in_nft.is_empty() {
        let in_nft: Vec<&str> = in_nft.iter().map(|owner| owner.as_str()).collect();
        findings.push(
            Found::new(
                FindingCode::SplitBackends,
                Severity::Warning,
                format!("iptables {family}"),
                format!(
                    "{} in iptables-legacy, {} in iptables-nft: neither tool shows the whole",
                    only_legacy.join(", "),
                    in_nft.join(", ")
                ),
            )
            .evidence(counts(&legacy, &nft))
            .advice(
                "both rule sets are in force; a DROP in either is final. Make all systems use one \
                 backend (update-alternatives, or the setting of the system), then sweep the other",
            ),
        );
    }
    findings
}

fn counts(legacy: &BTreeMap<Owner, usize>, nft: &BTreeMap<Owner, usize>) -> Vec<String> {
    let list = |name: &str, counts: &BTreeMap<Owner, usize>| {
        let each: Vec<String> =
            counts.iter().map(|(owner, count)| format!("{owner} {count}")).collect();
        format!("{name}: rules of {}", each.join(", "))
    };
    vec![list("iptables-legacy", legacy), list("iptables-nft", nft)]
}

fn one_system(
    host: &Host<'_>,
    family: Family,
    owner: Owner,
    legacy: &BTreeMap<Owner, usize>,
    nft: &BTreeMap<Owner, usize>,
) -> Finding {
    let mut evidence = counts(legacy, nft);
    let conflicts =
        if translates(host, family, owner) { conflicts(host, family) } else { Vec::new() };
    let stale = stale_half(host, family, owner);
    evidence.extend(conflicts.iter().cloned());
    evidence.extend(stale.iter().map(|(_, why)| why.clone()));
    evidence.extend(drops(host, family, owner, stale.as_ref().map(|found| found.0)));
    let which = match &stale {
        Some((backend, _)) => format!("the copy in {backend} is stale"),
        None => "which copy is stale cannot be told from here".to_owned(),
    };
    let order = if conflicts.is_empty() {
        "the kernel runs both: a DROP of either is final".to_owned()
    } else {
        format!(
            "{} translated differently by the two: the backend whose hook was registered last wins",
            super::count(conflicts.len(), "address")
        )
    };
    let backend = match stale.as_ref().map(|found| found.0) {
        Some(Backend::NftCompat) => "nft",
        _ => "legacy",
    };
    Found::new(
        FindingCode::SplitBackends,
        Severity::Error,
        format!("{owner} {family}"),
        format!("rules of {owner} are in both backends of iptables; {which}; {order}"),
    )
    .evidence(evidence)
    .fixable()
    .advice(format!(
        "packets meet both copies; remove the stale one: netkeep sweep --of {owner} --backend \
         {backend} (no tool of that backend is needed), and make {owner} use one backend"
    ))
}

/// Whether a system sends packets to other addresses: what differs in that is no fault of others.
fn translates(host: &Host<'_>, family: Family, owner: Owner) -> bool {
    let mut nat = host.tables.iter().filter(|v| v.family == family && v.name() == "nat");
    nat.any(|view| {
        let mut rules = view.rules_of(owner);
        rules.any(|(_, rule)| rule.target.as_ref().map(Target::name) == Some("DNAT"))
    })
}

/// Addresses that the two backends send to different places.
fn conflicts(host: &Host<'_>, family: Family) -> Vec<String> {
    let of = |backend| host.table(backend, family, "nat").map(TableView::services);
    let (Some(legacy), Some(nft)) = (of(Backend::Legacy), of(Backend::NftCompat)) else {
        return Vec::new();
    };
    let differ = legacy.differ(nft).map(|(frontend, old, new)| {
        format!(
            "{}: {} in iptables-legacy, {} in iptables-nft",
            show_frontend(frontend),
            show_backends(&old),
            show_backends(&new)
        )
    });
    differ.take(8).collect()
}

fn show_frontend((address, port, protocol): Frontend) -> String {
    let protocol = match protocol {
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        132 => "sctp".to_owned(),
        other => format!("protocol {other}"),
    };
    match address {
        Some(address) => format!("{address} {protocol} {port}"),
        None => format!("{protocol} {port}"),
    }
}

fn show_backends(backends: &BTreeSet<NatBackend>) -> String {
    let each = backends.iter().take(4).map(|(address, port)| match port {
        Some(port) => format!("{address}:{port}"),
        None => address.to_string(),
    });
    each.collect::<Vec<_>>().join(" or ")
}

/// The backend whose rules nobody keeps any more, and what shows it.
fn stale_half(host: &Host<'_>, family: Family, owner: Owner) -> Option<(Backend, String)> {
    let other = |backend| match backend {
        Backend::Legacy => Backend::NftCompat,
        Backend::NftCompat => Backend::Legacy,
    };
    // links that rules name and that are gone
    let gone = |backend| super::stale_rules::rules_of_gone_links(host, backend, family).len();
    let (legacy, nft) = (gone(Backend::Legacy), gone(Backend::NftCompat));
    if legacy != nft && legacy.min(nft) == 0 {
        let (backend, count) =
            if legacy > 0 { (Backend::Legacy, legacy) } else { (Backend::NftCompat, nft) };
        return Some((backend, format!("{backend}: {count} rules name links that are not there")));
    }
    // kubelet marks the backend it uses: KEP-3178
    let hints = ["KUBE-IPTABLES-HINT", "KUBE-KUBELET-CANARY"];
    let hinted = |backend| {
        let view = host.table(backend, family, "mangle");
        view.is_some_and(|view| hints.iter().any(|hint| view.chain(hint).is_some()))
    };
    for backend in [Backend::Legacy, Backend::NftCompat] {
        if hinted(backend) && !hinted(other(backend)) {
            let stale = other(backend);
            return Some((stale, format!("kubelet's mark is in {backend}, not in {stale}")));
        }
    }
    let packets = |backend| -> u64 {
        let views = host.tables.iter().filter(|v| v.backend == backend && v.family == family);
        views.filter_map(|view| view.owned().get(&owner)).map(|owned| owned.packets).sum()
    };
    let (legacy, nft) = (packets(Backend::Legacy), packets(Backend::NftCompat));
    // iptables 1.8.0 was the first with two backends; systems moved from legacy to nft since
    match (legacy, nft) {
        (0, 0) => dead_backends(host, family),
        (0, _) => Some((Backend::Legacy, format!("iptables-nft met {nft} packets, legacy none"))),
        (_, 0) => Some((Backend::NftCompat, format!("legacy met {legacy} packets, nft none"))),
        _ => dead_backends(host, family),
    }
}

/// The half that sends packets to addresses that do not answer.
fn dead_backends(host: &Host<'_>, family: Family) -> Option<(Backend, String)> {
    for backend in [Backend::Legacy, Backend::NftCompat] {
        let Some(view) = host.table(backend, family, "nat") else { continue };
        let dead = super::dangling_dnat::dangling(host, view);
        if let Some((_, _, why)) = dead.first() {
            return Some((backend, format!("{backend}: {why}")));
        }
    }
    None
}

/// Verdicts of the stale half that end packets.
fn drops(host: &Host<'_>, family: Family, owner: Owner, stale: Option<Backend>) -> Vec<String> {
    let of_half = |view: &&TableView<'_>| view.family == family && Some(view.backend) == stale;
    let mut lines = Vec::new();
    for view in host.tables.iter().filter(of_half) {
        for (chain, rule) in view.rules_of(owner) {
            let ends = matches!(rule.target, Some(Target::Drop | Target::Reject(_)));
            if ends && view.number(&chain.name).is_some_and(|number| view.is_reached(number)) {
                lines.push(format!("final: {}", view.show(chain, rule)));
            }
            if lines.len() == 3 {
                return lines;
            }
        }
    }
    lines
}

/// Rules of legacy exist and cannot be seen; those of systems in nft are only half of the truth.
fn unseen_half(host: &Host<'_>) -> Option<Finding> {
    let sign = super::unseen_legacy_rules::sign(host)?;
    let mut systems: BTreeMap<Owner, usize> = BTreeMap::new();
    for family in Family::BOTH {
        for (owner, count) in owned(host, Backend::NftCompat, family) {
            if owner != Owner::Host {
                *systems.entry(owner).or_default() += count;
            }
        }
    }
    if systems.is_empty() {
        return None;
    }
    let names: Vec<&str> = systems.keys().map(|owner| owner.as_str()).collect();
    let each = systems.iter().map(|(owner, count)| format!("iptables-nft: {owner} {count} rules"));
    Some(
        Found::new(
            FindingCode::SplitBackends,
            Severity::Warning,
            "iptables",
            format!(
                "{} in iptables-nft, and there are legacy tables whose rules are not known",
                names.join(", ")
            ),
        )
        .evidence(std::iter::once(sign).chain(each))
        .advice(
            "a rule of either backend can drop or translate a packet, and the default tool shows one \
             of them; read the other: netkeep doctor on the node needs no iptables-legacy, else \
             iptables-legacy-save and ip6tables-legacy-save",
        ),
    )
}
