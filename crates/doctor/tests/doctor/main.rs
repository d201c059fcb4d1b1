//! The doctor over recorded and made dumps.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod bundles;
mod cases;
mod diff;
mod dumps;
mod effective;
mod incidents;
mod laws;
mod pages;
mod redacted;
mod scale;
mod schema;
mod truncated;
