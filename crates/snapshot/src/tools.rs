//! Owns which tools are installed, and of which version: read out of their files, because looking
//! starts no programs.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use doctor::snapshot::Tool;

use crate::Found;

/// What is looked for. `iptables` is a name for one of the two.
const NAMES: [&str; 11] = [
    "iptables",
    "iptables-legacy",
    "iptables-nft",
    "ip6tables",
    "ip6tables-legacy",
    "ip6tables-nft",
    "nft",
    "ipset",
    "conntrack",
    "ip",
    "ovs-vsctl",
];
/// Where, beside PATH: what an agent is started with is often short.
const FOLDERS: [&str; 5] = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin"];
/// Largest program that is read.
const MAX_SIZE: u64 = 8 << 20;

#[expect(clippy::unnecessary_wraps, reason = "as every part")]
pub(crate) fn find() -> Result<Found<Vec<Tool>>, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> =
        std::env::split_paths(&path).chain(FOLDERS.map(PathBuf::from)).collect();
    let tool = |name: &str| {
        let found = folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file());
        Tool { name: name.to_owned(), version: found.map(|path| version(name, &path)) }
    };
    Ok(NAMES.map(tool).to_vec().into())
}

fn version(name: &str, path: &Path) -> String {
    // alternatives and applets are links to one program
    let program = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let number = number_in(&program).unwrap_or_else(|| "of unknown version".to_owned());
    let file = program.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    match (name, &*file) {
        ("iptables" | "ip6tables", "xtables-nft-multi") => format!("{number} (nf_tables)"),
        ("iptables" | "ip6tables", "xtables-legacy-multi") => format!("{number} (legacy)"),
        _ => number,
    }
}

/// The only text of the file that is a version: `1.8.9`.
fn number_in(program: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(program).ok()?.take(MAX_SIZE).read_to_end(&mut bytes).ok()?;
    let mut texts = bytes.split(|byte| *byte == 0).filter(|text| is_version(text));
    let first = texts.next()?;
    let only = texts.all(|text| text == first);
    only.then(|| String::from_utf8_lossy(first).into_owned())
}

fn is_version(text: &[u8]) -> bool {
    let mut parts = 0;
    let number =
        |part: &[u8]| !part.is_empty() && part.len() < 4 && part.iter().all(u8::is_ascii_digit);
    text.len() < 12
        && text.split(|byte| *byte == b'.').inspect(|_| parts += 1).all(number)
        && parts == 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_out_of_the_file_and_never_guessed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tool");
        let read = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            number_in(&path)
        };
        assert_eq!(read(b"\x7fELF\0GLIBC_2.2.5\x001.8.9\0usage\0").as_deref(), Some("1.8.9"));
        assert_eq!(read(b"\x001.8.9\x001.0.0\0"), None);
        assert_eq!(read(b"#!/bin/sh\n"), None);
        assert_eq!(read(b"\x0010.0.0.1\x00300.1.2.\0"), None);
    }
}
