//! Input that nobody meant well: it is refused or kept, never a panic, never without bounds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // clippy sees only the #[test] functions as tests

use std::io::{BufReader, Read};

use proptest::prelude::*;
use xt::legacy::{Blob, Edit};
use xt::{Backend, Family, text};

fn family() -> impl Strategy<Value = Family> {
    prop_oneof![Just(Family::V4), Just(Family::V6)]
}

/// A valid table to break: one chain `USER`, a jump to it, a policy at each hook.
fn table(family: Family) -> Blob {
    let layout = match family {
        Family::V4 => (112_usize, 84_usize),
        Family::V6 => (168, 136),
    };
    let entry = |data: &[u8], name: &[u8], size: usize| {
        let mut bytes = vec![0_u8; layout.0 + size];
        let length = bytes.len() as u16;
        bytes[layout.1 + 4..layout.1 + 6].copy_from_slice(&(layout.0 as u16).to_ne_bytes());
        bytes[layout.1 + 6..layout.1 + 8].copy_from_slice(&length.to_ne_bytes());
        bytes[layout.0..layout.0 + 2].copy_from_slice(&(size as u16).to_ne_bytes());
        bytes[layout.0 + 2..layout.0 + 2 + name.len()].copy_from_slice(name);
        bytes[layout.0 + 32..layout.0 + 32 + data.len()].copy_from_slice(data);
        bytes
    };
    let verdict = |verdict: i32| entry(&verdict.to_ne_bytes(), b"", 40);
    let standard = i32::try_from(layout.0 + 40).unwrap();
    let head = i32::try_from(layout.0 + 64).unwrap();
    let entries = [
        verdict(3 * standard + head), // INPUT: to USER
        verdict(-2),                  // its policy
        verdict(-1),                  // FORWARD: its policy
        entry(b"USER", b"ERROR", 64),
        verdict(-5),
        entry(b"ERROR", b"ERROR", 64),
    ];
    Blob {
        family,
        table: "filter".to_owned(),
        valid_hooks: 0b110,
        hook_entry: [0, 0, 2 * standard.cast_unsigned(), 0, 0],
        underflow: [0, standard.cast_unsigned(), 2 * standard.cast_unsigned(), 0, 0],
        entries: entries.concat().into(),
    }
}

#[test]
fn the_table_to_break_is_whole() {
    for family in Family::BOTH {
        let table = table(family).table().unwrap();
        assert_eq!(
            text::save_rule("INPUT", &table.chain("INPUT").unwrap().rules[0]),
            "-A INPUT -j USER"
        );
        assert_eq!(table.chains.len(), 3);
    }
}

