//! What the server adds to and refuses of Pods, Services, Nodes and Namespaces.
//!
//! Owns: the defaults on which a node agent relies, and which part of an object each door writes
//! (`strategy.go` of each kind in the API server). Deliberately not: the defaults of fields that no
//! node agent reads, and validation beyond what a wrong write of ours could break.

use serde_json::{Value, json};

use super::meta;
use super::refusal::{Cause, Refusal};
use super::request::Door;
use super::resource::{Family, Resource, Status};

/// Completes an object that is made through the main door.
pub(super) fn create(resource: &Resource, object: &mut Value) -> Result<(), Refusal> {
    match resource.family {
        Family::Pod => object["status"] = json!({ "phase": "Pending", "qosClass": "BestEffort" }),
        Family::Service => object["status"] = json!({ "loadBalancer": {} }),
        Family::Namespace => {
            let name = meta::text(object, "name").to_owned();
            object["metadata"]["labels"]["kubernetes.io/metadata.name"] = name.into();
            object["spec"] = json!({ "finalizers": ["kubernetes"] });
            object["status"] = json!({ "phase": "Active" });
        }
        Family::Custom if resource.status == Status::Subresource => remove(object, "status"),
        // Nodes may come with a status.
        _ => {}
    }
    complete(resource, object);
    check(resource, object)
}

/// Puts back what this door does not write.
pub(super) fn update(
    resource: &Resource,
    door: Door,
    old: &Value,
    object: &mut Value,
) -> Result<(), Refusal> {
    match door {
        Door::Main => {
            if resource.status == Status::Subresource {
                restore(object, old, "status");
            }
        }
        Door::Status => {
            match resource.family {
                // Of a custom resource only the status is taken.
                Family::Custom | Family::Definition => {
                    let status = object.get("status").cloned();
                    let fields = object["metadata"].get("managedFields").cloned();
                    *object = old.clone();
                    set(object, "status", status);
                    set(&mut object["metadata"], "managedFields", fields);
                }
                // Labels, annotations and finalizers are written by this door as well.
                Family::Pod => {
                    restore(object, old, "spec");
                    meta::keep(object, old, &["ownerReferences"]);
                }
                _ => restore(object, old, "spec"),
            }
        }
    }
    // Objects that were put there past all checks have no defaults; what nobody touches stays so.
    if door == Door::Status || wish(old) == wish(object) {
        return Ok(());
    }
    if resource.family == Family::Service {
        keep_cluster_ip(old, object);
    }
    complete(resource, object);
    if resource.family == Family::Pod {
        let mut old = old.clone();
        complete(resource, &mut old);
        check_pod_update(resource, &old, object)?;
    }
    if resource.has_generation() {
        meta::next_generation(object);
    }
    check(resource, object)
}

/// All but metadata and status.
fn wish(object: &Value) -> Vec<(&String, &Value)> {
    let fields = object.as_object().into_iter().flatten();
    fields.filter(|(name, _)| !matches!(name.as_str(), "metadata" | "status")).collect()
}

fn remove(object: &mut Value, field: &str) {
    set(object, field, None);
}

fn restore(object: &mut Value, old: &Value, field: &str) {
    set(object, field, old.get(field).cloned());
}

fn set(object: &mut Value, field: &str, value: Option<Value>) {
    match value {
        Some(value) => object[field] = value,
        None => {
            object.as_object_mut().and_then(|fields| fields.shift_remove(field));
        }
    }
}

/// Sets a field that is absent.
fn default(object: &mut Value, field: &str, value: Value) {
    if object.get(field).is_none_or(Value::is_null) {
        object[field] = value;
    }
}

/// Defaults that hold after every write.
fn complete(resource: &Resource, object: &mut Value) {
    match resource.family {
        Family::Pod => complete_pod(&mut object["spec"]),
        Family::Service => complete_service(&mut object["spec"]),
        _ => {}
    }
}

fn complete_pod(spec: &mut Value) {
    if !spec.is_object() {
        return;
    }
    default(spec, "restartPolicy", "Always".into());
    default(spec, "terminationGracePeriodSeconds", 30.into());
    default(spec, "dnsPolicy", "ClusterFirst".into());
    default(spec, "serviceAccountName", "default".into());
    default(spec, "schedulerName", "default-scheduler".into());
    default(spec, "enableServiceLinks", true.into());
    let host_network = spec["hostNetwork"] == true;
    for list in ["containers", "initContainers"] {
        for port in each(spec, list).flat_map(|container| each(container, "ports")) {
            default(port, "protocol", "TCP".into());
            if host_network {
                let number = port["containerPort"].clone();
                default(port, "hostPort", number);
            }
        }
    }
}

/// The entries of a list that may be absent.
fn each<'a>(object: &'a mut Value, list: &str) -> impl Iterator<Item = &'a mut Value> {
    object.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten()
}

