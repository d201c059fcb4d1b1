//! Owns what the kernel tests share: fresh namespaces, `nft` as an oracle, small builders.
#![allow(unsafe_code)] // unshare(2) has no safe form in std

use std::{fs, process::Command, thread};

use nfnl::{Batch, DataType, ElementRef, Family, Set, SetId, Socket, Table, TypeSpec};

/// Runs `test` on a thread of its own in a fresh network namespace, which goes away with the thread and its sockets.
pub(crate) fn in_fresh_netns<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> T {
    let run = move || {
        enter_fresh_netns();
        test()
    };
    match thread::spawn(run).join() {
        Ok(value) => value,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn enter_fresh_netns() {
    let before = netns();
    // SAFETY: no pointers are passed; only the calling thread moves, and it is not used for anything else.
    let result = unsafe { libc::unshare(libc::CLONE_NEWNET) };
    assert_eq!(result, 0, "unshare: {}", std::io::Error::last_os_error());
    assert_ne!(netns(), before, "still in the old network namespace");
    let interfaces = fs::read_to_string("/proc/thread-self/net/dev").unwrap();
    assert_eq!(interfaces.lines().count(), 3, "not a fresh namespace: {interfaces}");
    let mut socket = Socket::open().unwrap();
    assert!(socket.tables(Family::ANY).unwrap().is_empty(), "not a fresh namespace");
}

fn netns() -> String {
    fs::read_link("/proc/thread-self/ns/net").unwrap().display().to_string()
}

/// Runs `nft` in the calling thread's namespace and returns what it printed.
pub(crate) fn nft(arguments: &[&str]) -> String {
    let (ok, out) = try_nft(arguments);
    assert!(ok, "nft {arguments:?}: {out}");
    out
}

/// Runs `nft` and returns whether it succeeded and all it printed.
pub(crate) fn try_nft(arguments: &[&str]) -> (bool, String) {
    let output = Command::new("nft").args(arguments).output().expect("nft must be installed");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// Parses `nft -j list ruleset`.
pub(crate) fn nft_json() -> Vec<serde_json::Value> {
    let all: serde_json::Value = serde_json::from_str(&nft(&["-j", "list", "ruleset"])).unwrap();
    all["nftables"].as_array().unwrap().clone()
}

/// Whether the socket's buffers could be forced, which only the initial user namespace allows.
pub(crate) fn is_privileged(socket: &Socket) -> bool {
    socket.send_limit() > 4 << 20
}

/// Table `t` with a set `s` of `ipv4_addr` with this size.
pub(crate) fn table_with_set(socket: &mut Socket, size: Option<u32>) -> SetId {
    let mut batch = Batch::new();
    batch.add(&Table::new(Family::Inet, "t")).unwrap();
    let mut set = Set::new(Family::Inet, "t", "s", &TypeSpec::from(DataType::IPV4_ADDR));
    set.size = size;
    batch.add(&set).unwrap();
    socket.commit(&mut batch).unwrap();
    set.set_id()
}

/// Adds keys to a set of `ipv4_addr` in one batch.
pub(crate) fn add_keys(socket: &mut Socket, set: &SetId, keys: &[[u8; 4]]) {
    let mut batch = Batch::new();
    batch.add_elements(set, keys.iter().map(|key| ElementRef::new(key))).unwrap();
    socket.commit(&mut batch).unwrap();
}

/// `count` different IPv4 addresses from 10.0.0.1 on.
pub(crate) fn keys(count: u32) -> Vec<[u8; 4]> {
    (1..=count).map(|i| (0x0a00_0000 + i).to_be_bytes()).collect()
}

/// Gives up all capabilities of the calling thread.
pub(crate) fn drop_net_admin() {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    const VERSION_3: u32 = 0x2008_0522;
    let header = Header { version: VERSION_3, pid: 0 };
    let none = [0_u32; 6];
    // SAFETY: capset reads a header and, for version 3, two sets of three words; both live through the call.
    let result = unsafe { libc::syscall(libc::SYS_capset, &raw const header, &raw const none) };
    assert_eq!(result, 0, "capset: {}", std::io::Error::last_os_error());
}
