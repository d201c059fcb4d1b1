//! Owns changing a blob: rules out, rules in, chains out, chains in. Bytes of what stays stay.
//!
//! A blob is taken apart into chains of rules with jumps by chain, and put together again: offsets
//! are made new, everything else is copied.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    blob::{Blob, BlobError, Entry, HEADER, HOOKS, Layout, Role},
    chains::Parts,
};
use crate::value::Hex;

/// A rule in the kernel's form, free of its place: what a backup keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawRule {
    /// The entry. The offset of a jump in it means nothing.
    pub bytes: Hex,
    /// Where it leads.
    pub leads: Leads,
}

/// Where a rule leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Leads {
    /// Whatever its target says; no offset in it.
    Nowhere,
    /// To the next rule: it only counts.
    Next,
    /// To a chain.
    Chain(String),
}

/// Why a change cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// The blob is broken.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// No such chain.
    #[error("table {table} has no chain {chain}")]
    NoChain {
        /// The table.
        table: String,
        /// The chain.
        chain: String,
    },
    /// No such rule.
    #[error("chain {chain} has no rule {position}")]
    NoRule {
        /// The chain.
        chain: String,
        /// The position.
        position: u32,
    },
    /// A chain that cannot go or come.
    #[error("chain {chain} {why}")]
    Chain {
        /// The chain.
        chain: String,
        /// Why not.
        why: &'static str,
    },
    /// Bytes that are no rule of this family.
    #[error("a rule for chain {chain} is no rule of this family")]
    NotARule {
        /// The chain.
        chain: String,
    },
}

#[derive(Debug, Clone)]
enum Jump {
    Nowhere,
    Next,
    /// Number of the chain.
    To(usize),
}

#[derive(Debug, Clone)]
struct Piece {
    bytes: Vec<u8>,
    jump: Jump,
    /// Number of the entry in the old blob.
    old: Option<usize>,
}

#[derive(Debug)]
struct Slot {
    before: Vec<Piece>,
    /// Nothing if it was taken out.
    rule: Option<Piece>,
}

#[derive(Debug)]
struct Section {
    name: String,
    hook: Option<usize>,
    head: Option<Piece>,
    slots: Vec<Slot>,
    after: Vec<Piece>,
    foot: Piece,
}

/// A change of one table that is being put together. Positions are those of the unchanged table
/// throughout.
#[derive(Debug)]
pub struct Edit {
    old: Blob,
    old_entries: usize,
    /// A chain that was taken out leaves its number.
    sections: Vec<Option<Section>>,
    /// Names of all of them.
    names: Vec<String>,
    /// Numbers of those that are there.
    numbers: BTreeMap<String, usize>,
    tail: Piece,
}

/// A changed table, and where its counters come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    /// As it was.
    pub(crate) old: Blob,
    /// How many entries that had.
    pub(crate) old_entries: usize,
    /// As it shall be.
    pub(crate) new: Blob,
    /// For each entry its number in the old blob.
    pub(crate) counters_of: Vec<Option<usize>>,
}

impl Edited {
    /// As it shall be.
    pub fn new_blob(&self) -> &Blob {
        &self.new
    }

    /// As it was.
    pub fn old_blob(&self) -> &Blob {
        &self.old
    }
}

