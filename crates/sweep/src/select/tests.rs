use proptest::prelude::*;
use xt::{Backend, Family, text};

use super::*;
use crate::{Pattern, system};

fn ruleset(lines: &str) -> Ruleset {
    let text = format!("*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n{lines}COMMIT\n");
    text::parse_str(Backend::Legacy, Family::V4, &text).unwrap()
}

/// Chain and position of rules that go, chains that go, rules in the way.
fn chosen(lines: &str, what: &What) -> (Vec<(String, u32)>, Vec<String>, Vec<String>) {
    let selection = select(&ruleset(lines), what);
    (
        selection.rules.into_iter().map(|rule| (rule.chain, rule.position)).collect(),
        selection.chains.into_iter().map(|chain| chain.chain).collect(),
        selection.referrers.into_iter().map(|rule| rule.rule).collect(),
    )
}

fn of(name: &str) -> What {
    What::Of(system(name).unwrap())
}

const SHARED: &str = ":KUBE-ROUTER-INPUT -\n:KUBE-POD-FW-A -\n:KUBE-FIREWALL -\n:MINE -\n\
    -A INPUT -j KUBE-FIREWALL\n\
    -A INPUT -m comment --comment \"kube-router netpol\" -j KUBE-ROUTER-INPUT\n\
    -A INPUT -p tcp --dport 22 -j ACCEPT\n\
    -A KUBE-ROUTER-INPUT -j KUBE-POD-FW-A\n-A KUBE-POD-FW-A -j DROP\n-A KUBE-FIREWALL -j DROP\n";

#[test]
fn a_system_is_its_chains_and_the_rules_that_lead_into_them() {
    let (rules, chains, referrers) = chosen(SHARED, &of("kube-router"));
    let rules: Vec<(&str, u32)> = rules.iter().map(|(chain, at)| (chain.as_str(), *at)).collect();
    assert_eq!(rules, [("INPUT", 2), ("KUBE-ROUTER-INPUT", 1), ("KUBE-POD-FW-A", 1)]);
    assert_eq!(chains, ["KUBE-POD-FW-A", "KUBE-ROUTER-INPUT"]);
    assert!(referrers.is_empty());
}

#[test]
fn a_rule_of_somebody_elses_chain_that_leads_there_is_in_the_way() {
    let lines = format!("{SHARED}-A MINE -s 1.1.1.1 -j KUBE-ROUTER-INPUT\n");
    let (_, _, referrers) = chosen(&lines, &of("kube-router"));
    assert_eq!(referrers, ["-A MINE -s 1.1.1.1/32 -j KUBE-ROUTER-INPUT"]);
    // named by a pattern it goes too
    let (rules, _, referrers) = chosen(&lines, &What::Match(Pattern::new("*KUBE-ROUTER-*")));
    assert!(referrers.is_empty());
    assert!(rules.contains(&("MINE".to_owned(), 1)));
}

#[test]
fn a_rule_with_a_systems_comment_is_the_systems() {
    let lines = "-A FORWARD -s 10.244.0.0/16 -m comment --comment \"flanneld forward\" -j ACCEPT\n\
                 -A FORWARD -s 10.244.0.0/16 -j ACCEPT\n";
    assert_eq!(chosen(lines, &of("flannel")).0, [("FORWARD".to_owned(), 1)]);
}

#[test]
fn a_pattern_is_for_texts_of_rules_and_names_of_chains() {
    let pattern = |text: &str| What::Match(Pattern::new(text));
    let (rules, chains, _) = chosen(SHARED, &pattern("*--dport 22 *"));
    assert_eq!((rules.len(), chains.len()), (1, 0));
    let (rules, chains, _) = chosen(SHARED, &pattern("KUBE-FIREWALL"));
    assert_eq!((rules.len(), chains.len()), (2, 1));
    // builtin chains never go
    let (rules, chains, _) = chosen(SHARED, &pattern("*"));
    assert_eq!((rules.len(), chains.len()), (6, 4));
    assert_eq!(chosen(SHARED, &pattern("INPUT")), (vec![], vec![], vec![]));
}

#[test]
fn later_copies_go_and_the_first_stays() {
    let lines = "-A INPUT -s 1.1.1.1 -j DROP\n-A INPUT -j LOG\n-A INPUT -s 1.1.1.1 -j DROP\n\
                 -A FORWARD -s 1.1.1.1 -j DROP\n-A INPUT -s 1.1.1.1/32 -j DROP\n";
    let rules = chosen(lines, &What::Duplicates).0;
    assert_eq!(rules, [("INPUT".to_owned(), 3), ("INPUT".to_owned(), 4)]);
}

/// How many copies go and how many stay.
fn copies(lines: &str) -> (usize, usize) {
    let selection = select(&ruleset(lines), &What::Duplicates);
    assert_eq!(selection.kept.iter().filter(|kept| kept.why.is_empty()).count(), 0);
    (selection.rules.len(), selection.kept.len())
}

