//! The iptables of other Debian suites: what each version says of the same kernel state, and what we
//! say. `cargo xtask suites` unpacks them.

use std::path::{Path, PathBuf};
use std::process::Command;

use nfnl::Socket;
use xt::{Backend, Family, KernelNames, Ruleset, legacy, nft, text};

use crate::{corpus, support::*};

/// Programs of one suite.
struct Suite {
    root: PathBuf,
}

/// iptables 1.8.7 and 1.8.11; installed is 1.8.9.
const OLDER: &str = "bullseye";
const NEWER: &str = "trixie";

impl Suite {
    fn new(name: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/debian").join(name);
        let root = root.join("root");
        assert!(
            root.join("usr/sbin/iptables-nft").exists(),
            "{} is missing; run: cargo xtask suites",
            root.display()
        );
        Self { root }
    }

    /// Directories of libraries: `lib/TRIPLET`, `usr/lib/TRIPLET`.
    fn libraries(&self) -> Vec<PathBuf> {
        let of = |part: &str| {
            let entries = std::fs::read_dir(self.root.join(part)).into_iter().flatten();
            entries
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.join("libc.so.6").exists() || path.join("libmnl.so.0").exists())
                .collect::<Vec<_>>()
        };
        [of("lib"), of("usr/lib")].concat()
    }

    /// The suite's own loader: its programs need its C library.
    fn loader(&self) -> PathBuf {
        let files = self
            .libraries()
            .into_iter()
            .flat_map(|directory| std::fs::read_dir(directory).unwrap());
        let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
        files
            .map(|entry| entry.unwrap().path())
            .find(|path| name(path).starts_with("ld-") && name(path).contains(".so"))
            .expect("a loader")
    }

    /// Exit code and output of a program.
    fn outcome(&self, program: &str, args: &[&str]) -> (i32, String) {
        let libraries = self.libraries();
        let extensions = libraries.iter().map(|directory| directory.join("xtables"));
        let extensions = extensions.into_iter().find(|path| path.exists()).unwrap();
        let path: Vec<String> = libraries.iter().map(|path| path.display().to_string()).collect();
        let output = Command::new(self.loader())
            .args(["--library-path", &path.join(":")])
            .arg(self.root.join("usr/sbin").join(program))
            .args(args)
            .env("XTABLES_LIBDIR", extensions)
            .env("XTABLES_LOCKFILE", lock_file())
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&text).into_owned())
    }

    #[track_caller]
    fn run(&self, program: &str, args: &[&str]) -> String {
        let (code, text) = self.outcome(program, args);
        assert_eq!(code, 0, "{program} {args:?}: {text}");
        text
    }

    /// iptables-restore reads a file.
    fn restore(&self, program: &str, input: &str) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("rules");
        std::fs::write(&file, input).unwrap();
        self.run(program, &["-w", "30", file.to_str().unwrap()]);
    }
}

fn read(backend: Backend, family: Family) -> Ruleset {
    let sets = &mut KernelNames::default();
    match backend {
        Backend::Legacy => legacy::read(family, sets).unwrap(),
        Backend::NftCompat => {
            nft::read(&mut Socket::open().unwrap(), family, sets).unwrap().ruleset
        }
    }
}

fn word(backend: Backend) -> &'static str {
    match backend {
        Backend::Legacy => "legacy",
        Backend::NftCompat => "nft",
    }
}

/// Rules without what another backend or version does not know.
fn without_handles(ruleset: &Ruleset) -> Vec<(String, String, xt::Rule)> {
    let mut all = Vec::new();
    for table in &ruleset.tables {
        for chain in &table.chains {
            for rule in &chain.rules {
                let rule = xt::Rule { handle: None, counters: None, ..rule.clone() };
                all.push((table.name.clone(), chain.name.clone(), rule));
            }
        }
    }
    all
}

