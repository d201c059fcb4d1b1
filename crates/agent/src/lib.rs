//! The agent: sources, loop, gates, publish, health, metrics, local socket.

#![forbid(unsafe_code)]

pub mod publish;
pub mod source;
