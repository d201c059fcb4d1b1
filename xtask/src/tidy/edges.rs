//! Rule `crate-edges`: which crate may depend on which.
//!
//! A crate exists for its dependency set or its process. The direction is part of the design: what
//! is pure stays below what acts, and the netlink library knows nothing of netkeep.

use super::Violation;
use super::tree::{Package, Tree};

/// A package and what it may depend on.
struct Edges {
    package: &'static str,
    /// Packages of ours that it may use.
    may_use: &'static [&'static str],
    /// Packages of ours that its tests may use besides.
    tests_may_use: &'static [&'static str],
}

const PREFIX: &str = "netkeep-";

/// The table. A new crate gets a row here, with the smallest set that works.
const TABLE: [Edges; 17] = [
    Edges { package: "model", may_use: &[], tests_may_use: &[] },
    Edges { package: "plan", may_use: &["model"], tests_may_use: &["manifest", "testkit"] },
    Edges { package: "manifest", may_use: &["model"], tests_may_use: &["testkit"] },
    Edges { package: "nfnl", may_use: &[], tests_may_use: &["netns"] },
    Edges { package: "netns", may_use: &["model"], tests_may_use: &[] },
    Edges {
        package: "drivers",
        may_use: &["model", "nfnl", "netns"],
        tests_may_use: &["lab", "testkit", "plan"],
    },
    Edges {
        package: "apply",
        may_use: &["model", "plan", "drivers"],
        tests_may_use: &["netns", "lab", "testkit"],
    },
    Edges {
        package: "agent",
        may_use: &[
            "model", "plan", "manifest", "nfnl", "netns", "drivers", "apply", "kube", "xt",
            "doctor", "snapshot",
        ],
        tests_may_use: &["lab", "testkit"],
    },
    Edges { package: "kube", may_use: &["model", "manifest"], tests_may_use: &["testkit"] },
    Edges { package: "lab", may_use: &["model", "netns"], tests_may_use: &["testkit"] },
    Edges {
        package: "cli",
        may_use: &[
            "model", "plan", "manifest", "nfnl", "netns", "drivers", "apply", "agent", "lab",
            "doctor", "xt", "snapshot", "sweep",
        ],
        tests_may_use: &["testkit"],
    },
    Edges { package: "doctor", may_use: &["model", "xt"], tests_may_use: &["testkit"] },
    Edges { package: "xt", may_use: &["nfnl"], tests_may_use: &["netns", "lab", "testkit"] },
    Edges {
        package: "snapshot",
        may_use: &["model", "doctor", "xt", "nfnl", "netns"],
        tests_may_use: &["lab", "testkit"],
    },
    Edges { package: "sweep", may_use: &["doctor", "xt", "nfnl"], tests_may_use: &["netns"] },
    // Developers' own; nothing may depend on `bench`, and on `testkit` only tests.
    Edges {
        package: "testkit",
        may_use: &[
            "model", "plan", "manifest", "nfnl", "netns", "drivers", "apply", "agent", "lab",
        ],
        tests_may_use: &[],
    },
    Edges {
        package: "bench",
        may_use: &[
            "model", "plan", "manifest", "nfnl", "netns", "drivers", "apply", "agent", "lab", "xt",
            "doctor", "snapshot",
        ],
        tests_may_use: &["testkit"],
    },
];

/// What the pure crates may never link: anything that acts, waits or rolls dice.
const IMPURE: [&str; 12] = [
    "tokio",
    "libc",
    "rustix",
    "inotify",
    "rtnetlink",
    "signal-hook",
    "rand",
    "getrandom",
    "axum",
    "kube",
    "tempfile",
    "socket2",
];

/// The crates that compute and do nothing else.
pub(crate) const PURE: [&str; 3] = ["model", "plan", "manifest"];

/// Checks the rule.
pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    tree.packages.iter().flat_map(check_package).collect()
}

fn check_package(package: &Package) -> Vec<Violation> {
    let name = short(&package.name);
    if name == "xtask" {
        return of_xtask(package);
    }
    let Some(edges) = TABLE.iter().find(|edges| edges.package == name) else {
        let message = "is not in the table of xtask/src/tidy/edges.rs; add it";
        return vec![Violation::new(&package.manifest, 0, format!("{} {message}", package.name))];
    };
    let mut found = Vec::new();
    for dependency in &package.dependencies {
        let on = short(&dependency.name);
        let ours = dependency.name.starts_with(PREFIX);
        let allowed =
            edges.may_use.contains(&on) || (dependency.dev && edges.tests_may_use.contains(&on));
        if ours && !allowed {
            let kind = if dependency.dev { "its tests must not" } else { "it must not" };
            let message = format!("depends on {on}: {kind} (the design's table of crate edges)");
            found.push(Violation::new(&package.manifest, 0, message));
        }
        if PURE.contains(&name) && !dependency.dev && IMPURE.contains(&on) {
            let message = format!("depends on {on}: {name} is pure");
            found.push(Violation::new(&package.manifest, 0, message));
        }
    }
    found
}

/// `xtask` builds before everything else, so it uses only how to enter namespaces.
fn of_xtask(package: &Package) -> Vec<Violation> {
    let ours = package.dependencies.iter().filter(|dependency| dependency.name.starts_with(PREFIX));
    ours.filter(|dependency| short(&dependency.name) != "netns")
        .map(|dependency| {
            let message = format!("depends on {}: xtask may use netns only", dependency.name);
            Violation::new(&package.manifest, 0, message)
        })
        .collect()
}

fn short(package: &str) -> &str {
    package.strip_prefix(PREFIX).unwrap_or(package)
}

#[cfg(test)]
mod tests {
    use super::super::tree::Dependency;
    use super::*;

    fn package(name: &str, dependencies: &[(&str, bool)]) -> Package {
        let dependencies = dependencies
            .iter()
            .map(|(name, dev)| Dependency { name: (*name).to_owned(), dev: *dev })
            .collect();
        Package {
            name: name.to_owned(),
            manifest: format!("{name}/Cargo.toml"),
            dependencies,
            roots: vec![],
        }
    }

    #[test]
    fn plan_must_not_know_the_drivers() {
        let found = check_package(&package("netkeep-plan", &[("netkeep-drivers", false)]));
        assert!(found[0].message.contains("depends on drivers"), "{found:?}");
    }

    #[test]
    fn testkit_is_for_tests_only() {
        assert!(check_package(&package("netkeep-apply", &[("netkeep-testkit", true)])).is_empty());
        assert_eq!(
            check_package(&package("netkeep-apply", &[("netkeep-testkit", false)])).len(),
            1
        );
    }

    #[test]
    fn a_pure_crate_must_not_link_what_acts() {
        assert_eq!(check_package(&package("netkeep-model", &[("tokio", false)])).len(), 1);
        assert!(check_package(&package("netkeep-agent", &[("tokio", false)])).is_empty());
    }

    #[test]
    fn a_new_crate_needs_a_row() {
        let found = check_package(&package("netkeep-surprise", &[]));
        assert!(found[0].message.contains("add it"));
    }
}
