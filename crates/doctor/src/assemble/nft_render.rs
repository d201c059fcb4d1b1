//! Owns one rule of nft's JSON: its text, and what the checks need of it.
//!
//! The JSON is that of libnftables-json(5). What it has and this file does not know is shown as it is.

use serde_json::Value;

use crate::snapshot::{NftRule, Verdict};

/// Longest text of a rule.
const LONGEST: usize = 2_000;

/// Reads the expressions of a rule, in the JSON of nft.
pub fn rule(expressions: &[Value]) -> NftRule {
    let mut rule = NftRule::default();
    let mut text = Vec::new();
    for expression in expressions {
        if let Some(part) = one(expression, &mut rule) {
            text.push(part);
        }
    }
    rule.text = cut(&text.join(" "));
    rule
}

pub(super) fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn one(expression: &Value, rule: &mut NftRule) -> Option<String> {
    if let Value::String(word) = expression {
        return Some(word.clone());
    }
    let (kind, body) = expression.as_object()?.iter().next()?;
    let text = match kind.as_str() {
        "match" => {
            rule.conditions += 1;
            notice(body, rule);
            matched(body)
        }
        "counter" => {
            rule.packets = body.get("packets").and_then(Value::as_u64);
            return None;
        }
        "xt" => {
            let of = |key| body.get(key).and_then(Value::as_str).unwrap_or_default();
            match (of("type"), of("name")) {
                ("match", "comment") => return None,
                ("match", name) => {
                    rule.conditions += 1;
                    format!("xt match {name}")
                }
                (kind, name) => format!("xt {kind} {name}"),
            }
        }
        "limit" => {
            rule.conditions += 1;
            let of = |key| body.get(key).map(value).unwrap_or_default();
            format!("limit rate {}/{}", of("rate"), of("per"))
        }
        "vmap" => {
            rule.native = true;
            notice(body, rule);
            let data = body.get("data").map(value).unwrap_or_default();
            rule.verdict = Some(Verdict::Map(data.trim_start_matches('@').to_owned()));
            format!("{} vmap {data}", body.get("key").map(value).unwrap_or_default())
        }
        "mangle" => {
            let of = |key| body.get(key).map(value).unwrap_or_default();
            format!("{} set {}", of("key"), of("value"))
        }
        "set" => {
            let of = |key| body.get(key).map(value).unwrap_or_default();
            format!("{} {} {{ {} }}", of("op"), of("set"), of("elem"))
        }
        "log" => match body.get("prefix") {
            Some(prefix) => format!("log prefix {prefix}"),
            None => "log".to_owned(),
        },
        _ => verdict(kind, body, rule),
    };
    Some(text)
}

fn verdict(kind: &str, body: &Value, rule: &mut NftRule) -> String {
    let target = || body.get("target").and_then(Value::as_str).unwrap_or_default().to_owned();
    let to = || {
        let address = body.get("addr").map(value).unwrap_or_default();
        match body.get("port") {
            Some(port) => format!("{address}:{}", value(port)),
            None => address,
        }
    };
    let (verdict, text) = match kind {
        "accept" => (Verdict::Accept, kind.to_owned()),
        "drop" => (Verdict::Drop, kind.to_owned()),
        "return" => (Verdict::Return, kind.to_owned()),
        "reject" => (Verdict::Reject, kind.to_owned()),
        "queue" => (Verdict::Queue, kind.to_owned()),
        "jump" => (Verdict::Jump(target()), format!("jump {}", target())),
        "goto" => (Verdict::Goto(target()), format!("goto {}", target())),
        "masquerade" => (Verdict::Masquerade, kind.to_owned()),
        "dnat" => (Verdict::Dnat(to()), format!("dnat to {}", to())),
        "snat" => (Verdict::Snat(to()), format!("snat to {}", to())),
        "redirect" => (Verdict::Redirect(to()), format!("redirect to {}", to())),
        _ => return format!("{kind} {}", short_json(body)),
    };
    if let Verdict::Jump(chain) | Verdict::Goto(chain) = &verdict {
        rule.targets.push(chain.clone());
    }
    rule.verdict = Some(verdict);
    text
}

fn matched(body: &Value) -> String {
    let of = |key| body.get(key).map(value).unwrap_or_default();
    match body.get("op").and_then(Value::as_str) {
        None | Some("==" | "in") => format!("{} {}", of("left"), of("right")),
        Some(op) => format!("{} {op} {}", of("left"), of("right")),
    }
}

/// Finds sets, joined keys and chains inside an expression.
fn notice(expression: &Value, rule: &mut NftRule) {
    match expression {
        Value::String(word) => {
            if let Some(name) = word.strip_prefix('@') {
                rule.native = true;
                rule.sets.push(name.to_owned());
            }
        }
        Value::Array(items) => items.iter().for_each(|item| notice(item, rule)),
        Value::Object(fields) => {
            for (key, body) in fields {
                match key.as_str() {
                    // states and flags are lists in JSON, and one mask in the kernel
                    "concat" | "map" | "set" => rule.native = true,
                    "jump" | "goto" => {
                        rule.targets
                            .extend(body.get("target").and_then(Value::as_str).map(str::to_owned));
                    }
                    _ => {}
                }
                notice(body, rule);
            }
        }
        _ => {}
    }
}

