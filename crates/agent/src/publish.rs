//! Publishing to files: what would be patched into the API, under `STATE_DIR/published`.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use model::Uid;
use thiserror::Error;

/// A Pod whose annotation is published.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PodRef {
    /// Its namespace.
    pub namespace: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// Its UID.
    pub uid: Uid,
}

/// What is to be said about a Pod's annotation `nodeportlocal.antrea.io`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Patch {
    /// It has this value.
    Value(String),
    /// It is to be removed: the object itself still carries one.
    Null,
    /// Nothing is to be said: there is no file.
    Nothing,
}

/// What a published file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The Pod.
    pub pod: PodRef,
    /// The annotation's value; `None` if the file asks for its removal.
    pub annotation: Option<String>,
}

/// Everything found at the start.
#[derive(Debug, Default)]
pub struct ReadBack {
    /// What the readable files say, in order of namespace and name.
    pub published: Vec<Published>,
    /// Files that could not be read or understood; they will be written anew when wanted.
    pub problems: Vec<PublishError>,
}

/// Whether a call to publish touched the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrote {
    /// It did.
    Changed,
    /// What is there is what is wanted.
    AlreadyThere,
}

/// A published file could not be read or written.
#[derive(Debug, Error)]
#[error("cannot {action} {}", path.display())]
pub struct PublishError {
    /// What was tried: `read`, `write`, `remove` …
    pub action: &'static str,
    /// The file or directory.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: std::io::Error,
}

/// A published file that is no longer as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tampered {
    /// The file of one Pod; publish it again.
    Pod {
        /// Its namespace.
        namespace: Box<str>,
        /// Its name.
        name: Box<str>,
    },
    /// Unknown which; publish everything again.
    Everything,
}

/// Writes published files. One writer at a time for one state directory.
#[derive(Debug)]
pub struct Publisher {}

impl Publisher {
    /// The publisher of `STATE_DIR/published`; touches nothing yet.
    pub fn new(state_dir: &Path) -> Self {
        let _ = state_dir;
        Self {}
    }

    /// What was published before we started.
    pub fn read_all(&mut self) -> ReadBack {
        ReadBack::default()
    }

    /// Makes the Pod's file say `patch`; compares first and writes only a difference.
    pub fn publish(&mut self, pod: &PodRef, patch: &Patch) -> Result<Wrote, PublishError> {
        let _ = (pod, patch);
        Ok(Wrote::AlreadyThere)
    }

    /// Removes the file of whatever Pod has this name (the Pod is gone).
    pub fn remove(&mut self, namespace: &str, name: &str) -> Result<Wrote, PublishError> {
        let _ = (namespace, name);
        Ok(Wrote::AlreadyThere)
    }

    /// Removes every file that is not of one of these Pods (namespace, name), and what a killed
    /// writer left.
    pub fn sweep(&mut self, wanted: &BTreeSet<(Box<str>, Box<str>)>) -> Vec<PublishError> {
        let _ = wanted;
        Vec::new()
    }

    /// A watch over the published files, to be run on a thread of its own.
    pub fn watch(&self) -> Result<PublishWatch, PublishError> {
        Ok(PublishWatch {})
    }
}

/// Notices when somebody else alters or removes published files.
#[derive(Debug)]
pub struct PublishWatch {}

impl PublishWatch {
    /// Tells of every difference that we did not write; blocks until told to break or stopped.
    pub fn run(self, deliver: impl FnMut(Tampered) -> ControlFlow<()>) -> Result<(), PublishError> {
        let _ = deliver;
        Ok(())
    }
}
