//! The API server of the tests, held to what the real one does.
//!
//! Tests that go through [`support::contract`] say what every API server does: they run against the
//! one in testkit and, when `NETKEEP_TEST_KUBECONFIG` names a kubeconfig, against that server as
//! well, in a namespace of their own that is removed afterwards. The others are about what only ours
//! can do: faults, forgetting the past, tokens, rules.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]
#![allow(clippy::needless_pass_by_value, reason = "`json!` and closures are written in place")]

mod access;
mod applies;
mod custom;
mod deletes;
mod events;
mod faults;
mod lists;
mod patches;
mod served;
mod status;
mod support;
mod watches;
mod writes;
