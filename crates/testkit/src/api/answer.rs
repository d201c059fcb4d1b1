//! One request from its arrival to its answer.
//!
//! Owns: the order of things: the body is read, the request is written down, the token is checked,
//! then the rules, then what is to go wrong, then the request itself.

use std::io;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State as Shares;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Response, StatusCode, header};
use futures_util::stream::{self, StreamExt as _};
use http_body_util::{BodyExt as _, Limited};
use serde_json::Value;

use super::fault::{Fault, Stage};
use super::record::Request;
use super::refusal::Refusal;
use super::request::{self, Query, Target};
use super::resource::Resource;
use super::state::{Shared, State};
use super::watch::Watch;
use super::write::{self, Input};
use super::{discovery, list, real, render};

const JSON: &str = "application/json";
/// What priority and fairness says, in plain text.
const TOO_MANY: &str = "Too many requests, please try again later.\n";

/// What is done about a request.
enum Next {
    Answer(Response<Body>),
    /// Nothing comes for as long as the fault is there.
    Stall(Target),
    /// The same again, later.
    Delay(std::time::Duration),
    /// A real server has the objects.
    SendOn(Target),
}

/// Answers a request.
pub(super) async fn answer(
    Shares(shared): Shares<Arc<Shared>>,
    request: axum::extract::Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let largest = shared.lock().settings.largest_body;
    let body = Limited::new(body, largest).collect().await;
    let body = body.ok().map(http_body_util::Collected::to_bytes);
    let record = write_down(&shared, &parts, body.as_deref().unwrap_or_default());
    let Some(body) = body else {
        let refusal = Refusal::too_big(&format!("limit is {largest}"));
        return note(&shared, record, refused(&refusal));
    };
    let mut delayed = false;
    loop {
        let next = next(&shared, &parts, &body, record, delayed);
        match next {
            Next::Answer(response) => return note(&shared, record, response),
            Next::SendOn(target) => {
                let response = send_on(&shared, &parts, &body, target).await;
                return note(&shared, record, response);
            }
            Next::Delay(time) => {
                delayed = true;
                tokio::time::sleep(time).await;
            }
            Next::Stall(target) => {
                let mut wake = shared.wake.subscribe();
                while shared.lock().faults.stalls(&target, Stage::Request) {
                    if wake.changed().await.is_err() {
                        break;
                    }
                }
            }
        }
    }
}

/// Writes the request down; returns its number.
fn write_down(shared: &Shared, parts: &Parts, body: &[u8]) -> usize {
    let header = |name| text(&parts.headers, name).to_owned();
    shared.lock().write_down(Request {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        verb: String::new(),
        resource: String::new(),
        user_agent: header(header::USER_AGENT),
        content_type: header(header::CONTENT_TYPE),
        body: String::from_utf8_lossy(body).into_owned(),
        status: None,
    })
}

