//! What this process may do on this machine, read from `/proc`.

use std::fs;

use anyhow::{Context, Result};

/// Who runs the tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Privilege {
    /// Root of the machine, with the capabilities that namespaces and firewalls need.
    Root,
    /// Root of a user namespace: may do everything to namespaces of its own, nothing above them.
    NamespaceRoot,
    /// Anybody else, also root of a container without `CAP_NET_ADMIN` and `CAP_SYS_ADMIN`.
    User,
}

impl Privilege {
    /// Reads `/proc/self`.
    pub(crate) fn current() -> Result<Self> {
        let status =
            fs::read_to_string("/proc/self/status").context("reading /proc/self/status")?;
        let uid_map =
            fs::read_to_string("/proc/self/uid_map").context("reading /proc/self/uid_map")?;
        Ok(Self::of(&status, &uid_map))
    }

    fn of(status: &str, uid_map: &str) -> Self {
        // linux/capability.h
        const CAP_NET_ADMIN: u64 = 1 << 12;
        const CAP_SYS_ADMIN: u64 = 1 << 21;
        let field = |name: &str| {
            status.lines().find_map(|line| line.strip_prefix(name)).map_or("", str::trim)
        };
        let euid = field("Uid:").split_whitespace().nth(1);
        let capabilities = u64::from_str_radix(field("CapEff:"), 16).unwrap_or(0);
        let needed = CAP_NET_ADMIN | CAP_SYS_ADMIN;
        if euid != Some("0") || capabilities & needed != needed {
            return Self::User;
        }
        // The initial user namespace maps every uid onto itself.
        let map: Vec<&str> = uid_map.split_whitespace().collect();
        if map == ["0", "0", "4294967295"] { Self::Root } else { Self::NamespaceRoot }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &str = "Uid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff\n";

    #[test]
    fn root_needs_the_capabilities_and_the_whole_map() {
        assert_eq!(Privilege::of(ALL, "0 0 4294967295\n"), Privilege::Root);
        assert_eq!(Privilege::of(ALL, "0 1000 1\n"), Privilege::NamespaceRoot);
    }

    #[test]
    fn a_user_and_root_of_a_bare_container_are_users() {
        let user = "Uid:\t1000\t1000\t1000\t1000\nCapEff:\t0000000000000000\n";
        assert_eq!(Privilege::of(user, "0 0 4294967295"), Privilege::User);
        let container = "Uid:\t0\t0\t0\t0\nCapEff:\t00000000a80425fb\n";
        assert_eq!(Privilege::of(container, "0 0 4294967295"), Privilege::User);
    }
}
