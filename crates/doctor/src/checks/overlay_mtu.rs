//! Owns `overlay-mtu`: a tunnel whose packets, with what the tunnel adds, are larger than the link
//! below takes. Small packets pass, large ones are lost.

use model::{FindingCode, Severity};

use super::{Found, Outcome, need};
use crate::host::Host;
use crate::owners;
use crate::snapshot::Link;

pub(super) fn check(host: &Host<'_>) -> Outcome {
    let links = need(&host.snapshot.links, "links")?;
    let mut findings = Vec::new();
    for tunnel in links.iter().filter(|link| link.is_up()) {
        let Some(adds) = adds(tunnel) else { continue };
        let Some(mtu) = tunnel.mtu else { continue };
        let Some(below) = below(host, tunnel, links) else { continue };
        let Some(room) = below.mtu else { continue };
        if mtu + adds <= room {
            continue;
        }
        findings.push(
            Found::new(
                FindingCode::OverlayMtu,
                Severity::Warning,
                tunnel.name.clone(),
                format!("its packets are up to {mtu} bytes, and {} takes {room} with {adds} more", below.name),
            )
            .evidence([
                format!("{} mtu {mtu}", tunnel.name),
                format!("{} mtu {room}", below.name),
            ])
            .advice(format!(
                "connections open, and hang with the first large packet; set the CNI's MTU to {} or \
                 less",
                room.saturating_sub(adds)
            )),
        );
    }
    Ok(findings)
}

/// Bytes that a tunnel over IPv4 adds; nothing for links that are none, and for metadata devices,
/// whose MTU says nothing.
fn adds(link: &Link) -> Option<u32> {
    let by_name = |name: &str| link.name.starts_with(name);
    match link.kind.as_deref() {
        Some("vxlan") if !by_name("vxlan_sys") && !by_name("cilium_vxlan") => Some(50),
        Some("ipip") => Some(20),
        Some("wireguard") => Some(60),
        None if by_name("flannel.") || by_name("vxlan.calico") => Some(50),
        None if by_name("tunl0") => Some(20),
        _ => None,
    }
}

/// The link that a tunnel's packets leave by: the one it names, else that of the default route.
fn below<'a>(host: &Host<'a>, tunnel: &Link, links: &'a [Link]) -> Option<&'a Link> {
    let by_name = |name: &str| links.iter().find(|link| link.name == name);
    if let Some(lower) = tunnel.lower.as_deref() {
        return by_name(lower);
    }
    let routes = host.snapshot.routes.known()?;
    let default = routes.iter().find(|route| route.to.is_none() && route.table == "main")?;
    let link = by_name(default.links.first()?)?;
    (!owners::is_pod_side_link(link)).then_some(link)
}
