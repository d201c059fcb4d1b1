//! Becoming root of a user namespace of our own, so that network namespaces, nf_tables and raw
//! sockets work for everybody.
//!
//! Owns: the one-way step of a whole process into a new user, network and mount namespace.
//!
//! Invariant: it happens at the start of `main`, while the process has one thread, or not at all.
#![allow(unsafe_code, reason = "unshare(2) has no safe wrapper")]

use std::fs;
use std::io;

use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::{getegid, geteuid};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use thiserror::Error;

use crate::loopback_up;

/// Why the process could not enter a user namespace.
#[derive(Debug, Error)]
pub enum UsernsError {
    /// The kernel allows the step to single-threaded processes only (user_namespaces(7)).
    #[error("cannot enter a user namespace: the process has {0} threads, only one is allowed")]
    Threads(usize),
    /// This machine does not let us.
    #[error("cannot enter a user namespace: {why}")]
    Refused {
        /// What forbids it, as far as it can be told, and what to set.
        why: String,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// A file of `/proc/self` that describes the new namespace.
    #[error("cannot map our user into a user namespace: writing {file}")]
    Map {
        /// The file.
        file: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The threads of the process cannot be counted.
    #[error("cannot count the threads of the process in /proc/self/task")]
    Count(#[source] io::Error),
    /// Mounts could not be made private.
    #[error("cannot make the mounts of a new mount namespace private")]
    Mounts(#[source] io::Error),
    /// `lo` stayed down.
    #[error("cannot bring lo up in a new network namespace")]
    Loopback(#[source] io::Error),
}

/// What `/sys` shows after entering. It shows the network namespace of whoever mounted it, so in
/// the outer view `/sys/class/net` lists somebody else's links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SysView {
    /// Mounted anew: the new network namespace.
    Ours,
    /// The kernel refused the mount (parts of the outer `/sys` are covered): as before.
    Outer,
}

/// Moves this process into a new user, network and mount namespace in which it is root: its user
/// and group become 0 there, `lo` is up, mounts no longer propagate, and `/sys` is mounted anew
/// where the kernel lets us. There is no way back; children inherit it.
pub fn enter() -> Result<SysView, UsernsError> {
    let threads = fs::read_dir("/proc/self/task").map_err(UsernsError::Count)?.count();
    if threads != 1 {
        return Err(UsernsError::Threads(threads));
    }
    let (user, group) = (geteuid().as_raw(), getegid().as_raw());
    let all = UnshareFlags::NEWUSER | UnshareFlags::NEWNET | UnshareFlags::NEWNS;
    // SAFETY: the process has one thread (counted above), and the flags leave CLONE_FILES alone.
    unsafe { unshare_unsafe(all) }.map_err(|errno| refused(errno.into()))?;
    // An unprivileged process may map its group only after giving up setgroups (CVE-2014-8989).
    for (file, text) in [
        ("/proc/self/setgroups", "deny".to_owned()),
        ("/proc/self/uid_map", format!("0 {user} 1")),
        ("/proc/self/gid_map", format!("0 {group} 1")),
    ] {
        fs::write(file, text).map_err(|source| UsernsError::Map { file, source })?;
    }
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .map_err(|errno| UsernsError::Mounts(errno.into()))?;
    loopback_up().map_err(UsernsError::Loopback)?;
    let careful = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    Ok(match mount("sysfs", "/sys", "sysfs", careful, None) {
        Ok(()) => SysView::Ours,
        Err(_) => SysView::Outer,
    })
}

/// Names the switch that is off.
fn refused(source: io::Error) -> UsernsError {
    let setting = |path: &str| fs::read_to_string(path).map(|text| text.trim().to_owned()).ok();
    let why = reason(source.raw_os_error(), setting);
    UsernsError::Refused { why, source }
}

/// The most likely reason for a refusal, given how to read the settings under `/proc/sys`.
fn reason(errno: Option<i32>, setting: impl Fn(&str) -> Option<String>) -> String {
    let is = |path: &str, value: &str| setting(path).is_some_and(|found| found == value);
    // user_namespaces(7) and namespaces(7): a limit of 0 or a limit reached is ENOSPC.
    for limit in ["user.max_user_namespaces", "user.max_net_namespaces", "user.max_mnt_namespaces"]
    {
        if is(&format!("/proc/sys/{}", limit.replace('.', "/")), "0") {
            return format!("they are off here; set sysctl {limit} to a number above 0");
        }
    }
    if is("/proc/sys/kernel/unprivileged_userns_clone", "0") {
        return "they are off for ordinary users; set sysctl kernel.unprivileged_userns_clone=1"
            .to_owned();
    }
    if is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1") {
        return "AppArmor restricts them for ordinary users; set sysctl \
                kernel.apparmor_restrict_unprivileged_userns=0, or run as root"
            .to_owned();
    }
    match errno {
        Some(libc::ENOSPC) => "too many exist; raise sysctl user.max_user_namespaces".to_owned(),
        Some(libc::EINVAL) => "the kernel has none (CONFIG_USER_NS); run as root".to_owned(),
        _ => "the kernel forbids it (a container's seccomp profile or a chroot does that); \
              run as root"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_that_is_off_is_named() {
        let only = |name: &'static str, value: &'static str| {
            move |path: &str| (path == name).then(|| value.to_owned())
        };
        let why = |name, value| reason(Some(libc::EPERM), only(name, value));
        assert!(
            why("/proc/sys/user/max_user_namespaces", "0").contains("user.max_user_namespaces")
        );
        assert!(
            why("/proc/sys/kernel/unprivileged_userns_clone", "0")
                .contains("kernel.unprivileged_userns_clone=1")
        );
        assert!(
            why("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1").contains("AppArmor")
        );
        assert!(reason(Some(libc::ENOSPC), |_| None).contains("user.max_user_namespaces"));
        assert!(reason(Some(libc::EPERM), |_| None).contains("seccomp"));
    }

    #[test]
    fn a_process_with_more_threads_is_refused_before_anything_happens() {
        std::thread::scope(|scope| {
            let (finish, wait) = std::sync::mpsc::channel::<()>();
            scope.spawn(move || wait.recv());
            assert!(matches!(enter(), Err(UsernsError::Threads(2..))));
            drop(finish);
        });
    }
}
