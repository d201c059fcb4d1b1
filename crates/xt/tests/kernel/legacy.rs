//! The legacy backend: x_tables.

use xt::{Backend, Family, KernelNames, legacy, text};

use crate::{corpus, support::*};

fn fill(family: Family) {
    run("ipset", &["restore"], corpus::SETS);
    run(&tool(family, "legacy-restore"), &[], &corpus::text(family));
}

#[test]
fn what_is_printed_equals_iptables_legacy_save() {
    for family in Family::BOTH {
        in_new_namespace(|| {
            fill(family);
            let theirs = run(&tool(family, "legacy-save"), &[], "");
            let ours = legacy::read(family, &mut KernelNames::default()).unwrap();
            assert_same_text(&printed(&ours), &stripped(&theirs));
            let (mut names, mut text) = (KernelNames::default(), Vec::new());
            legacy::save(family, &mut names, text::Shown::Plain, &mut text).unwrap();
            assert_same_text(&stripped(&String::from_utf8(text).unwrap()), &stripped(&theirs));
            let unknown: Vec<_> = rules(&ours).filter(|rule| !rule.is_known()).collect();
            assert!(unknown.is_empty(), "{unknown:#?}");
        });
    }
}

#[test]
fn the_text_of_iptables_legacy_save_is_the_same_view_as_the_kernel() {
    for family in Family::BOTH {
        in_new_namespace(|| {
            fill(family);
            let theirs = run(&tool(family, "legacy-save"), &["-c"], "");
            let from_text = text::parse_str(Backend::Legacy, family, &theirs).unwrap();
            let from_kernel = legacy::read(family, &mut KernelNames::default()).unwrap();
            for (text, kernel) in rules(&from_text).zip(rules(&from_kernel)) {
                assert_eq!(text, kernel);
            }
            assert_eq!(from_text, from_kernel);
        });
    }
}

#[test]
fn looking_makes_no_table() {
    in_new_namespace(|| {
        for family in Family::BOTH {
            assert_eq!(legacy::table_names(family).unwrap(), [""; 0]);
            assert_eq!(legacy::read(family, &mut KernelNames::default()).unwrap().tables, []);
            assert_eq!(legacy::table_names(family).unwrap(), [""; 0]);
        }
    });
}

#[test]
fn a_fingerprint_is_of_the_rules_and_not_of_their_counters() {
    in_new_namespace(|| {
        let fingerprint = |rules: &str| {
            let text = format!("*filter\n:INPUT ACCEPT [0:0]\n{rules}\nCOMMIT\n");
            run("iptables-legacy-restore", &["-c"], &text);
            legacy::read_blob(Family::V4, "filter").unwrap().fingerprint().unwrap()
        };
        let one = fingerprint("[1:2] -A INPUT -s 10.0.0.1/32 -p udp -j DROP");
        assert_eq!(one, fingerprint("[7:9000] -A INPUT -s 10.0.0.1/32 -p udp -j DROP"));
        // as many entries and bytes
        assert_ne!(one, fingerprint("[1:2] -A INPUT -s 10.0.0.2/32 -p udp -j DROP"));
        assert_ne!(one, fingerprint("[1:2] -A INPUT -s 10.0.0.1/32 -p udp -j ACCEPT"));
    });
}
