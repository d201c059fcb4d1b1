//! LIST.
//!
//! Owns: which version of the objects a list shows (`resourceVersion`, `resourceVersionMatch`),
//! pages, and the tokens that continue them. Facts: the table "semantics for get and list" of the
//! Kubernetes API concepts, and `storage/continue.go` of the API server.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::fault::Fault;
use super::refusal::{Cause, Refusal};
use super::request::{Query, Target};
use super::select::Selector;
use super::store::Store;

/// What the server says when a page is asked for of a version that it no longer has.
const CONTINUE_EXPIRED: &str = "The provided continue parameter is too old to display a consistent \
    list result. You can start a new list without the continue parameter, or use the continue token \
    in this response to retrieve the remainder of the results. Continuing with the provided token \
    results in an inconsistent list - objects that were created, modified, or deleted between the \
    time the first chunk was returned and now may show up in the list.";

/// One page.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) items: Vec<Arc<Value>>,
    pub(super) version: u64,
    pub(super) continue_with: Option<String>,
    pub(super) remaining: Option<u64>,
}

/// What a list is asked for.
struct Options {
    version: Version,
    limit: usize,
    start: String,
}

/// As of when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    Latest,
    NotOlderThan(u64),
    Exact(u64),
    /// As its token says.
    Continued(u64),
}

/// Lists.
pub(super) fn list(
    store: &Store,
    target: &Target,
    query: &Query,
    fault: Option<&Fault>,
) -> Result<Listing, Refusal> {
    let selector =
        Selector::parse(&target.resource, query.get("labelSelector"), query.get("fieldSelector"))?;
    let options = Options::parse(query)?;
    let bucket = store.bucket(&target.resource.bucket);
    let current = store.version();
    let (mut version, past) = match options.version {
        Version::NotOlderThan(asked) | Version::Exact(asked) | Version::Continued(asked)
            if asked > current =>
        {
            return Err(Refusal::too_large(asked, current));
        }
        Version::Latest | Version::NotOlderThan(_) => (current, None),
        Version::Exact(asked) => {
            let message = "The resourceVersion for the provided list is too old.";
            let past = bucket.at(asked).ok_or_else(|| Refusal::expired(message))?;
            (asked, Some(past))
        }
        Version::Continued(asked) => {
            let past = bucket.at(asked).ok_or_else(|| {
                let mut refusal = Refusal::expired(CONTINUE_EXPIRED);
                refusal.continue_with = Some(token(None, &options.start));
                refusal
            })?;
            (asked, Some(past))
        }
    };
    let mut objects = past.as_ref().unwrap_or(bucket.objects());
    let (old, none) = (as_of(store, target, fault), BTreeMap::new());
    if let Some((old_version, old)) = &old {
        (version, objects) = (*old_version, old);
    }
    if fault == Some(&Fault::EmptyList) {
        objects = &none;
    }
    Ok(page(objects, target, &selector, &options, version))
}

/// The older objects that a fault shows.
fn as_of(
    store: &Store,
    target: &Target,
    fault: Option<&Fault>,
) -> Option<(u64, BTreeMap<String, Arc<Value>>)> {
    let Some(Fault::OldList { version }) = fault else { return None };
    let old = store.bucket(&target.resource.bucket).at(*version);
    Some((*version, old.expect("the version of an OldList is still kept")))
}

fn page(
    objects: &BTreeMap<String, Arc<Value>>,
    target: &Target,
    selector: &Selector,
    options: &Options,
    version: u64,
) -> Listing {
    let prefix = match &*target.namespace {
        "" => String::new(),
        namespace => format!("{namespace}/"),
    };
    let start = if options.start.is_empty() { &prefix } else { &options.start };
    let mut fitting = objects
        .range(start.clone()..)
        .take_while(|(key, _)| key.starts_with(&prefix))
        .filter(|(_, object)| selector.fits(object));
    let mut items = Vec::new();
    let mut last = "";
    for (key, object) in fitting.by_ref().take(options.limit) {
        items.push(Arc::clone(object));
        last = key;
    }
    let left = fitting.count() as u64;
    let more = left > 0;
    Listing {
        items,
        version,
        continue_with: more.then(|| token(Some(version), &format!("{last}\0"))),
        // With a selector the server does not know.
        remaining: (more && selector.is_everything()).then_some(left),
    }
}

