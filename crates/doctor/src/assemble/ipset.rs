//! Owns the text of `ipset save` and `ipset list`.

use super::Assembler;
use super::words::after;
use crate::snapshot::{IpSet, PartName};

pub(super) fn starts(line: &str) -> bool {
    line.starts_with("Name: ") || starts_save(line)
}

fn starts_save(line: &str) -> bool {
    let mut words = line.split(' ');
    let typed =
        |kind: &str| kind.contains(':') && kind.starts_with(|c: char| c.is_ascii_lowercase());
    words.next() == Some("create") && words.nth(1).is_some_and(typed)
}

pub(super) fn take(all: &mut Assembler, file: &str, at: usize, line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    let elements = all.limits.elements;
    let held = all.snapshot.ipsets.known().map_or(0, Vec::len);
    let begins = matches!(words.first(), Some(&("create" | "Name:")));
    if begins && !all.room(held, file, at, PartName::Ipsets) {
        return true;
    }
    all.snapshot.ipsets.fill(|sets| match words.as_slice() {
        ["create", name, kind, ..] => {
            sets.push(IpSet {
                name: (*name).to_owned(),
                kind: (*kind).to_owned(),
                family: after(&words, "family").map(str::to_owned),
                limit: after(&words, "maxelem").and_then(|limit| limit.parse().ok()),
                ..IpSet::default()
            });
            true
        }
        ["add", name, element, ..] => {
            // elements of a set follow it, or at least are not far from it
            let Some(set) = sets.iter_mut().rev().take(64).find(|set| set.name == *name) else {
                return false;
            };
            set.count += 1;
            if set.elements.len() < elements {
                set.elements.push((*element).to_owned());
            }
            true
        }
        ["Name:", name] => {
            sets.push(IpSet { name: (*name).to_owned(), ..IpSet::default() });
            true
        }
        _ => match sets.last_mut() {
            Some(set) => take_listed(set, &words, elements),
            None => false,
        },
    })
}

/// A line of `ipset list` below the name.
fn take_listed(set: &mut IpSet, words: &[&str], elements: usize) -> bool {
    match words {
        ["Type:", kind] => (*kind).clone_into(&mut set.kind),
        ["Header:", header @ ..] => {
            set.family = after(header, "family").map(str::to_owned);
            set.limit = after(header, "maxelem").and_then(|limit| limit.parse().ok());
        }
        ["References:", number] => set.references = number.parse().ok(),
        ["Revision:" | "Members:", ..]
        | ["Size", "in", "memory:", ..]
        | ["Number", "of", "entries:", ..] => {}
        [name, .., _] if name.ends_with(':') => {}
        [element, ..] => {
            set.count += 1;
            if set.elements.len() < elements {
                set.elements.push((*element).to_owned());
            }
        }
        [] => return false,
    }
    true
}
