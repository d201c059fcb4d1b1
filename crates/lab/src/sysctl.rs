//! Settings of a namespace under `/proc/sys/net`.

use std::fs;

use netns::Namespace;

use crate::LabError;

/// Every namespace of the lab: IPv6 on even where the machine has it off, and addresses usable at
/// once, without duplicate address detection.
pub(crate) const EVERYWHERE: &[(&str, &str)] = &[
    ("ipv6/conf/all/disable_ipv6", "0"),
    ("ipv6/conf/default/disable_ipv6", "0"),
    ("ipv6/conf/lo/disable_ipv6", "0"),
    ("ipv6/conf/all/accept_dad", "0"),
    ("ipv6/conf/default/accept_dad", "0"),
    ("ipv6/conf/all/accept_ra", "0"),
    ("ipv6/conf/default/accept_ra", "0"),
];

/// The node: a router, as every Kubernetes node is. No reverse path filter, so that what arrives
/// is decided by routes and rules alone; no redirects, which would teach a Pod to bypass the node.
pub(crate) const NODE: &[(&str, &str)] = &[
    ("ipv4/conf/all/forwarding", "1"),
    ("ipv4/conf/default/forwarding", "1"),
    ("ipv6/conf/all/forwarding", "1"),
    ("ipv6/conf/default/forwarding", "1"),
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    ("ipv4/conf/all/send_redirects", "0"),
    ("ipv4/conf/default/send_redirects", "0"),
];

/// Writes settings, given by their paths under `/proc/sys/net`, in the namespace.
pub(crate) fn write(namespace: &Namespace, settings: &[(&str, &str)]) -> Result<(), LabError> {
    // /proc/sys/net shows the network namespace of the thread that opens it.
    namespace.run(|| {
        for (name, value) in settings {
            let path = format!("/proc/sys/net/{name}");
            fs::write(&path, value).map_err(|source| LabError::Setting { path, source })?;
        }
        Ok(())
    })?
}
