//! What was asked.

/// One request, as it arrived, and the code of its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET`.
    pub method: String,
    /// `/api/v1/pods`.
    pub path: String,
    /// As it was written, without the question mark.
    pub query: String,
    /// The verb as RBAC names it; empty if it was not about objects.
    pub verb: String,
    /// `pods/status`; empty if it was not about objects.
    pub resource: String,
    /// The `User-Agent`.
    pub user_agent: String,
    /// The `Content-Type`.
    pub content_type: String,
    /// The body.
    pub body: String,
    /// The code of the answer; none while there is none.
    pub status: Option<u16>,
}

impl Request {
    /// Whether it would change something.
    pub fn writes(&self) -> bool {
        self.method != "GET"
    }

    /// A parameter of the query, decoded.
    pub fn parameter(&self, name: &str) -> Option<String> {
        super::request::Query::parse(&self.query).get(name).map(str::to_owned)
    }
}
