//! Rule `crate-lints`: every crate takes the workspace's lints, says what it is, and forbids
//! `unsafe` unless it is one of the two that need it; every file says what it owns.

use super::Violation;
use super::source::{Reach, Source};
use super::tree::{Text, Tree};
use super::unsafety::UNSAFE_PACKAGES;

/// Checks the rule.
pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    let root_clippy = tree.manifests.iter().find(|text| text.path == "clippy.toml");
    for manifest in &tree.manifests {
        match manifest.path.as_str() {
            "Cargo.toml" | "clippy.toml" | "fuzz/Cargo.toml" => {}
            path if path.ends_with("clippy.toml") => found.extend(of_clippy(manifest, root_clippy)),
            _ => found.extend(of_manifest(manifest)),
        }
    }
    found.extend(tree.sources.iter().filter_map(of_head));
    let roots = tree.packages.iter().flat_map(|package| &package.roots);
    for (root, _) in roots.filter(|(_, reach)| *reach == Reach::Product) {
        let source = tree.sources.iter().find(|source| source.path == *root);
        found.extend(source.and_then(of_root));
    }
    found
}

fn of_manifest(manifest: &Text) -> Vec<Violation> {
    let mut found = Vec::new();
    let lints = manifest.text.split("[lints]").nth(1).map(str::trim_start);
    if !lints.is_some_and(|rest| rest.starts_with("workspace = true")) {
        let message = "lacks `[lints] workspace = true`";
        found.push(Violation::new(&manifest.path, 0, message));
    }
    if manifest.text.contains("description = \"TODO\"") {
        found.push(Violation::new(&manifest.path, 0, "its description says TODO"));
    }
    found
}

/// Clippy reads the nearest `clippy.toml` only: a crate's own must repeat the root's.
fn of_clippy(own: &Text, root: Option<&Text>) -> Vec<Violation> {
    let lines = root.map_or("", |root| root.text.as_str()).lines();
    let missing = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    missing
        .filter(|line| !own.text.lines().any(|mine| mine == *line))
        .map(|line| Violation::new(&own.path, 0, format!("replaces the root's and lacks `{line}`")))
        .collect()
}

fn of_head(source: &Source) -> Option<Violation> {
    // The tests of `x.rs` in `x/tests.rs`: the head of `x.rs` speaks for them.
    if source.path.ends_with("/tests.rs") && source.path.contains("/src/") {
        return None;
    }
    let first = source.text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let message = if !first.starts_with("//!") {
        "does not start with `//!`: say what it owns"
    } else if first.trim() == "//! TODO" {
        "its `//!` says TODO"
    } else {
        return None;
    };
    Some(Violation::new(&source.path, 1, message))
}

fn of_root(source: &Source) -> Option<Violation> {
    let exempt = UNSAFE_PACKAGES.contains(&source.package());
    let forbids = source.lines.iter().any(|line| line.code.contains("#![forbid(unsafe_code)]"));
    (!exempt && !forbids)
        .then(|| Violation::new(&source.path, 1, "lacks `#![forbid(unsafe_code)]`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_must_take_the_workspace_lints() {
        let text = |text: &str| Text { path: "crates/x/Cargo.toml".into(), text: text.into() };
        assert!(of_manifest(&text("[lints]\nworkspace = true\n")).is_empty());
        assert_eq!(of_manifest(&text("[lints.rust]\nx = \"warn\"\n")).len(), 1);
    }

    #[test]
    fn a_crates_own_clippy_file_must_repeat_the_root() {
        let text = |text: &str| Text { path: "clippy.toml".into(), text: text.into() };
        let root = text("a = 1\nb = 2\n");
        assert_eq!(of_clippy(&text("b = 2\nc = 3\n"), Some(&root)).len(), 1);
        assert!(of_clippy(&text("b = 2\na = 1\n"), Some(&root)).is_empty());
    }

    #[test]
    fn a_file_says_what_it_owns_first() {
        assert!(of_head(&Source::new("crates/x/src/a.rs", "//! Owns a.\nfn a() {}\n")).is_none());
        assert!(of_head(&Source::new("crates/x/src/a.rs", "fn a() {}\n//! Owns a.\n")).is_some());
        assert!(of_head(&Source::new("crates/x/src/a.rs", "")).is_some());
    }

    #[test]
    fn a_crate_forbids_unsafe_unless_it_may_use_it() {
        assert!(of_root(&Source::new("crates/plan/src/lib.rs", "//! x\n")).is_some());
        assert!(of_root(&Source::new("crates/nfnl/src/lib.rs", "//! x\n")).is_none());
    }
}
