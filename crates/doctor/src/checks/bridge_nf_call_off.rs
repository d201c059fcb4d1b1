//! Owns `bridge-nf-call-off`: Pods are ports of a Linux bridge, Services are rules of iptables, and
//! the bridge does not show packets between its ports to iptables.

use model::{FindingCode, Severity};
use xt::Family;

use super::{Found, Outcome, need, need_rules};
use crate::host::Host;

pub(super) fn check(host: &Host<'_>) -> Outcome {
    need_rules(host)?;
    let sysctls = need(&host.snapshot.sysctls, "sysctls")?;
    let mut findings = Vec::new();
    for (family, name) in [
        (Family::V4, "net.bridge.bridge-nf-call-iptables"),
        (Family::V6, "net.bridge.bridge-nf-call-ip6tables"),
    ] {
        if sysctls.get(name).is_none_or(|value| value.trim() != "0") {
            continue;
        }
        let bridge = pod_bridge(host);
        let services = host.tables.iter().find(|view| {
            view.family == family
                && view.name() == "nat"
                && view.chain("KUBE-SERVICES").is_some_and(|chain| chain.rules.len() > 1)
        });
        let (Some(bridge), Some(services)) = (bridge, services) else { continue };
        findings.push(
            Found::new(
                FindingCode::BridgeNfCallOff,
                Severity::Warning,
                name,
                format!("packets between ports of {bridge} do not pass the rules of {family}"),
            )
            .evidence([
                format!("{name} = 0"),
                format!("{bridge} is the bridge of Pods"),
                format!("{}: KUBE-SERVICES is there", services.place()),
            ])
            .advice(format!(
                "a Pod that reaches a Service whose endpoint is on the same node gets no answer: it \
                 comes from the wrong address; sysctl -w {name}=1 (module br_netfilter)"
            )),
        );
    }
    Ok(findings)
}

/// A bridge that CNIs put Pods into.
fn pod_bridge<'a>(host: &Host<'a>) -> Option<&'a str> {
    const BRIDGES: [&str; 4] = ["cni0", "kube-bridge", "cbr0", "weave"];
    let mut links = host.snapshot.links.known()?.iter();
    links.find(|link| BRIDGES.contains(&link.name.as_str())).map(|link| link.name.as_str())
}
