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
    } else {
        let links = doubtful(host);
        let links = links.into_iter().filter(|(link, _)| strict(link).unwrap_or(all == 1));
        let (links, reasons): (Vec<String>, Vec<String>) = links.unzip();
        if !links.is_empty() {
            let what = "answers to what comes by these links leave by another one, and strict \
                        filtering drops what comes";
            findings.push(finding(&links, what, reasons));
        }
    }
    Ok(findings)
}

/// Uplinks whose packets are answered by another one, and why: a second link of one network, a second
/// way to everywhere. With a routing rule for what is sent from the link's own address it is not so:
/// the kernel asks the rules the other way round (`__fib_validate_source`).
fn doubtful(host: &Host<'_>) -> Vec<(String, String)> {
    let (Some(links), Some(routes), Some(rules)) = (
        host.snapshot.links.known(),
        host.snapshot.routes.known(),
        host.snapshot.routing_rules.of(Family::V4).known(),
    ) else {
        return Vec::new();
    };
    let uplinks = links.iter().filter(|link| {
        link.is_up()
            && !link.is_loopback()
            && link.master.is_none()
            && !owners::is_pod_side_link(link)
            // a VLAN or a tunnel of the same name's link is another network
            && link.global_addresses().any(|address| address.prefix.address.is_ipv4())
    });
    let uplinks: Vec<&crate::snapshot::Link> = uplinks.collect();
    let has_rule = |link: &crate::snapshot::Link| {
        link.global_addresses().any(|address| {
            rules.iter().any(|rule| {
                let from = rule.asks.strip_prefix("from ").and_then(|rest| rest.split(' ').next());
                let net = from.and_then(|from| from.parse::<crate::snapshot::Prefix>().ok());
                net.is_some_and(|net| net.covers(address.prefix.address))
            })
        })
    };
    let in_main = |route: &&crate::snapshot::Route| {
        route.family == Family::V4 && route.table == "main" && route.kind == "unicast"
    };
    let better = |other: (usize, &crate::snapshot::Route),
                  route: (usize, &crate::snapshot::Route)| {
        let rank =
            |(at, route): (usize, &crate::snapshot::Route)| (route.metric.unwrap_or_default(), at);
        rank(other) < rank(route)
    };
    let mut found = Vec::new();
    for link in &uplinks {
        if has_rule(link) {
            continue;
        }
        let own = |route: &&crate::snapshot::Route| route.links.contains(&link.name);
        // the way that is taken is the one with the lowest metric, of equal ones the first
        let main = || routes.iter().filter(in_main).enumerate();
        let behind = main().filter(|(_, route)| own(route)).find_map(|(at, route)| {
            let to_link = route.via.is_empty() && route.to.is_some_and(|to| !to.is_host());
            let (_, taken) = main().find(|(other_at, other)| {
                other.to == route.to
                    && !own(other)
                    && better((*other_at, *other), (at, route))
                    && other.links.iter().any(|name| uplinks.iter().any(|link| link.name == *name))
            })?;
            // a way to everywhere of its own, or the same network
            (route.to.is_none() || to_link)
                .then(|| format!("{} is taken, not {}", taken.text(), route.text()))
        });
        found.extend(behind.map(|why| (link.name.clone(), why)));
    }
    found
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