#[test]
fn copies_with_an_effect_of_their_own_stay() {
    for rule in [
        "-m statistic --mode random --probability 0.5 -j DROP",
        "-m limit --limit 1/sec -j ACCEPT",
        "-m hashlimit --hashlimit-upto 1/sec --hashlimit-name x -j ACCEPT",
        "-m recent --set --name x",
        "-m quota --quota 100 -j ACCEPT",
        "-m set --match-set x src --packets-gt 5 -j DROP",
        "-m connlimit --connlimit-above 5 -j DROP",
        "-m nobodyknows --such 1 -j DROP",
        "-j MARK --set-xmark 0x1/0x0",
        "-j CONNMARK --set-xmark 0x3/0x1",
        "-j CONNMARK --restore-mark --nfmask 0x1 --ctmask 0x3",
        "-j TTL --ttl-dec 1",
        "-j TEE --gateway 10.0.0.1",
    ] {
        assert_eq!(copies(&format!("-A INPUT {rule}\n-A INPUT {rule}\n")), (0, 1), "{rule}");
    }
    for rule in [
        "-p tcp -m tcp --dport 22 -j ACCEPT",
        "-m set --match-set x src -j DROP",
        "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "-m mark --mark 0x1 -j DROP",
        "-j MARK --set-xmark 0x1/0x1",
        "-j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff",
        "-m owner --uid-owner 5 -j DROP",
        "-m comment --comment x",
    ] {
        assert_eq!(copies(&format!("-A INPUT {rule}\n-A INPUT {rule}\n")), (1, 0), "{rule}");
    }
}

#[test]
fn a_copy_behind_a_rule_that_changes_what_it_asks_stays() {
    let asks = "-A INPUT -m mark --mark 0x1/0x1 -j RETURN\n";
    let marks = "-A INPUT -s 1.1.1.1 -j MARK --set-xmark 0x1/0x1\n";
    assert_eq!(copies(&format!("{asks}{marks}{asks}")), (0, 1));
    assert_eq!(copies(&format!("{asks}{asks}{marks}")), (1, 0));
    // by way of a chain
    let chain = ":POLICY -\n-A POLICY -j MARK --set-xmark 0x1/0x1\n";
    let calls = "-A INPUT -s 1.1.1.1 -j POLICY\n";
    assert_eq!(copies(&format!("{chain}{asks}{calls}{asks}")), (0, 1));
    // undone in between
    let other = "-A INPUT -s 1.1.1.1 -j MARK --set-xmark 0x0/0x1\n";
    assert_eq!(copies(&format!("{marks}{other}{marks}")), (0, 1));
    assert_eq!(copies(&format!("{marks}-A INPUT -s 2.2.2.2 -j DROP\n{marks}")), (1, 0));
}

#[test]
fn copies_of_a_jump_stay_only_if_the_chain_does_more_each_time() {
    let jump = "-A INPUT -j C\n-A INPUT -j C\n";
    // kube-router's policies, kube-proxy's services, kube-proxy's masquerading
    for chain in [
        "-A C -m mark --mark 0x1/0x1 -j RETURN\n-A C -j MARK --set-xmark 0x1/0x1\n",
        "-A C -m limit --limit 10/min -j NFLOG --nflog-group 100\n-A C -j REJECT\n",
        "-A C -m statistic --mode random --probability 0.5 -j ACCEPT\n-A C -j DROP\n",
        "-A C -m mark ! --mark 0x4/0x4 -j RETURN\n-A C -j MARK --set-xmark 0x4/0x0\n-A C -j DROP\n",
    ] {
        assert_eq!(copies(&format!(":C -\n{chain}{jump}")), (1, 0), "{chain}");
    }
    for chain in ["-A C -j MARK --set-xmark 0x4/0x0\n", "-A C -j TTL --ttl-dec 1\n"] {
        assert_eq!(copies(&format!(":C -\n{chain}{jump}")), (0, 1), "{chain}");
    }
}

#[test]
fn chains_in_a_circle_end() {
    let lines = ":A -\n:B -\n-A A -j B\n-A B -j A\n-A INPUT -j A\n-A INPUT -j A\n";
    assert_eq!(copies(lines), (1, 0));
}

proptest! {
    #[test]
    fn what_is_left_has_no_copies_and_the_same_different_rules(
        sources in proptest::collection::vec(0..6_u8, 0..60)
    ) {
        let line = |n: &u8| format!("-A INPUT -s 10.0.0.{n} -j DROP\n");
        let lines = sources.iter().map(line).collect::<Vec<_>>().concat();
        let ruleset = ruleset(&lines);
        let selection = select(&ruleset, &What::Duplicates);
        let gone: Vec<u32> = selection.rules.iter().map(|rule| rule.position).collect();
        let input = ruleset.tables[0].chain("INPUT").unwrap();
        let left: Vec<String> = input
            .rules
            .iter()
            .filter(|rule| !gone.contains(&rule.position))
            .map(|rule| text::save_rule("INPUT", rule))
            .collect();
        let mut different: Vec<String> = Vec::new();
        for rule in &input.rules {
            let line = text::save_rule("INPUT", rule);
            if !different.contains(&line) {
                different.push(line);
            }
        }
        prop_assert_eq!(left, different);
    }
}
