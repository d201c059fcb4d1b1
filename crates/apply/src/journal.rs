//! The journal: what must survive us. Node ports promised to Pods, what the Pods' annotations said
//! when we last looked, and flows that still have to be cut.
//!
//! One append-only file of JSON lines, `journal.jsonl` in the state directory. A record is written
//! (not synced) before the kernel is changed, so that a killed agent loses nothing: the page cache
//! survives the process. It is synced before anything is published, so that a node that loses
//! power still knows every port that anybody was told of.
//!
//! Invariants:
//! - reading is total: a torn last line (we were killed in `write`) is dropped, a garbled line is
//!   counted and skipped, and neither stops the rest;
//! - compaction writes a new file beside the old one and renames it over: old or new, never between;
//! - the kernel is the truth about what is programmed, the journal only about what was promised.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use drivers::flows::Route;
use model::{IpFamily, NodePort, PodPort, Protocol};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The file in the state directory.
const FILE: &str = "journal.jsonl";
const FILE_NEW: &str = "journal.jsonl.new";
/// Records beyond the live ones after which compaction pays.
const SLACK: usize = 4_096;

/// A node port promised to a Pod's port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lease {
    /// UID of the Pod.
    pub uid: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The family.
    pub family: IpFamily,
    /// The protocol.
    pub protocol: Protocol,
    /// The port inside the Pod.
    pub pod_port: PodPort,
    /// The port on the node.
    pub node_port: NodePort,
}

/// Flows to cut: those that entered at this node port and were sent to this endpoint.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StaleFlows {
    /// The protocol.
    pub protocol: Protocol,
    /// The port on the node.
    pub node_port: NodePort,
    /// Where the mapping led.
    pub ip: IpAddr,
    /// The port there.
    pub pod_port: PodPort,
}

impl From<&StaleFlows> for Route {
    fn from(flows: &StaleFlows) -> Self {
        let StaleFlows { protocol, node_port, ip, pod_port } = *flows;
        Self { protocol, node_port, ip, pod_port }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Record {
    Lease(Lease),
    #[serde(rename_all = "camelCase")]
    Release {
        family: IpFamily,
        protocol: Protocol,
        node_port: NodePort,
    },
    Seen {
        uid: String,
        annotation: Option<String>,
    },
    Cut(StaleFlows),
    CutDone(StaleFlows),
}

/// What the journal held when it was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remembered {
    /// All leases that were not released.
    pub leases: Vec<Lease>,
    /// The annotation last seen on each Pod object, by UID.
    pub seen: BTreeMap<String, Option<String>>,
    /// Flows that were not cut before we stopped.
    pub cuts: Vec<StaleFlows>,
    /// Lines that could not be understood, and were skipped.
    pub garbled: usize,
}

/// The journal cannot be read or written.
#[derive(Debug, Error)]
#[error("cannot {action} {}", path.display())]
pub struct JournalError {
    /// What was tried.
    pub action: &'static str,
    /// On which file.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

/// The open journal.
#[derive(Debug)]
pub struct Journal {
    directory: PathBuf,
    file: File,
    pending: Vec<u8>,
    records: usize,
    live: usize,
    /// The file has no name any more: somebody removed it, or the whole directory.
    removed: bool,
}

impl Journal {
    /// Opens the journal of a state directory, making both where there are none, and reads it.
    pub fn open(directory: &Path) -> Result<(Self, Remembered), JournalError> {
        fs::create_dir_all(directory).map_err(fail("create", directory))?;
        let path = directory.join(FILE);
        let (remembered, records, torn) = read_file(&path)?;
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(fail("open", &path))?;
        let live = remembered.leases.len() + remembered.seen.len() + remembered.cuts.len();
        // After a torn line the next record must start on a line of its own.
        let pending = if torn { vec![b'\n'] } else { Vec::new() };
        let directory = directory.to_owned();
        Ok((Self { directory, file, pending, records, live, removed: false }, remembered))
    }

    /// Reads the journal of a state directory without touching it; nothing where there is none.
    pub fn read(directory: &Path) -> Result<Remembered, JournalError> {
        read_file(&directory.join(FILE)).map(|(remembered, ..)| remembered)
    }

    /// Notes a lease.
    pub fn lease(&mut self, lease: Lease) {
        self.note(&Record::Lease(lease));
    }

    /// Notes that a lease is over.
    pub fn release(&mut self, family: IpFamily, protocol: Protocol, node_port: NodePort) {
        self.note(&Record::Release { family, protocol, node_port });
    }

