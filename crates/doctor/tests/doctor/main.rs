//! The doctor over recorded and made dumps.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod bundles;
mod cases;
mod diff;
mod dumps;
mod effective;
mod laws;
mod pages;
mod scale;
mod schema;
