//! Fixtures as snapshots and reports.

use std::path::PathBuf;

use doctor::assemble::{Assembler, from_paths};
use doctor::{Report, Snapshot};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// All fixtures, by name.
pub(crate) fn names() -> Vec<String> {
    let entries = std::fs::read_dir(folder()).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A fixture.
pub(crate) fn snapshot(name: &str) -> Snapshot {
    from_paths(&[folder().join(name)]).unwrap()
}

/// What is found in a fixture.
pub(crate) fn report(name: &str) -> Report {
    doctor::run(&snapshot(name))
}

/// A snapshot of files given by name and text.
pub(crate) fn of_files(files: &[(&str, &str)]) -> Snapshot {
    let mut assembler = Assembler::default();
    for (name, text) in files {
        assembler.add(name, text.as_bytes()).unwrap();
    }
    assembler.finish()
}
