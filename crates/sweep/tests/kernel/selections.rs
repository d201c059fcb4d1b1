//! Every selection, in both families and backends: what goes, what stays, and what comes back.

use std::collections::BTreeSet;
use std::net::{Ipv6Addr, TcpListener};

use sweep::{Refusal, SweepError, What};
use xt::{Backend, Family};

use crate::rules;
use crate::support::*;

/// A node with the same rules in both families of a backend.
fn node(backend: Backend) -> Node {
    let node = Node::new();
    node.run("ipset", &["restore"], rules::SETS);
    for family in Family::BOTH {
        node.load(Of(backend, family), &rules::mixed(family));
    }
    node
}

/// The text without lines of which a predicate says so.
fn without(text: &str, goes: impl Fn(&str) -> bool) -> String {
    text.lines().filter(|line| !goes(line)).map(|line| format!("{line}\n")).collect()
}

fn is_of_kube_router(line: &str) -> bool {
    ["KUBE-ROUTER-", "KUBE-POD-FW-", "KUBE-NWPLCY-"].iter().any(|part| line.contains(part))
}

#[test]
fn a_system_goes_and_comes_back_byte_for_byte_with_its_counters() {
    for backend in BACKENDS {
        let node = node(backend);
        let before = Family::BOTH.map(|family| node.saved(Of(backend, family)));
        let swept = node.sweep(backend, &of("kube-router"));
        assert_eq!(swept.notes, Vec::<String>::new());
        assert_eq!(swept.backup, Some(node.backup()));
        for (family, before) in Family::BOTH.into_iter().zip(&before) {
            let after = node.saved(Of(backend, family));
            assert_same_text(&after, &without(before, is_of_kube_router));
        }
        // nothing is left to do
        assert!(node.sweep(backend, &of("kube-router")).selection.is_empty());
        let restored = node.restore();
        assert_eq!(restored.impossible, []);
        assert_eq!(restored.rules.len(), swept.selection.rules.len());
        for (family, before) in Family::BOTH.into_iter().zip(&before) {
            assert_same_text(&node.saved(Of(backend, family)), before);
        }
        let again = node.restore();
        assert!(again.is_empty(), "{again:?}");
        assert_eq!(again.present, restored.rules.len());
    }
}

#[test]
fn a_pattern_takes_rules_and_chains_and_they_come_back() {
    for backend in BACKENDS {
        for (pattern, gone) in [("*multiport*", 4), ("KUBE-POSTROUTING", 4), ("* -j HOST", 4)] {
            let node = node(backend);
            let before = Family::BOTH.map(|family| node.saved(Of(backend, family)));
            let swept = node.sweep(backend, &matching(pattern));
            assert_eq!(swept.selection.rules.len(), gone, "{pattern}");
            let lines: BTreeSet<&str> =
                swept.selection.rules.iter().map(|rule| rule.rule.as_str()).collect();
            let chain = format!(":{pattern}");
            for (family, before) in Family::BOTH.into_iter().zip(&before) {
                let goes = |line: &str| lines.contains(line) || line.starts_with(&chain);
                let expected = without(&without_counters(before), goes);
                assert_same_text(&node.plain(Of(backend, family)), &expected);
            }
            node.restore();
            for (family, before) in Family::BOTH.into_iter().zip(&before) {
                assert_same_text(&node.saved(Of(backend, family)), before);
            }
        }
    }
}

#[test]
fn copies_collapse_to_the_first_one_and_order_and_counters_stay() {
    for of in Of::all() {
        let node = Node::new();
        node.load(of, &rules::copies(1000));
        let before = node.saved(of);
        let swept = node.sweep(of.0, &What::Duplicates);
        assert_eq!(swept.selection.rules.len(), 999);
        let mut seen = BTreeSet::new();
        let first = |line: &&str| !line.contains(" -A ") || seen.insert((*line).to_owned());
        let expected: Vec<&str> = before.lines().filter(first).collect();
        assert_same_text(&node.saved(of), &format!("{}\n", expected.join("\n")));
        assert_eq!(node.restore().rules.len(), 999);
        assert_same_text(&node.saved(of), &before);
    }
}

#[test]
fn a_rule_in_the_way_is_named_and_nothing_is_changed() {
    for of_backend in Of::all() {
        let node = Node::new();
        let text = "*filter\n:INPUT ACCEPT [0:0]\n:MINE - [0:0]\n:cali-INPUT - [0:0]\n\
            -A INPUT -j MINE\n-A MINE -p tcp -j cali-INPUT\n-A cali-INPUT -j DROP\nCOMMIT\n";
        node.load(of_backend, text);
        let before = node.saved(of_backend);
        let error =
            node.try_sweep(of_backend.0, &of("calico"), &node.options()).unwrap_err().to_string();
        assert!(error.contains("-A MINE -p tcp -j cali-INPUT"), "{error}");
        assert_same_text(&node.saved(of_backend), &before);
        assert!(!node.backup().exists());
    }
}

