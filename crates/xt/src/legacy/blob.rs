//! Owns one table as the kernel gives it: entries one behind the other, hooks by offset.
//!
//! Every offset is checked before it is followed; a blob can come from a file.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::{
    info::{Info, Of},
    matches::Match,
    target::Target,
    value::{Hex, Iface, Net, Proto, Test},
    view::{Counters, Family, Rule, Selector},
};

/// Number of hooks of IPv4 and IPv6 (`NF_INET_NUMHOOKS`).
pub(crate) const HOOKS: usize = 5;

/// A table in the kernel's own form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// Of which family.
    pub family: Family,
    /// Its name.
    pub table: String,
    /// Bit `n`: the table is called at hook `n`.
    pub valid_hooks: u32,
    /// Offset of each hook's first entry.
    pub hook_entry: [u32; HOOKS],
    /// Offset of each hook's policy.
    pub underflow: [u32; HOOKS],
    /// The entries.
    pub entries: Entries,
}

/// Bytes of entries, one behind the other. They may lie behind others in the buffer that the kernel
/// filled: tens of megabytes are not moved for forty bytes.
#[derive(Clone, Default)]
pub struct Entries {
    buffer: Vec<u8>,
    from: usize,
}

impl Entries {
    /// What is in a buffer from this byte on.
    pub(crate) fn behind(buffer: Vec<u8>, from: usize) -> Self {
        Self { from: from.min(buffer.len()), buffer }
    }

    pub(crate) fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }
}

impl From<Vec<u8>> for Entries {
    fn from(buffer: Vec<u8>) -> Self {
        Self { buffer, from: 0 }
    }
}

impl std::ops::Deref for Entries {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.buffer.get(self.from..).unwrap_or_default()
    }
}

impl std::ops::DerefMut for Entries {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.buffer.get_mut(self.from..).unwrap_or_default()
    }
}

impl PartialEq for Entries {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Entries {}

impl std::fmt::Debug for Entries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}

/// What is wrong with a blob.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlobError {
    /// An entry that does not fit.
    #[error("the entry at byte {at} of table {table} does not fit: {what}")]
    Entry {
        /// The table.
        table: String,
        /// Offset of the entry.
        at: usize,
        /// What does not fit.
        what: &'static str,
    },
    /// A hook that leads nowhere.
    #[error("hook {hook} of table {table} leads to byte {at}, where no entry begins")]
    Hook {
        /// The table.
        table: String,
        /// Number of the hook.
        hook: usize,
        /// Where it leads.
        at: u32,
    },
    /// A chain without an end, or entries outside of every chain.
    #[error("table {table} is no sequence of chains at byte {at}: {what}")]
    Chains {
        /// The table.
        table: String,
        /// Offset of the entry.
        at: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// A jump that leads into the middle of something.
    #[error("the rule at byte {at} of table {table} jumps to byte {to}, where no chain begins")]
    Jump {
        /// The table.
        table: String,
        /// Offset of the rule.
        at: usize,
        /// Where it leads.
        to: i32,
    },
}

/// Layout of `struct ipt_entry` or `struct ip6t_entry`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    /// Bytes of the entry before its matches.
    pub(crate) size: usize,
    /// Bytes of the IP header's part.
    pub(crate) ip: usize,
    /// Where the counters are.
    pub(crate) counters: usize,
}

impl Layout {
    pub(crate) const fn of(family: Family) -> Self {
        match family {
            Family::V4 => Self { size: 112, ip: 84, counters: 96 },
            Family::V6 => Self { size: 168, ip: 136, counters: 152 },
        }
    }
}

/// Bytes of `struct xt_entry_match` and `struct xt_entry_target` before their data.
pub(crate) const HEADER: usize = 32;
/// `struct xt_counters`
const COUNTERS: usize = 16;
/// Bytes of a name there.
const NAME: usize = 29;
/// A line of the caches of most machines, bytes.
const LINE: usize = 64;
/// So many bytes ahead of an entry are brought: some rules.
const AHEAD: usize = 2_048;

/// Where an entry is, checked to lie inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) at: usize,
    pub(crate) length: usize,
    /// Of the target, from the start of the entry.
    pub(crate) target: usize,
}

/// What a target is to the structure of the table.
pub(crate) enum Role<'a> {
    /// Begins a chain of this name, or ends the table.
    Head(Cow<'a, str>),
    /// A verdict or a jump.
    Standard(i32),
    /// An extension.
    Other,
}

