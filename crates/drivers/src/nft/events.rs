//! What others do to our table, from the kernel's events.
//!
//! Invariants: our own commits are told apart by the netlink port of the socket that made them;
//! a commit is told once, when it is complete, with its writer; lost events are told as lost.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use model::{Key, MapName};
use nfnl::{Event, EventSocket, Group, Happened, Subject};

use super::{NftDriver, codec, observe, schema};
use crate::driver::DriverError;

/// More deleted elements in one commit than this are looked at, not listed.
const ELEMENTS_MAX: usize = 1_000;

/// What another writer did to our table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Touch {
    /// It deleted these elements, and nothing else.
    ElementsGone(Vec<Key>),
    /// Something else; the text says what. The table has to be looked at.
    Other(String),
    /// Events were lost: nobody knows whether it was touched.
    Unknown,
}

impl fmt::Display for Touch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ElementsGone(keys) => match keys.as_slice() {
                [key] => write!(f, "deleted element {key}"),
                keys => write!(f, "deleted {} elements", keys.len()),
            },
            Self::Other(what) => f.write_str(what),
            Self::Unknown => f.write_str("may have touched it (events were lost)"),
        }
    }
}

/// A commit of another writer that touched our table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign {
    /// Its process: `nft (pid 4711)`.
    pub writer: String,
    /// What it did.
    pub touch: Touch,
    /// The generation that its commit made.
    pub generation: u32,
}

/// Listens to the kernel's events.
#[derive(Debug)]
pub struct Watch {
    socket: EventSocket,
    /// Our own writing socket.
    own_port: u32,
    /// The last generation whose commit was told.
    told: Arc<AtomicU32>,
}

impl Watch {
    /// Joins the events of the driver's namespace (that of the calling thread).
    pub fn join(driver: &mut NftDriver) -> Result<Self, DriverError> {
        let mut socket = EventSocket::open(&[Group::Nftables])
            .map_err(observe::failed("listening to nf_tables events"))?;
        let own_port = driver.port_id();
        socket.mute(own_port);
        Ok(Self { socket, own_port, told: driver.told() })
    }

    /// Waits for commits of others that touch our table, until `deliver` answers false.
    pub fn run(mut self, mut deliver: impl FnMut(Foreign) -> bool) -> Result<(), DriverError> {
        let mut commit = Commit::default();
        loop {
            let event =
                self.socket.next_event().map_err(observe::failed("reading nf_tables events"))?;
            match event {
                Event::Committed { generation, port } => {
                    let commit = std::mem::take(&mut commit);
                    if port != self.own_port
                        && let Some(touch) = commit.touch()
                    {
                        let writer = match (generation.process, generation.pid) {
                            (Some(name), Some(pid)) => format!("{name} (pid {pid})"),
                            (None, Some(pid)) => format!("pid {pid}"),
                            _ => "an unknown process".to_owned(),
                        };
                        if !deliver(Foreign { writer, touch, generation: generation.id }) {
                            return Ok(());
                        }
                    }
                    self.told.store(generation.id, Ordering::Release);
                }
                Event::Changed { happened, subject, .. } => {
                    commit.add(happened, &subject);
                }
                Event::Overrun | Event::Unreadable(_) => {
                    commit = Commit::default();
                    let writer = "an unknown process".to_owned();
                    if !deliver(Foreign { writer, touch: Touch::Unknown, generation: 0 }) {
                        return Ok(());
                    }
                }
                _ => {}
            }
        }
    }
}

/// One commit, as far as its events have come.
#[derive(Debug, Default)]
struct Commit {
    gone: Vec<Key>,
    other: Option<String>,
}

impl Commit {
    fn add(&mut self, happened: Happened, subject: &Subject) {
        let verb = match happened {
            Happened::New => "wrote",
            Happened::Deleted => "deleted",
        };
        let ours = |family, table: &str| family == schema::FAMILY && table == schema::TABLE;
        let what = match subject {
            Subject::Table(table) if ours(table.family, &table.name) => "the table".to_owned(),
            Subject::Chain(chain) if ours(chain.family, &chain.table) => {
                format!("chain {}", chain.name)
            }
            Subject::Rule(rule) if ours(rule.family, &rule.table) => {
                format!("a rule of chain {}", rule.chain)
            }
            Subject::Set(set) if ours(set.family, &set.table) => format!("map {}", set.name),
            Subject::Stateful(object) if ours(object.family, &object.table) => {
                format!("object {}", object.name)
            }
            Subject::Elements { set, elements } if ours(set.family, &set.table) => {
                if happened == Happened::Deleted && self.note_gone(&set.name, elements) {
                    return;
                }
                format!("elements of map {}", set.name)
            }
            _ => return,
        };
        // The table is the most that can be said; otherwise the first thing is enough.
        if self.other.is_none() || matches!(subject, Subject::Table(_)) {
            self.other = Some(format!("{verb} {what}"));
        }
    }

    /// Whether all of them are elements that we could have written.
    fn note_gone(&mut self, set: &str, elements: &[nfnl::Element]) -> bool {
        let Some(map) = MapName::parse(set) else { return false };
        for element in elements {
            match codec::decode_key(map, element.key.bytes()) {
                Some(key) if self.gone.len() < ELEMENTS_MAX => self.gone.push(key),
                _ => return false,
            }
        }
        true
    }

    fn touch(self) -> Option<Touch> {
        match self.other {
            Some(what) => Some(Touch::Other(what)),
            None if self.gone.is_empty() => None,
            None => Some(Touch::ElementsGone(self.gone)),
        }
    }
}