impl Edit {
    /// Of a table as it was read.
    ///
    /// # Errors
    /// [`BlobError`]
    pub fn of(blob: Blob) -> Result<Self, BlobError> {
        let parts = Parts::of(&blob)?;
        let landings: BTreeMap<usize, usize> = parts
            .chains
            .iter()
            .enumerate()
            .filter(|(_, chain)| chain.hook.is_none())
            .filter_map(|(number, chain)| Some((parts.entries.get(chain.first)?.at, number)))
            .collect();
        let piece = |index: usize| -> Result<Piece, BlobError> {
            let what = "a chain has no end";
            let cut = BlobError::Chains { table: blob.table.clone(), at: 0, what };
            let entry = *parts.entries.get(index).ok_or(cut)?;
            let jump = jump(&blob, entry, &landings)?;
            Ok(Piece { bytes: blob.bytes(entry).to_vec(), jump, old: Some(index) })
        };
        let mut sections = Vec::with_capacity(parts.chains.len());
        for chain in &parts.chains {
            let slots = (chain.first..chain.foot)
                .map(|index| Ok(Slot { before: Vec::new(), rule: Some(piece(index)?) }))
                .collect::<Result<_, BlobError>>()?;
            let head = match (chain.hook, chain.first.checked_sub(1)) {
                (None, Some(head)) => Some(piece(head)?),
                _ => None,
            };
            sections.push(Some(Section {
                name: parts.name(chain).to_owned(),
                hook: chain.hook,
                head,
                slots,
                after: Vec::new(),
                foot: piece(chain.foot)?,
            }));
        }
        let tail = piece(parts.entries.len().saturating_sub(1))?;
        let old_entries = parts.entries.len();
        let names: Vec<String> =
            parts.chains.iter().map(|chain| parts.name(chain).to_owned()).collect();
        // the first one of a name: a builtin chain can have the name of a user's
        let numbers = names.iter().cloned().enumerate().rev().map(|(n, name)| (name, n)).collect();
        Ok(Self { old: blob, old_entries, sections, names, numbers, tail })
    }

    fn number(&self, chain: &str) -> Result<usize, EditError> {
        let missing =
            || EditError::NoChain { table: self.old.table.clone(), chain: chain.to_owned() };
        self.numbers.get(chain).copied().ok_or_else(missing)
    }

    fn section(&mut self, chain: &str) -> Result<&mut Section, EditError> {
        let number = self.number(chain)?;
        let table = &self.old.table;
        let missing = || EditError::NoChain { table: table.clone(), chain: chain.to_owned() };
        self.sections.get_mut(number).and_then(Option::as_mut).ok_or_else(missing)
    }

    /// The rule at a position of the unchanged table, to be kept elsewhere.
    ///
    /// # Errors
    /// [`EditError`]
    pub fn raw(&self, chain: &str, position: u32) -> Result<RawRule, EditError> {
        let number = self.number(chain)?;
        let missing = || EditError::NoRule { chain: chain.to_owned(), position };
        let section = self.sections.get(number).and_then(Option::as_ref);
        let at = (position as usize).checked_sub(1);
        let slot = at.and_then(|at| section?.slots.get(at));
        let piece = slot.and_then(|slot| slot.rule.as_ref()).ok_or_else(missing)?;
        let leads = match piece.jump {
            Jump::Nowhere => Leads::Nowhere,
            Jump::Next => Leads::Next,
            Jump::To(to) => {
                let to = self.sections.get(to).and_then(Option::as_ref);
                Leads::Chain(to.map(|section| section.name.clone()).unwrap_or_default())
            }
        };
        Ok(RawRule { bytes: Hex(piece.bytes.clone()), leads })
    }

    /// Takes the rule at a position of the unchanged table out.
    ///
    /// # Errors
    /// [`EditError`]
    pub fn remove(&mut self, chain: &str, position: u32) -> Result<(), EditError> {
        let missing = || EditError::NoRule { chain: chain.to_owned(), position };
        let at = (position as usize).checked_sub(1).ok_or_else(missing)?;
        let slot = self.section(chain)?.slots.get_mut(at).ok_or_else(missing)?;
        slot.rule.take().map(drop).ok_or_else(missing)
    }