impl Blob {
    fn fault(&self, at: usize, what: &'static str) -> BlobError {
        BlobError::Entry { table: self.table.clone(), at, what }
    }

    /// Where the entries are.
    pub(crate) fn walk(&self) -> Result<Vec<Entry>, BlobError> {
        let mut entries = Vec::with_capacity(self.entries_at_most());
        for entry in self.steps() {
            entries.push(entry?);
        }
        Ok(entries)
    }

    /// Room for the smallest ones: memory that is not written to is none.
    pub(crate) fn entries_at_most(&self) -> usize {
        self.entries.len() / (Layout::of(self.family).size + HEADER)
    }

    /// The entries one by one, to the first that does not fit.
    pub(crate) fn steps(&self) -> impl Iterator<Item = Result<Entry, BlobError>> {
        let (mut at, mut fetched) = (Some(0), 0);
        std::iter::from_fn(move || {
            let here = at.filter(|at| *at < self.entries.len())?;
            fetched = self.fetch(fetched, here + AHEAD);
            let entry = self.entry(here);
            at = entry.as_ref().ok().map(|entry| entry.at + entry.length);
            Some(entry)
        })
    }

    /// Looks at one byte in each line of the caches. Where an entry is only the one before it says, so
    /// that each would be waited for by itself; what lies ahead can be brought all at once.
    fn fetch(&self, from: usize, to: usize) -> usize {
        let mut at = from;
        while at < to {
            std::hint::black_box(self.entries.get(at).copied());
            at += LINE;
        }
        at
    }

    fn entry(&self, at: usize) -> Result<Entry, BlobError> {
        let layout = Layout::of(self.family);
        let info = Info(self.entries.get(at..).unwrap_or_default());
        let offsets = info.u16(layout.ip + 4).zip(info.u16(layout.ip + 6));
        let (target, length) = offsets.ok_or_else(|| self.fault(at, "it is cut off"))?;
        let (target, length) = (usize::from(target), usize::from(length));
        if target < layout.size || length < target + HEADER {
            return Err(self.fault(at, "its target begins before its end or behind it"));
        }
        if length > info.0.len() {
            return Err(self.fault(at, "it ends behind the table"));
        }
        let size = info.u16(target).map(usize::from).unwrap_or_default();
        if size < HEADER || target + size > length {
            return Err(self.fault(at, "its target has an impossible size"));
        }
        Ok(Entry { at, length, target })
    }

    /// The bytes of an entry; nothing if it is not of this blob.
    pub(crate) fn bytes(&self, entry: Entry) -> &[u8] {
        self.entries.get(entry.at..entry.at + entry.length).unwrap_or_default()
    }

    /// A number that tells rules apart and counters not: of two looks at one table it differs if a
    /// rule, a policy or their order does. It means nothing to another version of the program.
    ///
    /// # Errors
    /// [`BlobError`]
    pub fn fingerprint(&self) -> Result<u64, BlobError> {
        let counters = Layout::of(self.family).counters;
        let mut hasher = DefaultHasher::new();
        (&self.table, self.valid_hooks, self.hook_entry, self.underflow).hash(&mut hasher);
        for entry in self.walk()? {
            let bytes = self.bytes(entry);
            let (before, behind) = (bytes.get(..counters), bytes.get(counters + COUNTERS..));
            hasher.write(before.unwrap_or_default());
            hasher.write(behind.unwrap_or_default());
        }
        Ok(hasher.finish())
    }

