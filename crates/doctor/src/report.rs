//! Owns running all checks, and the report.

use model::{Finding, FindingCode, Severity};
use serde::{Serialize, Serializer};

use crate::checks::CHECKS;
use crate::host::Host;
use crate::snapshot::{PartName, Snapshot};
use crate::spell;

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
    /// The check; nothing for a part of the input, which scripts read as `invalid-object`.
    #[serde(serialize_with = "code_or_input")]
    pub code: Option<FindingCode>,
    /// Why.
    pub why: String,
}

#[expect(
    clippy::ref_option,
    clippy::trivially_copy_pass_by_ref,
    reason = "serde gives a reference to the field"
)]
fn code_or_input<S: Serializer>(code: &Option<FindingCode>, to: S) -> Result<S::Ok, S::Error> {
    code.unwrap_or(FindingCode::InvalidObject).serialize(to)
}

impl Report {
    /// Whether there is a finding that needs somebody: an error or a warning.
    pub fn needs_attention(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity > Severity::Info)
    }
}

/// Why a check would take a rule that a dump does not reach for one that is not there. All others ask
/// for what is there, or of each table whether it is whole.
fn misled(snapshot: &Snapshot, code: FindingCode) -> Option<String> {
    const BY_ABSENCE: [FindingCode; 5] = [
        FindingCode::UnseenLegacyRules,
        FindingCode::MarkWithoutMasquerade,
        FindingCode::DualStackAsymmetry,
        FindingCode::NplRuleLost,
        FindingCode::StaleConntrack,
    ];
    const RULES: [PartName; 4] =
        [PartName::LegacyV4, PartName::LegacyV6, PartName::NftV4, PartName::NftV6];
    let half = RULES.into_iter().find_map(|part| snapshot.partial(part));
    let half = half.filter(|_| BY_ABSENCE.contains(&code))?;
    Some(format!("{}: only a part is known: {}: {}", half.part, half.place, half.why))
}

/// Asks every check.
pub fn run(snapshot: &Snapshot) -> Report {
    let whole = snapshot.without_half_parts();
    let host = Host::new(whole.as_ref().unwrap_or(snapshot));
    let mut report = Report { findings: Vec::new(), checked: Vec::new(), skipped: Vec::new() };
    for check in CHECKS {
        if let Some(why) = misled(snapshot, check.code) {
            report.skipped.push(Skipped { code: Some(check.code), why });
            continue;
        }
        match (check.run)(&host) {
            Ok(findings) => {
                report.checked.push(check.code);
                report.findings.extend(findings);
            }
            Err(why) => report.skipped.push(Skipped { code: Some(check.code), why }),
        }
    }
    for partial in &snapshot.partial {
        let why = format!(
            "{}: only a part is known, and nothing of it is said to be missing: {}: {}",
            partial.part, partial.place, partial.why
        );
        report.skipped.push(Skipped { code: None, why });
    }
    for skip in &snapshot.skipped {
        let why = format!("{}: {}", skip.place, skip.why);
        report.skipped.push(Skipped { code: None, why });
    }
    for finding in &mut report.findings {
        let texts = [&mut finding.subject, &mut finding.message, &mut finding.advice];
        texts.into_iter().chain(&mut finding.evidence).for_each(spell_out);
    }
    report.skipped.iter_mut().for_each(|skip| spell_out(&mut skip.why));
    report.findings.sort_by(|a, b| {
        let rank = |finding: &Finding| std::cmp::Reverse(finding.severity);
        (rank(a), a.code, &a.subject, &a.message).cmp(&(rank(b), b.code, &b.subject, &b.message))
    });
    report.findings.dedup();
    report
}

/// Makes one line of what may hold texts of others.
fn spell_out(text: &mut String) {
    if let std::borrow::Cow::Owned(shown) = spell::one_line(text) {
        *text = shown;
    }
}