#[test]
fn a_sweep_that_would_cut_the_node_off_is_refused_with_what_to_run_first() {
    for of_backend in Of::all() {
        let node = Node::new();
        let text = "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n\
            :ufw-before-input - [0:0]\n-A INPUT -j ufw-before-input\n\
            -A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n\
            -A ufw-before-input -p tcp -m tcp --dport 22 -j ACCEPT\nCOMMIT\n";
        node.load(of_backend, text);
        let before = node.saved(of_backend);
        let error = node.try_sweep(of_backend.0, &of("ufw"), &node.options()).unwrap_err();
        let SweepError::Refused(Refusal::Lockout(lockouts)) = &error else { panic!("{error:?}") };
        assert_eq!(lockouts[0].traffic.len(), 2, "{lockouts:?}");
        let policy = format!("{} -P INPUT ACCEPT", of_backend.program(""));
        for part in ["SSH", "policy of INPUT is DROP", "run first: ufw disable", &policy] {
            assert!(error.to_string().contains(part), "{part}: {error}");
        }
        assert_same_text(&node.saved(of_backend), &before);
        assert!(!node.backup().exists());
        // what it says to run first is enough
        node.tool(of_backend, "", &["-P", "INPUT", "ACCEPT"], "");
        assert_eq!(node.sweep(of_backend.0, &of("ufw")).selection.chains.len(), 1);
        // whoever wants it can have it
        std::fs::remove_file(node.backup()).unwrap();
        node.load(of_backend, text);
        let options = sweep::Options { force: sweep::Force::Yes, ..node.options() };
        node.try_sweep(of_backend.0, &of("ufw"), &options).unwrap();
        assert!(!node.plain(of_backend).contains("ufw"));
    }
}

#[test]
fn a_port_with_a_listener_in_the_namespace_is_not_cut_off_and_one_without_may_be() {
    for of in Of::all() {
        let node = Node::new();
        // both families: a socket of [::] serves IPv4 too
        let listen = || TcpListener::bind((Ipv6Addr::UNSPECIFIED, 2222)).unwrap();
        let listener = node.namespace.run(listen).unwrap();
        node.load(
            of,
            "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
             -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\n\
             -A INPUT -p tcp -m tcp --dport 2222 -m comment --comment calx -j ACCEPT\nCOMMIT\n",
        );
        let before = node.plain(of);
        let what = matching("*calx*");
        let looked = node.namespace.run(|| sweep::look(of.0, &what).unwrap()).unwrap();
        assert_eq!(looked.lockouts.len(), 1, "{looked:?}");
        let error = node.try_sweep(of.0, &what, &node.options()).unwrap_err();
        assert!(matches!(error, SweepError::Refused(Refusal::Lockout(_))), "{error:?}");
        assert!(error.to_string().contains("tcp 2222"), "{error}");
        assert_same_text(&node.plain(of), &before);
        drop(listener);
        assert_eq!(node.sweep(of.0, &what).selection.rules.len(), 1);
    }
}

#[test]
fn one_backend_is_swept_and_the_other_one_stays() {
    let node = node(Backend::Legacy);
    for family in Family::BOTH {
        node.load(Of(Backend::NftCompat, family), &rules::mixed(family));
    }
    for backend in BACKENDS {
        let other = BACKENDS.into_iter().find(|other| *other != backend).unwrap();
        let before = node.saved(Of(other, Family::V4));
        node.sweep(backend, &of("kube-router"));
        std::fs::remove_file(node.backup()).unwrap();
        assert_same_text(&node.saved(Of(other, Family::V4)), &before);
    }
}

#[test]
fn looking_makes_no_table_and_an_empty_node_is_left_alone() {
    let node = Node::new();
    for backend in BACKENDS {
        for what in [of("kube-proxy"), matching("*"), What::Duplicates] {
            let swept = node.sweep(backend, &what);
            assert!(swept.selection.is_empty() && swept.backup.is_none());
        }
    }
    let names = node.namespace.run(|| xt::legacy::table_names(Family::V4).unwrap()).unwrap();
    assert_eq!(names, Vec::<String>::new());
    assert_eq!(node.run("nft", &["list", "tables"], ""), "");
}
