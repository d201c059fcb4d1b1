//! Restores that would cut the node off.

use std::net::{Ipv6Addr, TcpListener};

use sweep::{Force, Refusal, SweepError};
use xt::{Backend, Family};

use crate::support::*;

const HEAD: &str = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n";

/// What the refusal of a restore says.
#[track_caller]
fn refusal(node: &Node, of: Of) -> String {
    let before = node.saved(of);
    let error = node.try_restore_from(&node.backup(), Force::No).unwrap_err();
    assert!(matches!(error, SweepError::Refused(Refusal::Lockout(_))), "{error:?}");
    assert_same_text(&node.saved(of), &before);
    assert!(!node.missing().lockouts.is_empty(), "the dry run says it too");
    error.to_string()
}

#[test]
fn a_drop_that_would_come_back_before_nothing_that_accepts_is_refused_and_forced() {
    for of in Of::all() {
        let node = Node::new();
        let accept = ["-p", "tcp", "--dport", "2222", "-j", "ACCEPT"];
        node.load(
            of,
            &format!(
                "{HEAD}-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n\
                 -A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n\
                 -A INPUT -p tcp -m tcp --dport 2222 -j ACCEPT\n\
                 -A INPUT -m comment --comment calx -j DROP\nCOMMIT\n"
            ),
        );
        let listen = || TcpListener::bind((Ipv6Addr::UNSPECIFIED, 2222)).unwrap();
        let _listener = node.namespace.run(listen).unwrap();
        let before = node.plain(of);
        node.sweep(of.0, &matching("*calx*"));
        // as it was it comes back
        node.restore();
        assert_same_text(&node.plain(of), &before);
        node.tool(of, "", &["-D", "INPUT", "-m", "comment", "--comment", "calx", "-j", "DROP"], "");
        // without the accept of the port that something listens on it does not
        node.tool(of, "", &[&["-D", "INPUT"], &accept[..]].concat(), "");
        let said = refusal(&node, of);
        for part in ["tcp 2222", "-A INPUT -m comment --comment calx -j DROP", "--force"] {
            assert!(said.contains(part), "{part}: {said}");
        }
        let first = format!("run first: {} -I INPUT -p tcp --dport 2222 -j ACCEPT", of.program(""));
        assert!(said.contains(&first), "{said}");
        // what it says to run first is enough
        node.tool(of, "", &[&["-I", "INPUT"], &accept[..]].concat(), "");
        assert_eq!(node.restore().rules.len(), 1);
        // whoever wants it can have it
        node.tool(of, "", &["-F", "INPUT"], "");
        refusal(&node, of);
        let forced = node.try_restore_from(&node.backup(), Force::Yes).unwrap();
        assert_eq!((forced.rules.len(), forced.lockouts.len()), (1, 1), "{forced:?}");
        assert!(node.plain(of).contains("-j DROP"));
    }
}

#[test]
fn a_policy_of_drop_that_would_come_back_without_its_accepts_is_refused() {
    for family in Family::BOTH {
        let of = Of(Backend::NftCompat, family);
        let node = Node::new();
        let text = HEAD.replace("INPUT ACCEPT", "INPUT DROP");
        node.load(
            of,
            &format!(
                "{text}-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n\
                 -A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n\
                 -A INPUT -p udp -m comment --comment calx -j ACCEPT\nCOMMIT\n"
            ),
        );
        node.sweep(of.0, &matching("*calx*"));
        node.run("nft", &["flush", "ruleset"], "");
        let error = node.try_restore_from(&node.backup(), Force::No).unwrap_err();
        assert!(error.to_string().contains("the policy of INPUT is DROP"), "{error}");
        assert_eq!(node.run("nft", &["list", "tables"], ""), "");
    }
}

#[test]
fn an_accept_that_cannot_come_back_keeps_the_drop_behind_it_away() {
    for of in Of::all() {
        let node = Node::new();
        let family = if of.1 == Family::V6 { "inet6" } else { "inet" };
        node.run("ipset", &["create", "wanted", "hash:ip", "family", family], "");
        node.load(
            of,
            &format!(
                "{HEAD}:calx - [0:0]\n-A INPUT -j calx\n\
                 -A calx -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n\
                 -A calx -m set --match-set wanted src -j ACCEPT\n-A calx -j DROP\nCOMMIT\n"
            ),
        );
        node.sweep(of.0, &matching("calx"));
        node.destroy_sets();
        assert!(refusal(&node, of).contains("SSH"));
    }
}

#[test]
fn a_drop_that_asks_for_something_and_stood_there_before_comes_back() {
    for of in Of::all() {
        let node = Node::new();
        node.load(
            of,
            &format!(
                "{HEAD}-A INPUT -p tcp -m comment --comment others -j ACCEPT\n\
                 -A INPUT -m mark --mark 0x5 -m comment --comment calx -j DROP\n\
                 -A OUTPUT -m mark --mark 0x5 -m comment --comment calx -j DROP\nCOMMIT\n"
            ),
        );
        let before = node.plain(of);
        node.sweep(of.0, &matching("*calx*"));
        node.restore();
        assert_same_text(&node.plain(of), &before);
        node.tool(of, "", &["-F"], "");
        // that of OUTPUT stood so before; before that of INPUT everything was accepted
        let said = refusal(&node, of);
        assert!(said.contains(" INPUT would drop") && !said.contains(" OUTPUT "), "{said}");
    }
}
