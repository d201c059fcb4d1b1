//! Rule `names`: no `mod.rs`, and no names that say nothing.

use super::Violation;
use super::source::Source;
use super::tree::Tree;

/// Words that name no responsibility.
const BANNED: [&str; 8] =
    ["manager", "util", "utils", "helper", "helpers", "common", "misc", "stuff"];

/// Checks the rule.
pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    tree.sources.iter().flat_map(check_source).collect()
}

fn check_source(source: &Source) -> Vec<Violation> {
    let mut found = Vec::new();
    let file = source.path.rsplit('/').next().unwrap_or(&source.path);
    if file == "mod.rs" {
        found.push(Violation::new(&source.path, 0, "mod.rs: use `name.rs` beside `name/`"));
    }
    for part in source.path.trim_end_matches(".rs").split('/') {
        found.extend(banned(part).map(|word| {
            Violation::new(&source.path, 0, format!("{word:?} says nothing: name what it does"))
        }));
    }
    for (number, line) in source.lines.iter().enumerate() {
        let name = ["mod ", "struct ", "enum ", "trait ", "type ", "fn "]
            .iter()
            .find_map(|keyword| declared(&line.code, keyword));
        found.extend(name.and_then(banned).map(|word| {
            Violation::new(&source.path, number + 1, format!("{word:?} says nothing"))
        }));
    }
    found
}

/// The name after a keyword.
fn declared<'a>(code: &'a str, keyword: &str) -> Option<&'a str> {
    let at = code.find(keyword)?;
    if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
        return None;
    }
    code[at + keyword.len()..].split(|c: char| !(c.is_alphanumeric() || c == '_')).next()
}

/// The banned word in a snake case or camel case name.
fn banned(name: &str) -> Option<&'static str> {
    let mut split = String::new();
    for c in name.chars() {
        if c.is_uppercase() {
            split.push('_');
        }
        split.extend(c.to_lowercase());
    }
    BANNED.into_iter().find(|word| split.split(['_', '-']).any(|part| part == *word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_words_are_found_in_files_and_types() {
        let count = |path, text| check_source(&Source::new(path, text)).len();
        assert_eq!(count("crates/x/src/util.rs", ""), 1);
        assert_eq!(count("crates/x/src/a/mod.rs", ""), 1);
        assert_eq!(count("crates/x/src/a.rs", "pub struct PortManager;\n"), 1);
        assert_eq!(count("crates/x/src/a.rs", "fn common_part() {}\n"), 1);
        assert_eq!(
            count("crates/x/src/a.rs", "struct Utility;\n// a manager\nfn commons() {}\n"),
            0
        );
    }
}
