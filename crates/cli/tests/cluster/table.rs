//! The table of failures in the design document names these tests, and all of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

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
        let text = fs::read_to_string(&path).unwrap();
        for test in text.split("#[test]\n").skip(1) {
            let name = test.trim_start().strip_prefix("fn ").unwrap().split('(').next().unwrap();
            there.insert(format!("{module}::{name}"));
        }
    }
    assert_eq!(named, there.iter().map(String::as_str).collect());
}
