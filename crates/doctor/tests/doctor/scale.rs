//! A node with 50,000 rules: read and diagnosed in one pass. How long it takes is printed; what is
//! found must not depend on the size.

use std::fmt::Write as _;
use std::time::Instant;

use crate::dumps;

/// A healthy node of kube-proxy with so many Services of two endpoints each.
fn services(count: u32) -> String {
    let mut chains = String::from(
        "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
         :POSTROUTING ACCEPT [0:0]\n:KUBE-MARK-MASQ - [0:0]\n:KUBE-POSTROUTING - [0:0]\n\
         :KUBE-SERVICES - [0:0]\n",
    );
    let mut rules = String::from(
        "-A PREROUTING -j KUBE-SERVICES\n-A OUTPUT -j KUBE-SERVICES\n\
         -A POSTROUTING -j KUBE-POSTROUTING\n\
         -A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000\n\
         -A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN\n\
         -A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0\n\
         -A KUBE-POSTROUTING -j MASQUERADE --random-fully\n",
    );
    for n in 0..count {
        let (high, low) = (n / 250, n % 250 + 1);
        // writing to a String does not fail
        let _ = writeln!(chains, ":KUBE-SVC-{n:016} - [0:0]");
        let _ = writeln!(
            rules,
            "-A KUBE-SERVICES -d 10.96.{high}.{low}/32 -p tcp -m comment --comment \"a/s{n} cluster \
             IP\" -m tcp --dport 80 -j KUBE-SVC-{n:016}"
        );
        let _ = writeln!(
            rules,
            "-A KUBE-SVC-{n:016} ! -s 10.244.0.0/16 -d 10.96.{high}.{low}/32 -p tcp -m tcp --dport \
             80 -j KUBE-MARK-MASQ"
        );
        for (end, chance) in [(0, " -m statistic --mode random --probability 0.5"), (1, "")] {
            let _ = writeln!(chains, ":KUBE-SEP-{n:014}-{end} - [0:0]");
            let _ = writeln!(
                rules,
                "-A KUBE-SVC-{n:016} -m comment --comment \"a/s{n}\"{chance} -j KUBE-SEP-{n:014}-{end}"
            );
            let ip = format!("10.{}.{high}.{low}", 200 + end);
            let _ = writeln!(rules, "-A KUBE-SEP-{n:014}-{end} -s {ip}/32 -j KUBE-MARK-MASQ");
            let _ = writeln!(
                rules,
                "-A KUBE-SEP-{n:014}-{end} -p tcp -m tcp -j DNAT --to-destination {ip}:8080"
            );
        }
    }
    chains + &rules + "COMMIT\n"
}

#[test]
fn fifty_thousand_rules_of_a_healthy_node_are_clean() {
    // without optimisation a fifth of them shows as much
    let counts: &[u32] = if cfg!(debug_assertions) { &[1_250] } else { &[1_600, 6_250, 25_000] };
    for &count in counts {
        let text = services(count);
        let start = Instant::now();
        let snapshot = dumps::of_files(&[("iptables-nft-save", &text)]);
        let read = start.elapsed();
        let rules = snapshot.rules.nft_v4.known().unwrap().rule_count();
        let start = Instant::now();
        let report = doctor::run(&snapshot);
        println!("{rules} rules: read in {read:?}, diagnosed in {:?}", start.elapsed());
        assert!(!report.needs_attention(), "{:#?}", report.findings);
        assert_eq!(rules, 7 + 8 * count as usize);
    }
}

#[test]
fn one_chain_with_twenty_thousand_copies_is_one_finding() {
    let mut text = String::from("*filter\n:INPUT ACCEPT [0:0]\n");
    for n in 0..20_000 {
        let _ = writeln!(
            text,
            "-A INPUT -p tcp -m addrtype --dst-type LOCAL -m multiport --dports {}:32767 -j RETURN",
            30_000 + n % 2
        );
    }
    text += "COMMIT\n";
    let report = doctor::run(&dumps::of_files(&[("iptables-nft-save", &text)]));
    let finding = &report.findings[0];
    assert_eq!(finding.code, model::FindingCode::DuplicateRules);
    assert!(finding.message.contains("20000 rules in INPUT are 2 different rules"), "{finding:?}");
}
