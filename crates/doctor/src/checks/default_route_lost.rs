//! Owns `default-route-lost`: an uplink is up and has an address, and no table has a default route:
//! what a network manager or a move of the link left.

use model::{FindingCode, Severity};
use xt::Family;

use super::{Found, Outcome, need};
use crate::host::Host;
use crate::owners;

pub(super) fn check(host: &Host<'_>) -> Outcome {
    let links = need(&host.snapshot.links, "links")?;
    let routes = need(&host.snapshot.routes, "routes")?;
    // two /1 are a default route too, as VPNs make it
    let leads_out = |family: Family| {
        routes.iter().any(|route| {
            let wide = route.to.is_none_or(|to| to.length <= 1);
            let out = matches!(route.kind.as_str(), "unicast" | "blackhole" | "unreachable");
            route.family == family && wide && out
        })
    };
    let uplinks: Vec<String> = links
        .iter()
        .filter(|link| !link.is_loopback() && link.is_up() && !owners::is_pod_side_link(link))
        .filter(|link| link.kind.as_deref() != Some("bridge") || link.name.starts_with("br-ex"))
        .flat_map(|link| link.global_addresses().map(move |address| (link, address)))
        .filter(|(_, address)| address.prefix.address.is_ipv4() && !address.prefix.is_host())
        .map(|(link, address)| format!("{} has {}", link.name, address.prefix))
        .collect();
    if uplinks.is_empty() || leads_out(Family::V4) {
        return Ok(Vec::new());
    }
    let main = routes.iter().filter(|route| route.table == "main" && route.family == Family::V4);
    let shown = main.take(6).map(|route| format!("route: {}", route.text()));
    Ok(vec![
        Found::new(
            FindingCode::DefaultRouteLost,
            Severity::Warning,
            "routes IPv4",
            "the node has an uplink with an address, and no default route in any table",
        )
        .evidence(uplinks.iter().cloned().chain(shown))
        .advice(
            "nothing beyond the node's own networks is reached: no API server, no registry, no other \
             node's Pods; renew the lease or put the route back, and look for who removed it \
             (systemd-networkd: ManageForeignRoutes=no)",
        ),
    ])
}
