//! Why the lab could not be built or changed.

use std::io;

use netns::NamespaceError;
use thiserror::Error;

/// Why the lab could not be built or changed.
#[derive(Debug, Error)]
pub enum LabError {
    /// A namespace could not be made or entered.
    #[error("the lab needs network namespaces")]
    Namespace(#[from] NamespaceError),
    /// The kernel refused a link, an address, a route or a neighbour.
    #[error("cannot {step} in the lab")]
    Link {
        /// What was to be done.
        step: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A setting under `/proc/sys` could not be written.
    #[error("cannot write {path} in the lab")]
    Setting {
        /// The file.
        path: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A server or a client could not be started.
    #[error("cannot start {what}")]
    Start {
        /// Which one.
        what: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Two Pods cannot have one name at one time.
    #[error("there is a pod {0:?} in the lab already")]
    NameTaken(String),
    /// No such Pod.
    #[error("there is no pod {0:?} in the lab")]
    NoPod(String),
}