    /// Notes what a Pod's annotation says now.
    pub fn seen(&mut self, uid: &str, annotation: Option<&str>) {
        let annotation = annotation.map(str::to_owned);
        self.note(&Record::Seen { uid: uid.to_owned(), annotation });
    }

    /// Notes flows that have to be cut.
    pub fn cut(&mut self, flows: &StaleFlows) {
        self.note(&Record::Cut(flows.clone()));
    }

    /// Notes that they were.
    pub fn cut_done(&mut self, flows: &StaleFlows) {
        self.note(&Record::CutDone(flows.clone()));
    }

    fn note(&mut self, record: &Record) {
        // Serialising these plain types to memory has no way to fail; a record that could not be
        // written would only be missing from the memory of ports, not from the kernel.
        if serde_json::to_writer(&mut self.pending, record).is_ok() {
            self.pending.push(b'\n');
            self.records += 1;
        }
    }

    /// Hands everything noted to the kernel. After this a killed process loses nothing.
    pub fn write(&mut self) -> Result<(), JournalError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.file.write_all(&self.pending) {
            // A part of it may be in the file, up to the middle of a line.
            if self.pending.first() != Some(&b'\n') {
                self.pending.insert(0, b'\n');
            }
            return Err(fail("write", &self.directory.join(FILE))(error));
        }
        self.pending.clear();
        self.removed = self.file.metadata().is_ok_and(|metadata| metadata.nlink() == 0);
        Ok(())
    }

    /// The file, for another thread to sync. Compacting puts another file in its place: it is to be
    /// opened each time.
    pub fn path(&self) -> PathBuf {
        self.directory.join(FILE)
    }

    /// Whether most of the file is history, or it is gone and has to be written anew.
    pub fn wants_compaction(&self) -> bool {
        self.removed || self.records > 2 * self.live + SLACK
    }

    /// Writes only what is live and puts it in the old file's place.
    pub fn compact(
        &mut self,
        leases: impl Iterator<Item = Lease>,
        seen: impl Iterator<Item = (String, Option<String>)>,
        cuts: impl Iterator<Item = StaleFlows>,
    ) -> Result<(), JournalError> {
        self.write()?;
        let new = self.directory.join(FILE_NEW);
        let path = self.directory.join(FILE);
        self.records = 0;
        leases.for_each(|lease| self.note(&Record::Lease(lease)));
        seen.for_each(|(uid, annotation)| self.note(&Record::Seen { uid, annotation }));
        cuts.for_each(|flows| self.note(&Record::Cut(flows)));
        let bytes = std::mem::take(&mut self.pending);
        fs::create_dir_all(&self.directory).map_err(fail("create", &self.directory))?;
        let mut file = File::create(&new).map_err(fail("create", &new))?;
        file.write_all(&bytes).map_err(fail("write", &new))?;
        file.sync_all().map_err(fail("sync", &new))?;
        fs::rename(&new, &path).map_err(fail("replace", &path))?;
        self.live = self.records;
        self.file = OpenOptions::new().append(true).open(&path).map_err(fail("open", &path))?;
        self.removed = false;
        Ok(())
    }
}

fn fail(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> JournalError {
    let path = path.to_owned();
    move |source| JournalError { action, path, source }
}

/// What the file holds, how many records it has, and whether its last line is torn.
fn read_file(path: &Path) -> Result<(Remembered, usize, bool), JournalError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok((Remembered::default(), 0, false));
        }
        Err(error) => return Err(fail("read", path)(error)),
    };
    let mut leases = BTreeMap::new();
    let mut remembered = Remembered::default();
    let mut cuts = std::collections::BTreeSet::new();
    let mut records = 0;
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    let mut torn = false;
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line).map_err(fail("read", path))? == 0 {
            break;
        }
        torn = line.last() != Some(&b'\n');
        records += 1;
        match serde_json::from_slice::<Record>(&line) {
            _ if line == b"\n" => {}
            Ok(Record::Lease(lease)) => {
                leases.insert((lease.family, lease.protocol, lease.node_port), lease);
            }
            Ok(Record::Release { family, protocol, node_port }) => {
                leases.remove(&(family, protocol, node_port));
            }
            Ok(Record::Seen { uid, annotation }) => {
                remembered.seen.insert(uid, annotation);
            }
            Ok(Record::Cut(flows)) => {
                cuts.insert(flows);
            }
            Ok(Record::CutDone(flows)) => {
                cuts.remove(&flows);
            }
            Err(_) if torn => {}
            Err(_) => remembered.garbled += 1,
        }
    }
    remembered.leases = leases.into_values().collect();
    remembered.cuts = cuts.into_iter().collect();
    Ok((remembered, records, torn))
}

#[cfg(test)]
mod tests;
