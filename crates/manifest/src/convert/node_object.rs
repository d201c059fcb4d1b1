//! Nodes.

use model::Node;

use super::meta::Head;
use super::pod::address;
use crate::fields::{At, Check};

pub(super) fn read(root: &At<'_>, head: Head, check: &mut Check) -> Node {
    let mut node = Node { meta: head.meta(), external_ips: Vec::new(), internal_ips: Vec::new() };
    let Some(status) = root.mapping("status", check) else { return node };
    let Some(addresses) = status.list("addresses", check) else { return node };
    for entry in addresses.entries() {
        if !entry.is_mapping(check) {
            continue;
        }
        let ips = match entry.text_field("type", check).as_deref() {
            Some("ExternalIP") => &mut node.external_ips,
            Some("InternalIP") => &mut node.internal_ips,
            // Hostname, InternalDNS, ExternalDNS and what clouds invent
            _ => continue,
        };
        match entry.field("address") {
            Some(at) => ips.extend(address(&at, check)),
            None => check.missing(&entry, "address", "the entry has no address"),
        }
    }
    node
}
