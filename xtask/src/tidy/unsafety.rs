//! Rule `unsafe`: only in three crates, and never without saying why it is sound.

use super::Violation;
use super::scan::has_word;
use super::source::Source;
use super::tree::Tree;

/// The crates that may: sockets of the kernel's netlink, entering namespaces, and the socket options
/// of x_tables.
pub(crate) const UNSAFE_PACKAGES: [&str; 3] = ["crates/nfnl", "crates/netns", "crates/xt"];

/// How many lines may stand between a SAFETY comment and its `unsafe`.
const NEAR: usize = 8;

/// Checks the rule.
pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    tree.sources.iter().flat_map(check_source).collect()
}

fn check_source(source: &Source) -> Vec<Violation> {
    let may = UNSAFE_PACKAGES.contains(&source.package());
    let mut found = Vec::new();
    for (number, line) in source.lines.iter().enumerate() {
        if !has_word(&line.code, "unsafe") {
            continue;
        }
        let near = &source.lines[number.saturating_sub(NEAR)..=number];
        let said = near
            .iter()
            .any(|line| line.comment.contains("SAFETY") || line.comment.contains("# Safety"));
        if !may {
            let message = format!("unsafe outside {}", UNSAFE_PACKAGES.join(" and "));
            found.push(Violation::new(&source.path, number + 1, message));
        } else if !said {
            let message = "unsafe without a SAFETY comment above it";
            found.push(Violation::new(&source.path, number + 1, message));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsafe_is_for_three_crates_and_needs_its_reason() {
        let check = |path, text| check_source(&Source::new(path, text));
        assert_eq!(check("crates/plan/src/a.rs", "// SAFETY: x\nunsafe { y() }\n").len(), 1);
        assert_eq!(check("crates/nfnl/src/a.rs", "unsafe { y() }\n").len(), 1);
        assert_eq!(check("crates/nfnl/src/a.rs", "// SAFETY: x\nunsafe { y() }\n"), []);
        assert_eq!(check("crates/plan/src/a.rs", "#![forbid(unsafe_code)] // unsafe\n"), []);
    }
}
