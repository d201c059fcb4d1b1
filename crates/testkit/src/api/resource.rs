//! What kinds of objects there are.
//!
//! Owns: the resources that are always there, how each is treated ([`Family`]), and the list to
//! which definitions add theirs at run time.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

/// Rules that belong to a kind and not to all objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Pod,
    Service,
    Node,
    Namespace,
    /// `v1`, the form in which both are stored.
    CoreEvent,
    /// `events.k8s.io/v1`, another view of the same objects.
    NewEvent,
    ConfigMap,
    Lease,
    /// `CustomResourceDefinition`.
    Definition,
    Custom,
}

/// Where objects live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Namespaced,
    Cluster,
}

/// Whether status is written by a door of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Subresource,
    Ordinary,
}

/// One kind at one version.
#[derive(Debug, Clone)]
pub(super) struct Resource {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) plural: String,
    pub(super) kind: String,
    pub(super) scope: Scope,
    pub(super) status: Status,
    pub(super) family: Family,
    /// `openAPIV3Schema` of a custom resource.
    pub(super) schema: Option<Arc<Value>>,
    /// Where its objects are stored: `plural.group` of the form that is stored.
    pub(super) bucket: String,
}

impl Resource {
    /// `pods`, `leases.coordination.k8s.io`: as messages name it.
    pub(super) fn group_resource(&self) -> String {
        match &*self.group {
            "" => self.plural.clone(),
            group => format!("{}.{group}", self.plural),
        }
    }

    pub(super) fn api_version(&self) -> String {
        match &*self.group {
            "" => self.version.clone(),
            group => format!("{group}/{}", self.version),
        }
    }

    pub(super) fn is_namespaced(&self) -> bool {
        self.scope == Scope::Namespaced
    }

    /// Whether `generation` counts changes of the wish. Pods have it since Kubernetes 1.33; Services,
    /// Nodes and the rest have none.
    pub(super) const fn has_generation(&self) -> bool {
        matches!(self.family, Family::Pod | Family::Custom | Family::Definition)
    }

    /// Whether PUT may come without `resourceVersion` (`AllowUnconditionalUpdate`).
    pub(super) const fn unconditional_update(&self) -> bool {
        !matches!(self.family, Family::Lease | Family::Custom | Family::Definition)
    }

    /// Whether PUT makes an object that is not there (`AllowCreateOnUpdate`).
    pub(super) const fn create_on_update(&self) -> bool {
        matches!(
            self.family,
            Family::Lease
                | Family::Service
                | Family::CoreEvent
                | Family::NewEvent
                | Family::ConfigMap
        )
    }

    /// Whether DELETE answers with the object (`ReturnDeletedObject`) and not with a `Status`.
    pub(super) const fn returns_deleted(&self) -> bool {
        matches!(self.family, Family::Pod | Family::Service)
    }
}

/// All resources.
#[derive(Debug)]
pub(super) struct Registry {
    /// Key: group, version, plural.
    all: BTreeMap<(String, String, String), Arc<Resource>>,
}

impl Default for Registry {
    fn default() -> Self {
        use Family::{
            ConfigMap, CoreEvent, Definition, Lease, Namespace, NewEvent, Node, Pod, Service,
        };
        use Scope::{Cluster, Namespaced};
        use Status::{Ordinary, Subresource};
        let mut registry = Self { all: BTreeMap::new() };
        for (group, plural, kind, scope, status, family) in [
            ("", "pods", "Pod", Namespaced, Subresource, Pod),
            ("", "services", "Service", Namespaced, Subresource, Service),
            ("", "nodes", "Node", Cluster, Subresource, Node),
            ("", "namespaces", "Namespace", Cluster, Subresource, Namespace),
            ("", "events", "Event", Namespaced, Ordinary, CoreEvent),
            ("events.k8s.io", "events", "Event", Namespaced, Ordinary, NewEvent),
            ("", "configmaps", "ConfigMap", Namespaced, Ordinary, ConfigMap),
            ("coordination.k8s.io", "leases", "Lease", Namespaced, Ordinary, Lease),
            (
                "apiextensions.k8s.io",
                "customresourcedefinitions",
                "CustomResourceDefinition",
                Cluster,
                Subresource,
                Definition,
            ),
        ] {
            registry.insert(Resource {
                group: group.into(),
                version: "v1".into(),
                plural: plural.into(),
                kind: kind.into(),
                scope,
                status,
                family,
                schema: None,
                bucket: match (plural, group) {
                    (plural, "" | "events.k8s.io") => plural.into(),
                    (plural, group) => format!("{plural}.{group}"),
                },
            });
        }
        registry
    }
}

impl Registry {
    pub(super) fn insert(&mut self, resource: Resource) {
        let key = (resource.group.clone(), resource.version.clone(), resource.plural.clone());
        self.all.insert(key, Arc::new(resource));
    }

    /// Forgets what a definition has added.
    pub(super) fn forget(&mut self, group: &str, plural: &str) {
        self.all.retain(|(g, _, p), _| !(g == group && p == plural));
    }

    pub(super) fn get(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Resource>> {
        self.all.get(&(group.into(), version.into(), plural.into())).cloned()
    }

    /// The resource of `apiVersion` and `kind`.
    pub(super) fn of_object(&self, object: &Value) -> Option<Arc<Resource>> {
        let (version, kind) = (object["apiVersion"].as_str()?, object["kind"].as_str()?);
        let mut all = self.all.values();
        all.find(|resource| resource.api_version() == version && resource.kind == kind).cloned()
    }

    /// The resource that tests name `pods` or `leases.coordination.k8s.io`.
    pub(super) fn named(&self, name: &str) -> Option<Arc<Resource>> {
        let mut all = self.all.values();
        all.find(|resource| resource.group_resource() == name).cloned()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.all.values()
    }
}
