//! Owns the text of `nft list ruleset`.
//!
//! Where a dump has JSON as well, the JSON counts; of the text only what nft's JSON leaves out is
//! taken (`auto-merge`).

mod elements;
mod rule;

use self::elements::Elements;
use super::Assembler;
use crate::snapshot::{NftBase, NftChain, NftSet, NftTable};
use xt::Extent;

/// Longest rule that is put together of several lines.
const LONGEST: usize = 1 << 20;

pub(super) fn starts(line: &str) -> bool {
    header(line).is_some()
}

/// `table inet netkeep {`
fn header(line: &str) -> Option<(&str, &str)> {
    let line = line.split(" # ").next().unwrap_or(line).trim_end();
    let mut words = line.strip_prefix("table ")?.strip_suffix('{')?.split_whitespace();
    let (family, name) = (words.next()?, words.next()?);
    let families = ["ip", "ip6", "inet", "arp", "bridge", "netdev"];
    (families.contains(&family) && words.next().is_none()).then_some((family, name))
}

enum Inside {
    Table,
    Chain(NftChain),
    Set(Box<NftSet>),
    /// The elements of the set, over several lines.
    Elements(Box<NftSet>, Elements),
    /// Something that nothing asks for, and how deep.
    Other(usize),
}

/// One table.
pub(super) struct Reader {
    table: NftTable,
    inside: Inside,
    /// A rule that goes on in the next line.
    pending: String,
    full: bool,
    /// Its `}` was there.
    closed: bool,
}

impl Reader {
    pub(super) fn new(all: &mut Assembler, _: &str, _: usize, line: &str) -> Self {
        all.snapshot.nft.fill(|_| ());
        let (family, name) = header(line).unwrap_or_default();
        let table =
            NftTable { family: family.to_owned(), name: name.to_owned(), ..NftTable::default() };
        Self { table, inside: Inside::Table, pending: String::new(), full: false, closed: false }
    }

    /// Takes a line; whether the table ended with it.
    pub(super) fn take(&mut self, all: &mut Assembler, file: &str, at: usize, line: &str) -> bool {
        let line = line.trim();
        match std::mem::replace(&mut self.inside, Inside::Table) {
            Inside::Table => {
                if line == "}" {
                    self.closed = true;
                    return true;
                }
                self.inside = self.in_table(line);
            }
            Inside::Chain(chain) => self.in_chain(all, file, at, chain, line),
            Inside::Set(set) => self.in_set(all, set, line),
            Inside::Elements(mut set, mut elements) => {
                if elements.take(line, &mut set, all.limits.elements) {
                    self.inside = Inside::Set(set);
                } else {
                    self.inside = Inside::Elements(set, elements);
                }
            }
            Inside::Other(depth) => {
                let depth = depth + line.matches('{').count();
                let depth = depth.saturating_sub(line.matches('}').count());
                self.inside = if depth == 0 { Inside::Table } else { Inside::Other(depth) };
            }
        }
        false
    }

    fn in_table(&mut self, line: &str) -> Inside {
        let line = line.split(" # handle").next().unwrap_or(line).trim_end();
        if let Some(flags) = line.strip_prefix("flags ") {
            self.table.flags = list(flags);
        }
        let Some(object) = line.strip_suffix('{') else { return Inside::Table };
        let mut words = object.split_whitespace();
        match (words.next(), words.next()) {
            (Some("chain"), Some(name)) => {
                Inside::Chain(NftChain { name: name.to_owned(), ..NftChain::default() })
            }
            (Some("set" | "map"), Some(name)) => {
                Inside::Set(Box::new(NftSet { name: name.to_owned(), ..NftSet::default() }))
            }
            _ => Inside::Other(1),
        }
    }

    fn in_chain(
        &mut self,
        all: &mut Assembler,
        file: &str,
        at: usize,
        mut chain: NftChain,
        line: &str,
    ) {
        if line == "}" && self.pending.is_empty() {
            self.table.chains.push(chain);
            return;
        }
        if let Some(base) = base(line) {
            chain.base = Some(base);
        } else if !(line.is_empty() || self.pending.is_empty() && line.starts_with("comment ")) {
            if !self.pending.is_empty() {
                self.pending.push(' ');
            }
            self.pending.push_str(line);
            if rule::is_whole(&self.pending) || self.pending.len() > LONGEST {
                let text = std::mem::take(&mut self.pending);
                if all.rules < all.limits.rules {
                    all.rules += 1;
                    chain.rules.push(rule::read(&text));
                } else if !std::mem::replace(&mut self.full, true) {
                    let limit = all.limits.rules;
                    all.skip(file, at, format!("more than {limit} rules: the rest is left out"));
                }
            }
        }
        self.inside = Inside::Chain(chain);
    }

