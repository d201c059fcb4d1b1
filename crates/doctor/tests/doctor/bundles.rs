//! Dumps of broken and healthy nodes, each with what must be found and nothing more of severity error.

use crate::dumps;
use model::{FindingCode as Code, Severity};

/// What one bundle must give.
struct Bundle {
    name: &'static str,
    /// Code, severity, and a word of its message or evidence.
    found: &'static [(Code, Severity, &'static str)],
    /// Further codes that may be there as errors.
    errors: &'static [Code],
}

const ERROR: Severity = Severity::Error;
const WARNING: Severity = Severity::Warning;
const INFO: Severity = Severity::Info;

const BROKEN: &[Bundle] = &[
    Bundle {
        name: "r01-duplicate-rules",
        found: &[
            (Code::DuplicateRules, ERROR, "242 rules in KUBE-ROUTER-INPUT are 3 different rules"),
            (Code::DuplicateRules, ERROR, "x120"),
            (Code::DuplicateRules, ERROR, "with 2 different comments"),
        ],
        errors: &[],
    },
    Bundle {
        name: "r02-split-backend-old-endpoint",
        found: &[(Code::SplitBackends, WARNING, "kube-proxy in iptables-nft")],
        errors: &[],
    },
    Bundle {
        name: "r03-legacy-invisible-from-nft",
        found: &[(Code::SplitBackends, WARNING, "legacy tables whose rules are not known")],
        errors: &[],
    },
    Bundle {
        name: "r05-shadowed-hostport",
        found: &[
            (Code::ShadowedRule, ERROR, "10.244.0.23:8126"),
            (Code::ShadowedRule, ERROR, "CNI-DN-bbbb2222) is not reached"),
        ],
        errors: &[],
    },
    Bundle {
        name: "r07-missing-anchor-jumps",
        found: &[
            (Code::MissingAnchor, ERROR, "KUBE-FORWARD"),
            (Code::MissingAnchor, WARNING, "KUBE-SERVICES"),
            (Code::MissingAnchor, WARNING, "KUBE-PROXY-FIREWALL"),
            (Code::ForwardDrop, ERROR, "the policy is DROP"),
        ],
        errors: &[],
    },
    Bundle {
        name: "r09-wrong-order",
        found: &[(Code::UnseenLegacyRules, WARNING, "iptables-nft-save.txt line 2")],
        errors: &[],
    },
    Bundle {
        name: "r11a-cilium-rules-before",
        found: &[(Code::LocalTableMoved, INFO, "preference 100")],
        errors: &[],
    },
    Bundle {
        name: "r11b-networkd-removed-foreign-rules",
        found: &[(Code::RoutingRulesLost, ERROR, "table local")],
        errors: &[],
    },
    Bundle {
        name: "r11c-networkd-removed-main-default",
        found: &[(Code::RoutingRulesLost, ERROR, "table main")],
        errors: &[],
    },
    Bundle { name: "r12a-before-migration", found: &[], errors: &[] },
    Bundle {
        name: "r12b-killed-after-rename",
        found: &[
            (Code::UplinkHalfMoved, ERROR, "there is no eth1"),
            (Code::UplinkHalfMoved, ERROR, "eth1~ has no global IPv6 address"),
            (Code::DefaultRouteLost, WARNING, "eth1~ has 192.0.2.10/24"),
        ],
        errors: &[],
    },
    Bundle {
        name: "r13-ip-on-enslaved-nic",
        found: &[(Code::IpOnEnslavedNic, ERROR, "default via 192.0.2.1 dev eth0")],
        errors: &[],
    },
    Bundle {
        name: "r15a-masq-without-mark-clear",
        found: &[(Code::MasqueradeWithoutMarkClear, ERROR, "tunnel flannel.1")],
        errors: &[],
    },
    Bundle { name: "r15b-fixed", found: &[], errors: &[] },
    Bundle {
        name: "r17-interval-overlap",
        found: &[
            (Code::IntervalOverlap, ERROR, "interval overlaps with an existing one"),
            (Code::IntervalOverlap, INFO, "auto-merge"),
        ],
        errors: &[],
    },
    Bundle {
        name: "r19-partial-restore",
        found: &[(Code::PartialRestore, WARNING, "Error occurred at line: 4")],
        errors: &[],
    },
    Bundle {
        name: "r21-xtables-lock",
        found: &[(Code::LockHeld, WARNING, "holding the xtables lock")],
        errors: &[],
    },
    Bundle {
        name: "r23-normalisation",
        found: &[(Code::ShadowedRule, WARNING, "EXCLUDED CIDR")],
        errors: &[],
    },
    Bundle { name: "r25a-before", found: &[], errors: &[] },
    Bundle {
        name: "r25b-after-delete-by-position",
        found: &[
            (Code::PositionDeletedRule, ERROR, "the jump to KUBE-SERVICES"),
            (Code::DuplicateRules, WARNING, "cali-PREROUTING"),
            (Code::MissingAnchor, WARNING, "KUBE-SERVICES"),
        ],
        errors: &[],
    },
    Bundle {
        name: "full-split-legacy-stale",
        found: &[
            (Code::SplitBackends, ERROR, "the copy in iptables-legacy is stale"),
            (Code::SplitBackends, ERROR, "10.244.1.7:8080 in iptables-legacy, 10.244.1.9:8080"),
            (Code::SplitBackends, ERROR, "name links that are not there"),
            (Code::SplitBackends, ERROR, "-j DROP"),
            (Code::LegacyWithoutBinary, ERROR, "no iptables-legacy"),
            (Code::StaleRules, WARNING, "calideadbeef001"),
        ],
        errors: &[],
    },
    Bundle {
        name: "full-legacy-wrong-order",
        found: &[
            (Code::WrongOrder, ERROR, "rule 3: -A POSTROUTING -s 10.244.0.0/16 -d 10.244.0.0/16"),
            (Code::DuplicateRules, WARNING, "x2"),
        ],
        errors: &[],
    },
];

