//! `/metrics`, `/healthz`, `/livez` and `/readyz`.
//!
//! `/livez` is red when a restart of the agent may help (the loop hangs, the kernel is not
//! reconciled), `/healthz` also when deletions have been held for too long, `/readyz` until all lists
//! are complete and the kernel was read back as wanted.
//!
//! Each request is a query to the loop: what is said is what the loop knows at that moment, and an
//! agent whose loop hangs answers 503, not stale numbers.

mod guests;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::control::{Answer, Query, Request};

/// What a scraper says that reads OpenMetrics; any other gets Prometheus text.
const OPEN_METRICS: &str = "application/openmetrics-text";
/// How long the loop may take before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(5);

type Send = Arc<dyn Fn(Query) -> bool + std::marker::Send + Sync>;

/// Listens, and serves on a thread of its own.
pub(crate) fn serve(
    address: SocketAddr,
    send: impl Fn(Query) -> bool + std::marker::Send + Sync + 'static,
) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let send: Send = Arc::new(send);
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .with_state(send);
    std::thread::Builder::new().name("http".into()).spawn(move || {
        let served = runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            guests::serve(listener, router).await
        });
        match served {
            Err(error) => tracing::error!(%error, "metrics are not served"),
            Ok(never) => match never {},
        }
    })?;
    Ok(())
}

async fn ask(send: Send, request: Request) -> Option<Answer> {
    let asked = tokio::task::spawn_blocking(move || {
        let (reply, answer) = mpsc::channel();
        if !send(Query { request, reply }) {
            return None;
        }
        answer.recv_timeout(PATIENCE).ok()
    });
    asked.await.ok().flatten()
}

async fn metrics(State(send): State<Send>, headers: HeaderMap) -> Response {
    match ask(send, Request::Metrics).await {
        Some(Answer::Data { text: Some(text), .. }) => {
            let accepted = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
            let open = accepted.is_some_and(|accept| accept.contains(OPEN_METRICS));
            let (kind, text) = if open {
                ("application/openmetrics-text; version=1.0.0; charset=utf-8", text)
            } else {
                ("text/plain; version=0.0.4; charset=utf-8", crate::metrics::plain(&text))
            };
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        _ => {
            (StatusCode::SERVICE_UNAVAILABLE, "the agent's loop does not answer\n").into_response()
        }
    }
}

async fn healthz(State(send): State<Send>) -> Response {
    status(ask(send, Request::Health).await, "healthy")
}

async fn livez(State(send): State<Send>) -> Response {
    status(ask(send, Request::Health).await, "alive")
}

async fn readyz(State(send): State<Send>) -> Response {
    status(ask(send, Request::Health).await, "ready")
}

fn status(answer: Option<Answer>, field: &str) -> Response {
    let (code, text) = match answer {
        Some(Answer::Data { json, .. }) => {
            let good = json.get(field) == Some(&serde_json::Value::Bool(true));
            let code = if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            (code, format!("{json}\n"))
        }
        _ => (StatusCode::SERVICE_UNAVAILABLE, "the agent's loop does not answer\n".to_owned()),
    };
    (code, text).into_response()
}
