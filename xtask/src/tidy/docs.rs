//! Rule `doc-paths`: a path of the repository that a document or a comment names exists.

use std::collections::BTreeSet;

use super::Violation;
use super::tree::Tree;

/// Directories of the repository; a word that begins with one of them is a path.
const ROOTS: [&str; 8] =
    ["crates/", "docs/", "xtask/", "fuzz/", "tests/", "deploy/", ".ci/", ".cargo/"];

/// Checks the rule.
pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for doc in &tree.docs {
        for (number, line) in doc.text.lines().enumerate() {
            let links = links(line).filter_map(|link| resolve(&doc.path, link));
            let named: BTreeSet<String> = words(line).map(str::to_owned).chain(links).collect();
            for path in named {
                report(tree, &doc.path, number, &path, &mut found);
            }
        }
    }
    for source in &tree.sources {
        for (number, line) in source.lines.iter().enumerate() {
            // Tests of this rule name paths that do not exist.
            for path in words(&line.comment).filter(|path| path.starts_with("docs/")) {
                report(tree, &source.path, number, path, &mut found);
            }
        }
    }
    found
}

fn report(tree: &Tree, from: &str, number: usize, path: &str, found: &mut Vec<Violation>) {
    let plain = path.trim_end_matches('/').to_owned();
    if tree.paths.binary_search(&plain).is_err() {
        found.push(Violation::new(from, number + 1, format!("names {path}, which does not exist")));
    }
}

/// Words that look like paths of the repository.
fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| c.is_whitespace() || "`()[]\"',;|".contains(c))
        .map(|word| word.split(['#', ':']).next().unwrap_or(word))
        .map(|word| word.trim_end_matches(['.', ')']))
        .filter(|word| ROOTS.iter().any(|root| word.starts_with(root)))
        .filter(|word| !word.contains(['*', '<', '{', '>', '…', '$']))
}

/// The targets of Markdown links.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link)
}

/// A relative link from a document as a path of the repository; `None` for links elsewhere.
fn resolve(doc: &str, link: &str) -> Option<String> {
    let link = link.split('#').next().unwrap_or(link);
    if link.is_empty() || link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let mut parts: Vec<&str> = doc.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::super::tree::Text;
    use super::*;

    fn violations(doc: &str) -> Vec<Violation> {
        let docs = vec![Text { path: "docs/design/a.md".to_owned(), text: doc.to_owned() }];
        let paths =
            ["README.md", "crates", "crates/plan", "crates/plan/src/lib.rs", "docs/design/a.md"];
        let paths = paths.map(str::to_owned).to_vec();
        check(&Tree { docs, paths, ..Tree::default() })
    }

    #[test]
    fn existing_paths_and_patterns_are_fine() {
        let doc = "See `crates/plan/`, crates/plan/src/lib.rs:12 and `crates/*/src/<name>.rs`.\n\
                   [top](../../README.md#start), [web](https://example.net/docs/x), [here](#a)";
        assert_eq!(violations(doc), []);
    }

    #[test]
    fn a_missing_path_is_found_with_its_line() {
        let found = violations("fine\n`crates/gone/src/lib.rs`\n[b](b.md)\n");
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].line, 2);
        assert!(found[1].message.contains("docs/design/b.md"));
    }
}
