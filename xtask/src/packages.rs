//! The Debian packages whose programs the tests use as oracles and the benchmarks as peers.
//!
//! The product needs none of them.

use std::process::Command;

use anyhow::{Context, Result, bail};

/// The packages, by name.
const PACKAGES: [&str; 7] =
    ["nftables", "iptables", "ipset", "conntrack", "iproute2", "strace", "linux-libc-dev"];

/// Makes sure that all packages are there: installs what is missing when root, else fails with the
/// line that would.
pub(crate) fn ensure() -> Result<()> {
    let missing = missing()?;
    if missing.is_empty() {
        println!("packages: all there ({})", PACKAGES.join(" "));
        return Ok(());
    }
    let names = missing.join(" ");
    if !is_root()? {
        bail!(
            "missing Debian packages; run: sudo apt-get install -y --no-install-recommends {names}"
        );
    }
    println!("packages: installing {names}");
    apt(&["update"])?;
    let mut install = vec!["install", "-y", "--no-install-recommends"];
    install.extend(&missing);
    apt(&install)
}

fn missing() -> Result<Vec<&'static str>> {
    let output = Command::new("dpkg-query")
        .args(["-W", "-f", "${Package} ${db:Status-Status}\n"])
        .args(PACKAGES)
        .output()
        .context("running dpkg-query (the tests' oracles are found by their Debian packages)")?;
    Ok(not_installed(&String::from_utf8_lossy(&output.stdout)))
}

fn not_installed(listing: &str) -> Vec<&'static str> {
    PACKAGES
        .into_iter()
        .filter(|package| !listing.lines().any(|line| line == format!("{package} installed")))
        .collect()
}

fn is_root() -> Result<bool> {
    let output = Command::new("id").arg("-u").output().context("running id -u")?;
    Ok(output.stdout.trim_ascii() == b"0")
}

fn apt(args: &[&str]) -> Result<()> {
    let status = Command::new("apt-get")
        .args(args)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .status()
        .context("running apt-get")?;
    if !status.success() {
        bail!("apt-get {} failed: {status}", args.join(" "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_package_with_leftover_configuration_is_missing() {
        let listing = "nftables installed\niptables config-files\nipset installed\n\
                       conntrack installed\niproute2 installed\nlinux-libc-dev installed\n";
        assert_eq!(not_installed(listing), ["iptables", "strace"]);
    }
}