#[test]
fn a_bang_that_denies_nothing_is_kept_where_it_stands() {
    for line in ["-j tcp !", "-m tcp ! -j tcp", "-m tcp --mark ! ! -j X", "! ! -j X"] {
        let rule = text::parse_rule(line, Family::V4);
        assert_eq!(text::save_rule("C", &rule), format!("-A C {line}"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn broken_tables_are_refused_or_read_but_never_a_panic(
        family in family(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in prop::option::of(any::<prop::sample::Index>()),
        hooks in prop::option::of((any::<u32>(), any::<[u32; 5]>(), any::<[u32; 5]>())),
    ) {
        let mut blob = table(family);
        for (at, byte) in changes {
            let at = at.index(blob.entries.len());
            blob.entries[at] = byte;
        }
        if let Some(cut) = cut {
            blob.entries = blob.entries[..cut.index(blob.entries.len())].to_vec().into();
        }
        if let Some((valid, entry, underflow)) = hooks {
            blob.valid_hooks = valid;
            blob.hook_entry = entry;
            blob.underflow = underflow;
        }
        let read = blob.table();
        if let Ok(edit) = Edit::of(blob.clone()) {
            let edited = edit.finish().unwrap();
            prop_assert_eq!(edited.new_blob().entries.len(), blob.entries.len());
        }
        if let Ok(table) = read {
            let mut out = Vec::new();
            text::save_table(&table, text::Shown::WithCounters, &mut out).unwrap();
        }
    }

    #[test]
    fn bytes_without_sense_are_no_table(bytes in prop::collection::vec(any::<u8>(), 0..600), family in family()) {
        let blob = Blob { entries: bytes.into(), ..table(family) };
        let _ = blob.table();
        let _ = Edit::of(blob);
    }

    #[test]
    fn any_text_is_read(bytes in prop::collection::vec(any::<u8>(), 0..2000), family in family()) {
        let limits = text::Limits::default();
        text::parse(Backend::Legacy, family, bytes.as_slice(), limits).unwrap();
    }

    #[test]
    fn any_words_are_kept_and_what_is_known_comes_back(
        words in prop::collection::vec(word(), 0..14),
        family in family(),
    ) {
        let line = words.join(" ");
        let rule = text::parse_rule(&line, family);
        let again = |rule: &xt::Rule| {
            let printed = text::save_rule("C", rule);
            text::parse_rule(printed.strip_prefix("-A C").unwrap(), family)
        };
        // words that belong to nothing may find an owner when they are read again
        let may_deny = |words: &[String]| words.windows(2).any(|pair| pair[0] == "!" && !pair[1].starts_with("--"));
        let stray = |found: &xt::Match| {
            matches!(found, xt::Match::Verbatim { name, words } if name.is_empty() || may_deny(words))
        };
        let led = matches!(&rule.target, Some(xt::Target::Verbatim { words, .. }) if may_deny(words));
        let second = again(&rule);
        if !led && !rule.matches.iter().any(stray) {
            prop_assert_eq!(text::save_rule("C", &second), text::save_rule("C", &rule), "of {}", line);
        }
        if rule.is_known() {
            prop_assert!(second.says_the_same(&rule), "of {}\n{:?}\n{:?}", line, rule, second);
        }
        let json = serde_json::to_string(&rule).unwrap();
        prop_assert_eq!(serde_json::from_str::<xt::Rule>(&json).unwrap(), rule);
    }
}

/// Words that rules are made of, in no order.
fn word() -> impl Strategy<Value = String> {
    let known = [
        "-s",
        "-d",
        "-i",
        "-o",
        "-p",
        "-f",
        "-m",
        "-j",
        "-g",
        "!",
        "tcp",
        "udp",
        "icmp",
        "--dport",
        "--sport",
        "80",
        "1:2",
        "10.0.0.0/8",
        "fd00::/8",
        "eth+",
        "comment",
        "--comment",
        "\"a b\"",
        "conntrack",
        "--ctstate",
        "NEW",
        "mark",
        "--mark",
        "0x1/0x2",
        "set",
        "--match-set",
        "src",
        "ACCEPT",
        "LOG",
        "--log-prefix",
        "MARK",
        "--set-xmark",
        "DNAT",
        "--to-destination",
        "1.2.3.4:5",
        "limit",
        "--limit",
        "5/min",
        "statistic",
        "--mode",
        "random",
        "--probability",
        "0.5",
        "--unknown",
        "multiport",
        "--dports",
        "1,2",
        "REJECT",
        "-c",
        "7",
        "state",
        "--state",
        "--random",
        "--syn",
        "--tcp-flags",
        "--icmp-type",
        "any",
        "nth",
        "--every",
        "\"",
        "\\",
    ];
    prop_oneof![4 => prop::sample::select(known.to_vec()).prop_map(str::to_owned), 1 => "[ -~]{0,6}"]
}

#[test]
fn a_line_without_an_end_is_an_error_and_takes_no_memory() {
    let endless = BufReader::new(std::io::repeat(b'-').take(100 << 20));
    let error = text::parse(Backend::Legacy, Family::V4, endless, text::Limits::default());
    let message = error.unwrap_err().to_string();
    assert!(message.starts_with("line 1 is longer than"), "{message}");
}

#[test]
fn more_rules_than_the_limit_are_an_error() {
    let text = "*filter\n".to_owned() + &"-A INPUT -j ACCEPT\n".repeat(50);
    let limits = text::Limits { rules: 20, notes: 1 };
    let error = text::parse(Backend::Legacy, Family::V4, text.as_bytes(), limits).unwrap_err();
    assert_eq!(error.to_string(), "more than 20 rules and chains, at line 22");
}

#[test]
fn a_hundred_megabytes_of_something_else_are_a_few_notes() {
    let line = b"some other program's output, not a rule at all, again and again and again\n";
    let many = BufReader::with_capacity(1 << 16, Repeat { line, at: 0 }.take(100 << 20));
    let ruleset = text::parse(Backend::Legacy, Family::V4, many, text::Limits::default()).unwrap();
    assert_eq!((ruleset.tables.len(), ruleset.notes.len()), (0, 100));
}

struct Repeat<'a> {
    line: &'a [u8],
    at: usize,
}

impl Read for Repeat<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        for byte in buffer.iter_mut() {
            *byte = self.line[self.at];
            self.at = (self.at + 1) % self.line.len();
        }
        Ok(buffer.len())
    }
}
