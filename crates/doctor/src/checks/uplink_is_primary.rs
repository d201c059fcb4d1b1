//! Owns `uplink-is-primary`: the link of the default route is a port of Open vSwitch, or of the bridge
//! of a secondary network, and no address is left on it: the node is reached by what was given away.

use model::{FindingCode, Severity};

use super::{Found, Outcome, ip_on_enslaved_nic, need};
use crate::host::Host;

pub(super) fn check(host: &Host<'_>) -> Outcome {
    let links = need(&host.snapshot.links, "links")?;
    let routes = need(&host.snapshot.routes, "routes")?;
    let ovs = host.snapshot.ovs.known();
    let mut findings = Vec::new();
    let defaults = routes.iter().filter(|r| r.to.is_none() && r.table == "main");
    for route in defaults.filter(|route| route.kind == "unicast") {
        for name in &route.links {
            let Some(link) = links.iter().find(|link| link.name == *name) else { continue };
            let port = ovs.and_then(|ovs| {
                let plain = |port: &&crate::snapshot::OvsPort| {
                    port.name == *name && port.kind.as_deref().is_none_or(|kind| kind == "system")
                };
                ovs.ports.iter().find(plain).map(|port| port.bridge.as_str())
            });
            let Some(bridge) = port.or_else(|| ip_on_enslaved_nic::bridge_of(link, links)) else {
                continue;
            };
            // with an address on it this is `ip-on-enslaved-nic`
            if port.is_none() && link.global_addresses().next().is_some() {
                continue;
            }
            findings.push(
                Found::new(
                    FindingCode::UplinkIsPrimary,
                    Severity::Error,
                    name.clone(),
                    format!(
                        "{name} is a port of {bridge}, and the node's default route goes by it"
                    ),
                )
                .evidence([format!("route: {}", route.text()), format!("{name} is in {bridge}")])
                .advice(format!(
                    "what the node sends is dropped; put address and default route on {bridge}, or \
                     give another link to the secondary network"
                )),
            );
        }
    }
    findings.dedup_by(|a, b| a.subject == b.subject);
    Ok(findings)
}