fn complete_service(spec: &mut Value) {
    if !spec.is_object() {
        return;
    }
    default(spec, "type", "ClusterIP".into());
    default(spec, "sessionAffinity", "None".into());
    default(spec, "internalTrafficPolicy", "Cluster".into());
    for port in each(spec, "ports") {
        default(port, "protocol", "TCP".into());
        let number = port["port"].clone();
        let unset = port["targetPort"] == 0 || port["targetPort"] == "";
        if unset {
            port["targetPort"] = number;
        } else {
            default(port, "targetPort", number);
        }
    }
    if spec["type"] == "ExternalName" {
        return;
    }
    let ips = match (&spec["clusterIPs"], &spec["clusterIP"]) {
        (Value::Array(ips), _) => ips.clone(),
        (_, Value::String(ip)) => vec![ip.as_str().into()],
        _ => vec!["".into()],
    };
    let is_v6 = |ip: &Value| ip.as_str().is_some_and(|ip| ip.contains(':'));
    let families: Vec<_> = ips.iter().map(|ip| if is_v6(ip) { "IPv6" } else { "IPv4" }).collect();
    default(spec, "ipFamilies", json!(families));
    let both = spec["ipFamilies"].as_array().is_some_and(|families| families.len() > 1);
    default(spec, "ipFamilyPolicy", if both { "RequireDualStack" } else { "SingleStack" }.into());
}

/// Gives a Service of the type that has one an address.
pub(super) fn cluster_ip(object: &mut Value, number: u64) {
    let spec = &mut object["spec"];
    if !spec.is_object() || spec["type"] == "ExternalName" {
        return;
    }
    if let Some(ip) = spec["clusterIP"].as_str().filter(|ip| !ip.is_empty()).map(str::to_owned) {
        default(spec, "clusterIPs", json!([ip]));
        return;
    }
    let address = |family: &Value| {
        let low = number % 65_000 + 10;
        if family == "IPv6" {
            format!("fd00:10:96::{low:x}")
        } else {
            format!("10.96.{}.{}", low / 256, low % 256)
        }
    };
    let families = spec["ipFamilies"].as_array().cloned().unwrap_or_default();
    let ips: Vec<String> = families.iter().map(address).collect();
    spec["clusterIP"] = ips.first().cloned().into();
    spec["clusterIPs"] = ips.into();
}

/// An update that leaves the address out keeps it.
fn keep_cluster_ip(old: &Value, object: &mut Value) {
    for field in ["clusterIP", "clusterIPs"] {
        if let Some(value) = old["spec"].get(field)
            && object["spec"].is_object()
            && object["spec"]["type"] != "ExternalName"
        {
            default(&mut object["spec"], field, value.clone());
        }
    }
}

/// What has to be there.
fn check(resource: &Resource, object: &Value) -> Result<(), Refusal> {
    let mut causes = Vec::new();
    match resource.family {
        Family::Pod => check_pod(object, &mut causes),
        Family::Service => check_service(object, &mut causes),
        _ => {}
    }
    if causes.is_empty() {
        return Ok(());
    }
    let name = meta::text(object, "name");
    Err(Refusal::invalid(&resource.group, &resource.kind, name, &causes))
}

fn check_pod(object: &Value, causes: &mut Vec<Cause>) {
    if object["spec"]["containers"].as_array().is_none_or(Vec::is_empty) {
        causes.push(Cause::required("spec.containers", ""));
    }
    for (at, container) in object["spec"]["containers"].as_array().into_iter().flatten().enumerate()
    {
        if container["name"].as_str().is_none_or(str::is_empty) {
            causes.push(Cause::required(format!("spec.containers[{at}].name"), ""));
        }
        for (n, port) in container["ports"].as_array().into_iter().flatten().enumerate() {
            let number = &port["containerPort"];
            if !number.as_u64().is_some_and(|number| (1..=65_535).contains(&number)) {
                let field = format!("spec.containers[{at}].ports[{n}].containerPort");
                causes.push(Cause::invalid(
                    field,
                    number,
                    "must be between 1 and 65535, inclusive",
                ));
            }
        }
    }
}

fn check_service(object: &Value, causes: &mut Vec<Cause>) {
    let spec = &object["spec"];
    let headless = spec["clusterIP"] == "None";
    let ports = spec["ports"].as_array().map_or(0, Vec::len);
    if ports == 0 && !headless && spec["type"] != "ExternalName" {
        causes.push(Cause::required("spec.ports", ""));
    }
}

/// Only a few fields of a Pod that runs can change.
fn check_pod_update(resource: &Resource, old: &Value, object: &Value) -> Result<(), Refusal> {
    let fixed = |object: &Value| {
        let mut spec = object["spec"].clone();
        for field in ["activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds"] {
            remove(&mut spec, field);
        }
        for list in ["containers", "initContainers"] {
            if let Some(containers) = spec.get_mut(list).and_then(Value::as_array_mut) {
                for container in containers {
                    remove(container, "image");
                }
            }
        }
        spec
    };
    if fixed(old) == fixed(object) {
        return Ok(());
    }
    let why = "pod updates may not change fields other than `spec.containers[*].image`,\
               `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only \
               additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it \
               to be set to 1 if it was previously negative)";
    let name = meta::text(object, "name");
    Err(Refusal::invalid(&resource.group, &resource.kind, name, &[Cause::forbidden("spec", why)]))
}
