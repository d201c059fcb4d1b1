//! Lists of tests name tests that there are: the table of failures in the design document, and the
//! tests that only the API server in the process can run.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The tests of a file, by name.
fn tests_in(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let tests = text.split("#[test]\n").skip(1).map(|test| {
        test.trim_start().strip_prefix("fn ").unwrap().split('(').next().unwrap().to_owned()
    });
    tests.collect()
}

#[test]
fn every_test_that_only_our_api_server_runs_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let folders = [root.clone(), root.join("cluster")].map(|folder| fs::read_dir(folder).unwrap());
    let files = folders.into_iter().flatten().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let there: BTreeSet<String> = files.flat_map(|path| tests_in(&path)).collect();
    let missing: Vec<_> =
        testkit::cluster::in_process::listed().filter(|name| !there.contains(*name)).collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn the_table_of_failures_names_every_test_and_no_other() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = fs::read_to_string(root.join("../../docs/design/kube-source.md")).unwrap();
    let quoted = document.split('`').skip(1).step_by(2);
    let named: BTreeSet<&str> = quoted.filter(|name| name.contains("::")).collect();
    let mut there = BTreeSet::new();
    for entry in fs::read_dir(root.join("tests/cluster")).unwrap() {
        let path = entry.unwrap().path();
        let module = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if module == "table" {
            continue;
        }
        there.extend(tests_in(&path).iter().map(|name| format!("{module}::{name}")));
    }
    assert_eq!(named, there.iter().map(String::as_str).collect());
}
