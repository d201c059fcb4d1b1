//! Rules `file-size` and `function-size`: what fits into a reader's head.

use super::Violation;
use super::source::{Reach, Source};
use super::tree::Tree;

/// No file has more lines of product code than this.
const FILE_CAP: usize = 600;
/// What the median and the 90th percentile should stay under.
const TARGETS: (usize, usize) = (200, 400);
/// No function has more lines than this, its signature included.
const FUNCTION_CAP: usize = 70;

/// Functions that are longer, each with how long it may be. The numbers only go down.
const RATCHET: [(&str, &str, usize); 0] = [];

/// Checks the files.
pub(crate) fn check_files(tree: &Tree) -> Vec<Violation> {
    tree.sources.iter().filter_map(check_file).collect()
}

fn check_file(source: &Source) -> Option<Violation> {
    let lines = source.product_lines().count();
    (lines > FILE_CAP).then(|| {
        let message = format!("{lines} lines outside tests, the cap is {FILE_CAP}: split it");
        Violation::new(&source.path, 0, message)
    })
}

/// Checks the functions.
pub(crate) fn check_functions(tree: &Tree) -> Vec<Violation> {
    tree.sources.iter().flat_map(|source| check_functions_of(source, &RATCHET)).collect()
}

fn check_functions_of(source: &Source, ratchet: &[(&str, &str, usize)]) -> Vec<Violation> {
    let mut found = Vec::new();
    for function in source.functions() {
        let product = source.reach == Reach::Product && !source.in_test[function.first];
        let lines = function.last - function.first + 1;
        let cap = ratchet
            .iter()
            .find(|(path, name, _)| *path == source.path && *name == function.name)
            .map_or(FUNCTION_CAP, |(_, _, cap)| *cap);
        if product && lines > cap {
            let message = format!("fn {} has {lines} lines, the cap is {cap}", function.name);
            found.push(Violation::new(&source.path, function.first + 1, message));
        }
    }
    found
}

/// One line about the sizes of all product files.
pub(crate) fn report(tree: &Tree) -> String {
    let product = tree.sources.iter().filter(|source| source.reach == Reach::Product);
    let mut sizes: Vec<usize> = product.map(|source| source.product_lines().count()).collect();
    sizes.sort_unstable();
    let at = |percent: usize| {
        sizes.get(sizes.len() * percent / 100).or(sizes.last()).copied().unwrap_or(0)
    };
    let (median, p90) = (at(50), at(90));
    let verdict = |value, target| if value <= target { "within" } else { "OVER" };
    format!(
        "{} files, {} lines of product code; median {median} ({} {}), p90 {p90} ({} {})",
        sizes.len(),
        sizes.iter().sum::<usize>(),
        verdict(median, TARGETS.0),
        TARGETS.0,
        verdict(p90, TARGETS.1),
        TARGETS.1,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_outside_tests_count() {
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "// x\n".repeat(700));
        assert_eq!(check_file(&Source::new("crates/x/src/a.rs", &tests)), None);
        let long = "// x\n".repeat(601);
        assert!(check_file(&Source::new("crates/x/src/a.rs", &long)).is_some());
    }

    #[test]
    fn a_long_function_is_found_unless_the_ratchet_knows_it() {
        let text = format!("fn long() {{\n{}}}\n", "    x();\n".repeat(70));
        let source = Source::new("crates/x/src/a.rs", &text);
        let found = check_functions_of(&source, &[]);
        assert_eq!(found[0].message, "fn long has 72 lines, the cap is 70");
        assert!(check_functions_of(&source, &[("crates/x/src/a.rs", "long", 72)]).is_empty());
    }
}
