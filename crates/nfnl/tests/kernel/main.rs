//! The crate against the real kernel, each test in a network namespace of its own, with `nft` as the second opinion.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // clippy sees only the #[test] functions as tests

mod allocations;
mod batches;
mod conntrack;
mod events;
mod listing;
mod owner;
mod reads;
mod rootless;
mod support;
