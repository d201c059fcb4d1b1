//! Owns `route-localnet`: the kernel lets packets to 127.0.0.1 in from other links. kube-proxy sets
//! this for node ports on localhost, with a rule that drops what comes from neighbours.

use model::{FindingCode, Severity};
use xt::{Target, Test};

use super::{Found, Outcome, need};
use crate::host::{Host, TableView};

pub(super) fn check(host: &Host<'_>) -> Outcome {
    let sysctls = need(&host.snapshot.sysctls, "sysctls")?;
    let on: Vec<String> = sysctls
        .iter()
        .filter(|(name, value)| name.ends_with(".route_localnet") && value.trim() == "1")
        .map(|(name, value)| format!("{name} = {value}"))
        .collect();
    if on.is_empty() || host.tables.iter().any(guards) {
        return Ok(Vec::new());
    }
    Ok(vec![
        Found::new(
            FindingCode::RouteLocalnet,
            Severity::Info,
            "net.ipv4.conf.*.route_localnet",
            "neighbours on the same network can reach what listens on 127.0.0.1, and no rule of \
             iptables stops them",
        )
        .evidence(on)
        .advice(
            "set it to 0 if nothing needs node ports on localhost (kube-proxy: \
             --iptables-localhost-nodeports=false; its nftables mode never does), or drop packets to \
             127.0.0.0/8 that do not come from there (CVE-2020-8558)",
        ),
    ])
}

/// Whether a rule that packets of INPUT come to drops packets to 127.0.0.0/8 from elsewhere.
fn guards(view: &TableView<'_>) -> bool {
    let loopback = |test: &Test<xt::Net>| test.value().address.is_loopback();
    view.chains().any(|(number, chain)| {
        let reached = ["INPUT", "PREROUTING"].into_iter().any(|b| view.is_reached_from(number, b));
        reached
            && chain.rules.iter().any(|rule| {
                let drops = matches!(rule.target, Some(Target::Drop | Target::Reject(_)));
                let to = rule.selector.destination.as_ref();
                drops && to.is_some_and(|to| !to.is_not() && loopback(to))
            })
    })
}
