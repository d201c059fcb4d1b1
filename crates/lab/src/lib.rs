//! A small world of network namespaces, for `netkeep demo` and for tests.
//!
//! Owns: a node, an outside client and Pods with links and routes between them (`Lab`, `Pod`),
//! servers that say who answered and whom they saw (`Server`), questions to them (`Question`) and
//! continuous, counted traffic (`traffic`).
//!
//! Invariants: nothing leaves the lab's namespaces; it works for root and inside a user namespace
//! (`netns::userns`) alike, without any external program; everything is gone once the values are
//! dropped, after a panic too, since the kernel removes namespaces that nobody holds.
//!
//! Deliberately not here: any NAT. The lab routes plainly; what redirects is what it is there to
//! show or test.

#![forbid(unsafe_code)]

mod ask;
mod command;
mod error;
mod netlink;
mod sctp;
mod server;
mod sysctl;
mod talk;
pub mod traffic;
mod world;

pub use ask::{Answer, AskError, Question, sctp_ask, tcp_ask, udp_ask};
pub use command::{CommandError, run};
pub use error::LabError;
pub use server::Server;
pub use traffic::{Counters, SourcePort, Traffic};
pub use world::{CLIENT_V4, CLIENT_V6, Lab, NODE_V4, NODE_V6, Pod};
