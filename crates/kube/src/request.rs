//! Requests: what is asked of the API server, and what can go wrong with it.
//!
//! Invariant: every request and every wait for the next part of an answer has a limit.

use std::time::Duration;

use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use kube_rs::client::Body;
use model::ObjectKind;
use thiserror::Error;

use crate::door::{ConnectError, Door};
use crate::wire::Status;

/// The longest answer that is taken whole, in bytes: a page of a list.
const ANSWER_MAX: usize = 256 << 20;
/// How much of an error's answer is read.
const ERROR_MAX: usize = 64 << 10;
/// The longest wait that a server's `Retry-After` is followed for.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(5);
/// How we call ourselves.
const USER_AGENT: &str = concat!("netkeep/", env!("CARGO_PKG_VERSION"));

/// Why the API server could not be asked, or what it answered instead.
#[derive(Debug, Error)]
pub enum ApiError {
    /// It could not be configured.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The connection failed.
    #[error("the API server cannot be reached")]
    Transport(#[source] Box<kube_rs::Error>),
    /// The answer broke off.
    #[error("the API server's answer broke off")]
    Broken(#[source] Box<kube_rs::Error>),
    /// No answer, or no next part of it, in time.
    #[error("the API server has said nothing for {} s", .0.as_secs())]
    Silent(Duration),
    /// It says no.
    #[error("the API server answers {code} {reason}: {message}")]
    Refused {
        /// The HTTP status code.
        code: u16,
        /// Its word for it.
        reason: String,
        /// Its explanation.
        message: String,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// The answer makes no sense.
    #[error("the API server's answer cannot be read: {0}")]
    Unreadable(String),
}

impl ApiError {
    /// The HTTP status code, if there was an answer.
    pub const fn code(&self) -> Option<u16> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// When the server wants to be asked again, if it said so.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The error and its causes, in one line.
    pub fn told(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            let next = error.to_string();
            if !text.contains(&next) {
                text.push_str(": ");
                text.push_str(&next);
            }
            cause = error.source();
        }
        text.replace('\n', " ")
    }

    /// An `ERROR` event of a watch, as if it had been the answer.
    pub(crate) fn of_status(status: Status) -> Self {
        let wait = status.details.and_then(|details| details.retry_after_seconds);
        Self::Refused {
            code: status.code,
            reason: status.reason,
            message: status.message,
            retry_after: wait.map(|seconds| Duration::from_secs(seconds).min(RETRY_AFTER_MAX)),
        }
    }
}

/// The path of all objects of a kind that concern a node, without a query.
pub(crate) const fn path(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Pod => "/api/v1/pods",
        ObjectKind::Service => "/api/v1/services",
        ObjectKind::Node => "/api/v1/nodes",
    }
}

/// The field selector that leaves what concerns a node; node names need no escaping.
pub(crate) fn selector(kind: ObjectKind, node: &str) -> Option<String> {
    match kind {
        ObjectKind::Pod => Some(format!("spec.nodeName%3D{node}")),
        ObjectKind::Node => Some(format!("metadata.name%3D{node}")),
        ObjectKind::Service => None,
    }
}

/// Sends a request and waits for the head of its answer; anything but success is an error.
pub(crate) async fn send(
    door: &Door,
    method: Method,
    uri: &str,
    body: Option<(&'static str, Vec<u8>)>,
    patience: Duration,
) -> Result<Body, ApiError> {
    let (client, token) = door.client().await?;
    let mut request = Request::builder()
        .method(method)
        .uri(uri)
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::ACCEPT, "application/json");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, token);
    }
    let body = match body {
        Some((kind, bytes)) => {
            request = request.header(header::CONTENT_TYPE, kind);
            Body::from(bytes)
        }
        None => Body::empty(),
    };
    let request =
        request.body(body).map_err(|error| ApiError::Unreadable(format!("{uri}: {error}")))?;
    let answer = tokio::time::timeout(patience, client.send(request))
        .await
        .map_err(|_| ApiError::Silent(patience))?
        .map_err(|error| {
            // Its address or its CA may be another one by now.
            door.renew();
            ApiError::Transport(Box::new(error))
        })?;
    let (head, body) = answer.into_parts();
    if head.status.is_success() {
        return Ok(body);
    }
    if head.status == StatusCode::UNAUTHORIZED {
        door.renew();
    }
    let asked = head.headers.get(header::RETRY_AFTER).and_then(|wait| wait.to_str().ok());
    let asked = asked.and_then(|wait| wait.parse().ok()).map(Duration::from_secs);
    let text = read(body, patience, ERROR_MAX).await.unwrap_or_default();
    let status = serde_json::from_slice::<Status>(&text).unwrap_or_else(|_| Status {
        message: String::from_utf8_lossy(&text).chars().take(200).collect(),
        ..Status::default()
    });
    let reason = if status.reason.is_empty() {
        head.status.canonical_reason().unwrap_or_default().to_owned()
    } else {
        status.reason
    };
    let in_body = status.details.and_then(|details| details.retry_after_seconds);
    let retry_after = asked.or(in_body.map(Duration::from_secs));
    Err(ApiError::Refused {
        code: head.status.as_u16(),
        reason,
        message: status.message,
        retry_after: retry_after.map(|wait| wait.min(RETRY_AFTER_MAX)),
    })
}

/// An answer as a whole.
pub(crate) async fn whole(body: Body, patience: Duration) -> Result<Vec<u8>, ApiError> {
    read(body, patience, ANSWER_MAX).await
}

async fn read(mut body: Body, patience: Duration, most: usize) -> Result<Vec<u8>, ApiError> {
    let mut bytes = Vec::new();
    loop {
        let frame = tokio::time::timeout(patience, body.frame())
            .await
            .map_err(|_| ApiError::Silent(patience))?;
        let Some(frame) = frame else { return Ok(bytes) };
        let frame = frame.map_err(|error| ApiError::Broken(Box::new(error)))?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > most {
            return Err(ApiError::Unreadable(format!("more than {most} bytes")));
        }
        bytes.extend_from_slice(&data);
    }
}
