//! What a stage's program has published: into files, or onto the objects themselves.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::Value;

use super::Stage;
use crate::api::Api;
use crate::eventually;
use crate::poll::DEADLINE;

impl Stage {
    /// The annotation that is published of a Pod, which must be there and be a list.
    pub fn published(&self, pod: &str) -> Option<Vec<Value>> {
        if let Some(cluster) = &self.cluster {
            return serde_json::from_str(&cluster.published(pod)?).ok();
        }
        let file = self.state_dir().join(format!("published/pods/{pod}.yaml"));
        let text = fs::read_to_string(file).ok()?;
        let mut lines = text.lines().map(str::trim);
        let line = lines.find_map(|line| line.strip_prefix("nodeportlocal.antrea.io:"))?.trim();
        let annotation = match line.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
            Some(quoted) => quoted.replace("''", "'"),
            // A double-quoted YAML text of printable characters is a JSON string.
            None => serde_json::from_str(line).ok()?,
        };
        serde_json::from_str(&annotation).ok()
    }

    /// Every Pod of which something is published, with what changes whenever it is written, even if
    /// it is written as it was: the identity and times of its file, or how often it was patched.
    pub fn publications(&self) -> BTreeMap<String, String> {
        match &self.cluster {
            Some(cluster) => patched(cluster.api()),
            None => files(&self.state_dir().join("published/pods")),
        }
    }

    /// Waits until something is published of exactly so many Pods.
    #[track_caller]
    pub fn publishes(&self, count: usize) -> BTreeMap<String, String> {
        eventually(DEADLINE, || match self.publications() {
            all if all.len() == count => Ok(all),
            all => Err(format!("{all:?}")),
        })
    }
}

fn patched(api: &Api) -> BTreeMap<String, String> {
    // A patch that is seen on its Pod has been written down before.
    let pods = api.all("pods");
    let writes = api.writes();
    let pods = pods.into_iter().filter_map(|pod| {
        let annotation = pod["metadata"]["annotations"]["nodeportlocal.antrea.io"].as_str()?;
        let (namespace, name) =
            (pod["metadata"]["namespace"].as_str()?, pod["metadata"]["name"].as_str()?);
        let path = format!("/api/v1/namespaces/{namespace}/pods/{name}/status");
        let times = writes.iter().filter(|write| write.path == path).count();
        Some((format!("{namespace}/{name}"), format!("patched {times} times: {annotation}")))
    });
    pods.collect()
}

fn files(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for namespace in fs::read_dir(root).into_iter().flatten().flatten() {
        for file in fs::read_dir(namespace.path()).into_iter().flatten().flatten() {
            let (path, namespace) = (file.path(), namespace.file_name());
            if path.extension().is_some_and(|extension| extension == "yaml") {
                let pod = path.file_stem().unwrap_or_default();
                let pod = format!("{}/{}", namespace.display(), pod.display());
                let meta = fs::metadata(&path).unwrap();
                let identity = (meta.ino(), meta.mtime(), meta.mtime_nsec());
                found.insert(pod, format!("{identity:?}"));
            }
        }
    }
    found
}
