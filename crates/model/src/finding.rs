//! Findings: what a person should know. The codes are a contract: a slug never changes its meaning.

use std::fmt;

use serde::{Serialize, Serializer};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Something is not as asked, or will break.
    Warning,
    /// Something does not work.
    Error,
}

impl Severity {
    /// `info`, `warning` or `error`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $slug:literal,)*) => {
        /// The stable slug of a finding.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum FindingCode { $($(#[$doc])* $name,)* }

        impl FindingCode {
            /// Every code there is.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The slug, as scripts match it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $slug,)* }
            }
        }
    };
}

codes! {
    /// Two live owners claim one IP; the newer has it.
    AddressConflict = "address-conflict",
    /// A family could not be served though it was asked for.
    DualStackAsymmetry = "dual-stack-asymmetry",
    /// Somebody else wrote to our table; it was repaired.
    ForeignWrite = "foreign-write",
    /// An object, or a file of objects, cannot be understood.
    InvalidObject = "invalid-object",
    /// A part of the table that packets must pass is missing or altered.
    MissingAnchor = "missing-anchor",
    /// A node port could not be had: another process holds it.
    PortConflict = "port-conflict",
    /// The port range has no free port left.
    RangeExhausted = "range-exhausted",
    /// The kernel refused a change.
    RejectedByKernel = "rejected-by-kernel",
    /// A finished Pod still shows an IP that a live Pod has.
    ReusedIp = "reused-ip",
    /// A kernel set is full.
    SetFull = "set-full",
    /// A source of objects cannot be read; nothing is deleted meanwhile.
    SourceUnavailable = "source-unavailable",
    /// A Service port names a container port that its Pod does not have.
    UnresolvedPort = "unresolved-port",
    /// The process may not open the sockets it needs (for example the limit of open files).
    ReservationFailed = "reservation-failed",
    /// What is said could not be written where it is read (annotation, published file).
    PublishFailed = "publish-failed",
}

impl fmt::Display for FindingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for FindingCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Something a person should know; the JSON keys are a contract.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// What kind of thing.
    pub code: FindingCode,
    /// How much it matters.
    pub severity: Severity,
    /// What it is about: `Pod ns/name`, `file pods.yaml`, `tcp 61000`.
    pub subject: String,
    /// What is wrong, in one line.
    pub message: String,
    /// What shows it.
    pub evidence: Vec<String>,
    /// What to do.
    pub advice: String,
    /// Whether netkeep can mend it by itself.
    pub fixable: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_unique_and_spelled_as_slugs() {
        let mut slugs: Vec<_> = FindingCode::ALL.iter().map(|code| code.as_str()).collect();
        assert!(slugs.iter().all(|s| s.chars().all(|c| c.is_ascii_lowercase() || c == '-')));
        slugs.sort_unstable();
        slugs.dedup();
        assert_eq!(slugs.len(), FindingCode::ALL.len());
    }
}
