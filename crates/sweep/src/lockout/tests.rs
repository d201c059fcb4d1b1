use xt::text;

use super::*;
use crate::select::select_in;
use crate::{Pattern, What, system};

/// What a sweep of a filter table would cut off, and what to run first.
fn cut_off(lines: &str, what: &What) -> Vec<(String, Vec<String>, String, String)> {
    cut_off_from(lines, what, &[])
}

/// The same of a node on which something listens on TCP ports.
fn cut_off_from(
    lines: &str,
    what: &What,
    ports: &[u16],
) -> Vec<(String, Vec<String>, String, String)> {
    let text = format!("*filter\n{lines}COMMIT\n");
    let ruleset = text::parse_str(Backend::Legacy, Family::V4, &text).unwrap();
    let table = &ruleset.tables[0];
    let selection = select_in(Family::V4, table, what);
    let part = Part::of(&selection, Family::V4, "filter");
    let found = of(Family::V4, Backend::Legacy, table, &part, &Listening::on(ports));
    found.into_iter().map(|l| (l.chain, l.traffic, l.by, l.first)).collect()
}

fn like(pattern: &str) -> What {
    What::Match(Pattern::new(pattern))
}

#[test]
fn accept_rules_before_a_policy_of_drop_are_what_keeps_the_node_reachable() {
    let ufw = ":INPUT DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n:ufw-before-input - [0:0]\n\
        :ufw-user-input - [0:0]\n-A INPUT -j ufw-before-input\n\
        -A ufw-before-input -i lo -j ACCEPT\n\
        -A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n\
        -A ufw-before-input -j ufw-user-input\n\
        -A ufw-user-input -p tcp -m tcp --dport 22 -j ACCEPT\n";
    let found = cut_off(ufw, &What::Of(system("ufw").unwrap()));
    let [(chain, traffic, by, first)] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((chain.as_str(), by.as_str()), ("INPUT", "the policy of INPUT is DROP"));
    assert_eq!(traffic[..], ["packets of established connections", "new SSH connections (tcp 22)"]);
    assert_eq!(first, "ufw disable (or: iptables-legacy -P INPUT ACCEPT)");
    // what was closed before is not cut off, and nothing is where the policy is ACCEPT
    let open = ufw.replace("INPUT DROP", "INPUT ACCEPT");
    assert_eq!(cut_off(&open, &What::Of(system("ufw").unwrap())), []);
}

#[test]
fn a_drop_behind_an_accept_that_goes_is_foreseen_also_if_it_asks_something() {
    for (drop, by_hand) in [
        ("-A INPUT -j DROP", "iptables-legacy -D INPUT -j DROP"),
        ("-A INPUT -p tcp -j REJECT", "iptables-legacy -D INPUT -p tcp -j REJECT"),
        ("-A INPUT -s 10.0.0.0/8 -j DROP", "iptables-legacy -D INPUT -s 10.0.0.0/8 -j DROP"),
        ("-A INPUT -i eth0 -j DROP", "iptables-legacy -D INPUT -i eth0 -j DROP"),
        ("-A INPUT -p tcp -m tcp --dport 22 -j DROP", "-D INPUT -p tcp -m tcp --dport 22"),
        ("-A INPUT -m mark --mark 0x5 -j DROP", "-D INPUT -m mark --mark 0x5"),
    ] {
        let lines = format!(
            ":INPUT ACCEPT [0:0]\n-A INPUT -p tcp -m comment --comment old -j ACCEPT\n{drop}\n"
        );
        let found = cut_off(&lines, &like("*old*"));
        assert!(found.iter().all(|(chain, ..)| chain == "INPUT"), "{drop}: {found:?}");
        assert!(found.iter().any(|(.., first)| first.contains(by_hand)), "{drop}: {found:?}");
    }
    // drops of others' traffic
    for drop in ["-i lo", "-s 127.0.0.0/8", "-p udp", "-i cni0", "-m conntrack --ctstate INVALID"] {
        let lines = format!(
            ":INPUT ACCEPT [0:0]\n-A INPUT -p tcp -m comment --comment old -j ACCEPT\n\
             -A INPUT {drop} -j DROP\n"
        );
        assert_eq!(cut_off(&lines, &like("*old*")), [], "{drop}");
    }
}

#[test]
fn a_way_out_counts_and_a_second_accept_keeps_it() {
    let lines = ":OUTPUT DROP [0:0]\n\
        -A OUTPUT -m conntrack --ctstate ESTABLISHED -m comment --comment old -j ACCEPT\n";
    let found = cut_off(lines, &like("*old*"));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].1, ["packets of established connections"]);
    let again = format!("{lines}-A OUTPUT ! -o lo -j ACCEPT\n");
    assert_eq!(cut_off(&again, &like("*old*")), []);
    let within = format!(":A - [0:0]\n{lines}-A OUTPUT -j A\n-A A -j ACCEPT\n");
    assert_eq!(cut_off(&within, &like("*old*")), []);
    // RETURN before the policy, a goto that comes back to it, and a loop that the kernel refuses
    for lines in [
        ":INPUT DROP [0:0]\n:A - [0:0]\n-A INPUT -j A\n-A A -m comment --comment old -j ACCEPT\n\
         -A A -j RETURN\n",
        ":INPUT DROP [0:0]\n:A - [0:0]\n-A INPUT -m comment --comment old -j ACCEPT\n\
         -A INPUT -g A\n-A INPUT -j ACCEPT\n",
        ":INPUT DROP [0:0]\n:A - [0:0]\n-A INPUT -m comment --comment old -j ACCEPT\n\
         -A INPUT -j A\n-A A -j A\n",
    ] {
        assert_eq!(cut_off(lines, &like("*old*")).len(), 1, "{lines}");
    }
}

#[test]
fn what_drops_now_is_no_reason_and_what_only_drops_may_go() {
    let closed = ":INPUT DROP [0:0]\n-A INPUT -p udp -m comment --comment old -j ACCEPT\n";
    assert_eq!(cut_off(closed, &like("*old*")), []);
    let drop = ":INPUT ACCEPT [0:0]\n-A INPUT -p tcp -m comment --comment old -j DROP\n";
    assert_eq!(cut_off(drop, &like("*old*")), []);
}

#[test]
fn a_port_that_something_listens_on_counts_whatever_its_number() {
    let lines = ":INPUT DROP [0:0]\n-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\n\
        -A INPUT -p tcp -m tcp --dport 2222 -m comment --comment calx -j ACCEPT\n";
    let found = cut_off_from(lines, &like("*calx*"), &[22, 2222, 8080]);
    let [(chain, traffic, ..)] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(chain, "INPUT");
    assert_eq!(traffic[..], ["new connections to tcp 2222, where something listens"]);
    // nobody is served there, or it was closed before
    assert_eq!(cut_off_from(lines, &like("*calx*"), &[22, 8080]), []);
    // once only
    let ssh = lines.replace("2222", "22");
    let found = cut_off_from(&ssh, &like("*calx*"), &[22, 2222]);
    assert_eq!(found[0].1, ["new SSH connections (tcp 22)"]);
}
