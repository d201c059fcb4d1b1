//! Services.

use std::net::IpAddr;

use model::object::{NplRequest, ServiceFamilies, ServicePort, ServiceType, TargetPort};
use model::{IpFamily, PodPort, Service};

use super::meta::Head;
use super::pod::{is_port_name, not_a_port_name, port, protocol};
use crate::fields::{At, Check};
use crate::node::Value;
use crate::scalar::{Scalar, shown};

/// The annotation that asks for NodePortLocal.
const NPL_ENABLED: &str = "nodeportlocal.antrea.io/enabled";

pub(super) fn read(root: &At<'_>, head: Head, check: &mut Check) -> Service {
    let npl = match head.annotations.get(NPL_ENABLED).map(AsRef::as_ref) {
        Some("true") => NplRequest::Enabled,
        _ => NplRequest::Disabled,
    };
    let mut service = Service {
        meta: head.meta(),
        service_type: ServiceType::ClusterIp,
        npl,
        selector: model::object::Labels::new(),
        ports: Vec::new(),
        families: ServiceFamilies::Unstated(None),
    };
    let Some(spec) = root.mapping("spec", check) else { return service };
    service.service_type = service_type(&spec, check);
    service.selector = spec.labels("selector", check);
    service.families = families(&spec, check);
    if let Some(ports) = spec.list("ports", check) {
        for port in ports.entries() {
            if port.is_mapping(check) {
                service.ports.extend(service_port(&port, check));
            }
        }
    }
    service
}

fn service_type(spec: &At<'_>, check: &mut Check) -> ServiceType {
    let Some(at) = spec.field("type") else { return ServiceType::ClusterIp };
    match at.text(check) {
        Some("" | "ClusterIP") | None => ServiceType::ClusterIp,
        Some("NodePort") => ServiceType::NodePort,
        Some("LoadBalancer") => ServiceType::LoadBalancer,
        Some("ExternalName") => ServiceType::ExternalName,
        Some(other) => {
            let types = "ClusterIP, NodePort, LoadBalancer or ExternalName";
            check.refuse(&at, format!("{} is not a Service type ({types})", shown(other)));
            ServiceType::ClusterIp
        }
    }
}

fn service_port(at: &At<'_>, check: &mut Check) -> Option<ServicePort> {
    let number = port(at, "port", check);
    let protocol = protocol(at, check)?;
    let target = match at.field("targetPort") {
        Some(target) => target_port(&target, number, check)?,
        None => TargetPort::Number(number?),
    };
    number?;
    Some(ServicePort { protocol, target })
}

fn target_port(at: &At<'_>, port: Option<PodPort>, check: &mut Check) -> Option<TargetPort> {
    if let Scalar::Integer(number) = at.scalar() {
        // the API server's default for 0, as for an absent one
        if number == 0 {
            return port.map(TargetPort::Number);
        }
        return PodPort::try_from(number)
            .map(TargetPort::Number)
            .map_err(|error| check.refuse(at, error.to_string()))
            .ok();
    }
    if !matches!(at.node.value, Value::Scalar { .. }) || at.scalar() != Scalar::String {
        let found = at.node.describe();
        check.refuse(at, format!("expected a port number or a port name, found {found}"));
        return None;
    }
    let name = at.text(check)?;
    if name.is_empty() {
        return port.map(TargetPort::Number);
    }
    if !is_port_name(name) {
        let hint = if name.bytes().all(|c| c.is_ascii_digit()) {
            ": take the number out of its quotes".to_owned()
        } else {
            String::new()
        };
        check.refuse(at, format!("{}{hint}", not_a_port_name(name)));
        return None;
    }
    Some(TargetPort::Name(name.into()))
}

fn families(spec: &At<'_>, check: &mut Check) -> ServiceFamilies {
    let listed = listed_families(spec, check);
    let cluster_ips = cluster_ips(spec, &listed, check);
    let dual = dual_stack_asked(spec, check);
    if !listed.is_empty() {
        return ServiceFamilies::Listed(listed);
    }
    match cluster_ips.as_slice() {
        [] if dual => ServiceFamilies::Dual,
        [one] if !dual => ServiceFamilies::Unstated(Some(IpFamily::of(one))),
        [] => ServiceFamilies::Unstated(None),
        [_] => ServiceFamilies::Dual,
        several => ServiceFamilies::Listed(several.iter().map(IpFamily::of).collect()),
    }
}

fn listed_families(spec: &At<'_>, check: &mut Check) -> Vec<IpFamily> {
    let mut families = Vec::new();
    let Some(list) = spec.list("ipFamilies", check) else { return families };
    for at in list.entries() {
        let family = match at.text(check) {
            Some("IPv4") => IpFamily::V4,
            Some("IPv6") => IpFamily::V6,
            Some(other) => {
                check.refuse(&at, format!("{} is not an IP family (IPv4 or IPv6)", shown(other)));
                continue;
            }
            None => continue,
        };
        if families.contains(&family) {
            check.refuse(&at, format!("{family} is there twice"));
            continue;
        }
        families.push(family);
    }
    families
}

fn dual_stack_asked(spec: &At<'_>, check: &mut Check) -> bool {
    let Some(at) = spec.field("ipFamilyPolicy") else { return false };
    match at.text(check) {
        Some("RequireDualStack" | "PreferDualStack") => true,
        Some("SingleStack" | "") | None => false,
        Some(other) => {
            let policies = "SingleStack, PreferDualStack or RequireDualStack";
            check.refuse(&at, format!("{} is not a policy ({policies})", shown(other)));
            false
        }
    }
}

/// `clusterIPs`, else `clusterIP`; each must be of the family listed at its place.
fn cluster_ips(spec: &At<'_>, listed: &[IpFamily], check: &mut Check) -> Vec<IpAddr> {
    let mut found = Vec::new();
    let single = spec.field("clusterIP");
    let first = single.as_ref().and_then(|at| cluster_ip(at, listed.first(), check));
    if let Some(list) = spec.list("clusterIPs", check) {
        for (index, at) in list.entries().enumerate() {
            found.extend(cluster_ip(&at, listed.get(index), check));
        }
    }
    match (found.first(), first, single) {
        (None, Some(ip), _) => vec![ip],
        (Some(listed), Some(ip), Some(at)) if *listed != ip => {
            check.refuse(&at, format!("{ip} is not the first of clusterIPs, which is {listed}"));
            found
        }
        _ => found,
    }
}

fn cluster_ip(at: &At<'_>, family: Option<&IpFamily>, check: &mut Check) -> Option<IpAddr> {
    let text = at.text(check)?;
    if matches!(text, "" | "None") {
        return None;
    }
    let Ok(ip) = text.parse::<IpAddr>() else {
        check.refuse(at, format!("{} is not an IP address (nor None)", shown(text)));
        return None;
    };
    if let Some(family) = family.filter(|family| **family != IpFamily::of(&ip)) {
        let what = "at this place of ipFamilies";
        check.refuse(at, format!("{ip} is not {family}, which is {what}"));
        return None;
    }
    Some(ip)
}
