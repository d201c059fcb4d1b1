//! Sweeps against the real kernel and the real iptables, each test in a network namespace of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // clippy sees only the #[test] functions as tests
#![allow(
    clippy::format_push_string,
    clippy::format_collect,
    reason = "rule sets read best as text"
)]

mod backup;
mod killed;
mod native;
mod others;
mod restores;
mod rules;
mod selections;
mod size;
mod support;
