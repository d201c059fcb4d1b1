//! What a request asks for.
//!
//! Owns: paths and queries, as far as the API server gives them a meaning.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::Method;

use super::refusal::Refusal;
use super::resource::{Registry, Resource, Status};

/// A request for objects.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// As RBAC names it.
    pub(super) verb: &'static str,
    pub(super) resource: Arc<Resource>,
    /// Empty for all namespaces and for kinds without.
    pub(super) namespace: String,
    /// Empty for all objects.
    pub(super) name: String,
    pub(super) door: Door,
}

/// Through which part of an object is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    Main,
    Status,
}

impl Target {
    /// The key of its object in the store.
    pub(super) fn key(&self) -> String {
        key(&self.namespace, &self.name)
    }

    /// `pods/status` or `pods`.
    pub(super) fn subject(&self) -> String {
        match self.door {
            Door::Main => self.resource.plural.clone(),
            Door::Status => format!("{}/status", self.resource.plural),
        }
    }
}

/// The key of an object in the store.
pub(super) fn key(namespace: &str, name: &str) -> String {
    if namespace.is_empty() { name.to_owned() } else { format!("{namespace}/{name}") }
}

/// The parameters of a request.
#[derive(Debug, Clone, Default)]
pub(super) struct Query(BTreeMap<String, String>);

impl Query {
    pub(super) fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decode(name), decode(value))
                })
                .collect(),
        )
    }

    /// A parameter; an empty one is as an absent one.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.given_flag(name) == Some(true)
    }

    pub(super) fn given_flag(&self, name: &str) -> Option<bool> {
        self.get(name).map(|value| matches!(value, "true" | "1" | "True"))
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let Some(text) = self.get(name) else { return Ok(None) };
        match text.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) if name == "resourceVersion" => Err(Refusal::bad_request(format!(
                "invalid resource version: {name}: Invalid value: {text:?}: strconv.ParseUint: \
                 parsing {text:?}: invalid syntax"
            ))),
            Err(_) => Err(Refusal::bad_request(format!(
                "strconv.ParseInt: parsing {text:?}: invalid syntax"
            ))),
        }
    }
}

/// Percent encoding and `+`.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        let escaped = match (first, after) {
            (b'%', [high, low, ..]) => {
                let digits = [*high, *low];
                let digits = std::str::from_utf8(&digits).ok();
                digits.and_then(|digits| u8::from_str_radix(digits, 16).ok())
            }
            _ => None,
        };
        if let Some(byte) = escaped {
            bytes.push(byte);
            rest = &rest[2..];
        } else {
            bytes.push(if *first == b'+' { b' ' } else { *first });
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What the path means.
pub(super) fn target(
    registry: &Registry,
    method: &Method,
    path: &str,
    query: &Query,
) -> Result<Target, Refusal> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let (group, version, rest) = match &parts[..] {
        ["api", version, rest @ ..] => ("", *version, rest),
        ["apis", group, version, rest @ ..] => (*group, *version, rest),
        _ => return Err(Refusal::no_such_path()),
    };
    let (namespace, rest) = match rest {
        // `namespaces/x` is an object, `namespaces/x/pods` is a place; `namespaces/x/status` is
        // the object again.
        ["namespaces", namespace, rest @ ..] if !matches!(rest, [] | ["status" | "finalize"]) => {
            (*namespace, rest)
        }
        rest => ("", rest),
    };
    let [plural, rest @ ..] = rest else { return Err(Refusal::no_such_path()) };
    let resource = registry.get(group, version, plural).ok_or_else(Refusal::no_such_path)?;
    // All namespaces at once can only be listed and watched.
    let everywhere = resource.is_namespaced() && namespace.is_empty();
    let misplaced = !resource.is_namespaced() && !namespace.is_empty();
    if misplaced || (everywhere && !rest.is_empty()) {
        return Err(Refusal::no_such_path());
    }
    let (name, door) = match rest {
        [] => ("", Door::Main),
        [name] => (*name, Door::Main),
        [name, "status"] if resource.status == Status::Subresource => (*name, Door::Status),
        _ => return Err(Refusal::no_such_path()),
    };
    let verb = verb(&resource, method, name, query)?;
    Ok(Target { verb, resource, namespace: namespace.into(), name: decode(name), door })
}

fn verb(
    resource: &Resource,
    method: &Method,
    name: &str,
    query: &Query,
) -> Result<&'static str, Refusal> {
    Ok(match (method.as_str(), name.is_empty()) {
        ("GET", _) if query.flag("watch") => "watch",
        ("GET", true) => "list",
        ("GET", false) => "get",
        ("POST", true) => "create",
        ("PUT", false) => "update",
        ("PATCH", false) => "patch",
        ("DELETE", false) => "delete",
        ("DELETE", true) => "deletecollection",
        (method, _) => return Err(Refusal::not_allowed(resource, &method.to_lowercase())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(method: &Method, path: &str, query: &str) -> Option<(String, String, String)> {
        let registry = Registry::default();
        let target = target(&registry, method, path, &Query::parse(query)).ok()?;
        Some((target.verb.into(), target.subject(), target.key()))
    }

    #[test]
    fn paths_are_read_as_rbac_reads_them() {
        fn expect(method: &Method, path: &str, query: &str, verb: &str, what: &str, key: &str) {
            let expected = Some((verb.into(), what.into(), key.into()));
            assert_eq!(subject(method, path, query), expected, "{path}");
        }
        expect(&Method::GET, "/api/v1/pods", "", "list", "pods", "");
        expect(&Method::GET, "/api/v1/pods", "watch=true", "watch", "pods", "");
        let pod = "/api/v1/namespaces/x/pods/a";
        expect(&Method::GET, pod, "", "get", "pods", "x/a");
        expect(&Method::PATCH, &format!("{pod}/status"), "", "patch", "pods/status", "x/a");
        expect(&Method::GET, "/api/v1/namespaces/x", "", "get", "namespaces", "x");
        expect(&Method::PUT, "/api/v1/namespaces/x/status", "", "update", "namespaces/status", "x");
        let leases = "/apis/coordination.k8s.io/v1/namespaces/x/leases";
        expect(&Method::DELETE, leases, "", "deletecollection", "leases", "x/");
        assert_eq!(subject(&Method::GET, "/api/v1/secrets", ""), None);
        assert_eq!(subject(&Method::GET, "/api/v1/namespaces/x/nodes", ""), None);
        assert_eq!(subject(&Method::GET, "/api/v1/namespaces/x/configmaps/a/status", ""), None);
    }

    #[test]
    fn queries_are_decoded() {
        let query = Query::parse("labelSelector=app%20in%20%28a%2Cb%29&limit=5&empty=&x=1+2%zz");
        assert_eq!(query.get("labelSelector"), Some("app in (a,b)"));
        assert_eq!(query.number("limit").unwrap(), Some(5));
        assert_eq!(query.get("empty"), None);
        assert_eq!(query.get("x"), Some("1 2%zz"));
    }
}
