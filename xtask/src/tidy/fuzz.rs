//! Rule `fuzz-targets`: each target has a telling name, and the manifest and the folder agree.

use super::Violation;
use super::tree::Tree;

const MANIFEST: &str = "fuzz/Cargo.toml";

/// Checks the rule.
pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let Some(manifest) = tree.manifests.iter().find(|manifest| manifest.path == MANIFEST) else {
        return Vec::new();
    };
    let files: Vec<&str> = tree
        .sources
        .iter()
        .filter_map(|source| source.path.strip_prefix("fuzz/fuzz_targets/"))
        .filter_map(|file| file.strip_suffix(".rs"))
        .collect();
    check_names(&bins(&manifest.text), &files)
}

fn check_names(bins: &[&str], files: &[&str]) -> Vec<Violation> {
    let mut found = Vec::new();
    for name in bins {
        if name.contains("target") || name.ends_with(|c: char| c.is_ascii_digit()) {
            let message = format!("{name}: name what is fuzzed");
            found.push(Violation::new(MANIFEST, 0, message));
        }
        if !files.contains(name) {
            let message = format!("{name} has no file in fuzz_targets");
            found.push(Violation::new(MANIFEST, 0, message));
        }
    }
    for file in files.iter().filter(|file| !bins.contains(file)) {
        let message = format!("fuzz_targets/{file}.rs has no [[bin]]: it is never built");
        found.push(Violation::new(MANIFEST, 0, message));
    }
    found
}

/// The names of the `[[bin]]` sections.
fn bins(manifest: &str) -> Vec<&str> {
    let sections = manifest.split("[[bin]]").skip(1);
    sections
        .filter_map(|section| section.lines().find_map(|line| line.trim().strip_prefix("name = ")))
        .map(|name| name.trim_matches('"'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_named_and_complete() {
        let bins = bins("[[bin]]\nname = \"netlink_dump\"\n\n[[bin]]\nname = \"fuzz_target_1\"\n");
        assert_eq!(bins, ["netlink_dump", "fuzz_target_1"]);
        assert_eq!(check_names(&bins[..1], &["netlink_dump"]), []);
        assert_eq!(check_names(&bins, &["netlink_dump", "lost"]).len(), 3);
    }
}
