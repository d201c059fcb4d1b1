//! Which objects make something so, and why.

use std::fmt;

use serde::Serialize;
use thiserror::Error;

/// A question that is not understood.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{0:?} is not understood: ask for 'pod NAMESPACE/NAME', an IP, 'tcp 61000' or 'SRC -> DST tcp 80'"
)]
pub struct InvalidQuery(pub String);

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The question.
    pub query: String,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.query)
    }
}
