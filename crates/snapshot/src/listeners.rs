//! Owns sockets that listen: /proc/net/{tcp,tcp6,udp,udp6}, and whose they are where that can be
//! seen.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};

use doctor::proc_net::{self, Socket};
use doctor::snapshot::Listener;

use crate::{Found, Limits};

/// `TCP_LISTEN` and, for UDP, `TCP_CLOSE`: not connected.
const FILES: [(&str, &str, &str); 4] =
    [("tcp", "tcp", "0A"), ("tcp6", "tcp", "0A"), ("udp", "udp", "07"), ("udp6", "udp", "07")];

/// A socket and its inode.
type Numbered = (u64, Listener);

pub(crate) fn read(limits: Limits) -> Result<Found<Vec<Listener>>, String> {
    let mut found: Vec<Numbered> = Vec::new();
    let mut errors = Vec::new();
    for (file, protocol, state) in FILES {
        // not /proc/net: that is of the thread that began the process
        match File::open(format!("/proc/thread-self/net/{file}")) {
            Ok(file) => {
                let lines = BufReader::new(file).lines().map_while(Result::ok);
                found.extend(lines.filter_map(|line| take(&line, protocol, state)));
            }
            Err(error) => errors.push(format!("{file}: {error}")),
        }
    }
    if errors.len() == FILES.len() {
        return Err(format!("no list of sockets can be read ({})", errors.join(", ")));
    }
    let mut notes = errors;
    if found.len() > limits.entries {
        notes.push(format!("{} sockets: only {} are kept", found.len(), limits.entries));
        found.truncate(limits.entries);
    }
    let owners = owners(&found.iter().map(|(inode, _)| *inode).collect());
    let mut listeners: Vec<Listener> = found
        .into_iter()
        .map(|(inode, listener)| Listener { process: owners.get(&inode).cloned(), ..listener })
        .collect();
    let key = |listener: &Listener| (listener.protocol.clone(), listener.port, listener.address);
    listeners.sort_by_key(key);
    Ok(Found { value: listeners, notes })
}

fn take(line: &str, protocol: &str, listens: &str) -> Option<Numbered> {
    let Socket { address, port, state, inode } = proc_net::socket(line)?;
    if state != listens || port == 0 {
        return None;
    }
    let listener = Listener {
        protocol: protocol.to_owned(),
        address: (!address.is_unspecified()).then_some(address),
        port,
        process: None,
    };
    Some((inode?, listener))
}

/// Names of the processes that have these sockets open, as far as this process may see.
fn owners(wanted: &BTreeSet<u64>) -> BTreeMap<u64, String> {
    let mut owners = BTreeMap::new();
    let Ok(processes) = fs::read_dir("/proc") else { return owners };
    for process in processes.flatten() {
        if owners.len() == wanted.len() {
            break;
        }
        if process.file_name().to_str().is_none_or(|name| name.parse::<u32>().is_err()) {
            continue;
        }
        let Ok(open) = fs::read_dir(process.path().join("fd")) else { continue };
        for file in open.flatten() {
            let inode = fs::read_link(file.path()).ok().and_then(|link| socket_inode(&link));
            let Some(inode) = inode.filter(|inode| wanted.contains(inode)) else { continue };
            if let Ok(name) = fs::read_to_string(process.path().join("comm")) {
                owners.entry(inode).or_insert_with(|| name.trim().to_owned());
            }
        }
    }
    owners
}

fn socket_inode(link: &std::path::Path) -> Option<u64> {
    link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sockets_that_listen_are_taken() {
        let line = "   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 \
                    0        0 4711 1 0000000000000000 100 0 0 10 0";
        let line = if cfg!(target_endian = "big") {
            line.replace("0100007F", "7F000001")
        } else {
            line.to_owned()
        };
        let (inode, listener) = take(&line, "tcp", "0A").unwrap();
        assert_eq!((inode, listener.port), (4711, 8080));
        assert_eq!(listener.address, Some("127.0.0.1".parse().unwrap()));
        assert_eq!(take(&line, "tcp", "01"), None);
        assert_eq!(take("  sl  local_address rem_address st", "tcp", "0A"), None);
    }
}
