//! The nftables backend: what iptables-nft writes.

use nfnl::Socket;
use xt::{Backend, ChainKind, Family, KernelNames, Match, nft, text};

use crate::{corpus, support::*};

fn fill(family: Family) {
    run("ipset", &["restore"], corpus::SETS);
    run(&tool(family, "nft-restore"), &[], &corpus::text(family));
}

fn read(family: Family) -> xt::Ruleset {
    let mut socket = Socket::open().unwrap();
    nft::read(&mut socket, family, &mut KernelNames::default()).unwrap().ruleset
}

#[test]
fn what_is_printed_equals_iptables_nft_save() {
    for family in Family::BOTH {
        in_new_namespace(|| {
            fill(family);
            let theirs = run(&tool(family, "nft-save"), &[], "");
            let ours = read(family);
            assert_same_text(&printed(&ours), &stripped(&theirs));
            let mut socket = Socket::open().unwrap();
            let text =
                nft::save(&mut socket, family, &mut KernelNames::default(), text::Shown::Plain);
            assert_same_text(
                &stripped(&String::from_utf8(text.unwrap()).unwrap()),
                &printed(&ours),
            );
            let unknown: Vec<_> = rules(&ours).filter(|rule| !rule.is_known()).collect();
            assert!(unknown.is_empty(), "{unknown:#?}");
        });
    }
}

#[test]
fn the_text_of_iptables_nft_save_is_the_same_view_as_the_kernel() {
    for family in Family::BOTH {
        in_new_namespace(|| {
            fill(family);
            let theirs = run(&tool(family, "nft-save"), &["-c"], "");
            let from_text = text::parse_str(Backend::NftCompat, family, &theirs).unwrap();
            let from_kernel = read(family);
            assert_eq!(from_text.rule_count(), from_kernel.rule_count());
            for (text, kernel) in rules(&from_text).zip(rules(&from_kernel)) {
                let kernel = xt::Rule { handle: None, ..kernel.clone() };
                assert_eq!(text, &kernel);
            }
        });
    }
}

#[test]
fn a_native_rule_never_looks_wider_than_it_is() {
    in_new_namespace(|| {
        run(
            "nft",
            &["-f", "-"],
            "table ip filter {
                set hosts { type ipv4_addr; elements = { 1.2.3.4 } }
                chain INPUT { type filter hook input priority filter;
                    ip saddr @hosts drop
                    tcp dport { 1, 2 } drop
                    tcp dport 80 ct state new accept
                    meta length > 100 drop
                    ip saddr 10.0.0.0/8 log prefix \"x\"
                    ip dscp 4 accept
                    iifname \"eth0\" ip saddr 1.2.3.4 ip daddr 10.0.0.0/8 tcp sport 1-5 return
                }
                chain hidden { type filter hook input priority -5; drop; }
            }",
        );
        let filter = read(Family::V4).tables.remove(0);
        let input = filter.chain("INPUT").unwrap();
        let lines: Vec<_> = input.rules.iter().map(|rule| text::save_rule("INPUT", rule)).collect();
        assert_eq!(
            lines,
            [
                "-A INPUT -m nft --expressions \"4 bytes at 12 of the network header in set hosts\" -j DROP",
                "-A INPUT -p tcp -m nft --expressions \"2 bytes at 2 of the transport header in set __set0\" -j DROP",
                "-A INPUT -p tcp -m tcp --dport 80 -m nft --expressions \"ct state & 0x08000000 != 0x00000000\" -j ACCEPT",
                "-A INPUT -m nft --expressions \"meta len hton > 0x00000064\" -j DROP",
                "-A INPUT -s 10.0.0.0/8 -m nft --expressions \"log x\"",
                "-A INPUT -m nft --expressions \"1 bytes at 1 of the network header & 0xfc == 0x10\" -j ACCEPT",
                "-A INPUT -s 1.2.3.4/32 -d 10.0.0.0/8 -i eth0 -p tcp -m tcp --sport 1:5 -j RETURN",
            ]
        );
        assert!(input.rules[..6].iter().all(|rule| !rule.is_known()));
        assert!(input.rules[6].is_known());
        assert!(matches!(filter.chain("hidden").unwrap().kind, ChainKind::Foreign { .. }));
        for rule in &input.rules {
            let line = text::save_rule("INPUT", rule);
            let again = text::parse_rule(line.strip_prefix("-A INPUT").unwrap(), Family::V4);
            assert!(again.says_the_same(rule), "{line}\n{again:?}\n{rule:?}");
        }
        let native = |found: &Match| matches!(found, Match::Native(_));
        assert!(input.rules[0].matches.iter().any(native));
    });
}

/// iptables-nft 1.8.9 writes two negated ports as one comparison of both, which fails only if both
/// ports are those; fixed in 1.8.10. It prints what it was asked for, we print what the kernel does.
#[test]
fn two_negated_ports_are_shown_as_the_kernel_compares_them() {
    in_new_namespace(|| {
        let rule = "-p tcp -m tcp ! --sport 1 ! --dport 2";
        run("iptables-nft-restore", &[], &format!("*filter\n-A INPUT {rule} -j DROP\nCOMMIT\n"));
        assert!(run("iptables-nft-save", &[], "").contains(rule));
        let filter = read(Family::V4).tables.remove(0);
        let line = text::save_rule("INPUT", &filter.chain("INPUT").unwrap().rules[0]);
        let words = "4 bytes at 0 of the transport header != 0x00010002";
        assert_eq!(line, format!("-A INPUT -p tcp -m nft --expressions \"{words}\" -j DROP"));
    });
}

/// iptables-nft writes `-i +` as the interface's name, compared with nothing; so firewalld ends the
/// list of its zones.
#[test]
fn an_interface_that_every_name_fits_is_no_condition() {
    in_new_namespace(|| {
        let rules = "*filter\n-A INPUT -i + -j DROP\n-A FORWARD -i + -o + -g away\nCOMMIT\n";
        let rules = rules.replace("*filter\n", "*filter\n:away - [0:0]\n");
        run("iptables-nft-restore", &[], &rules);
        let saved = run("iptables-nft-save", &[], "");
        let filter = read(Family::V4).tables.remove(0);
        for (chain, line) in [("INPUT", "-A INPUT -j DROP"), ("FORWARD", "-A FORWARD -g away")] {
            let rule = &filter.chain(chain).unwrap().rules[0];
            assert!(rule.is_known());
            assert_eq!(text::save_rule(chain, rule), line);
            assert!(saved.lines().any(|saved| saved == line), "{saved}");
        }
    });
}
