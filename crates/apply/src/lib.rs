//! The interpreter of plans, and the memory of what was promised.
//!
//! Owns: turning a [`model::Plan`] into transactions ([`perform`]): chunks that hold the kernel's
//! commit lock briefly, isolation of refused changes, the unknown outcome; and the [`journal`].
//!
//! Invariants: a refused change never takes another owner's change down with it; what is reported
//! as verified was read back; an unknown outcome is reported as unknown.
//!
//! Deliberately not here: what to change (`plan`), how the kernel is spoken to (`drivers`), when
//! to try again (`agent`).

#![forbid(unsafe_code)]

pub mod journal;
mod perform;

pub use perform::{Progress, Refusal, Report, TRANSACTION_CHANGES_MAX, perform};
