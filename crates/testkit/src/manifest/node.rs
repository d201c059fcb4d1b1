//! Nodes.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::{metadata_methods, object};

/// Builds a Node, ready, without addresses until told otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Node(pub(super) Value);

metadata_methods!(Node);

impl Node {
    /// A Node of this name.
    pub fn new(name: &str) -> Self {
        let mut node = object("Node", name);
        node["spec"] = json!({});
        node["status"] = json!({
            "addresses": [{ "address": name, "type": "Hostname" }],
            "conditions": [{ "status": "True", "type": "Ready" }],
        });
        Self(node).label("kubernetes.io/hostname", name)
    }

    /// The Node of a lab: both its addresses.
    pub fn of_lab(name: &str, lab: &lab::Lab) -> Self {
        model::IpFamily::ALL
            .into_iter()
            .fold(Self::new(name), |node, family| node.internal_ip(lab.node_ip(family)))
    }

    /// An address of type `InternalIP`, after those that are there.
    #[must_use]
    pub fn internal_ip(self, ip: IpAddr) -> Self {
        self.address("InternalIP", ip)
    }

    /// An address of type `ExternalIP`, after those that are there.
    #[must_use]
    pub fn external_ip(self, ip: IpAddr) -> Self {
        self.address("ExternalIP", ip)
    }

    fn address(mut self, kind: &str, ip: IpAddr) -> Self {
        let entry = json!({ "address": ip.to_string(), "type": kind });
        if let Value::Array(addresses) = &mut self.0["status"]["addresses"] {
            // The host name comes last, as the kubelet writes it.
            addresses.insert(addresses.len() - 1, entry);
        }
        self
    }
}
