//! Owns `masquerade-without-mark-clear`: packets are masqueraded because of a mark that they keep. A
//! tunnel copies the mark to the outer packet, which is masqueraded again.

use model::{FindingCode, Severity};
use xt::{Chain, Match, Rule, Target, Test};

use super::{Found, Outcome, need_rules};
use crate::host::Host;
use crate::snapshot::Link;

/// The chain that masquerades by the mark.
const OF_KUBE_PROXY: &str = "KUBE-POSTROUTING";

pub(super) fn check(host: &Host<'_>) -> Outcome {
    need_rules(host)?;
    let links = host.snapshot.links.known().map(Vec::as_slice).unwrap_or_default();
    let tunnels: Vec<&Link> = links.iter().filter(|link| is_tunnel(link)).collect();
    let mut findings = Vec::new();
    for view in host.tables.iter().filter(|view| view.name() == "nat") {
        if let Some(number) = view.number(OF_KUBE_PROXY)
            && let Some(chain) = view.table.chains.get(number)
        {
            let Some(rule) = masquerades_marked(chain) else { continue };
            let severity = if tunnels.is_empty() || !view.is_reached(number) {
                Severity::Info
            } else {
                Severity::Error
            };
            let mut evidence = vec![view.show(chain, rule)];
            evidence.extend(tunnels.iter().map(|link| format!("tunnel {}", link.name)));
            findings.push(
                Found::new(
                    FindingCode::MasqueradeWithoutMarkClear,
                    severity,
                    format!("{} {}", view.place(), chain.name),
                    "packets are masqueraded by a mark that is not cleared: the packet of the \
                     tunnel around them carries it too, and is masqueraded again",
                )
                .evidence(evidence)
                .advice(
                    "connections to Services over the tunnel take 1 s, 3 s or 63 s, or fail where \
                     checksums are offloaded; run kube-proxy 1.18.4 or newer, which clears the mark \
                     first",
                ),
            );
        }
    }
    Ok(findings)
}

pub(super) fn is_tunnel(link: &Link) -> bool {
    let by_kind = matches!(link.kind.as_deref(), Some("vxlan" | "geneve" | "gre" | "ipip" | "sit"));
    let names = ["flannel.", "vxlan", "genev", "cilium_vxlan", "antrea-tun", "tunl0"];
    by_kind || names.iter().any(|name| link.name.starts_with(name)) && link.is_up()
}

/// The rule that masquerades marked packets, if no rule before it clears the mark. Others masquerade
/// by other signs (kube-proxy of IPVS by a set) and say nothing of the mark.
fn masquerades_marked(chain: &Chain) -> Option<&Rule> {
    let mut only_marked = false;
    for rule in &chain.rules {
        let mut marks = rule.matches.iter().filter_map(|found| match found {
            Match::Mark(mark) => Some(mark),
            _ => None,
        });
        match &rule.target {
            // `--set-xmark 0x4000/0x0` turns the bit around that is known to be set
            Some(Target::Mark(_)) => return None,
            Some(Target::Return) => only_marked |= marks.next().is_some(),
            Some(Target::Masquerade(_))
                if only_marked || marks.any(|mark| matches!(mark.mark, Test::Is(_))) =>
            {
                return Some(rule);
            }
            _ => {}
        }
    }
    None
}
