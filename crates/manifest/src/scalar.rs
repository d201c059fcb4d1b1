//! The type of an unquoted scalar, as Kubernetes reads it.
//!
//! kubectl and the API server read YAML 1.1 (through sigs.k8s.io/yaml, a go-yaml v2): `yes`, `on`
//! and `y` are booleans, `0x50` and `010` are numbers, `1_000` is one thousand.

use std::borrow::Cow;

use crate::node::Typing;

/// What a scalar is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scalar {
    Null,
    Bool(bool),
    Integer(i64),
    /// A number that is no 64-bit integer.
    Float,
    String,
    /// A tag that Kubernetes does not know.
    Foreign,
}

pub(crate) fn resolve(text: &str, typing: Typing) -> Scalar {
    match typing {
        Typing::String => return Scalar::String,
        Typing::Foreign => return Scalar::Foreign,
        Typing::Plain => {}
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Scalar::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Scalar::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Scalar::Bool(false)
        }
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF"
        | "-.inf" | "-.Inf" | "-.INF" => Scalar::Float,
        _ => number(text).unwrap_or(Scalar::String),
    }
}

fn number(text: &str) -> Option<Scalar> {
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return None;
    }
    // no number that matters is longer; do not copy a megabyte to find out
    if text.len() > 64 {
        return None;
    }
    let digits: Cow<'_, str> =
        if text.contains('_') { text.replace('_', "").into() } else { text.into() };
    let (negative, body) = match digits.as_bytes().first()? {
        b'-' => (true, &digits[1..]),
        b'+' => (false, &digits[1..]),
        _ => (false, &*digits),
    };
    if body.starts_with(['+', '-']) {
        return None;
    }
    integer(negative, body).or_else(|| is_float(body).then_some(Scalar::Float))
}

fn integer(negative: bool, body: &str) -> Option<Scalar> {
    let (radix, body) = match body.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &body[2..]),
        [b'0', b'o' | b'O', ..] => (8, &body[2..]),
        [b'0', b'b' | b'B', ..] => (2, &body[2..]),
        [b'0', _, ..] => (8, &body[1..]),
        _ => (10, body),
    };
    if body.starts_with(['+', '-']) {
        return None;
    }
    let magnitude = i64::from_str_radix(body, radix).ok()?;
    Some(Scalar::Integer(if negative { -magnitude } else { magnitude }))
}

/// `[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?` or `\.[0-9]+(…)?`, the form of go-yaml.
fn is_float(body: &str) -> bool {
    let (mantissa, exponent) = match body.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (body, None),
    };
    let all_digits = |text: &str| text.bytes().all(|c| c.is_ascii_digit());
    let mantissa = match mantissa.split_once('.') {
        Some((whole, part)) => {
            !(whole.is_empty() && part.is_empty()) && all_digits(whole) && all_digits(part)
        }
        None => !mantissa.is_empty() && all_digits(mantissa),
    };
    let exponent = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !digits.is_empty() && all_digits(digits)
    });
    mantissa && exponent
}

pub(crate) fn describe(text: &str, typing: Typing) -> String {
    match resolve(text, typing) {
        Scalar::Null => "nothing".to_owned(),
        Scalar::Bool(_) => format!("the boolean {text}"),
        Scalar::Integer(_) | Scalar::Float => format!("the number {text}"),
        Scalar::String => format!("the string {}", shown(text)),
        Scalar::Foreign => "a value with an unknown tag".to_owned(),
    }
}

/// Text from a file, safe and short enough for a one-line message.
pub(crate) fn shown(text: &str) -> String {
    const MAX: usize = 60;
    match text.char_indices().nth(MAX) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unquoted_scalars_have_the_types_that_kubectl_gives_them() {
        let plain = |text| resolve(text, Typing::Plain);
        for (text, want) in [
            ("", Scalar::Null),
            ("~", Scalar::Null),
            ("yes", Scalar::Bool(true)),
            ("off", Scalar::Bool(false)),
            ("80", Scalar::Integer(80)),
            ("-1", Scalar::Integer(-1)),
            ("+80", Scalar::Integer(80)),
            ("0x50", Scalar::Integer(80)),
            ("010", Scalar::Integer(8)),
            ("0o10", Scalar::Integer(8)),
            ("0b11", Scalar::Integer(3)),
            ("1_000", Scalar::Integer(1000)),
            ("0", Scalar::Integer(0)),
            ("099", Scalar::Float),
            ("1e3", Scalar::Float),
            (".5", Scalar::Float),
            ("99999999999999999999", Scalar::Float),
            (".inf", Scalar::Float),
            ("--1", Scalar::String),
            ("0x-5", Scalar::String),
            ("10.0.0.1", Scalar::String),
            ("1.2e", Scalar::String),
            (".", Scalar::String),
            ("-", Scalar::String),
            ("2026-01-01T00:00:00Z", Scalar::String),
            ("web", Scalar::String),
        ] {
            assert_eq!(plain(text), want, "{text:?}");
        }
        assert_eq!(resolve("80", Typing::String), Scalar::String);
    }

    #[test]
    fn what_is_shown_of_a_value_is_one_short_line() {
        assert_eq!(shown("a\nb"), r#""a\nb""#);
        assert!(shown(&"é".repeat(5_000_000)).len() < 200);
    }
}
