//! Takes leftover rules of iptables out of one backend, and puts them back.
//!
//! ```text
//! read ─> select (pure) ─> guard ─> backup (fsync) ─> one atomic change a table ─> read back
//!   ^                                                          │ somebody else changed it
//!   └──────────────────────────────────────────────────────────┘
//! ```
//!
//! # What is where
//! * [`What`] is asked for, [`select()`] says which rules and chains of a rule set that is.
//! * [`guard`] looks for programs that would write them again.
//! * [`sweep()`] does it in either backend; [`Backup`] is what it writes first; [`restore()`] puts
//!   back what is not there.
//!
//! # Invariants
//! * Nothing is changed before everything needed to undo it is on disk.
//! * A table is changed as a whole or not at all, and only if it still is what was decided on.
//! * What was changed is read back; anything but the expected is an error that names the backup.

#![forbid(unsafe_code)]

mod anonymous;
mod backup;
mod error;
mod glob;
mod guard;
mod image;
mod legacy;
mod lockout;
mod nft;
mod place;
mod raw;
mod restore;
mod select;
mod sweep;
mod verify;
mod what;

pub use xt::{Backend, Family, legacy::LOCK_PATH};

pub use self::{
    anonymous::{Datum, ElementRecord, SetRecord},
    backup::{Backup, BackupError, ChainRecord, Origin, Removed, RuleRecord, TableRecord},
    error::SweepError,
    glob::Pattern,
    guard::{Program, Refusal, guard, programs},
    lockout::Lockout,
    raw::Raw,
    restore::{Impossible, Restored, ReturnOptions, Returned, restore, what_is_missing},
    select::{Kept, NotToReturn, Picked, PickedChain, Referrer, Selection, select},
    sweep::{Force, Options, Step, Swept, look, sweep},
    what::{UnknownSystem, What, system, systems},
};
