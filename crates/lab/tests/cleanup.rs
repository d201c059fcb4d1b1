//! What is left of a lab. A program of its own, so that no other test's namespaces are counted.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use model::Protocol;
use netkeep_lab::traffic::connects;
use netkeep_lab::{Lab, Question};

/// Namespaces and sockets that this process holds open, and its threads.
fn held() -> BTreeSet<String> {
    let open = fs::read_dir("/proc/self/fd").unwrap().flatten();
    let links = open.filter_map(|fd| fs::read_link(fd.path()).ok());
    let files = links.map(|link| link.display().to_string());
    let threads = fs::read_dir("/proc/self/task").unwrap().flatten();
    let threads = threads.map(|thread| format!("thread {}", thread.file_name().display()));
    files
        .filter(|file| file.starts_with("net:") || file.starts_with("socket:"))
        .chain(threads)
        .collect()
}

#[test]
fn nothing_is_left_of_a_lab_whose_owner_panicked() {
    // With the first runtime of a process tokio makes a pair of sockets for signals, for good, if
    // any crate of the build asked for signals.
    drop(Lab::new().unwrap());
    let before = held();
    let outcome = std::panic::catch_unwind(|| {
        let lab = Lab::new().unwrap();
        let pod = lab.pod("a", &["10.10.0.1".parse().unwrap()]).unwrap();
        let _server = pod.serve(Protocol::Tcp, 80.try_into().unwrap()).unwrap();
        let target: SocketAddr = "10.10.0.1:80".parse().unwrap();
        let question = Question::new(Protocol::Tcp, target);
        let _traffic = connects(lab.client(), question, Duration::from_millis(1)).unwrap();
        assert!(held().len() >= before.len() + 3, "the lab holds namespaces");
        std::panic::resume_unwind(Box::new("the owner's own trouble"));
    });
    outcome.unwrap_err();
    let start = Instant::now();
    // A joined thread may be listed in /proc a moment longer.
    while held() != before {
        assert!(start.elapsed() < Duration::from_secs(10), "{before:?} became {:?}", held());
        std::thread::sleep(Duration::from_millis(5));
    }
}
