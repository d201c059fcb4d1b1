//! The Services that ask for NodePortLocal, and which of them select a Pod.
//!
//! Each Service is found through one pair of its selector, the rarest at the time it came, so that
//! a Pod looks only at Services that share that pair with its labels.

use std::collections::{BTreeMap, BTreeSet};

use model::Service;
use model::object::{Labels, NplRequest, ServiceType};

type Pair = (Box<str>, Box<str>);
/// A label's value -> the names of the Services that are found through it.
type ByValue = BTreeMap<Box<str>, BTreeSet<Box<str>>>;

/// Whether the Service is to be remembered: it carries the annotation. Whether it then counts is
/// for [`counts`].
pub(super) fn is_of_interest(service: &Service) -> bool {
    service.npl == NplRequest::Enabled
}

/// Whether the Service leads to mappings: its type is `ClusterIP` or `LoadBalancer` (Antrea's
/// rule), and it has a selector.
pub(crate) fn counts(service: &Service) -> bool {
    let has_type = match service.service_type {
        ServiceType::ClusterIp | ServiceType::LoadBalancer => true,
        ServiceType::NodePort | ServiceType::ExternalName => false,
    };
    service.npl == NplRequest::Enabled && has_type && !service.selector.is_empty()
}

/// Whether the Service counts and its selector matches these labels.
pub(crate) fn selects(service: &Service, labels: &Labels) -> bool {
    counts(service) && service.selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

#[derive(Debug, Default)]
struct Namespace {
    by_name: BTreeMap<Box<str>, (Service, Option<Pair>)>,
    by_pair: BTreeMap<Box<str>, ByValue>,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Services(BTreeMap<Box<str>, Namespace>);

impl Services {
    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<&Service> {
        self.0.get(namespace)?.by_name.get(name).map(|(service, _)| service)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Service> {
        self.0.values().flat_map(|ns| ns.by_name.values()).map(|(service, _)| service)
    }

    pub(super) fn in_namespace(&self, namespace: &str) -> impl Iterator<Item = &Service> {
        let services = self.0.get(namespace).into_iter().flat_map(|ns| ns.by_name.values());
        services.map(|(service, _)| service)
    }

    pub(super) fn insert(&mut self, service: Service) {
        self.remove(&service.meta.namespace, &service.meta.name);
        let ns = self.0.entry(service.meta.namespace.clone()).or_default();
        let rarest = service.selector.iter().min_by_key(|(key, value)| {
            ns.by_pair.get(*key).and_then(|values| values.get(*value)).map_or(0, BTreeSet::len)
        });
        let anchor = rarest.map(|(key, value)| (key.clone(), value.clone()));
        if let Some((key, value)) = anchor.clone() {
            let names = ns.by_pair.entry(key).or_default().entry(value).or_default();
            names.insert(service.meta.name.clone());
        }
        ns.by_name.insert(service.meta.name.clone(), (service, anchor));
    }

    pub(super) fn remove(&mut self, namespace: &str, name: &str) {
        let Some(ns) = self.0.get_mut(namespace) else { return };
        if let Some((_, Some((key, value)))) = ns.by_name.remove(name)
            && let Some(values) = ns.by_pair.get_mut(&key)
            && let Some(names) = values.get_mut(&value)
        {
            names.remove(name);
            if names.is_empty() {
                values.remove(&value);
            }
            if values.is_empty() {
                ns.by_pair.remove(&key);
            }
        }
        if ns.by_name.is_empty() {
            self.0.remove(namespace);
        }
    }

    /// The Services that count and select these labels, by name.
    pub(super) fn selecting(&self, namespace: &str, labels: &Labels) -> Vec<&Service> {
        let Some(ns) = self.0.get(namespace) else { return Vec::new() };
        let mut found: Vec<&Service> = labels
            .iter()
            .filter_map(|(key, value)| ns.by_pair.get(key)?.get(value))
            .flatten()
            .filter_map(|name| ns.by_name.get(name))
            .map(|(service, _)| service)
            .filter(|service| selects(service, labels))
            .collect();
        found.sort_unstable_by(|a, b| a.meta.name.cmp(&b.meta.name));
        found
    }
}
