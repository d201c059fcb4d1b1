//! nf_tables: what the live look says is what doctor makes of `nft -j list ruleset`.

use doctor::snapshot::{NftRuleset, Verdict};

use crate::support::{Node, assembled, known};

const RULESET: &str = r#"
table inet filter {
    counter hits { }
    set blocked { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 192.0.2.1, 198.51.100.5-198.51.100.9 } }
    set ports { type inet_service; size 100; elements = { 80, 443 } }
    set clients { type ipv4_addr . inet_service; flags interval; elements = { 10.1.0.0/16 . 80-90 } }
    set seen { type ipv4_addr; size 1000; flags dynamic,timeout; timeout 1m; }
    map forward { type inet_proto . inet_service : ipv4_addr . inet_service; elements = { tcp . 61000 : 10.0.0.7 . 80 } }
    map verdicts { type mark : verdict; elements = { 0x10 : jump web, 0x20 : drop } }
    chain web {
        tcp dport @ports counter packets 0 bytes 0 accept comment "the web"
    }
    chain input {
        type filter hook input priority 0; policy drop;
        ct state established,related accept
        ct state new tcp dport { 22, 8080 } accept
        ct state invalid drop
        iifname "lo" accept
        iifname "cali*" jump web
        ip saddr @blocked counter drop
        ip saddr 10.0.0.0/8 tcp dport 22 accept
        ip saddr 10.1.0.0/12 ip daddr 10.2.3.4 udp sport 53 accept
        ip6 saddr fd00::/8 tcp dport 1024-2048 accept
        ip saddr . tcp dport @clients accept
        meta mark 0x10 accept
        meta mark & 0x4000 == 0x4000 return
        meta mark vmap @verdicts
        tcp dport vmap { 80 : jump web, 81 : goto web, 82 : drop }
        meta l4proto { tcp, udp } th dport 53 accept
        icmp type echo-request limit rate 5/second accept
        icmpv6 type { nd-router-advert, nd-neighbor-solicit } accept
        fib daddr type local tcp dport != 22 counter name "hits"
        add @seen { ip saddr }
        log prefix "dropped: " drop
        reject
    }
    chain pre {
        type nat hook prerouting priority -100; policy accept;
        dnat ip to meta l4proto . th dport map @forward
        ip daddr 192.0.2.10 tcp dport 80 dnat ip to 10.0.0.9:8080
        tcp dport 88 redirect to :8088
        meta nfproto ipv6 accept
    }
    chain post {
        type nat hook postrouting priority 100; policy accept;
        oifname "eth0" masquerade
        ip saddr 10.9.0.0/16 snat ip to 192.0.2.1
        meta mark set 0x1
        meta mark set meta mark | 0x4000
        ct mark set meta mark
    }
    chain raw {
        type filter hook prerouting priority -300; policy accept;
        udp dport 4789 notrack
    }
}
table bridge br {
    chain c {
        type filter hook forward priority 0; policy accept;
        ether saddr 02:00:00:00:00:01 drop
        ip daddr 10.0.0.1 drop
    }
}
table ip nat {
    chain KUBE-SVC {
        numgen random mod 2 vmap { 0 : goto KUBE-SEP-A, 1 : goto KUBE-SEP-B }
    }
    chain KUBE-SEP-A {
        ip saddr 10.0.0.1 meta mark set 0x4000
        ip protocol tcp dnat to 10.0.0.1:80
    }
    chain KUBE-SEP-B {
        ct status dnat accept
    }
}
"#;

