//! A sweep that is killed half way: everything is there, or the backup has it.

use std::process::{Command, Stdio};

use sweep::Step;
use xt::{Backend, Family};

use crate::rules;
use crate::support::*;

const AT: &str = "SWEEP_TEST_ENDS_AT";
const FOLDER: &str = "SWEEP_TEST_FOLDER";

/// Does nothing, unless this process is the one that is to be killed.
#[test]
fn victim() {
    let (Ok(at), Ok(folder)) = (std::env::var(AT), std::env::var(FOLDER)) else { return };
    let (backend, step, count) = match at.as_str() {
        "legacy-backed-up" => (Backend::Legacy, Step::BackedUp, 1),
        "legacy-changed" => (Backend::Legacy, Step::Changed, 1),
        "legacy-changed-twice" => (Backend::Legacy, Step::Changed, 2),
        "nft-backed-up" => (Backend::NftCompat, Step::BackedUp, 1),
        _ => (Backend::NftCompat, Step::Changed, 1),
    };
    let options = sweep::Options {
        force: sweep::Force::Yes,
        lock: format!("{folder}/lock").into(),
        patience: std::time::Duration::from_secs(30),
        watch: std::time::Duration::ZERO,
        backup: format!("{folder}/backup.json").into(),
        created: "now".to_owned(),
    };
    let mut left = count;
    let mut end = |at: Step| {
        left -= i32::from(at == step);
        if left == 0 {
            std::process::abort();
        }
    };
    let _ = sweep::sweep(backend, &of("kube-router"), &options, &mut end);
    unreachable!("the sweep went on");
}

/// Sweeps in a process that ends at a place.
fn kill(node: &Node, at: &str) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "killed::victim"])
        .env(AT, at)
        .env(FOLDER, node.folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let status = node.namespace.spawn(&mut command).unwrap().wait().unwrap();
    assert_eq!(status.code(), None, "{at}: {status}");
}

#[test]
fn before_the_change_everything_is_there_and_after_it_the_backup_has_it() {
    for (backend, at, changed) in [
        (Backend::Legacy, "legacy-backed-up", false),
        (Backend::Legacy, "legacy-changed", true),
        (Backend::Legacy, "legacy-changed-twice", true),
        (Backend::NftCompat, "nft-backed-up", false),
        (Backend::NftCompat, "nft-changed", true),
    ] {
        let node = Node::new();
        node.run("ipset", &["restore"], rules::SETS);
        for family in Family::BOTH {
            node.load(Of(backend, family), &rules::mixed(family));
        }
        let all = || Family::BOTH.map(|family| node.saved(Of(backend, family)));
        let before = all();
        kill(&node, at);
        let after = all();
        assert_eq!(after != before, changed, "{at}");
        // each table is as it was, or without all of it
        for (before, after) in before.iter().zip(&after) {
            for (before, after) in before.split("COMMIT").zip(after.split("COMMIT")) {
                assert!(before == after || !after.contains("KUBE-ROUTER-"), "{at}\n{after}");
            }
        }
        // the lock went with the process
        assert_eq!(node.restore().impossible, []);
        for (before, after) in before.iter().zip(&all()) {
            assert_same_text(after, before);
        }
        std::fs::remove_file(node.backup()).unwrap();
        assert!(!node.sweep(backend, &of("kube-router")).selection.is_empty());
    }
}
