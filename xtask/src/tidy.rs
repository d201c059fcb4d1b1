//! `cargo xtask tidy`: what a reader should be able to trust, checked.
//!
//! Owns: the list of rules. Each rule is a function from the [`tree::Tree`] to violations, lives in
//! a module of its own and carries its exceptions as data with their reasons.
//!
//! Deliberately not here: what rustc, clippy and rustfmt check already.

mod dead;
mod docs;
mod edges;
mod fuzz;
mod graph;
mod lints;
mod names;
mod processes;
mod purity;
mod scan;
mod size;
mod source;
mod tree;
mod unsafety;
mod unwraps;

use std::fmt;

use anyhow::{Result, bail};

use tree::Tree;

/// One broken rule at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    /// The file, relative to the root.
    path: String,
    /// The line, counted from 1; 0 for the whole file.
    line: usize,
    /// What is wrong and what to do.
    message: String,
}

impl Violation {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, message: message.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            write!(f, "{}: {}", self.path, self.message)
        } else {
            write!(f, "{}:{}: {}", self.path, self.line, self.message)
        }
    }
}

type Check = fn(&Tree) -> Vec<Violation>;

const RULES: [(&str, Check); 12] = [
    ("crate-edges", edges::check),
    ("purity", purity::check),
    ("file-size", size::check_files),
    ("function-size", size::check_functions),
    ("dead-file", dead::check),
    ("doc-paths", docs::check),
    ("crate-lints", lints::check),
    ("unsafe", unsafety::check),
    ("unwrap", unwraps::check),
    ("names", names::check),
    ("processes", processes::check),
    ("fuzz-targets", fuzz::check),
];

/// Checks the workspace; prints every violation and fails if there is one.
pub(crate) fn run() -> Result<()> {
    let tree = Tree::load(&crate::root())?;
    println!("tidy: {}", size::report(&tree));
    let mut broken = 0;
    for (rule, check) in RULES {
        for violation in check(&tree) {
            broken += 1;
            println!("tidy: [{rule}] {violation}");
        }
    }
    if broken > 0 {
        bail!("{broken} violations");
    }
    println!("tidy: {} rules hold", RULES.len());
    Ok(())
}