fn note(shared: &Shared, record: usize, response: Response<Body>) -> Response<Body> {
    let code = response.status().as_u16();
    shared.lock().noted(record, |request| request.status = Some(code));
    response
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn next(shared: &Arc<Shared>, parts: &Parts, body: &Bytes, record: usize, delayed: bool) -> Next {
    let mut state = shared.lock();
    let query = Query::parse(parts.uri.query().unwrap_or_default());
    let user = match state.access.user(Some(text(&parts.headers, header::AUTHORIZATION))) {
        Ok(user) => user,
        Err(refusal) => return Next::Answer(refused(&refusal)),
    };
    if let Some(found) = discovery::answer(&state.registry, parts.uri.path()) {
        return Next::Answer(found.map_or_else(
            |text| full(StatusCode::OK, "text/plain", text.into()),
            |value| full(StatusCode::OK, JSON, value.to_string().into_bytes()),
        ));
    }
    let target = match request::target(&state.registry, &parts.method, parts.uri.path(), &query) {
        Ok(target) => target,
        Err(refusal) => return Next::Answer(refused(&refusal)),
    };
    state.noted(record, |request| {
        target.verb.clone_into(&mut request.verb);
        request.resource = target.subject();
    });
    if let Err(refusal) = state.access.check(&user, &target) {
        return Next::Answer(refused(&refusal));
    }
    if !delayed && let Some(fault) = state.faults.hit(&target, Stage::Request) {
        return go_wrong(&state, target, &fault);
    }
    if shared.real.is_some() {
        let refused_here = match target.verb {
            "watch" => Watch::refused(shared, &state, &target, &query),
            _ => Ok(None),
        };
        return match refused_here {
            Ok(None) => Next::SendOn(target),
            Ok(Some(watch)) => Next::Answer(streamed(watch)),
            Err(refusal) => Next::Answer(refused(&refusal)),
        };
    }
    match target.verb {
        "watch" => Next::Answer(match Watch::begin(shared, &state, &target, &query) {
            Ok(watch) => streamed(watch),
            Err(refusal) => refused(&refusal),
        }),
        "list" => Next::Answer(answer_list(state, &target, &query)),
        "get" => Next::Answer(match state.store.get(&target.resource.bucket, &target.key()) {
            Some(object) => full(StatusCode::OK, JSON, render::object(&target.resource, &object)),
            None => refused(&Refusal::not_found(&target.resource, &target.name)),
        }),
        _ => {
            let input = Input {
                query: &query,
                body,
                content_type: text(&parts.headers, header::CONTENT_TYPE),
                manager: writer(&query, &parts.headers),
            };
            let outcome = write::write(&mut state, &target, &input);
            drop(state);
            shared.wake.send_replace(());
            Next::Answer(match outcome {
                Ok(outcome) => {
                    let bytes = render::outcome(&target.resource, &outcome.object);
                    full(outcome.code, JSON, bytes)
                }
                Err(refusal) => refused(&refusal),
            })
        }
    }
}

/// What a real server answers.
async fn send_on(
    shared: &Arc<Shared>,
    parts: &Parts,
    body: &Bytes,
    target: Target,
) -> Response<Body> {
    let Some(real) = &shared.real else { return broken_before_the_head() };
    let answer = match real.forward(parts, body, &target).await {
        Ok(real::Answer::Watch(told)) => return streamed(Watch::passed_on(shared, target, told)),
        Ok(real::Answer::Whole(answer)) => answer,
        Err(_) => return broken_before_the_head(),
    };
    let good = target.verb == "list" && answer.status().is_success();
    let fault = if good { shared.lock().faults.hit(&target, Stage::Body) } else { None };
    if let Some(fault) = fault {
        let bytes = render::told_list(answer.into_body(), &fault);
        return list_of(&bytes, &fault);
    }
    let (code, bytes, retry_after) = real::bytes_of(answer);
    let mut response = full(code, JSON, bytes);
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    response
}

/// Who writes: what it says, or the head of its `User-Agent`.
fn writer(query: &Query, headers: &HeaderMap) -> String {
    let agent = text(headers, header::USER_AGENT).split('/').next().unwrap_or_default();
    let given = query.get("fieldManager").unwrap_or(agent);
    if given.is_empty() { "unknown".into() } else { given.to_owned() }
}

/// A list; its bytes are made after the lock is given back.
fn answer_list(
    mut state: std::sync::MutexGuard<'_, State>,
    target: &Target,
    query: &Query,
) -> Response<Body> {
    let fault = state.faults.hit(target, Stage::Body);
    let listing = list::list(&state.store, target, query, fault.as_ref());
    drop(state);
    let listing = match listing {
        Ok(listing) => listing,
        Err(refusal) => return refused(&refusal),
    };
    let bytes = render::list(&target.resource, &listing, fault.as_ref());
    match fault {
        Some(fault) => list_of(&bytes, &fault),
        None => full(StatusCode::OK, JSON, bytes),
    }
}

/// A list with a fault.
fn list_of(bytes: &[u8], fault: &Fault) -> Response<Body> {
    if *fault == Fault::CutMidLine {
        return broken_after(Bytes::copy_from_slice(&bytes[..bytes.len() / 2]));
    }
    full(StatusCode::OK, JSON, bytes.to_vec())
}

fn go_wrong(state: &State, target: Target, fault: &Fault) -> Next {
    let resource: &Resource = &target.resource;
    Next::Answer(match fault {
        Fault::Stall => return Next::Stall(target),
        Fault::Delay(time) => return Next::Delay(*time),
        Fault::Drop => broken_before_the_head(),
        Fault::TooManyRequests { retry_after } => too_many(*retry_after),
        Fault::Expired => refused(&Refusal::too_old(1, state.store.version())),
        Fault::Status(429) => too_many(1),
        Fault::Unserved => {
            let text = "404 page not found\n".as_bytes().to_vec();
            full(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", text)
        }
        Fault::Status(code) => {
            let words = refusal_of(*code, resource, &target.name);
            words.map_or_else(|| bare(*code), |refusal| refused(&refusal))
        }
        other => unreachable!("{other:?} is no fault of a request"),
    })
}

/// The server's own words for a code.
fn refusal_of(code: u16, resource: &Resource, name: &str) -> Option<Refusal> {
    Some(match code {
        400 => Refusal::bad_request("the server could not understand the request"),
        401 => Refusal::unauthorized(),
        403 => Refusal::forbidden(resource, name, "not now"),
        404 => Refusal::not_found(resource, name),
        409 => Refusal::modified(resource, name),
        410 => Refusal::too_old(1, 2),
        413 => Refusal::too_big("limit is 3145728"),
        422 => Refusal::invalid(&resource.group, &resource.kind, name, &[]),
        500 => Refusal::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalError",
            "Internal error occurred: etcdserver: leader changed",
        ),
        503 => Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "ServiceUnavailable",
            "apiserver is shutting down",
        ),
        504 => Refusal::new(
            StatusCode::GATEWAY_TIMEOUT,
            "Timeout",
            "Timeout: request did not complete within the allotted timeout",
        )
        .retry_after(1),
        _ => return None,
    })
}

