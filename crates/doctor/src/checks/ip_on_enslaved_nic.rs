//! Owns `ip-on-enslaved-nic`: an address on a link that is the port of a bridge or switch. What comes
//! in by such a link goes to the bridge; the address is never asked.

use model::{FindingCode, Severity};

use super::{Found, Outcome, limited, need};
use crate::host::Host;
use crate::snapshot::Link;

pub(super) fn check(host: &Host<'_>) -> Outcome {
    let links = need(&host.snapshot.links, "links")?;
    let mut findings = Vec::new();
    for link in links {
        let Some(master) = bridge_of(link, links) else { continue };
        let addresses: Vec<String> =
            link.global_addresses().map(|address| address.prefix.to_string()).collect();
        if addresses.is_empty() {
            continue;
        }
        let mut evidence = vec![format!("{} is a port of {master}", link.name)];
        evidence.extend(addresses.iter().map(|address| format!("{} has {address}", link.name)));
        let routes = host.snapshot.routes.known().into_iter().flatten();
        let by_link = routes.filter(|r| r.table == "main" && r.links.contains(&link.name));
        let routes: Vec<_> = by_link.collect();
        let default = routes.iter().any(|route| route.to.is_none());
        evidence.extend(routes.iter().map(|route| format!("route: {}", route.text())));
        let what =
            if default { "the node's address and default route are" } else { "an address is" };
        findings.push(
            Found::new(
                FindingCode::IpOnEnslavedNic,
                Severity::Error,
                link.name.clone(),
                format!(
                    "{what} on {}, which is a port of {master}: packets that come in are swallowed \
                     by {master}",
                    link.name
                ),
            )
            .evidence(evidence)
            .advice(format!(
                "the node is cut off on this network; move addresses and routes to {master}, and \
                 keep network managers from putting them back on {}",
                link.name
            )),
        );
    }
    Ok(limited(findings))
}

/// The bridge or switch that a link is a port of; a bond or a VRF takes addresses away from nobody.
pub(super) fn bridge_of<'a>(link: &'a Link, links: &'a [Link]) -> Option<&'a str> {
    let master = link.master.as_deref()?;
    let found = links.iter().find(|other| other.name == master);
    let kind = found.and_then(|found| found.kind.as_deref());
    let by_name = ["br", "ovs-system", "cni0", "docker0", "virbr"];
    let bridge = match kind {
        Some(kind) => kind == "bridge" || kind == "openvswitch",
        None => by_name.iter().any(|name| master.starts_with(name)),
    };
    bridge.then_some(master)
}
