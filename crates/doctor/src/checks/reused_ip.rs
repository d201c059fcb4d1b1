//! Owns `reused-ip`: one Pod address that leads to two links. The older one is what a finished Pod
//! left, or what nobody took away.

use std::collections::BTreeMap;
use std::net::IpAddr;

use model::{FindingCode, Severity};

use super::{Found, Outcome, limited, need};
use crate::host::Host;
use crate::owners;

pub(super) fn check(host: &Host<'_>) -> Outcome {
    let routes = need(&host.snapshot.routes, "routes")?;
    let mut leads: BTreeMap<(IpAddr, &str), Vec<(&str, String)>> = BTreeMap::new();
    for route in routes.iter().filter(|route| route.kind == "unicast") {
        let Some(to) = route.to.filter(crate::snapshot::Prefix::is_host) else { continue };
        for link in route.links.iter().filter(|link| owners::is_pod_side_name(link)) {
            leads
                .entry((to.address, &route.table))
                .or_default()
                .push((link.as_str(), route.text()));
        }
    }
    let mut findings = Vec::new();
    for ((address, _), mut links) in leads {
        links.sort();
        links.dedup_by_key(|(link, _)| *link);
        if links.len() < 2 {
            continue;
        }
        let names: Vec<&str> = links.iter().map(|(link, _)| *link).collect();
        findings.push(
            Found::new(
                FindingCode::ReusedIp,
                Severity::Error,
                format!("IP {address}"),
                format!("{address} leads to {} links: {}", names.len(), names.join(", ")),
            )
            .evidence(links.iter().map(|(_, text)| text.clone()))
            .advice(
                "packets to the Pod that has the address now go to the one that had it before; find \
                 out which link is of a running Pod, and delete the other route",
            ),
        );
    }
    Ok(limited(findings))
}
