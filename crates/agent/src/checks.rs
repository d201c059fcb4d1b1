//! The doctor inside the agent: what is wrong with the node's rules, whoever made them.
//!
//! Owns: a thread that looks whether anything changed, seldom and cheaply, and asks every check when
//! it did. nf_tables counts its changes (the generation); legacy tables do not, so their number of
//! entries and their size are compared each time, and now and then the bytes of their rules.
//!
//! Invariants: a node on which nothing changes costs a dozen system calls an interval, one read of
//! its legacy tables every ten, and one diagnosis every hundred and twenty; what we write ourselves is
//! no change; the checks never run more often than the interval.
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
/// The bytes of legacy tables are looked at every so many intervals.
const LEGACY_EVERY: u32 = 10;
/// All checks are asked every so many intervals, changed or not: nothing counts the changes of
/// routes, sets and sysctls.
const ALL_EVERY: u32 = 120;
/// How long one part of a look may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often we wrote to nf_tables: those changes are ours.
#[derive(Debug, Clone, Default)]
pub(crate) struct OwnWrites(Arc<AtomicU32>);

impl OwnWrites {
    /// So many commits by now.
    pub(crate) fn note(&self, commits: u32) {
        self.0.store(commits, Ordering::Relaxed);
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

/// What the rules of the legacy tables are, without their counters; nothing if one cannot be read.
fn contents(tables: &[TableInfo]) -> Option<Vec<u64>> {
    let one = |info: &TableInfo| xt::legacy::read_blob(info.family, &info.table).ok();
    tables.iter().map(|info| one(info)?.fingerprint().ok()).collect()
}

/// What was known when the checks were asked last.
#[derive(Debug, Default)]
struct Known {
    signature: Option<Signature>,
    contents: Option<Vec<u64>>,
}

impl Known {
    /// Whether something is not as it was, as far as is looked at in this round; notes how it is.
    fn changed(&mut self, round: u32, now: Signature) -> bool {
        let same = self.signature.as_ref() == Some(&now);
        let every = |rounds| round.is_multiple_of(rounds);
        if same && (now.legacy.is_empty() || !every(LEGACY_EVERY)) && !every(ALL_EVERY) {
            return false;
        }
        let contents = contents(&now.legacy);
        if same && contents.is_some() && contents == self.contents && !every(ALL_EVERY) {
            return false;
        }
        *self = Self { signature: Some(now), contents };
        true
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
        let mut known = Known::default();
        for round in 0_u32.. {
            std::thread::sleep(interval);
            if !known.changed(round, Signature::read(socket.as_mut(), &own)) {
                continue;
            }
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
