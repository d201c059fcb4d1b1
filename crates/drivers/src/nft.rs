//! Our table in the kernel, on one persistent netlink socket.
//!
//! Owns: the schema, reading the table back, committing transactions to it, and listening to what
//! others do to it.
//!
//! Invariants:
//! - nothing but the table `inet netkeep` is ever written;
//! - each transaction is compared with the generation it was planned on; where the owner flag
//!   keeps others out, a newer generation means another table and the commit is sent again, else
//!   it is [`CommitError::Stale`];
//! - what [`Driver::read_back`] answers comes from the kernel, never from what was sent.

mod codec;
mod commit;
mod compare;
pub mod events;
mod observe;
mod owners;
pub mod schema;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use model::Key;
use nfnl::{Socket, TableFlags, TableId};

use crate::driver::{CommitError, Driver, DriverError, Observed, ReadBack, Structure, Transaction};

/// Fewer elements than this are read back one by one in any case.
const DUMP_MIN: usize = 256;

/// Whether the table is taken with the kernel's owner flag, which refuses other writers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableOwnership {
    /// With the flags `owner` and `persist`, where the kernel has them (Linux 6.9 and newer).
    Exclusive,
    /// Without: others may write; what they change is repaired.
    Shared,
}

/// How the driver is to keep the table.
#[derive(Debug, Clone, Copy)]
pub struct NftOptions {
    /// Whether others may write to it.
    pub ownership: TableOwnership,
    /// The least size of the mapping maps.
    pub map_size: u32,
}

/// What we know of the table's owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    /// Nobody's: unowned, or not there.
    Nobodys,
    /// Ours, by this socket.
    Ours,
    /// Another process'.
    Anothers(u32),
}

/// Whether the kernel lets the table be mended as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Mending {
    /// As far as we know.
    Possible,
    /// It was refused as something was not as we knew it: perhaps we had not looked since.
    Doubtful,
    /// It was refused, and the kernel said why.
    Refused(String),
}

/// The driver of the table `inet netkeep`.
#[derive(Debug)]
pub struct NftDriver {
    socket: Socket,
    options: NftOptions,
    /// Whether the kernel has the flags `owner` and `persist`, as far as we know.
    protects: bool,
    hold: Hold,
    /// The generation that everything we know belongs to.
    generation: u32,
    /// Which chains and sets to remove when the structure is built, from the last observation.
    leftovers: observe::Leftovers,
    mending: Mending,
    batch: commit::Buffers,
    /// How many elements our maps hold, as far as we know.
    population: usize,
    /// How many commits of ours the kernel took: each moved its generation by one.
    commits: u32,
    /// The last generation whose commit was told by [`events::Watch`]; 0 before it listens.
    told: Arc<AtomicU32>,
}

impl NftDriver {
    /// Opens the socket in the calling thread's network namespace and checks that it may be used.
    pub fn open(options: NftOptions) -> Result<Self, DriverError> {
        let mut socket = Socket::open().map_err(observe::failed("opening a netlink socket"))?;
        let generation =
            socket.generation().map_err(observe::failed("reading the ruleset's generation"))?.id;
        Ok(Self {
            socket,
            options,
            protects: options.ownership == TableOwnership::Exclusive && kernel_protects(),
            hold: Hold::Nobodys,
            generation,
            leftovers: observe::Leftovers::default(),
            mending: Mending::Possible,
            batch: commit::Buffers::default(),
            population: 0,
            commits: 0,
            told: Arc::default(),
        })
    }

    /// The generation that everything we know belongs to.
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// How many commits of ours the kernel took, claims of the table included.
    pub const fn commits(&self) -> u32 {
        self.commits
    }

    /// The netlink port of the socket that writes: events carry it.
    pub const fn port_id(&self) -> u32 {
        self.socket.port_id()
    }

    /// Whether the ruleset moved on without our knowing why. Where the owner flag keeps others
    /// out of our table, it is another table's business, and is taken note of.
    pub fn drifted(&mut self) -> Result<bool, DriverError> {
        let now = self
            .socket
            .generation()
            .map_err(observe::failed("reading the ruleset's generation"))?
            .id;
        if now == self.generation {
            return Ok(false);
        }
        if self.hold == Hold::Ours || now == self.told.load(Ordering::Acquire) {
            self.generation = now;
            return Ok(false);
        }
        Ok(true)
    }

    /// Takes note of other tables' commits that events have told of: a commit planned now is
    /// planned on them.
    fn account(&mut self) {
        let told = self.told.load(Ordering::Acquire);
        if told != 0 {
            self.planned_on(told);
        }
    }

    /// Whoever plans knows what the commit that made this generation did to our table, and those before
    /// it. The watch tells of a commit before it counts as told: who is quick plans in between, and
    /// would be refused for a change that is in the plan.
    pub fn planned_on(&mut self, generation: u32) {
        // Generations only grow, and wrap; our own may be ahead of the events.
        if generation.wrapping_sub(self.generation) < u32::MAX / 2 {
            self.generation = generation;
        }
    }

    fn told(&self) -> Arc<AtomicU32> {
        Arc::clone(&self.told)
    }

    /// Whether another process' owner flag keeps us out of the table now: one small read.
    pub fn is_kept_out(&mut self) -> Result<bool, DriverError> {
        let id = TableId::new(schema::FAMILY, schema::TABLE);
        let table = self.socket.table(&id).map_err(observe::failed("looking for the table"))?;
        let kept = table.filter(|table| table.flags.contains(TableFlags::OWNER));
        let owner = kept.and_then(|table| table.owner);
        Ok(owner.is_some_and(|port| port != self.socket.port_id()))
    }

    /// Whether the table exists.
    pub fn table_exists(&mut self) -> Result<bool, DriverError> {
        let id = TableId::new(schema::FAMILY, schema::TABLE);
        let table = self.socket.table(&id).map_err(observe::failed("looking for the table"))?;
        Ok(table.is_some())
    }
}

impl Driver for NftDriver {
    fn observe(&mut self) -> Result<Observed, DriverError> {
        self.look()
    }

    fn apply(&mut self, transaction: Transaction<'_>) -> Result<(), CommitError> {
        self.commit(transaction)
    }

    fn structure(&mut self) -> Result<Structure, DriverError> {
        self.look_at_structure()
    }

    fn read_back(&mut self, keys: &[Key]) -> Result<ReadBack, DriverError> {
        // A dump costs what the maps hold, single reads what is asked for; a single read costs
        // about three times as much an element.
        if keys.len() >= DUMP_MIN && keys.len() * 3 >= self.population {
            self.read_back_all(keys)
        } else {
            self.read_back_each(keys)
        }
    }
}

/// The flags that keep others out, and the table alive without us.
fn protected() -> TableFlags {
    TableFlags::OWNER | TableFlags::PERSIST
}

/// `NFT_TABLE_F_PERSIST` came with Linux 6.9 (commit da5141bbe0c2); older kernels would take the
/// owner flag alone and remove the table with its owner.
fn kernel_protects() -> bool {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= (6, 9),
        _ => false,
    }
}
