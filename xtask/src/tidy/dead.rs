//! Rule `dead-file`: every Rust file is reached by some `mod`, else it never compiles and its tests
//! never run.

use super::Violation;
use super::source::Reach;
use super::tree::Tree;

/// Checks the rule.
pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let dead = tree.sources.iter().filter(|source| source.reach == Reach::Dead);
    dead.map(|source| Violation::new(&source.path, 0, "no `mod` leads here: it is never compiled"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::source::Source;
    use super::*;

    #[test]
    fn a_file_that_no_mod_names_is_found() {
        let mut lost = Source::new("crates/x/src/lost.rs", "");
        lost.reach = Reach::Dead;
        let tree = Tree { sources: vec![lost], ..Tree::default() };
        assert_eq!(check(&tree).len(), 1);
    }
}