fn too_many(retry_after: u32) -> Response<Body> {
    let mut response = full(
        StatusCode::TOO_MANY_REQUESTS,
        "text/plain; charset=utf-8",
        TOO_MANY.as_bytes().to_vec(),
    );
    response.headers_mut().insert(header::RETRY_AFTER, retry_after.into());
    response
}

fn refused(refusal: &Refusal) -> Response<Body> {
    let mut response = full(refusal.code, JSON, refusal.status().to_string().into_bytes());
    if let Some(seconds) = refusal.details.get("retryAfterSeconds").and_then(Value::as_u64) {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// A code and nothing else.
fn bare(code: u16) -> Response<Body> {
    let code = StatusCode::from_u16(code).expect("the code of a fault");
    full(code, "text/plain", Vec::new())
}

fn full(code: StatusCode, content_type: &'static str, bytes: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = code;
    let value = header::HeaderValue::from_static(content_type);
    response.headers_mut().insert(header::CONTENT_TYPE, value);
    response
}

fn with_body(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let value = header::HeaderValue::from_static(JSON);
    response.headers_mut().insert(header::CONTENT_TYPE, value);
    response
}

fn streamed(watch: Watch) -> Response<Body> {
    let lines = stream::unfold(watch, |mut watch| async move {
        let bytes = watch.next().await?;
        Some((bytes, watch))
    });
    with_body(Body::from_stream(lines))
}

/// Some bytes, and then the connection breaks.
fn broken_after(bytes: Bytes) -> Response<Body> {
    let first = stream::iter([Ok::<_, io::Error>(bytes)]);
    let then = stream::once(async {
        // The bytes are on their way before the break.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        Err(io::Error::from(io::ErrorKind::ConnectionAborted))
    });
    with_body(Body::from_stream(first.chain(then)))
}

/// Marks an answer that is to be none: whoever holds the connection closes it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Broken;

fn broken_before_the_head() -> Response<Body> {
    let mut response = with_body(Body::empty());
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response.extensions_mut().insert(Broken);
    response
}
