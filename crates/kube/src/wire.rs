//! The JSON around the objects: lists, watch events, statuses.

use std::borrow::Cow;

use model::{ObjectKind, Uid};
use serde::Deserialize;
use serde_json::value::RawValue;

/// A page of a list.
#[derive(Debug, Deserialize)]
pub(crate) struct Page<'a> {
    #[serde(default)]
    pub(crate) metadata: ListMeta,
    /// Absent and null where there is nothing.
    #[serde(borrow, default)]
    pub(crate) items: Option<Vec<&'a RawValue>>,
}

/// What a page says of the list.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ListMeta {
    pub(crate) resource_version: String,
    pub(crate) r#continue: String,
}

/// One line of a watch.
#[derive(Debug, Deserialize)]
pub(crate) struct Line<'a> {
    #[serde(borrow)]
    pub(crate) r#type: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) object: &'a RawValue,
}

/// What a watch needs of an object or a bookmark, whatever else is wrong with it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Head<'a> {
    #[serde(borrow)]
    pub(crate) metadata: HeadMeta<'a>,
}

/// See [`Head`].
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct HeadMeta<'a> {
    #[serde(borrow)]
    pub(crate) resource_version: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) namespace: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) name: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) uid: Cow<'a, str>,
}

impl HeadMeta<'_> {
    /// The object's name.
    pub(crate) fn name(&self, kind: ObjectKind) -> manifest::ObjectName {
        let namespace = match kind {
            ObjectKind::Node => "",
            ObjectKind::Pod | ObjectKind::Service => &*self.namespace,
        };
        manifest::ObjectName { kind, namespace: namespace.into(), name: (&*self.name).into() }
    }

    /// The object's UID, if it says one.
    pub(crate) fn uid(&self) -> Option<Uid> {
        (!self.uid.is_empty()).then(|| Uid::new(&*self.uid))
    }
}

/// A bookmark's annotation that ends the initial events of a streaming list (KEP-3157).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Bookmark {
    metadata: BookmarkMeta,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct BookmarkMeta {
    annotations: std::collections::BTreeMap<String, String>,
}

impl Bookmark {
    /// Whether the list is complete with this bookmark.
    pub(crate) fn ends_list(&self) -> bool {
        self.metadata.annotations.get("k8s.io/initial-events-end").is_some_and(|v| v == "true")
    }
}

/// `v1.Status`: why something was refused.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Status {
    pub(crate) code: u16,
    pub(crate) reason: String,
    pub(crate) message: String,
    pub(crate) details: Option<Details>,
}

/// See [`Status`].
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Details {
    pub(crate) retry_after_seconds: Option<u64>,
}