    pub(crate) fn role(&self, entry: Entry) -> Option<Role<'_>> {
        let info = Info(self.bytes(entry).get(entry.target..)?);
        // the name of struct xt_error_target and struct xt_standard_target
        let name = info.bytes(2, NAME)?;
        Some(if name.starts_with(b"\0") {
            Role::Standard(info.i32(HEADER)?)
        } else if name.starts_with(b"ERROR\0") {
            Role::Head(info.borrowed(HEADER, 30)?)
        } else {
            Role::Other
        })
    }

    pub(crate) fn counters(&self, entry: Entry) -> Counters {
        let at = Layout::of(self.family).counters;
        let info = Info(self.bytes(entry));
        let number = |at| info.u64(at).unwrap_or_default();
        Counters { packets: number(at), bytes: number(at + 8) }
    }

    /// The rule in an entry; `chain` finds the chain that begins at an offset.
    pub(crate) fn rule<'a>(
        &self,
        entry: Entry,
        chain: impl Fn(usize) -> Option<&'a str>,
    ) -> Result<Rule, BlobError> {
        let bytes = self.bytes(entry);
        let info = Info(bytes);
        let cut = || self.fault(entry.at, "it is cut off");
        let (mut matches, goes) = (Vec::new(), self.goes(info).ok_or_else(cut)?);
        let selector = self.selector(info, &mut matches).ok_or_else(cut)?;
        let mut at = Layout::of(self.family).size;
        while at < entry.target {
            let size = info.u16(at).map(usize::from).unwrap_or_default();
            if size < HEADER || at + size > entry.target {
                return Err(self.fault(entry.at, "one of its matches has an impossible size"));
            }
            let (name, of, data) = self.extension(info, at, size).ok_or_else(cut)?;
            matches.push(Match::decode(&name, data, of));
            at += size;
        }
        let target = match self.role(entry).ok_or_else(cut)? {
            Role::Head(_) => None,
            Role::Standard(verdict) => {
                let wrong =
                    || BlobError::Jump { table: self.table.clone(), at: entry.at, to: verdict };
                match usize::try_from(verdict) {
                    // to the next rule: none
                    Ok(to) if to == entry.at + entry.length && !goes => None,
                    Ok(to) => {
                        let name = chain(to).ok_or_else(wrong)?.to_owned();
                        Some(if goes { Target::Goto(name) } else { Target::Jump(name) })
                    }
                    Err(_) => Some(Target::from_verdict(verdict).ok_or_else(wrong)?),
                }
            }
            Role::Other => {
                let size = info.u16(entry.target).map(usize::from).unwrap_or_default();
                let found = self.extension(info, entry.target, size).ok_or_else(cut)?;
                let (name, of, data) = found;
                Some(Target::decode(&name, data, of))
            }
        };
        let counters = Some(self.counters(entry));
        Ok(Rule { position: 0, selector, matches, target, counters, handle: None })
    }

    /// Name and data of the match or target at an offset.
    fn extension<'a>(
        &self,
        info: Info<'a>,
        at: usize,
        size: usize,
    ) -> Option<(Cow<'a, str>, Of, &'a [u8])> {
        let revision = info.u8(at + HEADER - 1)?;
        let data = info.bytes(at + HEADER, size.checked_sub(HEADER)?)?;
        let name = info.borrowed(at + 2, NAME)?;
        Some((name, Of { family: self.family, revision }, data))
    }

    /// `IPT_F_GOTO`, `IP6T_F_GOTO`
    fn goes(&self, info: Info<'_>) -> Option<bool> {
        Some(match self.family {
            Family::V4 => info.u8(82)? & 2 != 0,
            Family::V6 => info.u8(131)? & 4 != 0,
        })
    }

    /// `struct ipt_ip`, `struct ip6t_ip6`
    fn selector(&self, info: Info<'_>, matches: &mut Vec<Match>) -> Option<Selector> {
        let (address, names, proto, flags, inverted) = match self.family {
            Family::V4 => (4, 16, 80, info.u8(82)?, info.u8(83)?),
            Family::V6 => (16, 64, 128, info.u8(131)?, info.u8(132)?),
        };
        let not = |bit: u8| inverted & bit != 0;
        let net = |which: usize, bit: u8| {
            let at = which * address;
            let mask = info.address(at + 2 * address, self.family)?;
            Some(Selector::net(not(bit), Net { address: info.address(at, self.family)?, mask }))
        };
        let iface = |which: usize, bit: u8| {
            let (name, mask) = (names + 16 * which, names + 32 + 16 * which);
            let iface = Iface::from_masked(info.bytes(name, 16)?, info.bytes(mask, 16)?);
            Some(match iface {
                Some(iface) => Some(Test::new(not(bit), iface)),
                None => not(bit).then(|| Test::Not(Iface("+".to_owned()))),
            })
        };
        // `tos` of ip6_tables, which no tool sets
        if self.family == Family::V6 && flags & 2 != 0 {
            let bytes = Hex(vec![info.u8(130)?, inverted & 4]);
            matches.push(Match::Unknown { name: "header-tos".to_owned(), revision: 0, bytes });
        }
        let proto = Proto(info.u16(proto)?);
        Some(Selector {
            source: net(0, 0x08)?,
            destination: net(1, 0x10)?,
            input: iface(0, 1)?,
            output: iface(1, 2)?,
            protocol: (proto.0 != 0 || not(0x40)).then(|| Test::new(not(0x40), proto)),
            fragment: (self.family == Family::V4 && flags & 1 != 0)
                .then(|| Test::new(not(0x20), ())),
        })
    }
}
