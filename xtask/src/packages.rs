//! The Debian packages whose programs the tests use as oracles and the benchmarks as peers.
//!
//! The product needs none of them.

use std::process::Command;

use anyhow::{Context, Result, bail};

/// A package, and another that gives the same program and excludes it.
struct Wanted {
    package: &'static str,
    or: Option<&'static str>,
}

const fn package(package: &'static str) -> Wanted {
    Wanted { package, or: None }
}

/// The packages, by name.
const PACKAGES: [Wanted; 19] = [
    package("nftables"),
    package("iptables"),
    package("ipset"),
    package("conntrack"),
    package("iproute2"),
    package("strace"),
    package("linux-libc-dev"),
    // The image: building it, looking at it, running it with one capability.
    package("buildah"),
    package("binutils"),
    package("libcap2-bin"),
    // The manifests: kubectl, the alerts: promtool, the chart: helm's engine and schema check.
    Wanted { package: "kubernetes-client", or: Some("kubectl") },
    package("prometheus"),
    package("golang-go"),
    package("golang-github-masterminds-sprig-dev"),
    package("golang-github-xeipuuv-gojsonschema-dev"),
    package("golang-gopkg-yaml.v3-dev"),
    // What firewalld runs on; itself it is unpacked beside (`suites`).
    package("dbus-daemon"),
    package("python3-dbus"),
    package("python3-gi"),
];

/// Makes sure that all packages are there: installs what is missing when root, else fails with the
/// line that would.
pub(crate) fn ensure() -> Result<()> {
    let missing = missing()?;
    if missing.is_empty() {
        let all: Vec<_> = PACKAGES.iter().map(|wanted| wanted.package).collect();
        println!("packages: all there ({})", all.join(" "));
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
    let names = PACKAGES.iter().flat_map(|wanted| [Some(wanted.package), wanted.or]).flatten();
    let output = Command::new("dpkg-query")
        .args(["-W", "-f", "${Package} ${db:Status-Status}\n"])
        .args(names)
        .output()
        .context("running dpkg-query (the tests' oracles are found by their Debian packages)")?;
    Ok(not_installed(&PACKAGES, &String::from_utf8_lossy(&output.stdout)))
}

fn not_installed(wanted: &[Wanted], listing: &str) -> Vec<&'static str> {
    let installed =
        |package: &str| listing.lines().any(|line| line == format!("{package} installed"));
    wanted
        .iter()
        .filter(|wanted| !installed(wanted.package) && !wanted.or.is_some_and(installed))
        .map(|wanted| wanted.package)
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

    const SOME: [Wanted; 3] = [
        package("nftables"),
        package("iptables"),
        Wanted { package: "kubernetes-client", or: Some("kubectl") },
    ];

    #[test]
    fn a_removed_package_with_leftover_configuration_is_missing() {
        let listing = "nftables installed\niptables config-files\n";
        assert_eq!(not_installed(&SOME, listing), ["iptables", "kubernetes-client"]);
    }

    #[test]
    fn a_package_that_another_stands_in_for_is_not_installed_over_it() {
        let listing = "nftables installed\niptables installed\nkubectl installed\n";
        assert!(not_installed(&SOME, listing).is_empty());
    }
}
