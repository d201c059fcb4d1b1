//! YAML as kubectl writes it: sorted keys, two spaces, lists level with their key.

use std::collections::BTreeMap;

use serde_json::Value;

pub(super) fn document(value: &Value) -> String {
    let mut text = String::new();
    block(&mut text, value, 0);
    text
}

/// A map or a list, each entry on lines of its own at this depth.
fn block(text: &mut String, value: &Value, depth: usize) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<_, _> = map.iter().collect();
            for (key, value) in sorted {
                text.push_str(&indent);
                text.push_str(&scalar(key));
                text.push(':');
                entry(text, value, depth);
            }
        }
        Value::Array(entries) => {
            for value in entries {
                // The entry is a block one deeper, whose first indent makes room for the dash.
                let mut inner = String::new();
                if is_block(value) {
                    block(&mut inner, value, depth + 1);
                } else {
                    inner = format!("{indent}  {}\n", flat(value));
                }
                text.push_str(&indent);
                text.push_str("- ");
                text.push_str(&inner[indent.len() + 2..]);
            }
        }
        other => {
            text.push_str(&flat(other));
            text.push('\n');
        }
    }
}

/// What stands behind a key.
fn entry(text: &mut String, value: &Value, depth: usize) {
    if is_block(value) {
        text.push('\n');
        block(text, value, if value.is_array() { depth } else { depth + 1 });
    } else {
        text.push(' ');
        text.push_str(&flat(value));
        text.push('\n');
    }
}

fn is_block(value: &Value) -> bool {
    match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(entries) => !entries.is_empty(),
        _ => false,
    }
}

fn flat(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        // `{}`, `[]`, numbers, `true`, `null`: the same as in JSON.
        other => other.to_string(),
    }
}

/// A text, plain where nobody could read it as something else.
fn scalar(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    let printable = !text.chars().any(char::is_control);
    if text.contains('"') && printable {
        return format!("'{}'", text.replace('\'', "''"));
    }
    // A JSON string is a YAML string.
    Value::from(text).to_string()
}

fn is_plain(text: &str) -> bool {
    const RESERVED: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    let first = text.chars().next().unwrap_or(' ');
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-/:".contains(c);
    let is_word = first.is_ascii_alphabetic() && !text.ends_with(':');
    let is_uuid = text.len() == 36 && text.matches('-').count() == 4;
    let is_address = text.parse::<std::net::Ipv4Addr>().is_ok();
    // `1e5`, `0x1F` and `inf` look like words but are numbers to somebody.
    let is_number = text.parse::<f64>().is_ok();
    text.chars().all(allowed)
        && (is_word || is_address || is_uuid)
        && !is_number
        && !RESERVED.contains(&text.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_could_be_misread_is_quoted() {
        for plain in ["web-0", "10.10.0.1", "fd00:10::1", "a.b/c", "registry.example/app:1.0"] {
            assert_eq!(scalar(plain), plain);
        }
        for (text, quoted) in [
            ("true", "\"true\""),
            ("No", "\"No\""),
            ("80", "\"80\""),
            ("inf", "\"inf\""),
            ("", "\"\""),
            ("::1", "\"::1\""),
            ("a: b", "\"a: b\""),
            ("a:", "\"a:\""),
            ("it's \"so\"", "'it''s \"so\"'"),
            ("two\nlines", "\"two\\nlines\""),
            ("2026-01-01T00:00:00Z", "\"2026-01-01T00:00:00Z\""),
        ] {
            assert_eq!(scalar(text), quoted);
        }
    }

    #[test]
    fn nested_lists_and_maps_keep_their_place() {
        let value = json!({ "b": [{ "y": 1, "x": [1, [2, 3]] }, {}], "a": { "c": [] } });
        let expected = "a:\n  c: []\nb:\n- x:\n  - 1\n  - - 2\n    - 3\n  \"y\": 1\n- {}\n";
        assert_eq!(document(&value), expected);
    }
}
