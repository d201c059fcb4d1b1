//! The folder's files and sub-folders.
//!
//! Hidden names are passed over (also `..data` and its like, through which Kubernetes swaps the
//! files of a ConfigMap volume); symlinks are followed; each folder is entered once, so neither
//! loops nor diamonds of symlinks multiply files.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use model::Finding;

use super::name::FileName;
use super::trouble;

/// A folder's identity: device and inode.
pub(super) type Identity = (u64, u64);

/// What was found below the folder. Paths are relative to it.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// Files that are manifests by name, and whether a symlink leads to them.
    pub(super) files: BTreeMap<FileName, Via>,
    /// Folders (the first is the empty path, the folder itself).
    pub(super) folders: BTreeMap<PathBuf, Identity>,
    /// Sub-folders that cannot be read: nothing is known of what is below.
    pub(super) unread: BTreeSet<PathBuf>,
    /// Symlinks to folders that are entered elsewhere.
    pub(super) skipped: BTreeSet<PathBuf>,
    pub(super) troubles: Vec<Finding>,
}

impl Tree {
    /// Whether this is the path of a folder, or of a symlink to one.
    pub(super) fn has_folder(&self, path: &Path) -> bool {
        self.folders.contains_key(path) || self.skipped.contains(path)
    }
}

/// How a file is reached from its folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Via {
    Name,
    Symlink,
}

/// Whether a file of this name is read.
pub(super) fn is_manifest(name: &OsStr) -> bool {
    !is_hidden(name)
        && Path::new(name).extension().is_some_and(|extension| {
            extension == "yaml" || extension == "yml" || extension == "json"
        })
}

pub(super) fn is_hidden(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b".")
}

/// The identity of the folder at this path now.
pub(super) fn identity(path: &Path) -> io::Result<Identity> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_dir() {
        return Err(io::Error::from(io::ErrorKind::NotADirectory));
    }
    Ok((metadata.dev(), metadata.ino()))
}

/// Walks the folder. `enter` is called with each folder before it is read, so that a watch set
/// there misses nothing. An error is one of the folder itself.
pub(super) fn walk(root: &Path, enter: &mut dyn FnMut(&Path)) -> io::Result<Tree> {
    let mut walk = Walk { root, enter, tree: Tree::default() };
    let mut entered: BTreeMap<Identity, PathBuf> = BTreeMap::new();
    let root_identity = identity(root)?;
    entered.insert(root_identity, PathBuf::new());
    let mut waiting = walk.folder(Path::new(""), root_identity)?;
    while let Some((path, identity)) = waiting.pop() {
        if let Some(first) = entered.get(&identity) {
            if path.starts_with(first) {
                let leads = if first.as_os_str().is_empty() {
                    "the folder itself".to_owned()
                } else {
                    first.display().to_string()
                };
                let message = format!("a symlink that loops: it leads back to {leads}");
                let advice = "remove the symlink; everything else is read";
                walk.tree.troubles.push(trouble::unreadable(&path, message, advice));
            }
            walk.tree.skipped.insert(path);
            continue;
        }
        entered.insert(identity, path.clone());
        match walk.folder(&path, identity) {
            Ok(below) => waiting.extend(below),
            Err(error) => {
                let message = format!("cannot be read: {error}");
                let advice = "make the folder readable; until then what its files said counts";
                walk.tree.troubles.push(trouble::unreadable(&path, message, advice));
                walk.tree.folders.remove(&path);
                walk.tree.unread.insert(path);
            }
        }
    }
    Ok(walk.tree)
}

struct Walk<'a> {
    root: &'a Path,
    enter: &'a mut dyn FnMut(&Path),
    tree: Tree,
}

impl Walk<'_> {
    /// Reads one folder; returns its sub-folders, last name first.
    fn folder(&mut self, path: &Path, identity: Identity) -> io::Result<Vec<(PathBuf, Identity)>> {
        (self.enter)(path);
        self.tree.folders.insert(path.to_owned(), identity);
        let mut below = Vec::new();
        for entry in fs::read_dir(self.root.join(path))? {
            let entry = entry?;
            let name: OsString = entry.file_name();
            if is_hidden(&name) {
                continue;
            }
            let is_symlink = entry.file_type().is_ok_and(|kind| kind.is_symlink());
            let path = path.join(&name);
            if let Some(folder) = self.as_folder(&entry, &path, is_symlink) {
                below.push((path, folder));
            } else if is_manifest(&name) {
                let via = if is_symlink { Via::Symlink } else { Via::Name };
                self.tree.files.insert(path.into(), via);
            }
        }
        below.sort_unstable_by(|a, b| b.0.cmp(&a.0));
        Ok(below)
    }

    fn as_folder(
        &mut self,
        entry: &fs::DirEntry,
        path: &Path,
        is_symlink: bool,
    ) -> Option<Identity> {
        if !is_symlink && !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            return None;
        }
        match identity(&self.root.join(path)) {
            Ok(identity) => Some(identity),
            // what a manifest's name leads to is said when it is read
            Err(_) if is_symlink => None,
            Err(error) => {
                let message = format!("cannot be read: {error}");
                let advice = "make the folder readable; until then what its files said counts";
                self.tree.troubles.push(trouble::unreadable(path, message, advice));
                self.tree.unread.insert(path.to_owned());
                None
            }
        }
    }
}

/// The folders in which the symlinks on the way to `path` lie, `path`'s own folder first. A change
/// in one of them can change what `path` is.
pub(super) fn way_to(path: &Path) -> Vec<PathBuf> {
    // as many as the kernel follows (MAXSYMLINKS of linux/namei.h)
    const SYMLINKS_MAX: usize = 40;
    let mut folders = Vec::new();
    let mut path = path.to_owned();
    for _ in 0..SYMLINKS_MAX {
        let Some(parent) = path.parent() else { break };
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        folders.push(parent.to_owned());
        match fs::read_link(&path) {
            Ok(target) => path = parent.join(target),
            Err(_) => break,
        }
    }
    folders
}
