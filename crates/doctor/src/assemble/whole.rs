//! Owns what tells that a dump is cut, beyond what its own reader sees: the same rules in another view,
//! counts that a tool printed, the JSON and the text of one ruleset.
//!
//! A dump that is cut exactly between two tables, and has no other view beside it, cannot be told from a
//! whole one.

use xt::{Backend, Extent, Family};

use super::{Assembler, place};
use crate::snapshot::{PartName, Partial};

/// What was seen of nf_tables: the JSON counts, else the text.
#[derive(Debug, Default)]
pub(super) struct Nft {
    pub(super) json: Option<Extent>,
    pub(super) text: Option<Extent>,
    cut: Option<Partial>,
}

impl Nft {
    /// Notes that one of them is cut.
    pub(super) fn cut(&mut self, file: &str, line: usize, why: impl Into<String>) {
        let partial = Partial { part: PartName::Nft, place: place(file, line), why: why.into() };
        self.cut.get_or_insert(partial);
    }
}

/// Looks at everything that was read.
pub(super) fn look(all: &mut Assembler) {
    let nft = std::mem::take(&mut all.nft);
    let whole = [nft.json, nft.text].contains(&Some(Extent::Whole));
    all.snapshot.partial.extend(nft.cut.filter(|_| !whole));
    tables(all);
    if let Some((place, said)) = all.connections_said.take() {
        let count = all.snapshot.conntrack.known().map_or(0, |conntrack| conntrack.count);
        if count < said {
            let why = format!("the tool said {said} connections, and {count} are there");
            all.half(PartName::Conntrack, &place, 0, why);
        }
    }
}

/// Tables of iptables-nft that nft shows and iptables-nft-save does not, and legacy tables that the kernel
/// names and iptables-legacy-save does not. Where the tool itself said that it cannot show one, it is
/// not cut.
fn tables(all: &mut Assembler) {
    let snapshot = &all.snapshot;
    let mut found = Vec::new();
    for family in Family::BOTH {
        let name = if family == Family::V4 { "ip" } else { "ip6" };
        let nft = snapshot.nft.known().into_iter().flat_map(|nft| &nft.tables);
        let native = nft.filter(|table| table.is_of_iptables() && table.family == name);
        let native = native.filter(|table| !table.chains.is_empty());
        let legacy = snapshot.legacy_tables.known().map(|tables| match family {
            Family::V4 => &tables.v4,
            Family::V6 => &tables.v6,
        });
        let views: [(Backend, &str, Vec<&str>); 2] = [
            (Backend::NftCompat, "nft shows", native.map(|table| table.name.as_str()).collect()),
            (
                Backend::Legacy,
                "the kernel has",
                legacy.into_iter().flatten().map(String::as_str).collect(),
            ),
        ];
        for (backend, who, names) in views {
            let Some(ruleset) = snapshot.rules.of(backend, family).known() else { continue };
            let said = ruleset.notes.iter().chain(snapshot.messages.iter().map(|m| &m.text));
            if ruleset.tables.is_empty()
                || said.into_iter().any(|said| said.contains("incompatible"))
            {
                continue;
            }
            let lost = names.into_iter().find(|name| ruleset.table(name).is_none());
            if let Some(lost) = lost {
                found.push((
                    PartName::rules(backend, family),
                    format!("{who} table {lost}, and it is not among the rules"),
                ));
            }
        }
    }
    for (part, why) in found {
        all.half(part, part.as_str(), 0, why);
    }
}
