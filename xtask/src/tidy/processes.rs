//! Rule `processes`: the product starts no other programs.

use super::Violation;
use super::source::Source;
use super::tree::Tree;

/// Where programs may be started, each with its reason.
const ALLOWED: [(&str, &str); 6] = [
    ("crates/cli/src/command/demo", "the demo is a laboratory with programs in it"),
    ("crates/lab/", "traffic and peers in the laboratory"),
    ("crates/testkit/", "oracles and agents under test"),
    ("crates/bench/", "peers to measure against"),
    ("xtask/", "runs cargo"),
    ("fuzz/", "developers only"),
];

/// Checks the rule.
pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let elsewhere =
        |source: &&Source| !ALLOWED.iter().any(|(path, _)| source.path.starts_with(path));
    tree.sources.iter().filter(elsewhere).flat_map(check_source).collect()
}

fn check_source(source: &Source) -> Vec<Violation> {
    // clap has a type of the same name, which starts nothing.
    let clap = source.lines.iter().any(|line| {
        line.code.contains("clap::{") && line.code.contains("Command")
            || line.code.contains("clap::Command")
    });
    let starts =
        |code: &str| code.contains("process::Command") || (!clap && code.contains("Command::new("));
    source
        .product_lines()
        .filter(|(_, line)| starts(&line.code))
        .map(|(number, _)| {
            let message = "starts a program: the product speaks to the kernel itself";
            Violation::new(&source.path, number + 1, message)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starting_a_program_is_found_and_a_clap_command_is_not_one() {
        let count = |text| check_source(&Source::new("crates/agent/src/a.rs", text)).len();
        assert_eq!(count("use std::process::Command;\n"), 1);
        assert_eq!(count("let a = Command::new(\"nft\");\n"), 1);
        assert_eq!(count("use clap::Command;\nlet a = Command::new(\"x\");\n"), 0);
        assert_eq!(count("use std::process::ExitCode;\n"), 0);
    }
}
