//! Rules that nft wrote into tables of iptables-nft, with sets that have no name.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;
use xt::{Backend, Family};

use crate::support::*;

/// A table with named objects, and rules that ask sets without names in every way.
const RULES: &str = r#"
table @FAMILY@ filter {
    chain INPUT { type filter hook input priority filter; policy accept; }
    chain FORWARD { type filter hook forward priority filter; policy accept; }
    chain OUTPUT { type filter hook output priority filter; policy accept; }
    chain calx-one { counter comment "first"; }
    chain calx-two { return; }
    chain mine { accept; }
    counter seen { packets 7 bytes 70 }
    chain FORWARD {
        meta mark 1 accept comment "others"
        tcp dport { 80, 443 } counter packets 5 bytes 50 accept comment "calx a"
        tcp dport { 80, 443 } counter packets 5 bytes 50 accept comment "calx twin"
        tcp dport { 1000-2000, 3000, 4000-65535 } accept comment "calx ranges"
        tcp dport != { 0-79, 81 } drop comment "calx not"
        @ADDRESS@ daddr . tcp dport { @ONE@ . 80, @TWO@ . 443 } accept comment "calx pairs"
        @ADDRESS@ saddr . tcp dport { @NET@ . 80-90, @TWO@ . 443 } accept comment "calx ranges of pairs"
        meta mark 2 accept comment "others too"
        tcp dport vmap { 22 : accept, 23 : drop, 24 : jump calx-one, 25-30 : goto calx-two, 31-40 : jump mine } comment "calx verdicts"
        iifname . meta mark vmap { "eth0" . 0x1 : accept, "a-name-of-letters" . 0x2 : drop } comment "calx pairs of verdicts"
        meta mark set tcp dport map { 80 : 0x1, 443 : 0x2 } comment "calx map"
        counter name tcp dport map { 80 : "seen" } comment "calx objects"
        udp dport { 53 counter packets 3 bytes 30, 5353 counter packets 0 bytes 0 } accept comment "calx counted"
        ct state { new, established } udp sport { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18 } drop comment "calx two sets"
    }
}
"#;

fn rules(family: Family) -> String {
    let of = match family {
        Family::V4 => ("ip", "ip", "10.0.0.1", "10.0.0.2", "10.1.0.0/16"),
        Family::V6 => ("ip6", "ip6", "fd00::1", "fd00::2", "fd01::/64"),
    };
    RULES
        .replace("@FAMILY@", of.0)
        .replace("@ADDRESS@", of.1)
        .replace("@ONE@", of.2)
        .replace("@TWO@", of.3)
        .replace("@NET@", of.4)
        .replace("a-name-of-letters", "a-name-of-lette")
}

/// The ruleset without handles.
fn listed(node: &Node) -> Json {
    fn without_handles(json: &mut Json) {
        match json {
            Json::Object(fields) => {
                fields.remove("handle");
                fields.values_mut().for_each(without_handles);
            }
            Json::Array(all) => all.iter_mut().for_each(without_handles),
            _ => {}
        }
    }
    let mut json = serde_json::from_str(&node.run("nft", &["-j", "list", "ruleset"], "")).unwrap();
    without_handles(&mut json);
    json
}

/// Rules by chain, in their order, and everything else: a chain that comes back stands behind those
/// that stayed.
fn parts(listed: &Json) -> (BTreeMap<String, Vec<Json>>, BTreeSet<String>) {
    let (mut rules, mut others) = (BTreeMap::<String, Vec<Json>>::new(), BTreeSet::new());
    for object in listed["nftables"].as_array().unwrap() {
        match object.get("rule") {
            Some(rule) => rules.entry(rule["chain"].to_string()).or_default().push(rule.clone()),
            None => drop(others.insert(object.to_string())),
        }
    }
    (rules, others)
}

#[test]
fn rules_with_sets_without_names_are_shown_whole_and_come_back_as_they_were() {
    for family in Family::BOTH {
        let node = Node::new();
        node.run("nft", &["-f", "-"], &rules(family));
        let before = listed(&node);
        let what = matching("*calx*");
        let look = || sweep::look(Backend::NftCompat, &what).unwrap();
        let looked = node.namespace.run(look).unwrap();
        let shown: Vec<&str> = looked.rules.iter().map(|rule| rule.rule.as_str()).collect();
        for part in [
            "in set { 80, 443 }",
            "in set { 1000-2000, 3000, 4000-65535 }",
            "not in set { 0-79, 81 }",
            "22 : accept, 23 : drop, 24 : jump calx-one, 25-30 : goto calx-two, 31-40 : jump mine",
            "and 2 more, sum ",
        ] {
            assert!(shown.iter().any(|rule| rule.contains(part)), "{part}: {shown:#?}");
        }
        assert!(shown.iter().all(|rule| !rule.contains("__set")), "{shown:#?}");
        assert_eq!(looked.not_to_return, []);

        let swept = node.sweep(Backend::NftCompat, &what);
        assert_eq!((swept.selection.rules.len(), swept.selection.chains.len()), (14, 2));
        let left = node.run("nft", &["list", "ruleset"], "");
        assert!(!left.contains("calx") && left.contains("others too"), "{left}");
        let restored = node.restore();
        assert_eq!((restored.rules.len(), restored.present), (14, 0), "{restored:?}");
        assert_eq!(restored.impossible, []);
        assert_eq!(parts(&listed(&node)), parts(&before));

        // the kernel numbers the sets anew: what is there is known by what is in it
        let again = node.missing();
        assert!(again.is_empty() && again.present == 14, "{again:?}");
        node.run(
            "nft",
            &[
                "flush",
                "chain",
                &format!("{} filter FORWARD", if family == Family::V4 { "ip" } else { "ip6" }),
            ],
            "",
        );
        assert_eq!(node.missing().rules.len(), 12);
    }
}

#[test]
fn a_set_that_is_another_one_now_is_not_taken_for_what_is_missing() {
    let node = Node::new();
    node.run(
        "nft",
        &["-f", "-"],
        "table ip filter {\n chain FORWARD { type filter hook forward priority 0;\n \
        tcp dport { 80, 443 } accept comment \"calx\"\n }\n}\n",
    );
    node.sweep(Backend::NftCompat, &matching("*calx*"));
    node.run(
        "nft",
        &["add rule ip filter FORWARD tcp dport { 80, 444 } accept comment \"calx\""],
        "",
    );
    let restored = node.restore();
    assert_eq!((restored.rules.len(), restored.present), (1, 0), "{restored:?}");
}

#[test]
fn a_set_that_leads_to_a_chain_that_is_gone_is_said_and_the_rest_comes() {
    let node = Node::new();
    node.run("nft", &["-f", "-"], "table ip filter {\n chain mine { accept; }\n \
        chain FORWARD { type filter hook forward priority 0;\n \
        tcp dport vmap { 80 : jump mine } comment \"calx\"\n tcp dport { 1, 2 } drop comment \"calx\"\n }\n}\n");
    node.sweep(Backend::NftCompat, &matching("*calx*"));
    node.run("nft", &["delete chain ip filter mine"], "");
    let restored = node.restore();
    assert_eq!(restored.rules.len(), 1, "{restored:?}");
    assert_eq!(restored.impossible[0].why, "the chain that it leads to, mine, is gone");
}
