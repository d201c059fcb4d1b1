//! Owns `address-conflict`: one address on two links that are up, or one that another host has too.

use std::collections::BTreeMap;
use std::net::IpAddr;

use model::{FindingCode, Severity};

use super::{Found, Outcome, limited, need};
use crate::host::Host;
use crate::owners;

pub(super) fn check(host: &Host<'_>) -> Outcome {
    let links = need(&host.snapshot.links, "links")?;
    let mut places: BTreeMap<IpAddr, Vec<String>> = BTreeMap::new();
    let mut findings = Vec::new();
    for link in links {
        for address in link.global_addresses() {
            // addresses of Services are put on links of their own
            let of_services = owners::is_pod_side_link(link) && address.prefix.is_host();
            if link.is_up() && !link.is_loopback() && !of_services {
                let line = format!("{} has {}", link.name, address.prefix);
                places.entry(address.prefix.address).or_default().push(line);
            }
        }
        for address in &link.addresses {
            if address.flags.iter().any(|flag| flag == "dadfailed") {
                findings.push(
                    Found::new(
                        FindingCode::AddressConflict,
                        Severity::Error,
                        format!("IP {}", address.prefix.address),
                        format!(
                            "another host has {} too: {} may not use it (dadfailed)",
                            address.prefix.address, link.name
                        ),
                    )
                    .evidence([format!("{} has {} dadfailed", link.name, address.prefix)])
                    .advice(
                        "packets to it go to the other host; find it by its hardware address (ip -6 \
                         neigh on a third host)",
                    ),
                );
            }
        }
    }
    for (address, lines) in places.into_iter().filter(|(_, lines)| lines.len() > 1) {
        findings.push(
            Found::new(
                FindingCode::AddressConflict,
                Severity::Warning,
                format!("IP {address}"),
                format!("{address} is on {} links that are up", lines.len()),
            )
            .evidence(lines)
            .advice(
                "which link answers for it changes with every restart; take it off the link that \
                 should not have it",
            ),
        );
    }
    Ok(limited(findings))
}
