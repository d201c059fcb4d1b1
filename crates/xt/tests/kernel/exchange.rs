//! Changing rules: exchange of legacy tables, removal by handle in nft ones.

use std::time::Duration;

use nfnl::{BatchError, Socket};
use xt::legacy::{
    Blob, Edit, LockError, ReplaceError, XtablesLock, lock_holders, read_blob, replace,
};
use xt::nft::{RemoveError, RuleName, remove};
use xt::{Family, KernelNames, NoNames, legacy, nft};

use crate::{corpus, support::*};

fn lock() -> (tempfile::TempDir, XtablesLock) {
    let directory = tempfile::tempdir().unwrap();
    let lock = XtablesLock::acquire(directory.path().join("lock"), Duration::ZERO).unwrap();
    (directory, lock)
}

fn apply(blob: Blob, change: impl FnOnce(&mut Edit)) -> Result<(), ReplaceError> {
    let mut edit = Edit::of(blob).unwrap();
    change(&mut edit);
    let (_directory, lock) = lock();
    replace(&edit.finish().unwrap(), &lock)
}

fn saved(family: Family) -> String {
    stripped(&run(&tool(family, "legacy-save"), &[], ""))
}

#[test]
fn an_edit_that_changes_nothing_builds_the_same_bytes() {
    for family in Family::BOTH {
        in_new_namespace(|| {
            run("ipset", &["restore"], corpus::SETS);
            run(&tool(family, "legacy-restore"), &[], &corpus::text(family));
            for table in legacy::table_names(family).unwrap() {
                let blob = read_blob(family, &table).unwrap();
                let edited = Edit::of(blob.clone()).unwrap().finish().unwrap();
                assert_eq!(edited.new_blob(), &blob, "{table}");
            }
            let before = saved(family);
            for table in legacy::table_names(family).unwrap() {
                apply(read_blob(family, &table).unwrap(), |_| {}).unwrap();
            }
            assert_same_text(&saved(family), &before);
        });
    }
}

#[test]
fn rules_are_taken_out_one_by_one_as_iptables_would() {
    for family in Family::BOTH {
        in_new_namespace(|| {
            run("ipset", &["restore"], corpus::SETS);
            run(&tool(family, "legacy-restore"), &[], &corpus::text(family));
            let count =
                legacy::read_table(family, "filter").unwrap().chain("INPUT").unwrap().rules.len();
            // from the end, so that the positions of the tool stay those of the unchanged table
            let positions: Vec<u32> = (1..=count as u32).filter(|at| at % 7 == 3).collect();
            apply(read_blob(family, "filter").unwrap(), |edit| {
                for at in &positions {
                    edit.remove("INPUT", *at).unwrap();
                }
            })
            .unwrap();
            let ours = saved(family);
            run(&tool(family, "legacy-restore"), &[], &corpus::text(family));
            for at in positions.iter().rev() {
                run(&tool(family, "legacy"), &["-D", "INPUT", &at.to_string()], "");
            }
            assert_same_text(&ours, &saved(family));
        });
    }
}

const COUNTED: &str = "*filter\n:INPUT ACCEPT [5:50]\n:FORWARD ACCEPT [0:0]\n:OUTPUT DROP [7:70]\n\
    :USER - [0:0]\n[1:10] -A INPUT -s 1.1.1.1 -j DROP\n[2:20] -A INPUT -s 2.2.2.2 -j USER\n\
    [3:30] -A INPUT -s 3.3.3.3\n[4:40] -A USER -j RETURN\nCOMMIT\n";

#[test]
fn counters_of_what_stays_are_kept() {
    in_new_namespace(|| {
        run("iptables-legacy-restore", &["-c"], COUNTED);
        apply(read_blob(Family::V4, "filter").unwrap(), |edit| edit.remove("INPUT", 1).unwrap())
            .unwrap();
        let theirs = run("iptables-legacy-save", &["-c"], "");
        let expected = [
            ":INPUT ACCEPT [5:50]",
            ":OUTPUT DROP [7:70]",
            "[2:20] -A INPUT -s 2.2.2.2/32 -j USER",
            "[3:30] -A INPUT -s 3.3.3.3/32",
            "[4:40] -A USER -j RETURN",
        ];
        for line in expected {
            assert!(theirs.contains(&format!("{line}\n")), "{line} is missing in\n{theirs}");
        }
        assert!(!theirs.contains("1.1.1.1"));
    });
}

#[test]
fn a_rule_and_a_chain_come_back_from_a_backup_with_their_counters() {
    in_new_namespace(|| {
        run("iptables-legacy-restore", &["-c"], COUNTED);
        let before = run("iptables-legacy-save", &["-c"], "");
        let blob = read_blob(Family::V4, "filter").unwrap();
        let edit = Edit::of(blob.clone()).unwrap();
        let (jump, inside) = (edit.raw("INPUT", 2).unwrap(), edit.raw("USER", 1).unwrap());
        apply(blob, |edit| {
            edit.remove("INPUT", 2).unwrap();
            edit.remove_chain("USER").unwrap();
        })
        .unwrap();
        assert!(!run("iptables-legacy-save", &[], "").contains("USER"));
        apply(read_blob(Family::V4, "filter").unwrap(), |edit| {
            edit.add_chain("USER").unwrap();
            edit.insert("USER", 1, &inside).unwrap();
            edit.insert("INPUT", 2, &jump).unwrap();
        })
        .unwrap();
        let after = run("iptables-legacy-save", &["-c"], "");
        let lines = |text: &str| -> Vec<String> {
            text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
        };
        assert_eq!(lines(&after), lines(&before));
    });
}

