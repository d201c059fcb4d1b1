//! Owns `dual-stack-asymmetry`: Pods have IPv6 addresses, and a system that masquerades or anchors its
//! chains for IPv4 does not for IPv6.

use std::collections::BTreeSet;

use model::{FindingCode, Severity};
use xt::{Family, Target};

use super::{Found, Outcome, need, need_rules};
use crate::host::{Host, TableView};
use crate::owners::{self, Owner};

pub(super) fn check(host: &Host<'_>) -> Outcome {
    need_rules(host)?;
    let links = need(&host.snapshot.links, "links")?;
    let rules = &host.snapshot.rules;
    if rules.nft_v6.known().is_none() && rules.legacy_v6.known().is_none() {
        return Err(super::unknown("rules of IPv6", &rules.nft_v6));
    }
    let mut of_pods: Vec<String> = links
        .iter()
        .filter(|link| owners::is_pod_side_link(link))
        .flat_map(|link| link.global_addresses().map(move |address| (link, address)))
        .filter(|(_, address)| address.prefix.address.is_ipv6())
        .map(|(link, address)| format!("{} has {}", link.name, address.prefix))
        .collect();
    let routes = host.snapshot.routes.known().into_iter().flatten();
    of_pods.extend(
        routes
            .filter(|route| route.family == Family::V6 && route.table == "main")
            .filter(|route| route.links.iter().any(|link| owners::is_pod_side_name(link)))
            .filter(|route| route.to.is_some_and(|to| is_of_pods(to.address)))
            .map(crate::snapshot::Route::text),
    );
    if of_pods.is_empty() {
        return Ok(Vec::new());
    }
    let (four, six) = (translators(host, Family::V4), translators(host, Family::V6));
    let missing = four.difference(&six).filter(|owner| !NOT_FOR_BOTH.contains(owner));
    Ok(missing
        .map(|owner| {
            Found::new(
                FindingCode::DualStackAsymmetry,
                Severity::Warning,
                owner.as_str(),
                format!(
                    "{owner} masquerades packets of IPv4, and none of IPv6, though Pods have IPv6"
                ),
            )
            .evidence(of_pods.iter().take(4).cloned())
            .advice(
                "connections over IPv6 leave with the address of the Pod, and the answer does not \
                 come back; switch IPv6 masquerading on, or give Pods no IPv6",
            )
        })
        .collect())
}

/// Systems that do IPv4 only unless told otherwise.
const NOT_FOR_BOTH: [Owner; 4] = [Owner::Docker, Owner::Host, Owner::Libvirt, Owner::Ufw];

fn is_of_pods(address: std::net::IpAddr) -> bool {
    match address {
        std::net::IpAddr::V4(_) => false,
        std::net::IpAddr::V6(six) => !six.is_multicast() && six.segments()[0] & 0xffc0 != 0xfe80,
    }
}

/// Systems with a reached rule that translates the source.
fn translators(host: &Host<'_>, family: Family) -> BTreeSet<Owner> {
    let views = host.tables.iter().filter(|view| view.family == family && view.name() == "nat");
    views.flat_map(|view| of_table(view)).collect()
}

fn of_table(view: &TableView<'_>) -> BTreeSet<Owner> {
    let mut found = BTreeSet::new();
    for (number, chain) in view.chains() {
        if !view.is_reached(number) {
            continue;
        }
        for rule in &chain.rules {
            if matches!(rule.target, Some(Target::Masquerade(_) | Target::Snat(_))) {
                found.insert(owners::of_rule(&chain.name, rule));
            }
        }
    }
    found
}
