//! What a real API server says to the manifests, when `NETKEEP_TEST_KUBECONFIG` names one: it takes
//! every object with no field unknown, and the Pods that come of them.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::objects::one;
use crate::tools::{kustomize, render};

/// Nothing is kept, and an unknown field is an error.
const TRIED: &str = "dryRun=All&fieldValidation=Strict";

/// A namespace of the test's own, which is removed on drop.
struct Place {
    kubeconfig: PathBuf,
    name: String,
}

impl Place {
    /// With the labels of the namespace that is deployed, and its account.
    fn new(kubeconfig: PathBuf, namespace: &Value) -> Self {
        let name = format!("netkeep-deploy-{}", std::process::id());
        let place = Self { kubeconfig, name };
        let labels = &namespace["metadata"]["labels"];
        let namespace = json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": { "name": place.name, "labels": labels },
        });
        place.post("/api/v1/namespaces", &namespace).unwrap();
        let account = json!({
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "netkeep" },
        });
        place.post(&place.of("/api/v1", "serviceaccounts"), &account).unwrap();
        place
    }

    fn of(&self, version: &str, plural: &str) -> String {
        format!("{version}/namespaces/{}/{plural}", self.name)
    }

    fn kubectl(&self) -> Command {
        let mut command = Command::new("kubectl");
        command.arg("--kubeconfig").arg(&self.kubeconfig);
        command
    }

    fn post(&self, path: &str, object: &Value) -> Result<(), String> {
        let mut command = self.kubectl();
        command.args(["create", "--raw", path, "-f", "-"]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(object.to_string().as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        if output.status.success() {
            return Ok(());
        }
        Err(format!("{path}: {}\n{object:#}", String::from_utf8_lossy(&output.stderr)))
    }

    /// Has an object tried in this namespace, or under its name; and the Pod that comes of it.
    fn takes(&self, what: &str, mut object: Value) {
        let kind = object["kind"].as_str().unwrap().to_owned();
        let version = object["apiVersion"].as_str().unwrap().to_owned();
        let root = if version == "v1" { "/api/v1".into() } else { format!("/apis/{version}") };
        let plural = kind.to_lowercase() + "s";
        let path = match &*kind {
            "Namespace" | "ClusterRole" | "ClusterRoleBinding" => {
                object["metadata"]["name"] = format!("{}-{kind}", self.name).to_lowercase().into();
                format!("{root}/{plural}")
            }
            _ => {
                object["metadata"]["namespace"] = self.name.as_str().into();
                object["metadata"]["name"] = "tried".into();
                self.of(&root, &plural)
            }
        };
        let tried = self.post(&format!("{path}?{TRIED}"), &object);
        tried.unwrap_or_else(|refusal| panic!("{what}: {refusal}"));
        if kind == "DaemonSet" {
            let mut pod = object["spec"]["template"].clone();
            pod["apiVersion"] = "v1".into();
            pod["kind"] = "Pod".into();
            pod["metadata"]["name"] = "tried".into();
            pod["spec"]["serviceAccountName"] = "netkeep".into();
            let tried = self.post(&format!("{}?{TRIED}", self.of("/api/v1", "pods")), &pod);
            tried.unwrap_or_else(|refusal| panic!("{what}: {refusal}"));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut command = self.kubectl();
        command.args(["delete", "namespace", &self.name, "--wait=false"]);
        if !command.stdout(Stdio::null()).status().is_ok_and(|status| status.success()) {
            eprintln!("not removed: namespace {}", self.name);
        }
    }
}

#[test]
fn a_real_api_server_takes_every_object_and_the_pods_that_come_of_them() {
    let Some(kubeconfig) = std::env::var_os("NETKEEP_TEST_KUBECONFIG") else { return };
    let base = kustomize("base");
    let place = Place::new(kubeconfig.into(), one(&base, "Namespace"));
    let chart = render("netkeep", "netkeep", "namespace: {create: true}").unwrap().objects;
    for (what, objects) in [("base", base), ("uninstall", kustomize("uninstall")), ("chart", chart)]
    {
        for object in objects {
            place.takes(what, object);
        }
    }
}
