//! The file that undoes a sweep, and what comes back when the node is not what it was.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use sweep::{Backup, BackupError, SweepError, What};
use xt::{Backend, Family};

use crate::rules;
use crate::support::*;

const CHAIN: &str = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
    :FLANNEL-FWD - [0:0]\n-A FORWARD -s 1.0.0.0/8 -j ACCEPT\n-A FORWARD -j FLANNEL-FWD\n\
    -A FORWARD -s 2.0.0.0/8 -j ACCEPT\n-A FLANNEL-FWD -s 10.244.0.0/16 -j ACCEPT\n\
    -A FLANNEL-FWD -d 10.244.0.0/16 -j ACCEPT\nCOMMIT\n";

fn v4(backend: Backend) -> Of {
    Of(backend, Family::V4)
}

#[test]
fn a_backup_is_for_root_alone_and_never_overwritten() {
    for backend in BACKENDS {
        let node = Node::new();
        node.load(v4(backend), CHAIN);
        node.sweep(backend, &of("flannel"));
        let file = fs::metadata(node.backup()).unwrap();
        assert_eq!(file.permissions().mode() & 0o777, 0o600);
        let before = fs::read(node.backup()).unwrap();
        node.load(v4(backend), CHAIN);
        let error = node.try_sweep(backend, &of("flannel"), &node.options()).unwrap_err();
        assert!(matches!(error, SweepError::Backup(BackupError::Exists { .. })), "{error:?}");
        assert_eq!(fs::read(node.backup()).unwrap(), before);
        assert!(node.plain(v4(backend)).contains("FLANNEL-FWD"));
    }
}

#[test]
fn without_a_place_for_the_backup_nothing_is_changed() {
    let node = Node::new();
    node.load(v4(Backend::Legacy), CHAIN);
    let file = node.folder.path().join("file");
    fs::write(&file, "").unwrap();
    let options = sweep::Options { backup: file.join("backup.json"), ..node.options() };
    let error = node.try_sweep(Backend::Legacy, &of("flannel"), &options).unwrap_err();
    assert!(matches!(error, SweepError::Backup(BackupError::Write { .. })), "{error:?}");
    assert!(node.plain(v4(Backend::Legacy)).contains("FLANNEL-FWD"));
}

#[test]
fn rules_come_back_between_their_neighbours_when_others_changed_the_chain() {
    for backend in BACKENDS {
        let node = Node::new();
        node.load(v4(backend), CHAIN);
        node.sweep(backend, &of("flannel"));
        for change in [
            &["-I", "FORWARD", "1", "-s", "8.0.0.0/8", "-j", "DROP"][..],
            &["-A", "FORWARD", "-s", "9.0.0.0/8", "-j", "DROP"],
            &["-D", "FORWARD", "-s", "1.0.0.0/8", "-j", "ACCEPT"],
        ] {
            node.tool(v4(backend), "", change, "");
        }
        node.restore();
        let text = node.plain(v4(backend));
        let forward: Vec<&str> =
            text.lines().filter(|line| line.starts_with("-A FORWARD")).collect();
        let expected = [
            "-A FORWARD -s 8.0.0.0/8 -j DROP",
            "-A FORWARD -j FLANNEL-FWD",
            "-A FORWARD -s 2.0.0.0/8 -j ACCEPT",
            "-A FORWARD -s 9.0.0.0/8 -j DROP",
        ];
        assert_eq!(forward, expected, "{backend}");
    }
}

#[test]
fn rules_come_back_into_a_table_that_is_gone() {
    let node = Node::new();
    node.load(v4(Backend::NftCompat), CHAIN);
    node.sweep(Backend::NftCompat, &of("flannel"));
    node.run("nft", &["flush", "ruleset"], "");
    let restored = node.restore();
    assert_eq!((restored.rules.len(), restored.impossible.len()), (3, 0), "{restored:?}");
    let text = node.plain(v4(Backend::NftCompat));
    assert!(text.contains("-A FORWARD -j FLANNEL-FWD\n"), "{text}");
    assert!(text.contains("-A FLANNEL-FWD -s 10.244.0.0/16 -j ACCEPT\n"), "{text}");
}

#[test]
fn what_cannot_come_back_is_said_and_the_rest_comes() {
    for backend in BACKENDS {
        let node = Node::new();
        let text = "*filter\n:INPUT ACCEPT [0:0]\n:MINE - [0:0]\n:OTHER - [0:0]\n\
            -A INPUT -s 1.1.1.1 -j MINE\n-A INPUT -s 1.1.1.2 -j ACCEPT\n\
            -A OTHER -s 1.1.1.3 -j ACCEPT\nCOMMIT\n";
        node.load(v4(backend), text);
        node.sweep(backend, &matching("* -s 1.1.1.*"));
        for chain in ["MINE", "OTHER"] {
            node.tool(v4(backend), "", &["-X", chain], "");
        }
        let restored = node.restore();
        let rules: Vec<&str> = restored.rules.iter().map(|rule| rule.rule.as_str()).collect();
        assert_eq!(rules, ["-A INPUT -s 1.1.1.2/32 -j ACCEPT"], "{backend}");
        let whys: Vec<&str> = restored.impossible.iter().map(|lost| lost.why.as_str()).collect();
        assert_eq!(whys.len(), 2, "{whys:?}");
        assert!(whys.iter().any(|why| why.contains("leads to, MINE, is gone")), "{whys:?}");
        assert!(whys.iter().any(|why| why.contains("its chain is gone")), "{whys:?}");
    }
}

