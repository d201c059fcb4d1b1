//! Rule `unwrap`: product code unwraps nothing without a stated proof.

use super::Violation;
use super::scan::has_word;
use super::source::Source;
use super::tree::Tree;

/// Packages that only tests use: a panic there is a failed test.
const EXEMPT: [&str; 1] = ["crates/testkit"];

/// How many lines above may carry the proof.
const NEAR: usize = 8;

/// Checks the rule.
pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let product = tree.sources.iter().filter(|source| !EXEMPT.contains(&source.package()));
    product.flat_map(check_source).collect()
}

fn check_source(source: &Source) -> Vec<Violation> {
    let mut found = Vec::new();
    for (number, line) in source.product_lines() {
        let unwraps = [".unwrap()", ".expect(\"", ".expect(&format!", ".unwrap_err()"];
        if unwraps.iter().any(|call| line.code.contains(call)) && !is_proven(source, number) {
            let message = "unwraps without a proof: return an error, or say in a comment why it \
                           never fails";
            found.push(Violation::new(&source.path, number + 1, message));
        }
    }
    found
}

/// A comment with `proof` or `never` nearby, an `#[expect(.., reason)]` on the item, or a constant,
/// which the compiler evaluates.
fn is_proven(source: &Source, number: usize) -> bool {
    let near = &source.lines[number.saturating_sub(NEAR)..=number];
    let said = near.iter().any(|line| {
        let comment = line.comment.to_lowercase();
        comment.contains("proof") || comment.contains("never")
    });
    let constant = near.iter().any(|line| {
        has_word(&line.code, "const") && !has_word(&line.code, "fn") && line.code.contains(':')
    });
    said || constant || is_expected(source, number)
}

/// Whether the enclosing function, or the statement, carries `#[expect(clippy::.., reason = ..)]`.
fn is_expected(source: &Source, number: usize) -> bool {
    let function = source
        .functions()
        .into_iter()
        .filter(|function| (function.first..=function.last).contains(&number))
        .max_by_key(|function| function.first);
    let from = function.map_or(number, |function| function.first).saturating_sub(NEAR);
    source.lines[from..=number].iter().any(|line| line.code.contains("#[expect("))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str) -> usize {
        check_source(&Source::new("crates/plan/src/a.rs", text)).len()
    }

    #[test]
    fn an_unwrap_needs_a_proof() {
        assert_eq!(count("fn a() {\n    x.unwrap();\n}\n"), 1);
        assert_eq!(count("fn a() {\n    x.expect(\"y\");\n}\n"), 1);
        assert_eq!(count("fn a() {\n    // Never empty: made above.\n    x.unwrap();\n}\n"), 0);
        assert_eq!(
            count("#[expect(clippy::unwrap_used, reason = \"\")]\nfn a() {\n    x.unwrap();\n}\n"),
            0
        );
    }

    #[test]
    fn tests_and_constants_may_unwrap() {
        assert_eq!(count("#[cfg(test)]\nmod tests {\n    fn a() { x.unwrap(); }\n}\n"), 0);
        assert_eq!(count("const A: NonZeroU16 = NonZeroU16::new(1).unwrap();\n"), 0);
        assert_eq!(count("const fn a() -> u8 { x.unwrap() }\n"), 1);
        assert_eq!(count("let x = y.unwrap_or_default();\n"), 0);
    }
}