#[track_caller]
fn same(live: &NftRuleset, dumped: &NftRuleset) {
    let names = |all: &NftRuleset| {
        all.tables.iter().map(|t| format!("{} {}", t.family, t.name)).collect::<Vec<_>>()
    };
    assert_eq!(names(live), names(dumped));
    let mut different = Vec::new();
    for (live, dumped) in live.tables.iter().zip(&dumped.tables) {
        for (live, dumped) in live.chains.iter().zip(&dumped.chains) {
            assert_eq!((&live.name, &live.base), (&dumped.name, &dumped.base));
            assert_eq!(live.rules.len(), dumped.rules.len(), "{}", live.name);
            for (live, dumped) in live.rules.iter().zip(&dumped.rules) {
                let mut dumped = dumped.clone();
                dumped.text.truncate(dumped.text.trim_end().len());
                if *live != dumped {
                    different.push(format!("live {live:?}\nnft  {dumped:?}\n"));
                }
            }
        }
        assert_eq!(live.chains.len(), dumped.chains.len(), "{}", live.name);
        let sorted = |sets: &[doctor::snapshot::NftSet]| {
            let mut sets = sets.to_vec();
            // nft 1.0.6 leaves it out in JSON
            for set in &mut sets {
                set.flags.retain(|flag| flag != "dynamic");
            }
            sets.sort_by(|one, other| one.name.cmp(&other.name));
            sets
        };
        for (live, dumped) in sorted(&live.sets).iter().zip(&sorted(&dumped.sets)) {
            if live != dumped {
                different.push(format!("live {live:?}\nnft  {dumped:?}\n"));
            }
        }
        assert_eq!(live.sets.len(), dumped.sets.len(), "{}", live.name);
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn a_live_ruleset_is_what_nft_lists() {
    let node = Node::new();
    node.tool("nft -f -", RULESET);
    let live = node.look();
    let dumped = assembled("nft.json", &node.tool("nft -j list ruleset", ""));
    same(known(&live.nft), known(&dumped.nft));
}

#[test]
fn every_chain_that_a_long_map_leads_to_is_told() {
    let node = Node::new();
    let chains: Vec<String> = (0..300).map(|n| format!("add chain ip t c{n}")).collect();
    let chains = chains.join("\n");
    let pairs: Vec<String> = (0..300).map(|n| format!("{n} : goto c{n}")).collect();
    let script = format!(
        "add table ip t\n{chains}\nadd chain ip t x\nadd rule ip t x tcp dport vmap {{ {} }}\n",
        pairs.join(", ")
    );
    node.tool("nft -f -", &script);
    let live = node.look();
    let rule = &known(&live.nft).table("ip", "t").unwrap().chain("x").unwrap().rules[0];
    assert_eq!(rule.targets.len(), 300);
    assert!(matches!(rule.verdict, Some(Verdict::Map(_))));
}

#[test]
fn what_has_no_type_here_is_a_condition_by_its_name() {
    let node = Node::new();
    node.tool(
        "nft -f -",
        "table inet t {\nchain c {\n socket transparent 1 accept\n ct count over 5 drop\n \
         exthdr hbh exists drop\n rt classid 7 accept\n }\n}\n",
    );
    let live = node.look();
    let rules = &known(&live.nft).table("inet", "t").unwrap().chain("c").unwrap().rules;
    let texts: Vec<&str> = rules.iter().map(|rule| rule.text.as_str()).collect();
    for (rule, name) in rules.iter().zip(["socket", "connlimit", "exthdr", "rt"]) {
        assert!(rule.conditions > 0 && rule.text.contains(name), "{texts:?}");
    }
}

#[test]
fn a_limit_of_rules_is_kept_and_said() {
    let node = Node::new();
    let rules: Vec<String> =
        (0..50).map(|n| format!("add rule ip t c tcp dport {n} drop")).collect();
    let rules = rules.join(
        "
",
    );
    node.tool("nft -f -", &format!("add table ip t\nadd chain ip t c\n{rules}\n"));
    let limits = snapshot::Limits { rules: 20, ..snapshot::Limits::default() };
    let live = node.look_with(snapshot::Options { limits, ..snapshot::Options::default() });
    assert_eq!(known(&live.nft).tables[0].chains[0].rules.len(), 20);
    assert!(
        live.skipped.iter().any(|skipped| skipped.why.contains("30 rules over 20")),
        "{:?}",
        live.skipped
    );
}
