//! Owns `uplink-half-moved`: a link was renamed to make room for a bridge of its name (Antrea: `eth1`
//! becomes `eth1~`), and the one who did it was killed before the bridge was there.

use model::{FindingCode, Severity};

use super::{Found, Outcome, need};
use crate::host::Host;

pub(super) fn check(host: &Host<'_>) -> Outcome {
    let links = need(&host.snapshot.links, "links")?;
    let mut findings = Vec::new();
    for link in links {
        let Some(name) = link.name.strip_suffix('~') else { continue };
        let instead = links.iter().find(|other| other.name == name);
        // finished: the name is the bridge's, and the link is one of its ports
        if instead.is_some_and(|bridge| bridge.global_addresses().next().is_some()) {
            continue;
        }
        let mut evidence = vec![match instead {
            Some(_) => format!("{name} is there, without an address"),
            None => format!("there is no {name}"),
        }];
        evidence.extend(link.addresses.iter().map(|a| format!("{} has {}", link.name, a.prefix)));
        if !link.addresses.iter().any(|a| a.prefix.address.is_ipv6() && a.scope == "global") {
            evidence.push(format!("{} has no global IPv6 address", link.name));
        }
        let routes = host.snapshot.routes.known();
        if routes.is_some_and(|all| !all.iter().any(|r| r.to.is_none() && r.table == "main")) {
            evidence.push("no default route is left".to_owned());
        }
        findings.push(
            Found::new(
                FindingCode::UplinkHalfMoved,
                Severity::Error,
                link.name.clone(),
                format!("{name} was renamed to {} for a bridge, and the move was never finished", link.name),
            )
            .evidence(evidence)
            .advice(format!(
                "the network of {name} is cut off, and routes and IPv6 addresses were lost when the \
                 link went down; ip link set {} name {name}, put addresses and routes back, then let \
                 the agent begin again",
                link.name
            )),
        );
    }
    Ok(findings)
}
