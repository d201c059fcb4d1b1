//! Owns the file that undoes a sweep: its form, writing it so that it is there before anything
//! happens, reading one that may be old, cut off or made up.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use xt::{Backend, Family, Policy};

use crate::{anonymous::SetRecord, raw::Raw};

const KIND: &str = "netkeep-sweep";
/// Version of the form.
const VERSION: u32 = 1;
/// Largest file that is read.
const MAX_BYTES: u64 = 1 << 30;
/// Entries of x_tables are C structures.
const LAYOUT: &str = if cfg!(target_endian = "little") { "little-64" } else { "big-64" };

/// What a sweep took out, and what stood around it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Backup {
    kind: String,
    version: u32,
    layout: String,
    /// When, in UTC.
    pub created: String,
    /// Of which backend.
    pub backend: Backend,
    /// What was asked for, in words.
    pub what: String,
    /// Tables, in the order in which they were changed.
    pub tables: Vec<TableRecord>,
}

/// Chains of one table of which something went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TableRecord {
    /// Of which family.
    pub family: Family,
    /// Its name.
    pub name: String,
    /// The chains.
    pub chains: Vec<ChainRecord>,
}

/// A chain as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChainRecord {
    /// Its name.
    pub name: String,
    /// Who calls it.
    pub origin: Origin,
    /// It went too.
    pub gone: bool,
    /// All its rules, in order.
    pub rules: Vec<RuleRecord>,
}

/// Who calls a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Origin {
    /// The kernel.
    Builtin {
        /// What happens at its end.
        policy: Policy,
        /// Where nf_tables attaches it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        base: Option<BaseRecord>,
    },
    /// Rules.
    User,
}

/// Where nf_tables attaches a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BaseRecord {
    /// `filter`, `nat` or `route`.
    pub kind: String,
    /// `NF_INET_*`
    pub hook: u32,
    /// Order at the hook.
    pub priority: i32,
}

/// A rule as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleRecord {
    /// As iptables-save prints it behind the chain.
    pub rule: String,
    /// It went: its bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed: Option<Removed>,
}

/// A rule that went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Removed {
    /// Its bytes.
    pub raw: Raw,
    /// Names of the IP sets whose numbers are in the bytes, in order: numbers do not last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sets: Vec<String>,
    /// Sets of nf_tables that it asks and that have no name: they go with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub anonymous: Vec<SetRecord>,
}

/// Why a backup was not written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// Writing failed. Nothing was changed because of it.
    #[error("the backup {path} cannot be written")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is a file already. Nothing was changed.
    #[error("{path} exists already: a backup is never overwritten")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Reading failed.
    #[error("the backup {path} cannot be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is no backup.
    #[error("{path} is no backup of a sweep, or it is damaged")]
    Form {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// Not by this program, or not for this machine.
    #[error("{path} {what}")]
    NotOurs {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        what: String,
    },
}

impl Backup {
    pub(crate) fn new(backend: Backend, what: String, created: String) -> Self {
        Self {
            kind: KIND.to_owned(),
            version: VERSION,
            layout: LAYOUT.to_owned(),
            created,
            backend,
            what,
            tables: Vec::new(),
        }
    }

    /// Writes the file so that it is there as a whole, also after a loss of power, for root alone.
    ///
    /// # Errors
    /// [`BackupError::Write`]
    pub fn write(&self, path: &Path) -> Result<(), BackupError> {
        self.put(path).map_err(|source| BackupError::Write { path: path.to_owned(), source })
    }

    fn put(&self, path: &Path) -> io::Result<()> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        fs::create_dir_all(folder)?;
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.new", std::process::id()));
        let draft = path.with_file_name(name);
        let mut text = serde_json::to_vec(self).map_err(io::Error::other)?;
        text.push(b'\n');
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(&draft)?;
        let written = file
            .write_all(&text)
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(&draft, path));
        if written.is_err() {
            // it is ours and of no use; the error that matters is the first
            let _ = fs::remove_file(&draft);
        }
        written?;
        File::open(folder)?.sync_all()
    }

    /// Reads a backup.
    ///
    /// # Errors
    /// [`BackupError`]
    pub fn read(path: &Path) -> Result<Self, BackupError> {
        let failed = |source| BackupError::Read { path: path.to_owned(), source };
        let not_ours = |what: String| BackupError::NotOurs { path: path.to_owned(), what };
        let mut text = Vec::new();
        let file = File::open(path).map_err(failed)?;
        file.take(MAX_BYTES + 1).read_to_end(&mut text).map_err(failed)?;
        if text.len() as u64 > MAX_BYTES {
            return Err(not_ours(format!("has more than {MAX_BYTES} bytes")));
        }
        let form = |source| BackupError::Form { path: path.to_owned(), source };
        let head: Head = serde_json::from_slice(&text).map_err(form)?;
        if head.kind != KIND {
            return Err(not_ours("is no backup of a sweep".to_owned()));
        }
        if head.version != VERSION {
            let what = format!("has version {}, and this program reads {VERSION}", head.version);
            return Err(not_ours(what));
        }
        if head.layout != LAYOUT {
            return Err(not_ours(format!("is of a machine with {} structures", head.layout)));
        }
        serde_json::from_slice(&text).map_err(form)
    }
}

/// What every version of the form has.
#[derive(Deserialize)]
struct Head {
    kind: String,
    version: u32,
    #[serde(default)]
    layout: String,
}
