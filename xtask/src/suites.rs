//! Programs that tests need and that nobody wants on their machine, unpacked beside.
//!
//! Of other Debian suites: iptables, because rules are written by programs of every age, and tests
//! compare what they say of each other's. Each brings its own C library, because its programs do not
//! run with another one. Of the tests' own suite: firewalls and Docker, whose packages would start
//! them.
//!
//! Nothing is installed: package lists, packages and files live under `target/debian/SUITE`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::step::succeed;

/// What is unpacked of one suite.
struct Suite {
    name: &'static str,
    packages: &'static [&'static str],
    /// A file that is there when all is.
    witness: &'static str,
    layout: Layout,
}

/// Where the files lie.
#[derive(PartialEq, Eq)]
enum Layout {
    /// As in the packages.
    AsPacked,
    /// `bin`, `sbin` and `lib` inside `usr`, so that `usr` can be laid over the machine's own.
    InUsr,
}

/// One older (iptables 1.8.7) and one newer (1.8.11) than the tests' own (1.8.9), and that one.
const SUITES: [Suite; 3] = [
    Suite {
        name: "bullseye",
        packages: &IPTABLES,
        witness: "usr/sbin/iptables-nft",
        layout: Layout::AsPacked,
    },
    Suite {
        name: "trixie",
        packages: &IPTABLES,
        witness: "usr/sbin/iptables-nft",
        layout: Layout::AsPacked,
    },
    Suite {
        name: "bookworm",
        packages: &FIREWALLS,
        witness: "usr/sbin/ufw",
        layout: Layout::InUsr,
    },
];

/// iptables and what it is linked with.
const IPTABLES: [&str; 9] = [
    "iptables",
    "libxtables12",
    "libip4tc2",
    "libip6tc2",
    "libnftnl11",
    "libmnl0",
    "libnfnetlink0",
    "libnetfilter-conntrack3",
    "libc6",
];

/// What makes a node's network besides Kubernetes, with what the machine is not sure to have.
const FIREWALLS: [&str; 12] = [
    "ufw",
    "firewalld",
    "python3-firewall",
    "python3-nftables",
    "docker.io",
    "containerd",
    "runc",
    "libdevmapper1.02.1",
    "libseccomp2",
    "busybox-static",
    "nfacct",
    "libnetfilter-acct1",
];

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Makes sure that all suites are there; needs the mirror once for each.
pub(crate) fn ensure() -> Result<()> {
    for suite in &SUITES {
        let name = suite.name;
        let place = crate::root().join("target/debian").join(name);
        if place.join("root").join(suite.witness).exists() {
            println!("programs of {name}: there");
            continue;
        }
        println!("programs of {name}: unpacking to {}", place.display());
        unpack(suite, &place).with_context(|| format!("unpacking programs of {name}"))?;
    }
    Ok(())
}

/// Builds the directory beside its place and moves it there when it is whole.
fn unpack(suite: &Suite, place: &Path) -> Result<()> {
    let parent = place.parent().context("a directory for the suites")?;
    let work = parent.join(format!("{}.part", suite.name));
    if work.exists() {
        fs::remove_dir_all(&work).with_context(|| format!("clearing {}", work.display()))?;
    }
    for directory in ["state/lists/partial", "cache/archives/partial", "packages", "root"] {
        fs::create_dir_all(work.join(directory))?;
    }
    let sources = format!("deb [signed-by={KEYRING}] {} {} main\n", mirror()?, suite.name);
    fs::write(work.join("sources.list"), sources)?;
    succeed(apt(&work).arg("update"))?;
    succeed(apt(&work).arg("download").args(suite.packages).current_dir(work.join("packages")))?;
    let packages = fs::read_dir(work.join("packages"))?;
    let packages: Vec<PathBuf> = packages.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    if packages.len() != suite.packages.len() {
        bail!("{} packages came instead of {}", packages.len(), suite.packages.len());
    }
    for package in packages {
        succeed(Command::new("dpkg-deb").arg("-x").arg(package).arg(work.join("root")))?;
    }
    if suite.layout == Layout::InUsr {
        move_into_usr(&work.join("root"))?;
    }
    for directory in ["state", "cache", "packages"] {
        fs::remove_dir_all(work.join(directory))?;
    }
    fs::rename(&work, place).with_context(|| format!("moving {} in place", work.display()))
}

/// Older packages have files in `/bin`, `/sbin` and `/lib`, which are links into `/usr` on a machine.
fn move_into_usr(root: &Path) -> Result<()> {
    for part in ["bin", "sbin", "lib"] {
        let (from, to) = (root.join(part), root.join("usr").join(part));
        if from.exists() {
            fs::create_dir_all(&to)?;
            succeed(Command::new("cp").arg("-a").arg(from.join(".")).arg(&to))?;
            fs::remove_dir_all(&from)?;
        }
    }
    Ok(())
}

/// Where this machine has its Debian packages from.
fn mirror() -> Result<String> {
    let targets =
        ["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Label: Debian"];
    let output = Command::new("apt-get").args(targets).output().context("running apt-get")?;
    let mirrors = String::from_utf8_lossy(&output.stdout).into_owned();
    let mirror = mirrors.lines().next().map(str::to_owned);
    mirror.context("no Debian mirror in the package lists; run: sudo apt-get update")
}

/// apt-get with lists and caches of its own.
fn apt(work: &Path) -> Command {
    let mut command = Command::new("apt-get");
    command.args(["-q", "-o", "Dir::Etc::sourceparts=/dev/null"]);
    command.args(["-o", "Dir::Etc::preferencesparts=/dev/null", "-o", "APT::Sandbox::User="]);
    command.args(["-o", "Dir::State::status=/dev/null", "-o", "Acquire::Languages=none"]);
    for (option, directory) in
        [("Dir::State", "state"), ("Dir::Cache", "cache"), ("Dir::Etc::sourcelist", "sources.list")]
    {
        command.arg("-o").arg(format!("{option}={}", work.join(directory).display()));
    }
    command
}
