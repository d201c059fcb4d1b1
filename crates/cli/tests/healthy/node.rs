//! A node of the lab that has a shape, and what the doctor said of it.
//!
//! Everything of a shape happens in mount and PID namespaces that end with the first process: no
//! program outlives it, nothing is written to the machine's files. The rules stay in the lab's
//! namespace until the value is dropped.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use lab::Lab;
use testkit::Output;

const NETKEEP: &str = env!("CARGO_BIN_EXE_netkeep");
/// Starting Docker and two containers takes seconds, on a busy machine more.
const PATIENCE: Duration = Duration::from_mins(2);

/// Which iptables the administrator has chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    Nft,
    Legacy,
}

impl Backend {
    pub(crate) const BOTH: [Self; 2] = [Self::Nft, Self::Legacy];

    const fn word(self) -> &'static str {
        match self {
            Self::Nft => "nft",
            Self::Legacy => "legacy",
        }
    }
}

/// A node of a shape.
pub(crate) struct Node {
    lab: Lab,
    said: Output,
    backend: Backend,
}

impl Node {
    pub(crate) fn new(shape: &str, backend: Backend) -> Self {
        Self::with(shape, backend, &[])
    }

    /// With more in the environment of the shape's script.
    pub(crate) fn with(shape: &str, backend: Backend, more: &[(&str, &str)]) -> Self {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let unpacked = unpacked();
        let lab = Lab::new().unwrap();
        let ip = |family| (lab.node_ip(family), lab.client_ip(family));
        let ((node, client), (_, client6)) = (ip(model::IpFamily::V4), ip(model::IpFamily::V6));
        let mut environment = vec![
            set("SHAPES", here.join("tests/healthy/shapes").display()),
            set("SHAPE", shape),
            set("BACKEND", backend.word()),
            set("UNPACKED", unpacked.display()),
            set("RULES", here.join("../doctor/tests/fixtures").display()),
            set("NODE", node),
            set("CLIENT", client),
            set("CLIENT6", client6),
            set("NETKEEP", NETKEEP),
            "LC_ALL=C.UTF-8".to_owned(),
        ];
        environment.extend(more.iter().map(|(name, value)| set(name, value)));
        let machine = here.join("tests/healthy/machine.sh").display().to_string();
        let mut args = vec!["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "env"];
        args.extend(environment.iter().map(String::as_str));
        args.extend(["sh", &machine]);
        let said = testkit::netkeep_for(PATIENCE, Path::new("unshare"), lab.node(), &args);
        assert_ne!(said.code, Some(99), "the shape {shape} could not be built: {said}");
        Self { lab, said, backend }
    }

    /// Nothing found, and nearly everything looked at.
    #[track_caller]
    pub(crate) fn assert_healthy(&self) {
        let Self { said, backend, .. } = self;
        let report = said.json();
        assert_eq!(report["findings"], serde_json::json!([]), "{backend:?}: {said}");
        assert_eq!(said.code, Some(0), "{backend:?}: {said}");
        let checked = report["checked"].as_array().unwrap().len();
        assert!(checked > 38, "{backend:?}: only {checked} checks looked: {said}");
    }

    /// What the node has is what the shape says, and not an empty namespace.
    #[track_caller]
    pub(crate) fn assert_shows(&self, words: &[&str]) {
        let rules = self.rules();
        for word in words {
            assert!(rules.contains(word), "{:?}: no {word:?} in: {rules}", self.backend);
        }
    }

    /// All rules of both families, as their own tools print them.
    pub(crate) fn rules(&self) -> String {
        let lock = tempfile::NamedTempFile::new().unwrap();
        let said = |program: &str, args: &[&str]| {
            let mut command = Command::new(program);
            let command = command.args(args).env("XTABLES_LOCKFILE", lock.path());
            lab::run(self.lab.node(), command, "").unwrap()
        };
        let mut all = String::new();
        // looking with the tools of iptables makes the tables looked at, so nft looks first
        if self.backend == Backend::Nft {
            all += &said("nft", &["list", "ruleset"]);
        }
        if self.backend == Backend::Nft && all.trim().is_empty() {
            return all;
        }
        for family in ["ip", "ip6"] {
            for table in ["filter", "nat"] {
                let program = format!("{family}tables-{}", self.backend.word());
                all += &said(&program, &["-w", "-t", table, "-S"]);
            }
        }
        all
    }
}

fn set(name: &str, value: impl std::fmt::Display) -> String {
    format!("{name}={value}")
}

/// The programs that are unpacked beside.
fn unpacked() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/debian/bookworm/root");
    assert!(
        root.join("usr/sbin/ufw").exists(),
        "{} is missing; run: cargo xtask suites",
        root.display()
    );
    root.canonicalize().unwrap()
}

/// A node with Docker. Its containers are in control groups, which are the machine's: only its root
/// has them.
pub(crate) fn with_docker(backend: Backend) -> (Node, Containers) {
    if std::env::var_os("NETKEEP_TEST_ROOTLESS").is_some() {
        return (Node::with("docker", backend, &[("CGROUP", "")]), Containers::None);
    }
    let groups = Groups(format!("netkeep-healthy-{}-{}", std::process::id(), backend.word()));
    (Node::with("docker", backend, &[("CGROUP", &groups.0)]), Containers::Published)
}

/// Whether the node has containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Containers {
    None,
    Published,
}

/// The control groups of this name; dropping it removes them, once what was in them has ended.
struct Groups(String);

impl Drop for Groups {
    fn drop(&mut self) {
        for _ in 0..100 {
            if remove_groups(Path::new("/sys/fs/cgroup"), &self.0, 3) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Removes directories of this name, at most so deep; whether none is left.
fn remove_groups(at: &Path, name: &str, depth: u32) -> bool {
    let entries = std::fs::read_dir(at).into_iter().flatten().flatten();
    let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let mut none = true;
    for directory in directories {
        let path = directory.path();
        if directory.file_name() == *name {
            none &= remove_tree(&path);
        } else if depth > 0 {
            none &= remove_groups(&path, name, depth - 1);
        }
    }
    none
}

/// Removes a control group and those in it; the files in them are the kernel's.
fn remove_tree(at: &Path) -> bool {
    let entries = std::fs::read_dir(at).into_iter().flatten().flatten();
    for inner in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        remove_tree(&inner.path());
    }
    std::fs::remove_dir(at).is_ok()
}
