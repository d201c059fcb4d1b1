//! Kubernetes Events: which findings are said on objects, and when.
//!
//! Said when a step showed something that may be news: a refusal, a repair, a port that could not
//! be had. The announcer makes one Event of the same word said often.

use std::collections::BTreeSet;

use kube::{Announcement, Announcer, Regarding};
use model::{Finding, FindingCode, Severity};

use super::Agent;
use crate::keeper::Settled;

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Announcing {
    announcer: Announcer,
    node: Box<str>,
    /// Mappings without a port, and conflicts, when last looked.
    trouble: [usize; 3],
}

impl Announcing {
    pub(super) fn new(announcer: Announcer, node: &str) -> Self {
        Self { announcer, node: node.into(), trouble: [0; 3] }
    }
}

/// What a user must know: the reason that the Event gives.
const fn reason(code: FindingCode) -> Option<&'static str> {
    match code {
        FindingCode::PortConflict => Some("PortConflict"),
        FindingCode::RangeExhausted => Some("RangeExhausted"),
        FindingCode::RejectedByKernel | FindingCode::SetFull => Some("RejectedByKernel"),
        FindingCode::AddressConflict => Some("AddressConflict"),
        _ => None,
    }
}

impl Agent {
    pub(super) fn announce(&mut self, settled: &Settled) {
        let Some(announcing) = &mut self.announcing else { return };
        let core = self.keeper.core();
        let trouble = [core.counts().denied, core.conflicts(), core.host_ports().len()];
        let repaired = settled.built || settled.repaired > 0;
        let news = repaired || settled.refused > 0 || trouble != announcing.trouble;
        announcing.trouble = trouble;
        if !news {
            return;
        }
        let findings = self.findings();
        let Some(announcing) = &self.announcing else { return };
        for finding in &findings {
            if let Some(reason) = reason(finding.code) {
                let regarding = self.regarding(&announcing.node, &finding.subject);
                announcing.announcer.announce(announcement(finding, reason, regarding));
            }
        }
        if repaired {
            // The same word however often and by which process of that name: one Event.
            let name = |writer: &str| writer.split(" (").next().unwrap_or(writer).to_owned();
            let writers: BTreeSet<String> = self.repairs.repaired().map(name).collect();
            for writer in writers {
                announcing.announcer.announce(Announcement {
                    regarding: self.regarding(&announcing.node, ""),
                    severity: Severity::Warning,
                    reason: "DriftRepaired".to_owned(),
                    note: format!("table inet netkeep: {writer} wrote to it; that was repaired"),
                });
            }
        }
    }

    /// Takes in what the doctor found on the node. What is new and an error is said on the Node.
    pub(super) fn examined(&mut self, report: doctor::Report) {
        self.metrics.examined();
        let before = std::mem::replace(&mut self.on_node, report.findings);
        let errors = |findings: &[Finding]| -> BTreeSet<(FindingCode, String)> {
            let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
            errors.map(|finding| (finding.code, finding.subject.clone())).collect()
        };
        let known = errors(&before);
        for finding in &self.on_node {
            let name = (finding.code, finding.subject.clone());
            if finding.severity != Severity::Error || known.contains(&name) {
                continue;
            }
            let Finding { code, subject, message, .. } = finding;
            tracing::error!(%code, subject, message, "the node's rules are not well");
            if let Some(announcing) = &self.announcing {
                let regarding = self.regarding(&announcing.node, "");
                let reason = camel_case(code.as_str());
                announcing.announcer.announce(announcement(finding, &reason, regarding));
            }
        }
    }

    /// The object that a finding is about; what is about no Pod is about the Node.
    fn regarding(&self, node: &str, subject: &str) -> Regarding {
        let pod = subject.strip_prefix("Pod ").and_then(|name| name.split_once('/'));
        match pod {
            Some((namespace, name)) => Regarding {
                kind: "Pod",
                namespace: namespace.into(),
                name: name.into(),
                uid: self.keeper.core().pod_uid(namespace, name).cloned(),
            },
            // As the kubelet does: `kubectl describe node` finds Events by this UID.
            None => Regarding {
                kind: "Node",
                namespace: "".into(),
                name: node.into(),
                uid: Some(model::Uid::new(node)),
            },
        }
    }
}

/// `duplicate-rules` as Events write it: `DuplicateRules`.
fn camel_case(slug: &str) -> String {
    let word = |word: &str| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_ascii_uppercase() + rest
    };
    slug.split('-').map(word).collect()
}

fn announcement(finding: &Finding, reason: &str, regarding: Regarding) -> Announcement {
    let Finding { subject, message, severity, .. } = finding;
    let note = format!("{subject}: {message}");
    Announcement { regarding, severity: *severity, reason: reason.to_owned(), note }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_becomes_a_reason_of_an_event() {
        assert_eq!(camel_case("duplicate-rules"), "DuplicateRules");
        assert_eq!(camel_case("x"), "X");
    }
}
