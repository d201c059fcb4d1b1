//! Owns `gateway-state-lost`: a VPC NAT gateway of Kube-OVN that has its external addresses, and none
//! of the rules for them: its container was restarted, and nobody wrote them again.

use model::{FindingCode, Severity};

use super::{Found, Outcome, need_rules};
use crate::host::Host;

/// Chains of the gateway's `init`; the rules for addresses are in them.
const CHAINS: [&str; 7] = [
    "DNAT_FILTER",
    "SNAT_FILTER",
    "EXCLUSIVE_DNAT",
    "EXCLUSIVE_SNAT",
    "SHARED_DNAT",
    "SHARED_SNAT",
    "SNAT_EGRESS",
];
/// The link of the external network inside the gateway.
const EXTERNAL: &str = "net1";

pub(super) fn check(host: &Host<'_>) -> Outcome {
    need_rules(host)?;
    let addresses: Vec<String> = host
        .snapshot
        .links
        .known()
        .into_iter()
        .flatten()
        .filter(|link| link.name == EXTERNAL)
        .flat_map(crate::snapshot::Link::global_addresses)
        .map(|address| format!("{EXTERNAL} has {}", address.prefix))
        .collect();
    let mut findings = Vec::new();
    for view in host.tables.iter().filter(|view| view.name() == "nat" && view.is_whole()) {
        let known: Vec<_> = CHAINS.iter().filter_map(|name| view.chain(name)).collect();
        // two of the names are not yet a gateway
        if known.len() < 3 {
            continue;
        }
        // chains that only call each other hold no address
        let rules = known.iter().flat_map(|chain| &chain.rules);
        let holds = rules
            .into_iter()
            .any(|rule| rule.target.as_ref().is_some_and(|target| target.chain().is_none()));
        // the first address is the gateway's own, the others are those of rules
        if holds || addresses.len() < 2 {
            continue;
        }
        let mut evidence = addresses.clone();
        evidence.extend(known.iter().map(|chain| {
            format!(
                "{}: {} has {}",
                view.place(),
                chain.name,
                super::count(chain.rules.len(), "rule")
            )
        }));
        findings.push(
            Found::new(
                FindingCode::GatewayStateLost,
                Severity::Error,
                "NAT gateway",
                "the gateway has its external addresses, and no rule for any of them",
            )
            .evidence(evidence)
            .advice(
                "floating IPs, DNAT and SNAT of this VPC do not work, though their objects say ready; \
                 let the controller write them again (touch the rule objects), or use netkeep for them",
            ),
        );
    }
    Ok(findings)
}
