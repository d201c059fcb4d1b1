//! Owns running all checks, and the report.

use model::{Finding, FindingCode, Severity};
use serde::Serialize;

use crate::checks::CHECKS;
use crate::host::Host;
use crate::snapshot::Snapshot;

/// What the checks found; the JSON keys are a contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What is wrong, the gravest first.
    pub findings: Vec<Finding>,
    /// What was checked.
    pub checked: Vec<FindingCode>,
    /// What was not, and why.
    pub skipped: Vec<Skipped>,
}

/// A check that could not look, or a part of the input that was not understood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// The check; nothing for a part of the input.
    pub code: Option<FindingCode>,
    /// Why.
    pub why: String,
}

impl Report {
    /// Whether there is a finding that needs somebody: an error or a warning.
    pub fn needs_attention(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity > Severity::Info)
    }
}

/// Asks every check.
pub fn run(snapshot: &Snapshot) -> Report {
    let host = Host::new(snapshot);
    let mut report = Report { findings: Vec::new(), checked: Vec::new(), skipped: Vec::new() };
    for check in CHECKS {
        match (check.run)(&host) {
            Ok(findings) => {
                report.checked.push(check.code);
                report.findings.extend(findings);
            }
            Err(why) => report.skipped.push(Skipped { code: Some(check.code), why }),
        }
    }
    for skip in &snapshot.skipped {
        let why = format!("{}: {}", skip.place, skip.why);
        report.skipped.push(Skipped { code: None, why });
    }
    report.findings.sort_by(|a, b| {
        let rank = |finding: &Finding| std::cmp::Reverse(finding.severity);
        (rank(a), a.code, &a.subject, &a.message).cmp(&(rank(b), b.code, &b.subject, &b.message))
    });
    report.findings.dedup();
    report
}
