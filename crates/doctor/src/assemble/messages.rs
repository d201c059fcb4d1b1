//! Owns what tools complain about, wherever a dump kept it: their own words, with the place.

use super::words::short;
use super::{Assembler, place};
use crate::snapshot::ToolMessage;

/// Words of messages that a check asks for.
pub(crate) const KNOWN: [&str; 12] = [
    "iptables-legacy tables present",
    "holding the xtables lock",
    "Can't lock /run/xtables.lock",
    "Error occurred at line",
    "interval overlaps with an existing one",
    "conflicting intervals specified",
    "is incompatible, use 'nft' tool",
    "Couldn't load target",
    "nf_conntrack: table full",
    "Incompatible with this kernel",
    "xtables.lock",
    "doesn't exist.",
];

/// Most messages kept of one kind.
const MOST: usize = 20;

pub(super) fn take(all: &mut Assembler, file: &str, at: usize, line: &str) {
    let Some(known) = KNOWN.iter().find(|known| line.contains(*known)) else { return };
    // a set or a chain that does not exist is a message only when a tool says it
    if *known == "doesn't exist." && !line.contains("Set ") {
        return;
    }
    let held = all.snapshot.messages.iter().filter(|message| message.text.contains(known)).count();
    if held < MOST {
        let text = line.trim().to_owned();
        let text = if text.len() > 400 { short(&text) } else { text };
        all.snapshot.messages.push(ToolMessage { place: place(file, at), text });
    }
}
