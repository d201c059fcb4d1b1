//! The doctor inside the agent: what is wrong with the node's rules, whoever made them.
//!
//! Owns: a thread that looks whether anything changed, seldom and cheaply, and asks every check when
//! it did. nf_tables counts its changes (the generation); legacy tables do not, so their number of
//! entries and their size are compared each time, and their contents now and then.
//!
//! Invariants: a node on which nothing changes costs a dozen system calls an interval; what we
//! write ourselves is no change; the checks never run more often than the interval.
//!
//! Deliberately not here: looking (`snapshot`), judging (`doctor`), mending (`sweep`, by hand).

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use doctor::Report;
use nfnl::Socket;
use snapshot::Options;
use xt::Family;
use xt::legacy::TableInfo;

/// How often changes are looked for unless the configuration says otherwise.
pub const INTERVAL_DEFAULT: Duration = Duration::from_secs(30);
/// The contents of legacy tables are looked at every so many intervals, changed or not.
const LEGACY_EVERY: u32 = 10;
/// How long one part of a look may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often we wrote to nf_tables: those changes are ours.
#[derive(Debug, Clone, Default)]
pub(crate) struct OwnWrites(Arc<AtomicU32>);

impl OwnWrites {
    /// So many transactions more.
    pub(crate) fn add(&self, transactions: usize) {
        let more = u32::try_from(transactions).unwrap_or(u32::MAX);
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What tells whether anything changed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Signature {
    /// Changes of nf_tables by others; `None` if it cannot be read.
    generation: Option<u32>,
    /// How many entries each legacy table has, and where they are.
    legacy: Vec<TableInfo>,
}

impl Signature {
    fn read(socket: Option<&mut Socket>, own: &OwnWrites) -> Self {
        let generation = socket.and_then(|socket| socket.generation_id().ok());
        let mut legacy = Vec::new();
        for family in Family::BOTH {
            // A table that cannot be read now is looked for again next time.
            for table in xt::legacy::table_names(family).unwrap_or_default() {
                legacy.extend(xt::legacy::info(family, &table));
            }
        }
        let generation = generation.map(|generation| generation.wrapping_sub(own.count()));
        Self { generation, legacy }
    }
}

/// Starts the thread; `tell` answers whether anybody still listens.
pub(crate) fn start(
    interval: Duration,
    own: OwnWrites,
    tell: impl Fn(Report) -> bool + Send + 'static,
) -> io::Result<()> {
    let work = move || {
        let mut socket = Socket::open().ok();
        let mut last: Option<Signature> = None;
        for round in 0_u32.. {
            std::thread::sleep(interval);
            let now = Signature::read(socket.as_mut(), &own);
            let contents = !now.legacy.is_empty() && round % LEGACY_EVERY == 0;
            if last.as_ref() == Some(&now) && !contents {
                continue;
            }
            last = Some(now);
            let options = Options { patience: PATIENCE, ..Options::default() };
            let report = doctor::run(&snapshot::take(options));
            netns::trim_memory();
            if !tell(report) {
                return;
            }
        }
    };
    std::thread::Builder::new().name("checks".into()).spawn(work).map(drop)
}
