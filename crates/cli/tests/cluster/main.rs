//! The agent on a cluster whose API server does everything that API servers do: it is away, silent,
//! slow, cut off, out of date, refuses, and tells of objects that nobody could have made.
//!
//! Real agent, real kernel, real traffic; the API server is the one in `testkit`. The table of all
//! failures with their tests is in `docs/design/kube-source.md`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod access;
mod away;
mod commands;
mod input;
mod lists;
mod order;
mod patches;
mod published;
mod refusals;
mod scene;
mod stale;
mod table;
mod words;
