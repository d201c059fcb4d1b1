//! Pods.

use std::net::IpAddr;
use std::path::Path;

use model::Protocol;
use model::object::Phase;
use serde_json::{Value, json};

use super::{CREATED, metadata_methods, object, push, timestamp};

/// Builds a Pod: one container, phase Running, on no node and without an IP until told otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Pod(pub(super) Value);

metadata_methods!(Pod);

impl Pod {
    /// A Pod named `NAMESPACE/NAME`.
    pub fn new(name: &str) -> Self {
        let mut pod = object("Pod", name);
        pod["spec"] = json!({
            "containers": [{
                "image": "registry.example/app:1.0",
                "imagePullPolicy": "IfNotPresent",
                "name": "app",
                "resources": {},
            }],
            "dnsPolicy": "ClusterFirst",
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
        });
        pod["status"] = json!({
            "conditions": [{ "lastProbeTime": null, "status": "True", "type": "Ready" }],
            "phase": "Running",
            "qosClass": "BestEffort",
        });
        Self(pod).started(CREATED)
    }

    /// The Pod of a lab: its addresses and the path of its namespace.
    pub fn of_lab(name: &str, pod: &lab::Pod) -> Self {
        Self::new(name).ips(&pod.ips()).netns(&pod.namespace().path())
    }

    /// `spec.nodeName`.
    #[must_use]
    pub fn node(mut self, node: &str) -> Self {
        self.0["spec"]["nodeName"] = node.into();
        self
    }

    /// `spec.hostNetwork: true`.
    #[must_use]
    pub fn host_network(mut self) -> Self {
        self.0["spec"]["hostNetwork"] = true.into();
        self
    }

    /// `status.phase`; only a running Pod is ready.
    #[must_use]
    pub fn phase(mut self, phase: Phase) -> Self {
        let status = &mut self.0["status"];
        status["phase"] = match phase {
            Phase::Pending => "Pending",
            Phase::Running => "Running",
            Phase::Succeeded => "Succeeded",
            Phase::Failed => "Failed",
            Phase::Unknown => "Unknown",
        }
        .into();
        status["conditions"][0]["status"] =
            if phase == Phase::Running { "True" } else { "False" }.into();
        self
    }

    /// `status.startTime`, in seconds since 1970.
    #[must_use]
    pub fn started(mut self, seconds: i64) -> Self {
        self.0["status"]["startTime"] = timestamp(seconds).into();
        self.0["status"]["conditions"][0]["lastTransitionTime"] = timestamp(seconds).into();
        self
    }

    /// `status.podIPs` and `podIP`; none removes them.
    #[must_use]
    pub fn ips(mut self, ips: &[IpAddr]) -> Self {
        set_ips(&mut self.0["status"], "podIP", ips);
        self
    }

    /// `status.hostIPs` and `hostIP`; none removes them.
    #[must_use]
    pub fn host_ips(mut self, ips: &[IpAddr]) -> Self {
        set_ips(&mut self.0["status"], "hostIP", ips);
        self
    }

    /// A container port.
    #[must_use]
    pub fn port(mut self, name: Option<&str>, protocol: Protocol, number: u16) -> Self {
        let mut port = container_port(protocol, number);
        if let Some(name) = name {
            port["name"] = name.into();
        }
        push(&mut self.0["spec"]["containers"][0]["ports"], port);
        self
    }

    /// A container port that the container runtime maps to a node port.
    #[must_use]
    pub fn host_port(mut self, protocol: Protocol, number: u16, host_port: u16) -> Self {
        let mut port = container_port(protocol, number);
        port["hostPort"] = host_port.into();
        push(&mut self.0["spec"]["containers"][0]["ports"], port);
        self
    }

    /// The annotation that says where the Pod's network namespace is.
    #[must_use]
    pub fn netns(self, path: &Path) -> Self {
        self.annotation("netkeep.dev/netns", path.to_str().unwrap())
    }

    /// `metadata.deletionTimestamp`, in seconds since 1970: the Pod is being deleted.
    #[must_use]
    pub fn deleting(mut self, seconds: i64) -> Self {
        self.0["metadata"]["deletionGracePeriodSeconds"] = 30.into();
        self.0["metadata"]["deletionTimestamp"] = timestamp(seconds).into();
        self
    }
}

fn container_port(protocol: Protocol, number: u16) -> Value {
    json!({ "containerPort": number, "protocol": protocol.as_str().to_uppercase() })
}

fn set_ips(status: &mut Value, key: &str, ips: &[IpAddr]) {
    let Value::Object(status) = status else { return };
    let list: Vec<Value> = ips.iter().map(|ip| json!({ "ip": ip.to_string() })).collect();
    let Some(first) = ips.first() else {
        status.remove(key);
        status.remove(&format!("{key}s"));
        return;
    };
    status.insert(key.to_owned(), first.to_string().into());
    status.insert(format!("{key}s"), list.into());
}
