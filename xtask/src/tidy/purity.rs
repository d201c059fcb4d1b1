//! Rule `purity`: the pure crates do no I/O, read no clock, roll no dice, start no threads, and
//! iterate in a fixed order.

use super::Violation;
use super::edges::PURE;
use super::scan::has_word;
use super::source::Source;
use super::tree::Tree;

/// A banned name and the reason.
const WORDS: [(&str, &str); 13] = [
    ("Instant", "reads a clock"),
    ("SystemTime", "reads a clock"),
    ("HashMap", "iterates in a random order; use BTreeMap"),
    ("HashSet", "iterates in a random order; use BTreeSet"),
    ("RandomState", "is random"),
    ("TcpStream", "does I/O"),
    ("TcpListener", "does I/O"),
    ("UdpSocket", "does I/O"),
    ("UnixStream", "does I/O"),
    ("tokio", "is a runtime"),
    ("rand", "is random"),
    ("println", "does I/O; return text"),
    ("eprintln", "does I/O; return text"),
];

/// Modules of `std` that a pure crate has no use for.
const MODULES: [(&str, &str); 5] = [
    ("fs", "does I/O"),
    ("process", "starts or ends processes"),
    ("thread", "starts threads or sleeps"),
    ("env", "reads the environment"),
    ("os", "speaks to the operating system"),
];

/// Checks the rule.
pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let pure = |source: &&Source| {
        source.package().strip_prefix("crates/").is_some_and(|name| PURE.contains(&name))
    };
    tree.sources.iter().filter(pure).flat_map(check_source).collect()
}

fn check_source(source: &Source) -> Vec<Violation> {
    let mut found = Vec::new();
    for (number, line) in source.product_lines() {
        let words = WORDS.iter().filter(|(word, _)| has_word(&line.code, word));
        let modules = MODULES.iter().filter(|(module, _)| uses_std(&line.code, module));
        for (name, why) in words.chain(modules) {
            let message = format!("{name} {why}; this crate is pure");
            found.push(Violation::new(&source.path, number + 1, message));
        }
    }
    found
}

/// `std::module`, also inside a one-line `std::{..}` group.
fn uses_std(code: &str, module: &str) -> bool {
    if has_word(code, &format!("std::{module}")) {
        return true;
    }
    code.split_once("std::{").is_some_and(|(_, group)| {
        group.split(',').any(|part| {
            let part = part.trim().trim_end_matches(['}', ';']);
            part == module || part.starts_with(&format!("{module}::"))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(text: &str) -> usize {
        check_source(&Source::new("crates/plan/src/x.rs", text)).len()
    }

    #[test]
    fn clocks_files_and_random_order_are_found() {
        assert_eq!(messages("use std::time::Instant;\n"), 1);
        assert_eq!(messages("use std::{fmt, fs};\n"), 1);
        assert_eq!(messages("let x = std::fs::read(p);\n"), 1);
        assert_eq!(messages("let x: HashMap<u8, u8>;\n"), 1);
    }

    #[test]
    fn words_in_comments_texts_tests_and_longer_names_are_fine() {
        assert_eq!(messages("// no Instant here\nlet a = \"HashMap\";\nlet operand = 1;\n"), 0);
        assert_eq!(messages("#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n"), 0);
        assert_eq!(messages("use std::net::IpAddr;\nuse std::fmt;\n"), 0);
    }
}
