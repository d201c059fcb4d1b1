//! The alert rules: they fire and are silent as their tests say, each is tested and documented.

use std::collections::BTreeSet;
use std::process::Command;

use model::FindingCode;
use serde_json::Value;

use crate::tools::{output, read, root, yaml};

fn rules() -> Vec<Value> {
    let groups = yaml(&read("deploy/monitoring/alerts.yaml"));
    let groups = groups["groups"].as_array().unwrap().clone();
    groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

fn names() -> BTreeSet<String> {
    rules().iter().map(|rule| rule["alert"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn promtool_finds_the_rules_sound_and_their_tests_pass() {
    for args in [["check", "rules", "alerts.yaml"], ["test", "rules", "alerts.test.yaml"]] {
        let mut promtool = Command::new("promtool");
        promtool.args(args).current_dir(root().join("deploy/monitoring"));
        let said = output(&mut promtool).unwrap();
        assert!(said.contains("SUCCESS"), "{said}");
    }
}

#[test]
fn every_alert_is_silent_on_a_healthy_node_and_is_seen_to_fire() {
    let tests = yaml(&read("deploy/monitoring/alerts.test.yaml"));
    let (mut silent, mut firing) = (BTreeSet::new(), BTreeSet::new());
    for (index, test) in tests["tests"].as_array().unwrap().iter().enumerate() {
        for case in test["alert_rule_test"].as_array().unwrap() {
            let name = case["alertname"].as_str().unwrap().to_owned();
            match case["exp_alerts"].as_array() {
                Some(_) => drop(firing.insert(name)),
                None if index == 0 => drop(silent.insert(name)),
                None => {}
            }
        }
    }
    assert_eq!(silent, names());
    assert_eq!(firing, names());
}

#[test]
fn every_alert_says_how_bad_it_is_what_it_means_and_where_to_read_on() {
    let guide = read("docs/operating/alerts.md");
    for rule in rules() {
        let name = rule["alert"].as_str().unwrap();
        let severity = rule["labels"]["severity"].as_str().unwrap();
        assert!(["critical", "warning"].contains(&severity), "{name}");
        for key in ["summary", "description"] {
            assert!(rule["annotations"][key].is_string(), "{name} lacks {key}");
        }
        let anchor = format!("docs/operating/alerts.md#{}", name.to_lowercase());
        assert_eq!(rule["annotations"]["runbook_url"], anchor);
        let section = guide.split(&format!("\n### {name}\n")).nth(1);
        let section = section.unwrap_or_else(|| panic!("alerts.md has no section {name}"));
        let section = section.split("\n### ").next().unwrap();
        for part in ["**Means**", "**Look**", "**Fix**"] {
            assert!(section.contains(part), "the section {name} has no {part}");
        }
    }
    let headings: BTreeSet<String> = guide
        .lines()
        .filter_map(|line| line.strip_prefix("### Netkeep"))
        .map(|name| format!("Netkeep{name}"))
        .collect();
    assert_eq!(headings, names());
}

/// Codes that no alert is for, each with its reason in alerts.yaml.
const QUIET: [&str; 3] = ["reused-ip", "foreign-write", "source-unavailable"];

#[test]
fn every_finding_has_one_alert_and_the_last_one_takes_all_others() {
    let mut own = BTreeSet::new();
    let mut left_out = BTreeSet::new();
    for rule in rules() {
        let expression = rule["expr"].as_str().unwrap();
        for operator in ["code=\"", "code=~\"", "code!~\""] {
            let codes = if operator.contains('!') { &mut left_out } else { &mut own };
            for part in expression.split(operator).skip(1) {
                codes.extend(part.split('"').next().unwrap().split('|').map(str::to_owned));
            }
        }
    }
    let known: BTreeSet<&str> = FindingCode::ALL.iter().map(|code| code.as_str()).collect();
    for code in &left_out {
        assert!(known.contains(code.as_str()), "{code} is not a finding");
    }
    own.extend(QUIET.map(str::to_owned));
    assert_eq!(own, left_out);
}
