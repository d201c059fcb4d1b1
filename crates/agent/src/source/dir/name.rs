//! A file's name: its path below the folder.
//!
//! Invariant: ordered as paths are, folder by folder (`a/x` before `a-b`), for a later file's word
//! counts; but without taking paths apart at each step of a search.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A relative path without `.`, `..` and doubled slashes. A copy costs no memory.
#[derive(Clone)]
pub(super) struct FileName(Arc<Path>);

impl FileName {
    fn bytes(&self) -> &[u8] {
        self.0.as_os_str().as_bytes()
    }
}

impl From<PathBuf> for FileName {
    fn from(path: PathBuf) -> Self {
        Self(path.into())
    }
}

impl From<&Path> for FileName {
    fn from(path: &Path) -> Self {
        Self(path.into())
    }
}

impl Deref for FileName {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl AsRef<Path> for FileName {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Ord for FileName {
    fn cmp(&self, other: &Self) -> Ordering {
        // a folder's end comes before whatever else a longer name may go on with; no name holds a NUL
        let rank = |byte: &u8| if *byte == b'/' { 0 } else { *byte };
        self.bytes().iter().map(rank).cmp(other.bytes().iter().map(rank))
    }
}

impl PartialOrd for FileName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for FileName {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for FileName {}

impl fmt::Debug for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ordered_and_told_apart_as_their_paths() {
        let parts = ["a", "a-", "a.b", "a~", "b", "\u{e4}", "!", "aa"];
        let deep = parts.iter().flat_map(|folder| {
            let deeper = parts.iter().map(move |name| format!("{folder}/{name}"));
            deeper.chain([(*folder).to_owned(), format!("{folder}/a/a")])
        });
        let paths: Vec<PathBuf> = deep.map(PathBuf::from).collect();
        for a in &paths {
            for b in &paths {
                let names = (FileName::from(a.as_path()), FileName::from(b.clone()));
                assert_eq!(names.0.cmp(&names.1), a.cmp(b), "{a:?} {b:?}");
                assert_eq!(names.0 == names.1, a == b, "{a:?} {b:?}");
            }
        }
    }
}