    fn in_set(&mut self, all: &Assembler, mut set: Box<NftSet>, line: &str) {
        if line == "}" {
            set.targets.sort();
            set.targets.dedup();
            self.table.sets.push(*set);
            return;
        }
        if let Some(start) = line.strip_prefix("elements = {") {
            let mut elements = Elements::default();
            if !elements.take(start, &mut set, all.limits.elements) {
                self.inside = Inside::Elements(set, elements);
                return;
            }
        } else if let Some(key) = line.strip_prefix("type ").or(line.strip_prefix("typeof ")) {
            let (key, data) = match key.split_once(" : ") {
                Some((key, data)) => (key, Some(data.to_owned())),
                None => (key, None),
            };
            (set.key, set.data) = (key.to_owned(), data);
        } else if let Some(flags) = line.strip_prefix("flags ") {
            set.flags = list(flags);
        } else if let Some(size) = line.strip_prefix("size ") {
            set.size = size.split_whitespace().next().and_then(|size| size.parse().ok());
        } else if line == "auto-merge" {
            set.auto_merge = true;
        }
        self.inside = Inside::Set(set);
    }

    /// Puts the table into the snapshot.
    pub(super) fn finish(mut self, all: &mut Assembler, file: &str, at: usize) {
        let cut = !self.closed || self.full;
        if cut {
            all.nft.cut(file, at, "the text ends inside a table");
        }
        let before = all.nft.text.get_or_insert(Extent::Whole);
        *before = if cut || *before == Extent::Part { Extent::Part } else { Extent::Whole };
        let json_is_cut = all.nft.json == Some(Extent::Part) && !cut;
        match self.inside {
            Inside::Table => {}
            Inside::Chain(chain) => {
                self.table.chains.push(chain);
                all.skip(file, at, "the text ends inside a chain");
            }
            Inside::Set(set) | Inside::Elements(set, _) => {
                self.table.sets.push(*set);
                all.skip(file, at, "the text ends inside a set");
            }
            Inside::Other(_) => all.skip(file, at, "the text ends inside a table"),
        }
        let table = self.table;
        all.snapshot.nft.fill(|nft| {
            let same =
                |known: &&mut NftTable| known.family == table.family && known.name == table.name;
            match nft.tables.iter_mut().find(same) {
                Some(known) if json_is_cut => *known = table,
                Some(known) => complete(known, &table),
                None => nft.tables.push(table),
            }
        });
    }
}

/// Takes over what the JSON of some versions does not say.
pub(super) fn complete(known: &mut NftTable, other: &NftTable) {
    let merged: std::collections::BTreeSet<&str> =
        other.sets.iter().filter(|set| set.auto_merge).map(|set| set.name.as_str()).collect();
    for set in &mut known.sets {
        set.auto_merge |= merged.contains(set.name.as_str());
    }
}

fn list(words: &str) -> Vec<String> {
    words.split(',').map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect()
}

/// `type filter hook input priority filter; policy accept;`
fn base(line: &str) -> Option<NftBase> {
    let rest = line.strip_prefix("type ")?;
    let words: Vec<&str> = rest.split([' ', ';']).filter(|word| !word.is_empty()).collect();
    let after = |key| super::words::after(&words, key);
    let at = words.iter().position(|word| *word == "priority")?;
    let name = words.get(at + 1)?;
    let mut priority = match *name {
        "raw" => -300,
        "mangle" => -150,
        "dstnat" => -100,
        "filter" => 0,
        "security" => 50,
        "srcnat" | "out" => 100,
        number => number.parse().unwrap_or_default(),
    };
    let offset = words.get(at + 3).and_then(|offset| offset.parse::<i32>().ok());
    match (words.get(at + 2), offset) {
        (Some(&"-"), Some(offset)) => priority -= offset,
        (Some(&"+"), Some(offset)) => priority += offset,
        _ => {}
    }
    Some(NftBase {
        kind: (*words.first()?).to_owned(),
        hook: after("hook")?.to_owned(),
        priority,
        policy: after("policy").map(str::to_owned),
    })
}
