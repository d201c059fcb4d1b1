//! The folder that the agent watches: a Node, a Service that asks for NodePortLocal, and Pods.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::mapping::Mapping;

/// The node's name.
pub(crate) const NODE: &str = "n1";
/// Pods in one file of the initial load.
const PODS_PER_FILE: usize = 500;

/// A temporary folder: manifests, state, socket and log of one agent.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    /// A folder with the Node and the Service.
    pub(crate) fn new() -> Result<Self> {
        let folder = Self(tempfile::tempdir().context("a temporary directory")?);
        for directory in ["manifests", "staged", "state"] {
            fs::create_dir(folder.path().join(directory)).context("creating the folder")?;
        }
        folder.put("cluster.json", &list(&[node(), service()]))?;
        Ok(folder)
    }

    /// All of it.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// What the agent watches.
    pub(crate) fn manifests(&self) -> PathBuf {
        self.path().join("manifests")
    }

    /// Many Pods, in files of 500.
    pub(crate) fn write_all(&self, mappings: &[Mapping]) -> Result<()> {
        for (number, chunk) in mappings.chunks(PODS_PER_FILE).enumerate() {
            let pods: Vec<Value> = chunk.iter().map(pod).collect();
            self.put(&format!("pods-{number}.json"), &list(&pods))?;
        }
        Ok(())
    }

    /// Writes one Pod beside the watched folder, so that [`Self::release`] is one rename.
    pub(crate) fn stage(&self, mapping: &Mapping) -> Result<()> {
        let path = self.path().join("staged").join(file(mapping));
        fs::write(path, pod(mapping).to_string()).context("writing a manifest")
    }

    /// Renames a staged Pod into the watched folder.
    pub(crate) fn release(&self, mapping: &Mapping) -> Result<()> {
        let name = file(mapping);
        fs::rename(self.path().join("staged").join(&name), self.manifests().join(name))
            .context("renaming a manifest")
    }

    /// Removes a released Pod.
    pub(crate) fn remove(&self, mapping: &Mapping) -> Result<()> {
        fs::remove_file(self.manifests().join(file(mapping))).context("removing a manifest")
    }

    fn put(&self, name: &str, value: &Value) -> Result<()> {
        let staged = self.path().join("staged").join(name);
        fs::write(&staged, value.to_string()).context("writing a manifest")?;
        fs::rename(&staged, self.manifests().join(name)).context("renaming a manifest")
    }
}

fn file(mapping: &Mapping) -> String {
    format!("pod-{}.json", mapping.port)
}

fn list(items: &[Value]) -> Value {
    json!({ "apiVersion": "v1", "kind": "List", "items": items })
}

fn node() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": { "name": NODE, "uid": "0a1b2c3d-1111-4000-8000-000000000001" },
        "status": { "addresses": [{ "type": "InternalIP", "address": lab::NODE_V4.to_string() }] },
    })
}

fn service() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "web",
            "namespace": "default",
            "uid": "0a1b2c3d-2222-4000-8000-000000000001",
            "annotations": { "nodeportlocal.antrea.io/enabled": "true" },
        },
        "spec": {
            "type": "ClusterIP",
            "ipFamilies": ["IPv4"],
            "selector": { "app": "web" },
            "ports": [{ "port": 80, "targetPort": 8080, "protocol": "TCP" }],
        },
    })
}

fn pod(mapping: &Mapping) -> Value {
    let ip = mapping.ip.to_string();
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": mapping.owner.name(),
            "namespace": mapping.owner.namespace(),
            "uid": &*mapping.owner.uid.text(),
            "labels": { "app": "web" },
        },
        "spec": {
            "nodeName": NODE,
            "containers": [{
                "name": "web",
                "image": "web",
                "ports": [{ "containerPort": mapping.pod_port, "protocol": "TCP" }],
            }],
        },
        "status": {
            "phase": "Running",
            "podIP": ip,
            "podIPs": [{ "ip": ip }],
            "hostIP": lab::NODE_V4.to_string(),
            "startTime": "2026-01-01T00:00:00Z",
        },
    })
}