#[test]
fn a_chain_that_rules_lead_to_is_not_taken_out() {
    in_new_namespace(|| {
        run("iptables-legacy-restore", &[], COUNTED);
        let mut edit = Edit::of(read_blob(Family::V4, "filter").unwrap()).unwrap();
        edit.remove_chain("USER").unwrap();
        let error = edit.finish().unwrap_err();
        assert!(error.to_string().contains("USER"), "{error}");
        let mut edit = Edit::of(read_blob(Family::V4, "filter").unwrap()).unwrap();
        edit.remove_chain("INPUT").unwrap_err();
        edit.remove("INPUT", 9).unwrap_err();
        edit.remove("INPUT", 0).unwrap_err();
        edit.remove("NOSUCH", 1).unwrap_err();
        edit.add_chain("USER").unwrap_err();
    });
}

#[test]
fn a_table_that_changed_meanwhile_is_not_exchanged() {
    in_new_namespace(|| {
        run("iptables-legacy-restore", &[], COUNTED);
        let old = read_blob(Family::V4, "filter").unwrap();
        for change in
            [&["-A", "INPUT", "-s", "9.9.9.9"][..], &["-R", "INPUT", "1", "-s", "8.8.8.8"]]
        {
            run("iptables-legacy", change, "");
            let before = saved(Family::V4);
            let error = apply(old.clone(), |edit| edit.remove("INPUT", 1).unwrap()).unwrap_err();
            assert!(matches!(error, ReplaceError::Changed { .. }), "{error}");
            assert_same_text(&saved(Family::V4), &before);
        }
    });
}

#[test]
fn the_lock_keeps_iptables_legacy_out_and_iptables_keeps_us_out() {
    in_new_namespace(|| {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let held = XtablesLock::acquire(&path, Duration::ZERO).unwrap();
        let with_lock = |args: &[&str]| {
            let lock = format!("XTABLES_LOCKFILE={}", path.display());
            let args: Vec<&str> = [lock.as_str(), "iptables-legacy"]
                .into_iter()
                .chain(args.iter().copied())
                .collect();
            try_run("env", &args, "")
        };
        let error = with_lock(&["-w", "1", "-A", "INPUT", "-j", "ACCEPT"]).unwrap_err();
        assert!(error.contains("xtables lock"), "{error}");
        drop(held);
        with_lock(&["-w", "1", "-A", "INPUT", "-j", "ACCEPT"]).unwrap();
        // flock(1) stands for a program that holds it
        let mut child =
            std::process::Command::new("flock").arg(&path).args(["sleep", "60"]).spawn().unwrap();
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while lock_holders(&path).unwrap().is_empty() && std::time::Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        let error = XtablesLock::acquire(&path, Duration::ZERO).unwrap_err();
        let pid = child.id();
        child.kill().unwrap();
        child.wait().unwrap();
        let LockError::Held { holders, .. } = &error else { panic!("{error}") };
        assert!(holders.iter().any(|holder| holder.pid == pid && holder.holds), "{error}");
    });
}

#[test]
fn nft_rules_are_taken_out_by_handle_and_only_on_the_generation_they_were_read_on() {
    in_new_namespace(|| {
        run("iptables-nft-restore", &[], COUNTED);
        let mut socket = Socket::open().unwrap();
        let read = |socket: &mut Socket| {
            nft::read(socket, Family::V4, &mut KernelNames::default()).unwrap()
        };
        let first = read(&mut socket);
        let name = |read: &nft::NftRead, at: usize| RuleName {
            table: "filter".into(),
            chain: "INPUT".into(),
            handle: read.ruleset.tables[0].chain("INPUT").unwrap().rules[at].handle.unwrap(),
        };
        run("iptables-nft", &["-A", "INPUT", "-s", "9.9.9.9"], "");
        let error =
            remove(&mut socket, Family::V4, first.generation, &[name(&first, 0)]).unwrap_err();
        assert!(matches!(error, RemoveError::Commit(BatchError::Stale)), "{error}");
        let now = read(&mut socket);
        remove(&mut socket, Family::V4, now.generation, &[name(&now, 0), name(&now, 2)]).unwrap();
        let theirs = run("iptables-nft-save", &[], "");
        assert!(!theirs.contains("1.1.1.1") && !theirs.contains("3.3.3.3"), "{theirs}");
        assert!(theirs.contains("2.2.2.2") && theirs.contains("9.9.9.9"), "{theirs}");
        nft::read(&mut socket, Family::V6, &mut NoNames).unwrap();
    });
}
