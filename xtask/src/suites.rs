//! The iptables of other Debian suites, unpacked beside: rules are written by programs of every age,
//! and tests compare what they say of each other's.
//!
//! Nothing is installed: package lists, packages and files live under `target/debian/SUITE`. Each
//! suite brings its own C library, because its programs do not run with another one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::step::succeed;

/// The suites: one older (iptables 1.8.7) and one newer (1.8.11) than the tests' own (1.8.9).
const SUITES: [&str; 2] = ["bullseye", "trixie"];

/// iptables and what it is linked with.
const PACKAGES: [&str; 9] = [
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

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Makes sure that all suites are there; needs the mirror once for each.
pub(crate) fn ensure() -> Result<()> {
    for suite in SUITES {
        let place = crate::root().join("target/debian").join(suite);
        if place.join("root/usr/sbin/iptables-nft").exists() {
            println!("iptables of {suite}: there");
            continue;
        }
        println!("iptables of {suite}: unpacking to {}", place.display());
        unpack(suite, &place).with_context(|| format!("unpacking the iptables of {suite}"))?;
    }
    Ok(())
}

/// Builds the directory beside its place and moves it there when it is whole.
fn unpack(suite: &str, place: &Path) -> Result<()> {
    let parent = place.parent().context("a directory for the suites")?;
    let work = parent.join(format!("{suite}.part"));
    if work.exists() {
        fs::remove_dir_all(&work).with_context(|| format!("clearing {}", work.display()))?;
    }
    for directory in ["state/lists/partial", "cache/archives/partial", "packages", "root"] {
        fs::create_dir_all(work.join(directory))?;
    }
    let sources = format!("deb [signed-by={KEYRING}] {} {suite} main\n", mirror()?);
    fs::write(work.join("sources.list"), sources)?;
    succeed(apt(&work).arg("update"))?;
    succeed(apt(&work).arg("download").args(PACKAGES).current_dir(work.join("packages")))?;
    let packages = fs::read_dir(work.join("packages"))?;
    let packages: Vec<PathBuf> = packages.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    if packages.len() != PACKAGES.len() {
        bail!("{} packages came instead of {}", packages.len(), PACKAGES.len());
    }
    for package in packages {
        succeed(Command::new("dpkg-deb").arg("-x").arg(package).arg(work.join("root")))?;
    }
    for directory in ["state", "cache", "packages"] {
        fs::remove_dir_all(work.join(directory))?;
    }
    fs::rename(&work, place).with_context(|| format!("moving {} in place", work.display()))
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