#[test]
fn what_a_newer_iptables_wrote_is_read_as_it_reads_it_itself() {
    let suite = Suite::new(NEWER);
    for backend in [Backend::Legacy, Backend::NftCompat] {
        for family in Family::BOTH {
            in_new_namespace(|| {
                run("ipset", &["restore"], corpus::SETS);
                let program = tool(family, word(backend));
                suite.restore(&format!("{program}-restore"), &corpus::text(family));
                let theirs = suite.run(&format!("{program}-save"), &[]);
                let ours = read(backend, family);
                assert!(rules(&ours).all(xt::Rule::is_known));
                assert_same_text(&printed(&ours), &stripped(&theirs));
                let parsed = text::parse_str(backend, family, &theirs).unwrap();
                assert_eq!(without_handles(&parsed), without_handles(&ours));
            });
        }
    }
}

#[test]
fn what_an_older_iptables_wrote_is_read_as_it_reads_it_itself() {
    let suite = Suite::new(OLDER);
    // its legacy programs want /run/xtables.lock and no other, which is root's
    let rootless = std::env::var_os("NETKEEP_TEST_ROOTLESS").is_some();
    let legacy = if rootless { &[][..] } else { &[Backend::Legacy] };
    for backend in legacy.iter().copied().chain([Backend::NftCompat]) {
        for family in Family::BOTH {
            in_new_namespace(|| {
                run("ipset", &["restore"], corpus::SETS);
                let program = tool(family, word(backend));
                suite.restore(&format!("{program}-restore"), &corpus::text(family));
                let theirs = suite.run(&format!("{program}-save"), &[]);
                let ours = read(backend, family);
                assert!(rules(&ours).all(xt::Rule::is_known));
                let parsed = text::parse_str(backend, family, &theirs).unwrap();
                assert_eq!(without_handles(&parsed), without_handles(&ours));
            });
        }
    }
}

/// kubernetes#112477, kube-router#1370: what 1.8.8 and later write as a native comparison of the mark,
/// 1.8.7 does not see.
#[test]
fn an_older_check_lies_about_a_newer_rule_and_we_do_not() {
    let older = Suite::new(OLDER);
    in_new_namespace(|| {
        let spec = ["INPUT", "-m", "mark", "--mark", "0x8000/0x8000", "-j", "DROP"];
        run("iptables-nft", &[&["-A"], &spec[..]].concat(), "");
        let (code, text) = older.outcome("iptables-nft", &[&["-C"], &spec[..]].concat());
        assert_eq!(code, 1, "it says that the rule is not there: {text}");
        let (code, text) = older.outcome("iptables-nft", &["-C", "INPUT", "-j", "DROP"]);
        assert_eq!(code, 0, "and that one is which drops everything: {text}");
        let saved = older.run("iptables-nft-save", &[]);
        assert!(saved.contains("-A INPUT -j DROP"), "{saved}");
        let ours = printed(&read(Backend::NftCompat, Family::V4));
        assert!(ours.contains("-A INPUT -m mark --mark 0x8000/0x8000 -j DROP\n"), "{ours}");
        // what a program does that believes it: one more each time
        for _ in 0..3 {
            if older.outcome("iptables-nft", &[&["-C"], &spec[..]].concat()).0 != 0 {
                run("iptables-nft", &[&["-A"], &spec[..]].concat(), "");
            }
        }
        let filter = read(Backend::NftCompat, Family::V4).tables.remove(0);
        let input = filter.chain("INPUT").unwrap();
        assert_eq!(input.rules.len(), 4);
        assert!(input.rules.iter().all(|rule| rule.says_the_same(&input.rules[0])));
    });
}

/// The faults of 1.8.10 (`-C` of ACCEPT, DROP, RETURN) and of 1.8.11 before Debian's patch
/// (interfaces) are in no suite that a mirror has; this keeps an eye on the newer one.
#[test]
fn the_newer_check_tells_the_truth() {
    let newer = Suite::new(NEWER);
    in_new_namespace(|| {
        run("iptables-nft", &["-A", "INPUT", "-i", "eth0", "-p", "tcp", "-j", "RETURN"], "");
        let check = |iface: &str| {
            newer
                .outcome("iptables-nft", &["-C", "INPUT", "-i", iface, "-p", "tcp", "-j", "RETURN"])
                .0
        };
        assert_eq!((check("eth0"), check("eth1")), (0, 1));
    });
}