    /// Puts a rule before the one at a position of the unchanged table, or at the end. Rules for the
    /// same place keep their order.
    ///
    /// # Errors
    /// [`EditError`]
    pub fn insert(&mut self, chain: &str, position: u32, rule: &RawRule) -> Result<(), EditError> {
        let not_a_rule = || EditError::NotARule { chain: chain.to_owned() };
        let jump = match &rule.leads {
            Leads::Nowhere => Jump::Nowhere,
            Leads::Next => Jump::Next,
            Leads::Chain(name) => Jump::To(self.number(name)?),
        };
        let alone = Blob {
            family: self.old.family,
            table: self.old.table.clone(),
            valid_hooks: 0,
            hook_entry: [0; HOOKS],
            underflow: [0; HOOKS],
            entries: rule.bytes.0.clone().into(),
        };
        // one whole entry, with a place for the offset if it has one
        let entries = alone.walk().map_err(|_| not_a_rule())?;
        let [entry] = entries.as_slice() else { return Err(not_a_rule()) };
        match (alone.role(*entry), &jump) {
            (Some(Role::Standard(verdict)), Jump::Nowhere) if verdict < 0 => {}
            (Some(Role::Other), Jump::Nowhere)
            | (Some(Role::Standard(_)), Jump::Next | Jump::To(_)) => {}
            _ => return Err(not_a_rule()),
        }
        let piece = Piece { bytes: rule.bytes.0.clone(), jump, old: None };
        let section = self.section(chain)?;
        let at = (position as usize).saturating_sub(1);
        match section.slots.get_mut(at) {
            Some(slot) => slot.before.push(piece),
            None => section.after.push(piece),
        }
        Ok(())
    }

    /// Adds an empty chain.
    ///
    /// # Errors
    /// [`EditError`]
    pub fn add_chain(&mut self, name: &str) -> Result<(), EditError> {
        let refuse = |why| Err(EditError::Chain { chain: name.to_owned(), why });
        if self.number(name).is_ok() {
            return refuse("is there already");
        }
        // XT_FUNCTION_MAXNAMELEN with its NUL
        if name.is_empty() || name.len() > 29 || name.contains(['\0', ' ', '\n']) {
            return refuse("has no name that the kernel takes");
        }
        let family = self.old.family;
        let section = Section {
            name: name.to_owned(),
            hook: None,
            head: Some(Piece { bytes: head(family, name), jump: Jump::Nowhere, old: None }),
            slots: Vec::new(),
            after: Vec::new(),
            foot: Piece { bytes: foot(family), jump: Jump::Nowhere, old: None },
        };
        self.numbers.insert(name.to_owned(), self.sections.len());
        self.sections.push(Some(section));
        self.names.push(name.to_owned());
        Ok(())
    }

    /// Takes a chain out with all its rules. Nothing may lead to it when [`Edit::finish`] is called.
    ///
    /// # Errors
    /// [`EditError`]
    pub fn remove_chain(&mut self, name: &str) -> Result<(), EditError> {
        let number = self.number(name)?;
        let builtin = self.section(name)?.hook.is_some();
        if builtin {
            let why = "is builtin: it stays";
            return Err(EditError::Chain { chain: name.to_owned(), why });
        }
        if let Some(section) = self.sections.get_mut(number) {
            *section = None;
        }
        self.numbers.remove(name);
        Ok(())
    }

    /// Puts the table together.
    ///
    /// # Errors
    /// [`EditError`]
    pub fn finish(self) -> Result<Edited, EditError> {
        let Self { old, old_entries, sections, names, tail, .. } = self;
        let mut building = Building::new(&old);
        for (number, section) in sections.into_iter().enumerate() {
            let Some(section) = section else { continue };
            building.section(number, section);
        }
        building.piece(tail);
        let (new, counters_of) = building.finish(&names)?;
        Ok(Edited { old, old_entries, new, counters_of })
    }
}

fn jump(blob: &Blob, entry: Entry, landings: &BTreeMap<usize, usize>) -> Result<Jump, BlobError> {
    let Some(Role::Standard(verdict)) = blob.role(entry) else { return Ok(Jump::Nowhere) };
    let Ok(to) = usize::try_from(verdict) else { return Ok(Jump::Nowhere) };
    if let Some(number) = landings.get(&to) {
        return Ok(Jump::To(*number));
    }
    let wrong = BlobError::Jump { table: blob.table.clone(), at: entry.at, to: verdict };
    if to == entry.at + entry.length { Ok(Jump::Next) } else { Err(wrong) }
}

