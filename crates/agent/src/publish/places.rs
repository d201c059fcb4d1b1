//! Where published files are, and which Pod a file name stands for.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The name of a file that is being written.
pub(super) const TEMPORARY: &str = ".writing";

const EXTENSION: &str = ".yaml";
/// The longest name of a file (`NAME_MAX` of `linux/limits.h`), bytes.
const FILE_NAME_MAX: usize = 255;
/// How much is kept of a name that is too long.
const CUT: usize = 200;

/// A file below `published/pods`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    namespace: Box<str>,
    file: Box<str>,
}

impl Place {
    /// The place of a Pod's file.
    pub(super) fn of(namespace: &str, name: &str) -> Self {
        let file = if name.len() + EXTENSION.len() <= FILE_NAME_MAX {
            format!("{name}{EXTENSION}")
        } else {
            // no name of a Pod has a tilde, so this is no other Pod's place
            let start = &name[..name.floor_char_boundary(CUT)];
            format!("{start}~{:016x}{EXTENSION}", fnv1a_64(name.as_bytes()))
        };
        Self { namespace: namespace.into(), file: file.into() }
    }

    /// The place of a file found in a namespace's folder; `None` if it is none of ours.
    pub(super) fn found(namespace: &str, file: &OsStr) -> Option<Self> {
        let file = file.to_str()?;
        let ours = file == TEMPORARY || !file.starts_with('.') && file.ends_with(EXTENSION);
        ours.then(|| Self { namespace: namespace.into(), file: file.into() })
    }

    pub(super) fn path(&self, state_dir: &Path) -> PathBuf {
        pods(state_dir).join(&*self.namespace).join(&*self.file)
    }

    pub(super) fn is_temporary(&self) -> bool {
        &*self.file == TEMPORARY
    }

    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The Pod's name, where the file's name says it in full.
    pub(super) fn name(&self) -> Option<&str> {
        self.file.strip_suffix(EXTENSION).filter(|name| !name.contains('~'))
    }
}

/// The folder of all published Pods.
pub(super) fn pods(state_dir: &Path) -> PathBuf {
    state_dir.join("published").join("pods")
}

/// All files there are, and what could not be looked into.
pub(super) fn all(state_dir: &Path) -> (Vec<Place>, Vec<(PathBuf, io::Error)>) {
    let mut places = Vec::new();
    let mut troubles = Vec::new();
    let pods = pods(state_dir);
    for namespace in folders(&pods, &mut troubles) {
        let files = entries(&pods.join(&namespace), &mut troubles);
        let files = files.iter().filter_map(|file| file.file_name());
        places.extend(files.filter_map(|file| Place::found(&namespace, file)));
    }
    places.sort();
    (places, troubles)
}

/// The namespaces that have a folder.
pub(super) fn namespaces(pods: &Path) -> Vec<String> {
    folders(pods, &mut Vec::new())
}

fn folders(pods: &Path, troubles: &mut Vec<(PathBuf, io::Error)>) -> Vec<String> {
    let is_folder =
        |path: &PathBuf| fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir());
    let name = |path: PathBuf| Some(path.file_name()?.to_str()?.to_owned());
    entries(pods, troubles).into_iter().filter(is_folder).filter_map(name).collect()
}

fn entries(folder: &Path, troubles: &mut Vec<(PathBuf, io::Error)>) -> Vec<PathBuf> {
    let listed = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>());
    match listed {
        Ok(paths) => paths,
        Err(error) => {
            if !super::is_absent(&error) {
                troubles.push((folder.to_owned(), error));
            }
            Vec::new()
        }
    }
}

/// FNV-1a with 64 bits (RFC 9923): stable across versions and machines.
pub(super) fn fnv1a_64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