/// A value as nft prints it.
pub(super) fn value(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(yes) => yes.to_string(),
        Value::Null => String::new(),
        Value::Array(items) => joined(items, ", "),
        Value::Object(fields) => match fields.iter().next() {
            Some((kind, body)) => object(kind, body),
            None => String::new(),
        },
    }
}

fn joined(items: &[Value], between: &str) -> String {
    items.iter().map(value).collect::<Vec<_>>().join(between)
}

fn object(kind: &str, body: &Value) -> String {
    let of = |key: &str| body.get(key).map(value).unwrap_or_default();
    let items = || body.as_array().map(Vec::as_slice).unwrap_or_default();
    match kind {
        "payload" if body.get("protocol").is_some() => {
            format!("{} {}", of("protocol"), of("field"))
        }
        "payload" => format!("@{},{},{}", of("base"), of("offset"), of("len")),
        "meta" => match of("key").as_str() {
            key @ ("iif" | "oif" | "iifname" | "oifname") => key.to_owned(),
            key => format!("meta {key}"),
        },
        "ct" => format!("ct {}", of("key")),
        "fib" => {
            let flags = body.get("flags").map(|flags| match flags {
                Value::Array(flags) => joined(flags, " . "),
                other => value(other),
            });
            format!("fib {} {}", flags.unwrap_or_default(), of("result"))
        }
        "prefix" => format!("{}/{}", of("addr"), of("len")),
        "range" => joined(items(), "-"),
        "concat" => joined(items(), " . "),
        "set" => format!("{{ {} }}", pairs(items())),
        "elem" => of("val"),
        "map" => format!("{} map {}", of("key"), of("data")),
        "&" | "|" | "^" | "<<" | ">>" => joined(items(), &format!(" {kind} ")),
        "jump" | "goto" => format!("{kind} {}", of("target")),
        "accept" | "drop" | "return" => kind.to_owned(),
        "numgen" => format!("numgen {} mod {}", of("mode"), of("mod")),
        "jhash" => format!("jhash {} mod {}", of("expr"), of("mod")),
        _ => format!("{kind} {}", short_json(body)),
    }
}

/// Elements of a set, or pairs of a map.
fn pairs(items: &[Value]) -> String {
    let item = |item: &Value| match item {
        Value::Array(pair) if pair.len() == 2 => joined(pair, " : "),
        other => value(other),
    };
    items.iter().map(item).collect::<Vec<_>>().join(", ")
}

/// An element of a set, or a pair of a map, in the JSON of nft, as text.
pub fn element(item: &Value) -> String {
    cut(&pairs(std::slice::from_ref(item)))
}

fn short_json(body: &Value) -> String {
    match body {
        Value::Null => String::new(),
        other => super::words::short(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(expressions: &Value) -> NftRule {
        rule(expressions.as_array().unwrap())
    }

    #[test]
    fn a_rule_is_shown_as_nft_prints_it() {
        let rule = read(&json!([
            {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}},
                "right": "@bad"}},
            {"counter": {"packets": 7, "bytes": 9}},
            {"drop": null}
        ]));
        assert_eq!(rule.text, "ip saddr @bad drop");
        assert_eq!((rule.packets, rule.verdict), (Some(7), Some(Verdict::Drop)));
        assert_eq!(rule.sets, ["bad"]);
        assert!(rule.native && rule.conditions == 1);
    }

    #[test]
    fn chains_inside_maps_are_targets() {
        let rule =
            read(&json!([{"vmap": {"key": {"payload": {"protocol": "tcp", "field": "dport"}},
            "data": {"set": [[80, {"goto": {"target": "web"}}], [81, {"drop": null}]]}}}]));
        assert_eq!(rule.text, "tcp dport vmap { 80 : goto web, 81 : drop }");
        assert_eq!(rule.targets, ["web"]);
    }

    #[test]
    fn a_rule_of_iptables_is_not_native() {
        let rule = read(&json!([
            {"match": {"op": "==", "left": {"meta": {"key": "l4proto"}}, "right": "tcp"}},
            {"xt": {"type": "match", "name": "comment"}},
            {"xt": {"type": "match", "name": "multiport"}},
            {"counter": {"packets": 0, "bytes": 0}},
            {"jump": {"target": "CNI-DN-a"}}
        ]));
        assert!(!rule.native && rule.conditions == 2);
        assert_eq!(rule.text, "meta l4proto tcp xt match multiport jump CNI-DN-a");
    }

    #[test]
    fn what_is_not_known_is_shown() {
        let rule = read(&json!([{"secmark": {"a": 1}}, "notrack", {}, 7]));
        assert_eq!(rule.text, "secmark {\"a\":1} notrack");
    }
}