#[test]
fn sets_are_found_by_their_names_again() {
    for backend in BACKENDS {
        let node = Node::new();
        node.run("ipset", &["restore"], "create first hash:ip\ncreate wanted hash:ip\n");
        let text = "*filter\n:INPUT ACCEPT [0:0]\n\
            -A INPUT -m set --match-set wanted src -j DROP\n\
            -A INPUT -s 1.1.1.1 -j SET --add-set wanted src\nCOMMIT\n";
        node.load(v4(backend), text);
        let before = node.plain(v4(backend));
        node.sweep(backend, &matching("-A INPUT *"));
        // the numbers change places
        node.destroy_sets();
        node.run("ipset", &["restore"], "create wanted hash:ip\ncreate first hash:ip\n");
        let restored = node.restore();
        assert_eq!(restored.impossible, []);
        assert_same_text(&node.plain(v4(backend)), &before);
        // without the set the rule is told
        node.tool(v4(backend), "", &["-F", "INPUT"], "");
        node.destroy_sets();
        let restored = node.restore();
        assert_eq!((restored.rules.len(), restored.impossible.len()), (0, 2));
        assert_eq!(restored.impossible[0].why, "there is no IP set wanted");
    }
}

#[test]
fn files_that_are_no_backup_are_refused_with_a_clear_word() {
    let node = Node::new();
    node.load(v4(Backend::Legacy), CHAIN);
    node.sweep(Backend::Legacy, &of("flannel"));
    let good = fs::read_to_string(node.backup()).unwrap();
    let path = node.folder.path().join("bad.json");
    let why = |text: &str| {
        fs::write(&path, text).unwrap();
        Backup::read(&path).unwrap_err().to_string()
    };
    for text in ["", "{}", "[]", "\u{0}", "null", &good[..good.len() / 2], "{\"kind\":5}"] {
        let error = why(text);
        assert!(error.contains("no backup of a sweep"), "{error}");
    }
    assert!(why(&good.replace("netkeep-sweep", "other")).contains("no backup of a sweep"));
    assert!(why(&good.replace("\"version\":1", "\"version\":9")).contains("version 9"));
    assert!(why(&good.replace("little-64", "big-64")).contains("big-64"));
    let error = Backup::read(&node.folder.path().join("none")).unwrap_err().to_string();
    assert!(error.contains("cannot be read"), "{error}");
}

#[test]
fn made_up_bytes_are_refused_and_change_nothing() {
    for backend in BACKENDS {
        let node = Node::new();
        node.load(v4(backend), CHAIN);
        node.sweep(backend, &of("flannel"));
        let good = fs::read_to_string(node.backup()).unwrap();
        let before = node.plain(v4(backend));
        let bytes = good.find("\"bytes\":\"").or_else(|| good.find("\"attributes\":\"")).unwrap();
        let start = bytes + good[bytes..].find(":\"").unwrap() + 2;
        let end = start + good[start..].find('"').unwrap();
        let path = node.folder.path().join("bad.json");
        for made_up in [String::new(), "ff".repeat(200), "00".repeat(112), "41".repeat(3)] {
            fs::write(&path, format!("{}{made_up}{}", &good[..start], &good[end..])).unwrap();
            let restored = node.restore_from(&path);
            assert!(!restored.impossible.is_empty(), "{backend}: {restored:?}");
            // whatever else came back goes again
            let _ = fs::remove_file(node.backup());
            node.sweep(backend, &of("flannel"));
            assert_same_text(&node.plain(v4(backend)), &before);
        }
    }
}

#[test]
fn copies_that_came_back_are_not_put_there_twice() {
    for of_backend in Of::all() {
        let node = Node::new();
        node.load(of_backend, &rules::copies(50));
        node.sweep(of_backend.0, &What::Duplicates);
        // a program puts ten of them back
        let rule = ["-m", "comment", "--comment", "kube-router netpol - TEMCG2JMHZYE7H7T"];
        for _ in 0..10 {
            let args = [&["-A", "FORWARD"], &rule[..], &["-j", "KUBE-ROUTER-FORWARD"]].concat();
            node.tool(of_backend, "", &args, "");
        }
        let restored = node.restore();
        assert_eq!((restored.rules.len(), restored.present), (39, 10));
        let count = node.saved(of_backend).matches("-j KUBE-ROUTER-FORWARD").count();
        assert_eq!(count, 50);
    }
}
