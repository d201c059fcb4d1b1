//! Owns the small readings that every text needs: words with their values, numbers, addresses.

use std::net::IpAddr;

use crate::snapshot::Prefix;

/// The word after `key`.
pub(super) fn after<'a>(words: &[&'a str], key: &str) -> Option<&'a str> {
    let at = words.iter().position(|word| *word == key)?;
    words.get(at + 1).copied()
}

/// `default`, an address or a network; the outer nothing is something else.
#[expect(clippy::option_option, reason = "the default is a network without text")]
pub(super) fn destination(text: &str) -> Option<Option<Prefix>> {
    match text {
        "default" | "all" => Some(None),
        _ => text.parse::<Prefix>().ok().map(|prefix| (prefix.length != 0).then_some(prefix)),
    }
}

/// `1.2.3.4:80`, `[::1]:80`, `*:80`, `1.2.3.4%lo:80`; the address is nothing for all.
pub(super) fn socket(text: &str) -> Option<(Option<IpAddr>, u16)> {
    let (address, port) = text.rsplit_once(':')?;
    let address = address.trim_matches(['[', ']']);
    let address = address.split('%').next().unwrap_or_default();
    let port = port.parse().ok()?;
    let address = match address {
        "" | "*" => None,
        text => Some(text.parse::<IpAddr>().ok()?).filter(|ip| !ip.is_unspecified()),
    };
    Some((address, port))
}

/// The beginning of a text, for messages.
pub(super) fn short(text: &str) -> String {
    let mut short: String = text.chars().take(80).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_of_both_families_are_read() {
        assert_eq!(socket("0.0.0.0:22"), Some((None, 22)));
        assert_eq!(socket("[::]:22"), Some((None, 22)));
        assert_eq!(socket("*:22"), Some((None, 22)));
        assert_eq!(socket("127.0.0.53%lo:53"), Some((Some("127.0.0.53".parse().unwrap()), 53)));
        assert_eq!(socket("[::1]:631"), Some((Some("::1".parse().unwrap()), 631)));
        assert_eq!(socket("x"), None);
    }
}
