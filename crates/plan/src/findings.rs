//! What a person should know, drawn from the state as it is: a finding is there for exactly as
//! long as what it tells of.
//!
//! Costs what there is to tell, not what there is: each part keeps its own list of oddities.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use model::owner::Life;
use model::{Finding, FindingCode, Mapping, Owner, Protocol, Rank, Severity};

use crate::cause::Cause;
use crate::core::Core;
use crate::npl::Note;
use crate::ports::{Denial, Refusal};

/// At most this many keys are named as evidence of one finding.
const EVIDENCE_MAX: usize = 8;

/// All findings, sorted.
pub(crate) fn all(core: &Core) -> Vec<Finding> {
    let mut findings = Vec::new();
    addresses(core, &mut findings);
    notes(core, &mut findings);
    twins(core, &mut findings);
    node(core, &mut findings);
    ports(core, &mut findings);
    elements(core, &mut findings);
    findings.sort();
    findings
}

fn addresses(core: &Core, findings: &mut Vec<Finding>) {
    for ip in core.addresses.contested() {
        let claims: Vec<(&Owner, Rank)> =
            core.addresses.claims(ip).map(|(claim, rank)| (&*claim.owner, rank)).collect();
        let Some((&(winner, best), losers)) = claims.split_first() else { continue };
        if best.life != Life::Live {
            continue;
        }
        for &(loser, rank) in losers {
            match rank.life {
                Life::Live => {
                    findings.push(conflict(*ip, winner, loser, &reason(best, rank), true));
                    findings.push(conflict(*ip, loser, winner, &reason(best, rank), false));
                }
                Life::Terminal => findings.push(reused(*ip, loser, winner)),
                Life::Remembered => {}
            }
        }
    }
}

/// Why the first rank is the greater.
pub(crate) fn reason(best: Rank, other: Rank) -> String {
    if best.life != other.life {
        "only it still runs".to_owned()
    } else if best.sandbox != other.sandbox {
        "only its network namespace was seen on this node".to_owned()
    } else if best.started != other.started {
        "it started later".to_owned()
    } else if best.stay != other.stay {
        "both started at the same time, and the other is being deleted".to_owned()
    } else {
        "both started at the same time, and its UID is the greater".to_owned()
    }
}

fn conflict(ip: IpAddr, subject: &Owner, other: &Owner, why: &str, wins: bool) -> Finding {
    let message = if wins {
        format!("{ip} is claimed by {other} too; this Pod has it, because {why}")
    } else {
        format!(
            "{ip} is claimed by {other} too, which has it, because {why}; mappings of this Pod to it are off"
        )
    };
    Finding {
        code: FindingCode::AddressConflict,
        severity: Severity::Warning,
        subject: subject.to_string(),
        message,
        evidence: vec![
            format!("{subject} (uid {}) status.podIPs: {ip}", subject.uid),
            format!("{other} (uid {}) status.podIPs: {ip}", other.uid),
        ],
        advice: "find out which of them really has the address; delete the other Pod".to_owned(),
        fixable: false,
    }
}

fn reused(ip: IpAddr, finished: &Owner, live: &Owner) -> Finding {
    Finding {
        code: FindingCode::ReusedIp,
        severity: Severity::Info,
        subject: finished.to_string(),
        message: format!("it has finished, and its {ip} is {live}'s now"),
        evidence: vec![format!("{finished} (uid {}) status.podIPs: {ip}", finished.uid)],
        advice: "nothing to do; deleting the finished Pod ends this note".to_owned(),
        fixable: false,
    }
}

fn twins(core: &Core, findings: &mut Vec<Finding>) {
    findings.extend(core.state.twins().map(|(twin, counts)| Finding {
        code: FindingCode::InvalidObject,
        severity: Severity::Error,
        subject: twin.to_string(),
        message: format!("it has the UID of {counts}, which counts; it gets nothing"),
        evidence: vec![format!("{twin} uid {}", twin.uid), format!("{counts} uid {}", counts.uid)],
        advice: "a UID is one object's: give one of the two its own, or remove it".to_owned(),
        fixable: false,
    }));
}

fn notes(core: &Core, findings: &mut Vec<Finding>) {
    for (uid, notes) in &core.notes {
        let Some(pod) = core.state.pod(uid) else { continue };
        for note in notes {
            let (slug, severity, message, advice) = describe(note, core, &pod.owner);
            findings.push(Finding {
                code: slug,
                severity,
                subject: pod.owner.to_string(),
                message,
                evidence: vec![format!("uid {uid}")],
                advice: advice.to_owned(),
                fixable: false,
            });
        }
    }
}

fn describe(
    note: &Note,
    core: &Core,
    pod: &Owner,
) -> (FindingCode, Severity, String, &'static str) {
    match note {
        Note::UnresolvedPort { service, port, protocol } => (
            FindingCode::UnresolvedPort,
            Severity::Warning,
            format!(
                "Service {}/{service} leads to the {protocol} port named {port:?}, which no container of the Pod has",
                pod.namespace()
            ),
            "name the container port so, or let the Service lead to a number",
        ),
        Note::NoPodIp(family) => (
            FindingCode::DualStackAsymmetry,
            Severity::Warning,
            format!("a Service asks for {family}, of which the Pod has no IP"),
            "give the Pod network this family, or take it from the Service's ipFamilies",
        ),
        Note::NoNodeIp(family) => (
            FindingCode::DualStackAsymmetry,
            Severity::Warning,
            format!(
                "a Service asks for {family}, of which node {} has no address",
                core.state.node_name()
            ),
            "give the node an address of this family, or take it from the Service's ipFamilies",
        ),
        Note::InvalidIp(ip) => (
            FindingCode::InvalidObject,
            Severity::Warning,
            format!("its IP {ip} can belong to no Pod; it is ignored"),
            "look at status.podIPs, and at the network plugin that wrote it",
        ),
        Note::NodesIp(ip) => (
            FindingCode::InvalidObject,
            Severity::Warning,
            format!("its IP {ip} is the node's own: no mapping leads there"),
            "if the Pod is on the node's network, its spec.hostNetwork says so; else look at the network \
             plugin that wrote status.podIPs",
        ),
    }
}

