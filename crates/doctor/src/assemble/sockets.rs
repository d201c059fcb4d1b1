//! Owns the text of `ss -lntup` and `netstat -lntup`.

use super::Assembler;
use super::words::socket;
use crate::snapshot::{Listener, PartName};

pub(super) fn starts(line: &str) -> bool {
    line.starts_with("Netid ") || line.starts_with("Proto Recv-Q") || listener(line).is_some()
}

pub(super) fn take(all: &mut Assembler, file: &str, at: usize, line: &str) -> bool {
    if line.starts_with("Netid ") || line.starts_with("Proto ") || line.starts_with("Active ") {
        all.snapshot.listeners.fill(|_| ());
        return true;
    }
    let Some(found) = listener(line) else { return false };
    let held = all.snapshot.listeners.known().map_or(0, Vec::len);
    if all.room(held, file, at, PartName::Listeners) {
        all.snapshot.listeners.fill(|known| known.push(found));
    }
    true
}

fn listener(line: &str) -> Option<Listener> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let protocol = words.first()?.trim_end_matches('6');
    if !matches!(protocol, "tcp" | "udp" | "sctp") {
        return None;
    }
    let number = |word: Option<&&str>| word.is_some_and(|word| word.parse::<u64>().is_ok());
    let (local, process) = match words.get(1).copied()? {
        "LISTEN" | "UNCONN" if number(words.get(2)) => {
            let users = words.get(6).and_then(|users| users.split('"').nth(1));
            (words.get(4)?, users)
        }
        _ if number(words.get(1)) && number(words.get(2)) => {
            let named = words.iter().find_map(|word| word.split_once('/'));
            (words.get(3)?, named.map(|(_, process)| process))
        }
        _ => return None,
    };
    let (address, port) = socket(local)?;
    Some(Listener {
        protocol: protocol.to_owned(),
        address,
        port,
        process: process.map(str::to_owned),
    })
}