impl Options {
    fn parse(query: &Query) -> Result<Self, Refusal> {
        validate(query)?;
        let version = query.number("resourceVersion")?;
        let limit = match query.number("limit")? {
            None | Some(0) => usize::MAX,
            // A list "at any version" comes from the cache, which does not cut.
            Some(_) if version == Some(0) => usize::MAX,
            Some(limit) => usize::try_from(limit).unwrap_or(usize::MAX),
        };
        if let Some(token) = query.get("continue") {
            if version.is_some_and(|version| version > 0) {
                let message = "specifying resource version is not allowed when using continue";
                return Err(Refusal::bad_request(message));
            }
            let (version, start) = read_token(token)?;
            let version = version.map_or(Version::Latest, Version::Continued);
            return Ok(Self { version, limit, start });
        }
        let version = match (version, query.get("resourceVersionMatch")) {
            (None | Some(0), _) => Version::Latest,
            (Some(version), Some("Exact")) => Version::Exact(version),
            // The oldest clients page like this.
            (Some(version), None) if limit != usize::MAX => Version::Exact(version),
            (Some(version), _) => Version::NotOlderThan(version),
        };
        Ok(Self { version, limit, start: String::new() })
    }
}

/// Options that contradict each other (`ValidateListOptions`).
fn validate(query: &Query) -> Result<(), Refusal> {
    let mut causes = Vec::new();
    if let Some(rule) = query.get("resourceVersionMatch") {
        let field = "resourceVersionMatch";
        if query.get("resourceVersion").is_none() {
            let why = "resourceVersionMatch is forbidden unless resourceVersion is provided";
            causes.push(Cause::forbidden(field, why));
        }
        if query.get("continue").is_some() {
            let why = "resourceVersionMatch is forbidden when continue is provided";
            causes.push(Cause::forbidden(field, why));
        }
        if !matches!(rule, "Exact" | "NotOlderThan") {
            let known = ["Exact", "NotOlderThan", ""].map(str::to_owned);
            causes.push(Cause::unsupported(field, &rule.into(), &known));
        }
        if rule == "Exact" && query.get("resourceVersion") == Some("0") {
            let why = r#"resourceVersionMatch "exact" is forbidden for resourceVersion "0""#;
            causes.push(Cause::forbidden(field, why));
        }
    }
    if query.given_flag("sendInitialEvents").is_some() {
        let why = "sendInitialEvents is forbidden for list";
        causes.push(Cause::forbidden("sendInitialEvents", why));
    }
    refuse_options(&causes)
}

/// Refuses a request whose options have these faults.
pub(super) fn refuse_options(causes: &[Cause]) -> Result<(), Refusal> {
    if causes.is_empty() {
        return Ok(());
    }
    Err(Refusal::invalid("meta.k8s.io", "ListOptions", "", causes))
}

/// Without a version the list goes on with what is there then.
fn token(version: Option<u64>, start: &str) -> String {
    let version = version.map_or(-1, u64::cast_signed);
    let token = json!({ "v": "meta.k8s.io/v1", "rv": version, "start": start });
    URL_SAFE_NO_PAD.encode(token.to_string())
}

fn read_token(token: &str) -> Result<(Option<u64>, String), Refusal> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok();
    let value: Option<Value> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let parts = value.and_then(|value| {
        let version = value["rv"].as_i64()?;
        Some((u64::try_from(version).ok(), value["start"].as_str()?.to_owned()))
    });
    parts.ok_or_else(|| Refusal::bad_request("continue key is not valid"))
}