/// A new table while its entries come in.
struct Building {
    new: Blob,
    counters_of: Vec<Option<usize>>,
    /// Where rules of each chain begin.
    landings: BTreeMap<usize, usize>,
    /// Where offsets have to be written, and which chain they lead to.
    jumps: Vec<(usize, usize)>,
}

impl Building {
    fn new(old: &Blob) -> Self {
        let new = Blob {
            table: old.table.clone(),
            entries: Vec::with_capacity(old.entries.len()).into(),
            ..*old
        };
        Self { new, counters_of: Vec::new(), landings: BTreeMap::new(), jumps: Vec::new() }
    }

    fn section(&mut self, number: usize, section: Section) {
        if let Some(head) = section.head {
            self.piece(head);
        }
        self.landings.insert(number, self.new.entries.len());
        let first = self.new.entries.len() as u32;
        for slot in section.slots {
            slot.before.into_iter().chain(slot.rule).for_each(|piece| self.piece(piece));
        }
        section.after.into_iter().for_each(|piece| self.piece(piece));
        let last = self.new.entries.len() as u32;
        self.piece(section.foot);
        if let Some(hook) = section.hook {
            let ends = self.new.hook_entry.get_mut(hook).zip(self.new.underflow.get_mut(hook));
            if let Some((entry, underflow)) = ends {
                (*entry, *underflow) = (first, last);
            }
        }
    }

    fn piece(&mut self, piece: Piece) {
        let at = self.new.entries.len();
        self.new.entries.extend_from_slice(&piece.bytes);
        self.counters_of.push(piece.old);
        let offset_at = || {
            let field = Layout::of(self.new.family).ip + 4;
            let target = piece.bytes.get(field..field + 2)?;
            let target = u16::from_ne_bytes([*target.first()?, *target.last()?]);
            Some(at + usize::from(target) + HEADER)
        };
        match (piece.jump, offset_at()) {
            (Jump::Next, Some(place)) => self.write(place, at + piece.bytes.len()),
            (Jump::To(number), Some(place)) => self.jumps.push((place, number)),
            _ => {}
        }
    }

    fn write(&mut self, at: usize, offset: usize) {
        if let Some(place) = self.new.entries.get_mut(at..at + 4) {
            place.copy_from_slice(&(offset as u32).to_ne_bytes());
        }
    }

    fn finish(mut self, names: &[String]) -> Result<(Blob, Vec<Option<usize>>), EditError> {
        for (place, number) in std::mem::take(&mut self.jumps) {
            let Some(to) = self.landings.get(&number) else {
                let chain = names.get(number).cloned().unwrap_or_default();
                let why = "was taken out, and a rule still leads to it";
                return Err(EditError::Chain { chain, why });
            };
            self.write(place, *to);
        }
        // what was built must be what can be read
        Parts::of(&self.new)?;
        Ok((self.new, self.counters_of))
    }
}

/// An entry with nothing but a target.
fn bare(family: crate::Family, name: &str, data: &[u8]) -> Vec<u8> {
    let layout = Layout::of(family);
    // XT_ALIGN
    let size = (HEADER + data.len()).next_multiple_of(8);
    let mut bytes = vec![0; layout.size + size];
    let mut put = |at: usize, value: &[u8]| {
        if let Some(place) = bytes.get_mut(at..at + value.len()) {
            place.copy_from_slice(value);
        }
    };
    put(layout.ip + 4, &(layout.size as u16).to_ne_bytes());
    put(layout.ip + 6, &((layout.size + size) as u16).to_ne_bytes());
    put(layout.size, &(size as u16).to_ne_bytes());
    put(layout.size + 2, name.as_bytes());
    put(layout.size + HEADER, data);
    bytes
}

fn head(family: crate::Family, name: &str) -> Vec<u8> {
    let mut data = [0; 30];
    if let Some(place) = data.get_mut(..name.len()) {
        place.copy_from_slice(name.as_bytes());
    }
    bare(family, "ERROR", &data)
}

fn foot(family: crate::Family) -> Vec<u8> {
    // XT_RETURN
    bare(family, "", &(-5_i32).to_ne_bytes())
}
