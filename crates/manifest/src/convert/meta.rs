//! `metadata`: names, UID, labels and the annotations that decide something.

use jiff::Timestamp;
use model::mark::UID_MAX;
use model::object::{Labels, Meta};
use model::{ObjectKind, Uid};

use crate::fields::{At, Check};
use crate::problem::ObjectName;
use crate::scalar::shown;

/// The Pod annotation that names its network namespace.
pub(super) const NETNS: &str = "netkeep.dev/netns";

/// What `metadata` says.
pub(super) struct Head {
    pub(super) name: ObjectName,
    pub(super) uid: Uid,
    pub(super) labels: Labels,
    pub(super) annotations: Labels,
    /// Whether there is a `deletionTimestamp`.
    pub(super) deleting: bool,
    /// `creationTimestamp`, seconds since 1970.
    pub(super) created: Option<i64>,
}

impl Head {
    pub(super) fn meta(self) -> Meta {
        Meta { namespace: self.name.namespace, name: self.name.name, uid: self.uid }
    }
}

/// Reads `metadata`; `None` if it does not even say which object this is.
pub(super) fn read(root: &At<'_>, kind: ObjectKind, check: &mut Check) -> Option<Head> {
    let Some(metadata) = root.mapping("metadata", check) else {
        if root.field("metadata").is_none() {
            check.missing(root, "metadata.name", "the object has no name");
        }
        return None;
    };
    let name = name(&metadata, kind, check)?;
    let uid = uid(&metadata, check).unwrap_or_else(|| synthetic_uid(&name));
    let labels = metadata.labels("labels", check);
    let annotations = metadata.labels("annotations", check);
    let created = time(&metadata, "creationTimestamp", check);
    let deleting = time(&metadata, "deletionTimestamp", check).is_some();
    Some(Head { name, uid, labels, annotations, deleting, created })
}

fn name(metadata: &At<'_>, kind: ObjectKind, check: &mut Check) -> Option<ObjectName> {
    let name = metadata.text_field("name", check);
    match (&name, metadata.field("name")) {
        (Some(name), Some(at)) => {
            let valid = match kind {
                ObjectKind::Pod | ObjectKind::Node => is_subdomain(name),
                ObjectKind::Service => is_label(name),
            };
            if !valid {
                check.refuse(&at, not_a_name(name, kind));
                return None;
            }
        }
        (None, Some(at)) if at.node.as_str().is_none() => return None,
        _ => {
            check.missing(metadata, "name", "the object has no name");
            return None;
        }
    }
    let namespace = match kind {
        ObjectKind::Node => "".into(),
        ObjectKind::Pod | ObjectKind::Service => namespace(metadata, check)?,
    };
    Some(ObjectName { kind, namespace, name: name? })
}

fn namespace(metadata: &At<'_>, check: &mut Check) -> Option<Box<str>> {
    let Some(at) = metadata.field("namespace") else { return Some("default".into()) };
    let namespace = at.text(check)?;
    if namespace.is_empty() {
        return Some("default".into());
    }
    if !is_label(namespace) {
        let what = "lower-case letters, digits and '-', 63 at most";
        check.refuse(&at, format!("{} is not a namespace ({what})", shown(namespace)));
        return None;
    }
    Some(namespace.into())
}

fn not_a_name(name: &str, kind: ObjectKind) -> String {
    let what = match kind {
        ObjectKind::Pod | ObjectKind::Node => {
            "lower-case letters, digits, '-' and '.', 253 at most"
        }
        ObjectKind::Service => "lower-case letters, digits and '-', 63 at most",
    };
    format!("{} is not a {} name ({what})", shown(name), kind.as_str())
}

/// A DNS-1123 label: what a namespace and a Service may be called.
fn is_label(text: &str) -> bool {
    let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    (1..=63).contains(&text.len())
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// A DNS-1123 subdomain: what a Pod and a Node may be called. Its labels may be longer than 63,
/// as Kubernetes has it.
fn is_subdomain(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

fn uid(metadata: &At<'_>, check: &mut Check) -> Option<Uid> {
    let at = metadata.field("uid")?;
    let text = at.text(check)?;
    if text.is_empty() {
        return None;
    }
    if text.len() > UID_MAX {
        check.refuse(&at, format!("a UID of {} bytes is too long (at most {UID_MAX})", text.len()));
    } else if !text.bytes().all(|c| c.is_ascii_graphic()) {
        let what = "visible ASCII characters without spaces";
        check.refuse(&at, format!("{} is not a UID ({what})", shown(text)));
    }
    Some(Uid::new(text))
}

/// The UID of an object that has none, as manifests written by hand: the same after every restart.
pub(crate) fn synthetic_uid(name: &ObjectName) -> Uid {
    let ObjectName { kind, namespace, name } = name;
    let text = format!("name:{}/{namespace}/{name}", kind.as_str());
    if text.len() <= UID_MAX {
        return Uid::new(text);
    }
    // too long for a mark: a digest of it, under a prefix that no shorter name can have
    Uid::new(format!("name:{}//{:032x}", kind.as_str(), fnv1a_128(text.as_bytes())))
}

/// FNV-1a with 128 bits (RFC 9923): stable across versions and machines, which is all that is
/// needed here.
fn fnv1a_128(bytes: &[u8]) -> u128 {
    bytes.iter().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, |hash, byte| {
        (hash ^ u128::from(*byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
    })
}

/// A time as RFC 3339, in seconds since 1970.
pub(super) fn time(of: &At<'_>, key: &str, check: &mut Check) -> Option<i64> {
    let at = of.field(key)?;
    let text = at.text(check)?;
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time.as_second());
    }
    check.refuse(&at, format!("{} is not a time such as 2026-01-31T12:00:00Z", shown(text)));
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_the_one_of_the_rfc() {
        // test vectors of RFC 9923
        assert_eq!(fnv1a_128(b""), 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
        assert_eq!(fnv1a_128(b"a"), 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
    }

    #[test]
    fn a_synthetic_uid_always_fits_a_mark_and_tells_long_names_apart() {
        let name = |last: char| ObjectName {
            kind: ObjectKind::Pod,
            namespace: "n".repeat(63).into(),
            name: format!("{}{last}", "p".repeat(252)).into(),
        };
        let (a, b) = (synthetic_uid(&name('a')), synthetic_uid(&name('b')));
        assert!(a.text().len() <= UID_MAX);
        assert_ne!(a, b);
    }
}
