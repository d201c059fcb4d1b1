//! Owns reading dumps from files and folders: the only place of this crate that opens a file.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::{AssembleError, Assembler, Limits};
use crate::snapshot::Snapshot;

/// Deeper folders are left out.
const DEEPEST: usize = 4;
/// More files are left out.
const MOST: usize = 2_000;

/// Reads files, and all files of folders, into one snapshot.
///
/// # Errors
/// [`AssembleError`]: a path cannot be read, or nothing that was read is of a known kind.
pub fn from_paths<P: AsRef<Path>>(paths: &[P]) -> Result<Snapshot, AssembleError> {
    let mut assembler = Assembler::new(Limits::default());
    let mut what = Vec::new();
    for path in paths {
        let path = path.as_ref();
        what.push(path.display().to_string());
        let mut files = Vec::new();
        collect(path, 0, &mut files)?;
        for file in files {
            let shown = match file.strip_prefix(path) {
                Ok(below) if !below.as_os_str().is_empty() => below.display().to_string(),
                _ => file.display().to_string(),
            };
            let unreadable = |source| AssembleError::Unreadable { path: file.clone(), source };
            let input = File::open(&file).map_err(unreadable)?;
            assembler.add(&shown, input).map_err(unreadable)?;
        }
    }
    let snapshot = assembler.finish();
    if snapshot.is_blank() {
        let hint = snapshot.skipped.first();
        let hint = hint.map_or(String::new(), |skip| format!(" ({}: {})", skip.place, skip.why));
        return Err(AssembleError::Nothing { what: what.join(", "), hint });
    }
    Ok(snapshot)
}

fn collect(path: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), AssembleError> {
    let unreadable = |source| AssembleError::Unreadable { path: path.to_owned(), source };
    let meta = fs::metadata(path).map_err(unreadable)?;
    if !meta.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let entries = fs::read_dir(path).map_err(unreadable)?;
    let mut below = Vec::new();
    for entry in entries {
        let entry = entry.map_err(unreadable)?;
        // a pipe or a socket would never end, a broken link is no dump
        let Ok(kind) = fs::metadata(entry.path()).map(|meta| meta.file_type()) else { continue };
        if kind.is_file() || kind.is_dir() && depth < DEEPEST {
            below.push(entry.path());
        }
    }
    below.sort();
    for path in below {
        if files.len() < MOST {
            collect(&path, depth + 1, files)?;
        }
    }
    Ok(())
}
