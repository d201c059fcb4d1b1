//! Owns one rule of nft's text.

use crate::assemble::nft_render::cut;
use crate::snapshot::{NftRule, Verdict};

/// Whether all braces and quotes are closed.
pub(super) fn is_whole(text: &str) -> bool {
    let (mut depth, mut quoted) = (0i64, false);
    for letter in text.chars() {
        match letter {
            '"' => quoted = !quoted,
            '{' if !quoted => depth += 1,
            '}' if !quoted => depth -= 1,
            _ => {}
        }
    }
    depth <= 0 && !quoted
}

/// Words with which a statement begins: what stands before it are conditions.
const STATEMENTS: [&str; 22] = [
    "counter",
    "accept",
    "drop",
    "return",
    "reject",
    "jump",
    "goto",
    "masquerade",
    "dnat",
    "snat",
    "redirect",
    "queue",
    "log",
    "notrack",
    "update",
    "add",
    "delete",
    "vmap",
    "XT",
    "limit",
    "tproxy",
    "flow",
];

/// Reads a rule.
pub(super) fn read(text: &str) -> NftRule {
    let (text, handle) = match text.rsplit_once("# handle ") {
        Some((text, handle)) => (text, handle.trim().parse().ok()),
        None => (text, None),
    };
    let (text, comment) = match text.split_once(" comment \"") {
        Some((before, rest)) => match rest.split_once('"') {
            Some((comment, behind)) => (format!("{before}{behind}"), Some(comment.to_owned())),
            None => (before.to_owned(), None),
        },
        None => (text.to_owned(), None),
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut rule = NftRule { comment, handle, ..NftRule::default() };
    let mut shown = Vec::with_capacity(words.len());
    let mut at = 0;
    while let Some(word) = words.get(at) {
        if let (&"counter", Some(&"packets"), Some(packets)) =
            (word, words.get(at + 1), words.get(at + 2))
        {
            rule.packets = packets.parse().ok();
            at += 5;
            continue;
        }
        shown.push(*word);
        at += 1;
    }
    understand(&shown, &mut rule);
    rule.text = cut(&shown.join(" "));
    rule
}

fn understand(words: &[&str], rule: &mut NftRule) {
    let mut depth = 0usize;
    let mut conditions = true;
    for (at, word) in words.iter().enumerate() {
        let next = words.get(at + 1).copied().unwrap_or_default();
        let to = || words.get(at + 1..).unwrap_or_default().iter().find(|word| !is_filler(word));
        let to = || to().map_or(String::new(), |word| (*word).to_owned());
        if depth == 0 {
            let sets = matches!(*word, "meta" | "ct") && words.get(at + 2) == Some(&"set");
            conditions &= !STATEMENTS.contains(word) && !sets;
            rule.conditions = rule.conditions.max(u32::from(conditions));
            let verdict = match *word {
                "accept" => Some(Verdict::Accept),
                "drop" => Some(Verdict::Drop),
                "return" => Some(Verdict::Return),
                "reject" => Some(Verdict::Reject),
                "queue" => Some(Verdict::Queue),
                "jump" => Some(Verdict::Jump(next.to_owned())),
                "goto" => Some(Verdict::Goto(next.to_owned())),
                "vmap" => Some(Verdict::Map(next.trim_start_matches('@').to_owned())),
                "masquerade" => Some(Verdict::Masquerade),
                "dnat" => Some(Verdict::Dnat(to())),
                "snat" => Some(Verdict::Snat(to())),
                "redirect" => Some(Verdict::Redirect(to())),
                _ => None,
            };
            rule.verdict = verdict.or(rule.verdict.take());
        }
        match *word {
            "{" => {
                depth += 1;
                // as text, the ports of `-m multiport` are a set as well
                let before = at.checked_sub(1).and_then(|before| words.get(before));
                rule.native |= !matches!(before, Some(&("dport" | "sport")));
            }
            "}" => depth = depth.saturating_sub(1),
            "vmap" | "map" | "." => rule.native = true,
            "jump" | "goto" => rule.targets.push(next.trim_end_matches(',').to_owned()),
            _ => {
                // `@th,0,16` is a place in the packet
                if let Some(name) = word.strip_prefix('@').filter(|name| !name.contains(',')) {
                    rule.native = true;
                    rule.sets.push(name.to_owned());
                }
            }
        }
    }
}

fn is_filler(word: &str) -> bool {
    matches!(word, "to" | "ip" | "ip6")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_gives_its_verdict_its_targets_and_its_count() {
        let rule = read(
            "meta l4proto tcp ip daddr 10.96.5.5  tcp dport 80 counter packets 3 bytes 9 \
                         jump KUBE-SVC-AAAA",
        );
        assert_eq!(
            rule.text,
            "meta l4proto tcp ip daddr 10.96.5.5 tcp dport 80 jump KUBE-SVC-AAAA"
        );
        assert_eq!(rule.packets, Some(3));
        assert_eq!(rule.verdict, Some(Verdict::Jump("KUBE-SVC-AAAA".to_owned())));
        assert!(!rule.native && rule.conditions == 1);
    }

    #[test]
    fn maps_inside_rules_and_comments_are_understood() {
        let rule =
            read("numgen random mod 2 vmap { 0 : goto a, 1 : goto b } comment \"x y\" # handle 7");
        assert_eq!(rule.targets, ["a", "b"]);
        assert_eq!((rule.handle, rule.comment.as_deref()), (Some(7), Some("x y")));
        assert!(rule.native);
        let drop = read("counter packets 0 bytes 0 drop");
        assert_eq!((drop.conditions, drop.verdict), (0, Some(Verdict::Drop)));
        let mark = read("counter packets 0 bytes 0 meta mark set mark xor 0x4000");
        assert_eq!((mark.conditions, mark.verdict), (0, None));
    }

    #[test]
    fn a_rule_goes_on_until_its_braces_are_closed() {
        assert!(!is_whole("ip saddr { 10.0.0.1,"));
        assert!(is_whole("ip saddr { 10.0.0.1, 10.0.0.2 } drop"));
    }
}
