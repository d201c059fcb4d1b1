//! Entering a user namespace, from a `main` with one thread, as an ordinary user.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::net::{TcpListener, TcpStream};
use std::process::Command;

use netkeep_netns::{Namespace, userns};

const NAME: &str = "an_ordinary_user_becomes_root_of_a_network_of_its_own";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().any(|argument| argument == "--list") {
        println!("{NAME}: test");
        return;
    }
    let dropped = std::env::var_os("NETKEEP_TEST_DROPPED").is_some();
    if !dropped && rustix::process::geteuid().is_root() && has_other_users() {
        return as_nobody();
    }
    let outside = Namespace::current().unwrap();
    userns::enter().unwrap();
    assert!(rustix::process::geteuid().is_root());
    let inside = Namespace::current().unwrap();
    assert_ne!(inside, outside);
    let listener = TcpListener::bind("127.0.0.1:80").unwrap();
    TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    // What the lab is made of: more namespaces, and threads in them.
    let more = Namespace::create().unwrap();
    assert_eq!(more.run(Namespace::current).unwrap().unwrap(), more);
    println!("test {NAME} ... ok");
}

/// Whether there is anybody but root to become: not in a user namespace with one user mapped,
/// whose root is an ordinary user already.
fn has_other_users() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap();
    map.lines().any(|line| line.split_ascii_whitespace().nth(2) != Some("1"))
}

/// Runs the same program as user and group 65534, from a copy that this user can read.
fn as_nobody() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let program = folder.path().join("userns");
    std::fs::copy("/proc/self/exe", &program).unwrap();
    let status = Command::new(&program)
        .env("NETKEEP_TEST_DROPPED", "1")
        .current_dir("/")
        .uid(65534)
        .gid(65534)
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
}
