//! Services.

use model::{IpFamily, Protocol};
use serde_json::{Value, json};

use super::{metadata_methods, object, push};

/// `spec.ports[].targetPort`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// A number.
    Number(u16),
    /// The name of a container port.
    Name(&'a str),
}

/// Builds a Service: ClusterIP, single-stack IPv4, without ports and selector until told otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Service(pub(super) Value);

metadata_methods!(Service);

impl Service {
    /// A Service named `NAMESPACE/NAME`.
    pub fn new(name: &str) -> Self {
        let mut service = object("Service", name);
        service["spec"] = json!({
            "internalTrafficPolicy": "Cluster",
            "sessionAffinity": "None",
            "type": "ClusterIP",
        });
        service["status"] = json!({ "loadBalancer": {} });
        Self(service).families(&[IpFamily::V4])
    }

    /// Asks for NodePortLocal.
    #[must_use]
    pub fn npl(self) -> Self {
        self.annotation("nodeportlocal.antrea.io/enabled", "true")
    }

    /// `spec.type`; an ExternalName has neither addresses nor families.
    #[must_use]
    pub fn service_type(mut self, service_type: &str) -> Self {
        self.0["spec"]["type"] = service_type.into();
        if let ("ExternalName", Value::Object(spec)) = (service_type, &mut self.0["spec"]) {
            spec.retain(|field, _| {
                !field.starts_with("ipFamil") && !field.starts_with("clusterIP")
            });
        }
        self
    }

    /// A label that selected Pods have.
    #[must_use]
    pub fn selector(mut self, key: &str, value: &str) -> Self {
        self.0["spec"]["selector"][key] = value.into();
        self
    }

    /// A port.
    #[must_use]
    pub fn port(mut self, protocol: Protocol, number: u16, target: Target<'_>) -> Self {
        let target = match target {
            Target::Number(number) => Value::from(number),
            Target::Name(name) => Value::from(name),
        };
        let protocol = protocol.as_str();
        let port = json!({
            "name": format!("{protocol}-{number}"),
            "port": number,
            "protocol": protocol.to_uppercase(),
            "targetPort": target,
        });
        push(&mut self.0["spec"]["ports"], port);
        self
    }

    /// `spec.ipFamilies`, with the policy and the cluster IPs that go with them.
    #[must_use]
    pub fn families(mut self, families: &[IpFamily]) -> Self {
        let names: Vec<&str> = families.iter().map(|family| family.as_str()).collect();
        let ips: Vec<&str> = families
            .iter()
            .map(|family| match family {
                IpFamily::V4 => "10.96.0.10",
                IpFamily::V6 => "fd00:96::a",
            })
            .collect();
        let spec = &mut self.0["spec"];
        spec["clusterIP"] = ips.first().copied().into();
        spec["clusterIPs"] = ips.into();
        spec["ipFamilyPolicy"] =
            if names.len() > 1 { "RequireDualStack" } else { "SingleStack" }.into();
        spec["ipFamilies"] = names.into();
        self
    }
}
