//! The crate against the real kernel and the real iptables, each test in a network namespace of its
//! own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // clippy sees only the #[test] functions as tests

mod corpus;
mod exchange;
mod generated;
mod legacy;
mod nft;
mod suites;
mod support;