fn node(core: &Core, findings: &mut Vec<Finding>) {
    let stated = core
        .state
        .node()
        .is_some_and(|node| !(node.external_ips.is_empty() && node.internal_ips.is_empty()));
    let mut pods = core.state.pods().peekable();
    let untold = pods.peek().is_none() || core.keys.is_empty();
    if stated || untold || pods.any(|pod| !pod.host_ips.is_empty()) {
        return;
    }
    let name = core.state.node_name();
    findings.push(Finding {
        code: FindingCode::InvalidObject,
        severity: Severity::Warning,
        subject: format!("Node {name}"),
        message: "no address of the node is known: mappings work, but none can be published".into(),
        evidence: vec![match core.state.node() {
            Some(_) => "its status.addresses has no ExternalIP and no InternalIP".to_owned(),
            None => "there is no such object".to_owned(),
        }],
        advice: "check that the agent's node name is the Node's name".to_owned(),
        fixable: false,
    });
}

fn ports(core: &Core, findings: &mut Vec<Finding>) {
    // A Pod whose ports are all without one is one thing to know.
    let mut denied: BTreeMap<(&Owner, &Denial), Vec<&Mapping>> = BTreeMap::new();
    for (mapping, denial) in core.ports.denied() {
        denied.entry((&*mapping.owner, denial)).or_default().push(mapping);
    }
    findings.extend(
        denied.iter().map(|((owner, denial), mappings)| deny(core, owner, denial, mappings)),
    );
    for (mapping, refusal) in core.ports.refused() {
        findings.push(refused(mapping, refusal));
    }
}

/// The message is the same however many of its ports are without one: Events are told by it.
fn deny(core: &Core, owner: &Owner, denial: &Denial, mappings: &[&Mapping]) -> Finding {
    let (slug, message, advice) = match denial {
        Denial::Exhausted => (
            FindingCode::RangeExhausted,
            format!("no node port in {} is free for a port of it", core.ports.range()),
            "widen the port range, or expose fewer ports",
        ),
        Denial::Failed(why) => (
            FindingCode::ReservationFailed,
            format!("a node port for a port of it could not be opened: {why}"),
            "raise the limit of open files of the agent",
        ),
    };
    let port =
        |m: &&Mapping| format!("{} {} {} has no node port", m.family, m.protocol, m.pod_port);
    let mut evidence: Vec<String> = mappings.iter().take(EVIDENCE_MAX).map(port).collect();
    let more = mappings.len() - evidence.len();
    evidence.extend((more > 0).then(|| format!("{more} more have none")));
    let concerned: BTreeSet<_> = mappings.iter().map(|m| (m.family, m.protocol)).collect();
    let taken = core.ports.taken().filter(|(f, p, ..)| concerned.contains(&(*f, *p)));
    evidence.extend(
        taken.take(EVIDENCE_MAX).map(|(_, protocol, port, holder)| held_by(protocol, port, holder)),
    );
    Finding {
        code: slug,
        severity: Severity::Error,
        subject: owner.to_string(),
        message,
        evidence,
        advice: advice.to_owned(),
        fixable: false,
    }
}

fn held_by(protocol: Protocol, port: model::NodePort, holder: &str) -> String {
    let holder = if holder.is_empty() { "another process" } else { holder };
    format!("{protocol} {port} is held by {holder}")
}

fn refused(mapping: &Mapping, refusal: &Refusal) -> Finding {
    let Mapping { owner, pod_port, protocol, .. } = mapping;
    Finding {
        code: FindingCode::PortConflict,
        severity: Severity::Warning,
        subject: owner.to_string(),
        message: format!(
            "its port {pod_port} could not keep {protocol} {}, which another process has; it got another",
            refusal.port
        ),
        evidence: vec![held_by(*protocol, refusal.port, &refusal.holder)],
        advice: "keep other processes out of the port range (net.ipv4.ip_local_reserved_ports)"
            .to_owned(),
        fixable: true,
    }
}

fn elements(core: &Core, findings: &mut Vec<Finding>) {
    let mut drift: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (key, difference) in core.diff.iter() {
        let mark = difference.programmed.as_ref().and_then(|p| p.mark.as_ref());
        let owner = core.keys.winner(key).map(|claim| &claim.owner).or(mark);
        if let Some(rejection) = &difference.rejected {
            findings.push(Finding {
                code: rejection.code,
                severity: Severity::Error,
                subject: owner.map_or_else(|| key.to_string(), ToString::to_string),
                message: format!("the kernel refused {key}: {}", rejection.message),
                evidence: vec![difference.cause.reason().to_string()],
                advice: "other objects are not affected; it is tried again later".to_owned(),
                fixable: true,
            });
        }
        if let Cause::Drift(writer) = &difference.cause {
            drift.entry(writer).or_default().push(key.to_string());
        }
    }
    for (writer, mut keys) in drift {
        let count = keys.len();
        keys.truncate(EVIDENCE_MAX);
        findings.push(Finding {
            code: FindingCode::ForeignWrite,
            severity: Severity::Warning,
            subject: "table netkeep".to_owned(),
            message: format!("{writer} altered {count} element(s)"),
            evidence: keys,
            advice: "find out why it writes to this table; it is being repaired".to_owned(),
            fixable: true,
        });
    }
}
