//! Owns `dangling-dnat`: rules that send packets to an address of this node's Pod network where
//! nobody is. Only what the kernel itself knows counts as proof: a neighbour that did not answer, or a
//! block of addresses of this node without a route to this one.

use std::collections::BTreeMap;
use std::net::IpAddr;

use model::{FindingCode, Severity};
use xt::{Chain, Rule};

use super::{Found, Outcome, limited, need_rules};
use crate::host::{Host, TableView};
use crate::owners;
use crate::snapshot::Prefix;

pub(super) fn check(host: &Host<'_>) -> Outcome {
    need_rules(host)?;
    if host.snapshot.neighbours.known().is_none() && host.snapshot.routes.known().is_none() {
        return Err(super::unknown("neighbours and routes", &host.snapshot.routes));
    }
    let mut findings = Vec::new();
    for view in &host.tables {
        let mut by_address: BTreeMap<IpAddr, (String, Vec<String>)> = BTreeMap::new();
        for (chain, rule, why) in dangling(host, view) {
            let Some((_, _, (address, _))) = dnats_of(chain, rule) else { continue };
            let (_, lines) = by_address.entry(address).or_insert_with(|| (why, Vec::new()));
            lines.push(view.show(chain, rule));
        }
        for (address, (why, lines)) in by_address {
            findings.push(
                Found::new(
                    FindingCode::DanglingDnat,
                    Severity::Warning,
                    format!("{} {address}", view.place()),
                    format!("packets are sent to {address}, where nobody is: {why}"),
                )
                .evidence(lines)
                .advice(
                    "a part of the connections to this Service or port goes nowhere; restart the \
                     system that wrote the rule, or remove it if that system has forgotten it",
                ),
            );
        }
    }
    Ok(limited(findings))
}

fn dnats_of<'a>(
    chain: &'a Chain,
    rule: &'a Rule,
) -> Option<(&'a Chain, &'a Rule, crate::host::NatBackend)> {
    match &rule.target {
        Some(xt::Target::Dnat(nat)) => Some((chain, rule, nat.to()?)),
        _ => None,
    }
}

/// Translations of one table to addresses where nobody is, and what shows it.
pub(super) fn dangling<'a>(
    host: &Host<'a>,
    view: &TableView<'a>,
) -> Vec<(&'a Chain, &'a Rule, String)> {
    let here = Here::new(host);
    let lost =
        view.translations().filter_map(|(at, (address, _))| Some((at, here.nobody(address)?)));
    let rules = lost.filter_map(|(at, why)| view.rule(at).map(|(chain, rule)| (chain, rule, why)));
    rules.collect()
}

/// What the kernel knows of the Pods of this node.
struct Here<'a> {
    /// Neighbours that did not answer, by address.
    failed: BTreeMap<IpAddr, &'a str>,
    /// Blocks of addresses of this node.
    blocks: Vec<Prefix>,
    /// Addresses with a route of their own.
    routed: std::collections::BTreeSet<IpAddr>,
}

impl<'a> Here<'a> {
    fn new(host: &Host<'a>) -> Self {
        let neighbours = host.snapshot.neighbours.known().into_iter().flatten();
        let failed = neighbours
            .filter(|neighbour| neighbour.state.as_deref() == Some("FAILED"))
            .filter(|neighbour| owners::is_pod_side_name(&neighbour.link))
            .map(|neighbour| (neighbour.address, neighbour.link.as_str()))
            .collect();
        let routes = || host.snapshot.routes.known().into_iter().flatten();
        let blocks = routes()
            .filter(|route| route.kind == "blackhole")
            .filter_map(|route| route.to)
            .filter(|to| !to.is_host())
            .collect();
        let own = routes().filter_map(|route| route.to).filter(Prefix::is_host);
        Self { failed, blocks, routed: own.map(|to| to.address).collect() }
    }

    fn nobody(&self, address: IpAddr) -> Option<String> {
        if let Some(link) = self.failed.get(&address) {
            return Some(format!("the neighbour on {link} does not answer (FAILED)"));
        }
        let block = self.blocks.iter().find(|block| block.covers(address))?;
        (!self.routed.contains(&address))
            .then(|| format!("it is in {block}, a block of this node, and has no route to a link"))
    }
}