#[test]
fn every_broken_node_is_diagnosed_and_nothing_is_made_up() {
    for bundle in BROKEN {
        let report = dumps::report(bundle.name);
        for (code, severity, word) in bundle.found {
            let found = report.findings.iter().any(|finding| {
                let text = format!("{} {}", finding.message, finding.evidence.join("\n"));
                finding.code == *code && finding.severity == *severity && text.contains(word)
            });
            let of_code: Vec<_> = report.findings.iter().filter(|f| f.code == *code).collect();
            assert!(found, "{}: no {severity:?} {code} with {word:?}: {of_code:#?}", bundle.name);
        }
        for finding in report.findings.iter().filter(|finding| finding.severity == ERROR) {
            let expected = bundle.found.iter().any(|(code, _, _)| *code == finding.code)
                || bundle.errors.contains(&finding.code);
            assert!(expected, "{}: {finding:#?}", bundle.name);
        }
    }
}

#[test]
fn healthy_nodes_are_clean() {
    let mut seen = 0;
    for name in dumps::names() {
        if !name.starts_with("healthy-") && !name.starts_with("shape-") {
            continue;
        }
        seen += 1;
        let report = dumps::report(&name);
        let grave: Vec<_> =
            report.findings.iter().filter(|finding| finding.severity > INFO).collect();
        assert!(grave.is_empty(), "{name}: {grave:#?}");
    }
    assert!(seen >= 10, "{seen} healthy shapes");
}

#[test]
fn every_fixture_is_asked_for() {
    for name in dumps::names() {
        let healthy = name.starts_with("healthy-") || name.starts_with("shape-");
        assert!(healthy || BROKEN.iter().any(|bundle| bundle.name == name), "{name}");
    }
}

#[test]
fn nothing_of_a_dump_is_left_out_without_a_word() {
    // what the tools print is understood to the last line; notes are read for messages only
    for name in dumps::names() {
        let skipped = dumps::snapshot(&name).skipped;
        let strange: Vec<_> =
            skipped.iter().filter(|skip| skip.why.contains("not understood")).collect();
        assert!(strange.is_empty(), "{name}: {strange:#?}");
    }
}

#[test]
fn a_finding_says_what_is_wrong_what_shows_it_and_what_to_do() {
    for name in dumps::names() {
        for finding in dumps::report(&name).findings {
            assert!(!finding.subject.is_empty() && !finding.message.is_empty(), "{finding:?}");
            assert!(!finding.evidence.is_empty() && !finding.advice.is_empty(), "{finding:?}");
            assert!(!finding.message.contains('\n'), "{finding:?}");
        }
    }
}
