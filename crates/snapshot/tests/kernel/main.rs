//! Looking at real namespaces that the Debian tools have filled, and comparing with what those
//! tools print. Each test is in namespaces of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

mod agree;
mod links;
mod looks;
mod nft;
mod support;
