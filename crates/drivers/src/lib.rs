//! Drivers: where plans meet the kernel.
//!
//! Owns: the one effect trait, [`Driver`], and its implementations: the nftables table
//! ([`nft`]) and the removal of stale connection tracking entries ([`flows`]).
//!
//! Invariants: a driver decides nothing. It performs the transaction it is given, whole or not at
//! all, and reports what it read back. Foreign objects are never written.
//!
//! Deliberately not here: chunking, retries, isolation of rejected changes (crate `apply`).

#![forbid(unsafe_code)]

pub mod driver;
pub mod flows;
pub mod nft;

pub use driver::{
    CommitError, Driver, DriverError, Observed, Part, ReadBack, Structure, Transaction,
};
pub use nft::NftDriver;
