//! What `deploy/` and `docs/operating/` say is true: manifests render, the chart means what the
//! kustomize base means, the alerts fire, and every metric and setting they name exists.
//!
//! The image has its own test: `cargo xtask image`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod access;
mod chart;
mod copies;
mod kustomize;
mod metrics;
mod objects;
mod rules;
mod server;
mod settings;
mod tools;
