//! Owns `forwarding-off`: a node with Pods that forwards no packets.

use model::{FindingCode, Severity};

use super::{Found, Outcome, forward_drop, need};
use crate::host::Host;

pub(super) fn check(host: &Host<'_>) -> Outcome {
    let sysctls = need(&host.snapshot.sysctls, "sysctls")?;
    let off = |name: &str| sysctls.get(name).is_some_and(|value| value.trim() == "0");
    let name = ["net.ipv4.ip_forward", "net.ipv4.conf.all.forwarding"].into_iter().find(|n| off(n));
    let Some(name) = name.filter(|_| forward_drop::has_pods(host)) else { return Ok(Vec::new()) };
    Ok(vec![
        Found::new(
            FindingCode::ForwardingOff,
            Severity::Error,
            name,
            "the node has rules for Pods, and the kernel forwards no packets between links",
        )
        .evidence([format!("{name} = 0")])
        .advice(
            "Pods reach nothing beyond this node, and Services have no way to them; sysctl -w \
             net.ipv4.ip_forward=1, and look for the file in sysctl.d that sets it to 0",
        ),
    ])
}
