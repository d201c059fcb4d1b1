//! Owns `rp-filter-strict`: the kernel drops packets that come by another link than the answer would
//! leave by, on a node where that is how packets come.

use model::{FindingCode, Severity};
use xt::Family;

use super::{Found, Outcome, need};
use crate::host::Host;
use crate::owners;

pub(super) fn check(host: &Host<'_>) -> Outcome {
    let sysctls = need(&host.snapshot.sysctls, "sysctls")?;
    let all = host.snapshot.sysctl("net.ipv4.conf.all.rp_filter").unwrap_or_default();
    // the larger of the two holds, Documentation/networking/ip-sysctl.rst
    let strict = |link: &str| {
        let own = sysctls.get(&format!("net.ipv4.conf.{}.rp_filter", link.replace('.', "/")));
        let own = own.and_then(|value| value.trim().parse::<i64>().ok());
        own.map(|own| own.max(all) == 1)
    };
    let mut findings = Vec::new();
    // Cilium routes past the links of Pods: strict there means that nothing leaves a Pod
    let links = sysctls.keys().filter_map(|key| {
        key.strip_prefix("net.ipv4.conf.")?.strip_suffix(".rp_filter").map(|l| l.replace('/', "."))
    });
    let of_pods: Vec<String> = links
        .filter(|link| link.starts_with("lxc") || link.starts_with("cilium_"))
        .filter(|link| strict(link) == Some(true))
        .collect();
    if !of_pods.is_empty() {
        findings.push(finding(
            &of_pods,
            "Cilium sends packets of Pods past the routing table, and strict filtering drops them",
            Vec::new(),
        ));
    }
    let several = asymmetric(host);
    if let Some(reasons) = several {
        let uplinks = host.snapshot.links.known().into_iter().flatten();
        let strict_ones: Vec<String> = uplinks
            .filter(|link| !link.is_loopback() && !owners::is_pod_side_link(link) && link.is_up())
            .filter(|link| link.global_addresses().next().is_some())
            .filter(|link| strict(&link.name).unwrap_or(all == 1))
            .map(|link| link.name.clone())
            .collect();
        if !strict_ones.is_empty() {
            let what = "packets and answers may take different links here, and strict filtering drops \
                        what comes by the other one";
            findings.push(finding(&strict_ones, what, reasons));
        }
    }
    Ok(findings)
}

fn finding(links: &[String], what: &str, reasons: Vec<String>) -> model::Finding {
    Found::new(FindingCode::RpFilterStrict, Severity::Warning, links.join(", "), what)
        .evidence(
            links.iter().map(|link| format!("rp_filter of {link} is 1 (strict)")).chain(reasons),
        )
        .advice(
            "set net.ipv4.conf.LINK.rp_filter to 2 (loose) or 0, in a file that is read after those \
             of the system (systemd 245 sets it for every new link)",
        )
}

/// What makes packets take other links than their answers: routing by mark, and uplinks beside.
fn asymmetric(host: &Host<'_>) -> Option<Vec<String>> {
    let rules = host.snapshot.routing_rules.of(Family::V4).known()?;
    let by_mark: Vec<String> = rules
        .iter()
        .filter(|rule| rule.asks.contains("fwmark"))
        .filter(|rule| !matches!(rule.table(), None | Some("main" | "local" | "default")))
        .map(ToString::to_string)
        .collect();
    let links = host.snapshot.links.known()?;
    let uplinks = links.iter().filter(|link| {
        !link.is_loopback()
            && !owners::is_pod_side_link(link)
            && link.global_addresses().any(|address| address.prefix.address.is_ipv4())
    });
    (!by_mark.is_empty() && uplinks.count() > 1).then_some(by_mark)
}
