//! Owns making a snapshot of text dumps alone: what `iptables-save`, `nft`, `ip`, `ipset`,
//! `conntrack`, `sysctl`, `ss` and `ovs-vsctl` print, and snapshots of netkeep.
//!
//! What a file holds is found by its content; its name only decides where the content does not
//! (backend and family of rules). One file may hold the output of several tools, one after another.
//!
//! Invariants: never a panic, whatever the bytes; memory bounded by [`Limits`], not by the input;
//! what was not understood is in [`Snapshot::skipped`] with file and line.

mod conntrack;
mod decode;
mod ipset;
mod json;
pub(crate) mod messages;
mod nft_json;
mod nft_render;
mod nft_text;
mod ovs;
mod paths;
mod route;
mod rules;
mod section;
mod sockets;
mod text;
mod whole;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;

pub use self::nft_render::{element as nft_element, rule as nft_rule};
pub use self::paths::from_paths;
use crate::snapshot::{PartName, Partial, SkippedInput, Snapshot};

/// How much of a dump is taken in.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Rules and chains of iptables, all files together; also rules of nft.
    pub rules: usize,
    /// Entries of any other kind, each: links, routes, neighbours, connections.
    pub entries: usize,
    /// Elements kept of one set; all are counted.
    pub elements: usize,
    /// Places that were not understood; more are only counted.
    pub skipped: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { rules: 500_000, entries: 200_000, elements: 4_096, skipped: 200 }
    }
}

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    /// A file or folder cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Nothing that was read is of a known kind.
    #[error("nothing in {what} is the output of a tool that is known here{hint}")]
    Nothing {
        /// What was read.
        what: String,
        /// What was there instead.
        hint: String,
    },
}

/// A snapshot while its files come in.
#[derive(Debug)]
pub struct Assembler {
    pub(crate) snapshot: Snapshot,
    pub(crate) limits: Limits,
    /// Rules and chains so far.
    pub(crate) rules: usize,
    /// Links by name, and the one that details belong to.
    pub(crate) links: BTreeMap<String, usize>,
    pub(crate) open_link: Option<usize>,
    /// Kinds of entries that there is no more room for, said already.
    full: BTreeSet<PartName>,
    /// Parts that the present file has something of.
    pub(crate) touched: BTreeSet<PartName>,
    /// What was seen of nf_tables.
    nft: whole::Nft,
    /// How many connections the tool said it showed, and where.
    connections_said: Option<(String, u64)>,
    unnoted: usize,
}

impl Default for Assembler {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Assembler {
    /// Nothing yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            snapshot: Snapshot::default(),
            limits,
            rules: 0,
            links: BTreeMap::new(),
            open_link: None,
            full: BTreeSet::new(),
            touched: BTreeSet::new(),
            nft: whole::Nft::default(),
            connections_said: None,
            unnoted: 0,
        }
    }

    /// Reads one file. The name is for messages, and for what the content does not say.
    ///
    /// # Errors
    /// Of the reader; what is wrong with the content is in [`Snapshot::skipped`].
    pub fn add(&mut self, name: &str, input: impl io::Read) -> io::Result<()> {
        let mut input = decode::Decoded::new(input)?;
        self.touched.clear();
        match input.kind()? {
            decode::Kind::Text => text::read(self, name, &mut input),
            decode::Kind::Json => {
                json::read(self, name, &mut input);
                Ok(())
            }
            decode::Kind::Empty => {
                // a tool that had nothing to say, if the name says which; JSON of nothing has brackets
                let json = name.to_ascii_lowercase().ends_with(".json");
                if json {
                    json::nothing(self, name);
                } else if !text::empty_output(&mut self.snapshot, name, false) {
                    self.skip(name, 0, "it is empty");
                }
                Ok(())
            }
            decode::Kind::Binary(what) => {
                self.skip(name, 0, what);
                Ok(())
            }
        }
    }

    /// What was put together.
    pub fn finish(mut self) -> Snapshot {
        whole::look(&mut self);
        if self.unnoted > 0 {
            let why = format!("{} more places were not understood", self.unnoted);
            self.snapshot.skipped.push(SkippedInput { place: "all files".to_owned(), why });
        }
        self.snapshot
    }

    /// Notes that something was not understood; line 0 is the whole file.
    pub(crate) fn skip(&mut self, file: &str, line: usize, why: impl Into<String>) {
        if self.snapshot.skipped.len() >= self.limits.skipped {
            self.unnoted += 1;
            return;
        }
        self.snapshot.skipped.push(SkippedInput { place: place(file, line), why: why.into() });
    }

    /// Whether there is room for one more of `held`; says so once if not.
    pub(crate) fn room(&mut self, held: usize, file: &str, line: usize, part: PartName) -> bool {
        self.touched.insert(part);
        let limit = self.limits.entries;
        if held == limit && self.full.insert(part) {
            let why = format!("more than {limit} {part}: the rest is left out");
            self.skip(file, line, why.clone());
            self.half(part, file, line, why);
        }
        held < limit
    }

    /// Notes that only a part of something is known.
    pub(crate) fn half(&mut self, part: PartName, file: &str, line: usize, why: impl Into<String>) {
        let partial = &mut self.snapshot.partial;
        if !partial.iter().any(|known| known.part == part) {
            partial.push(Partial { part, place: place(file, line), why: why.into() });
        }
    }
}

/// `file line 7`
pub(crate) fn place(file: &str, line: usize) -> String {
    if line == 0 { file.to_owned() } else { format!("{file} line {line}") }
}
