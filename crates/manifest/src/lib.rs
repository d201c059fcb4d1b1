//! Kubernetes manifests as objects, with the place of every problem.

#![forbid(unsafe_code)]
