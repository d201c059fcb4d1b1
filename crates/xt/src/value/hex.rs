//! Owns bytes that nobody has a name for, written in hexadecimal.

use super::{NotA, as_text};

/// Bytes as they were.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Hex(pub Vec<u8>);

impl std::fmt::Display for Hex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for Hex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

impl std::str::FromStr for Hex {
    type Err = NotA;

    fn from_str(text: &str) -> Result<Self, NotA> {
        let bad = || NotA::new("an even number of hexadecimal digits", text);
        let pairs = text.as_bytes().chunks(2).map(|pair| {
            let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
            // from_str_radix would take a sign
            pair.bytes().all(|b| b.is_ascii_hexdigit()).then_some(())?;
            u8::from_str_radix(pair, 16).ok()
        });
        pairs.collect::<Option<Vec<u8>>>().map(Self).ok_or_else(bad)
    }
}

as_text!(Hex);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back() {
        let hex = Hex(vec![0, 0xff, 0x10]);
        assert_eq!(hex.to_string(), "00ff10");
        assert_eq!("00ff10".parse(), Ok(hex));
        assert!("0".parse::<Hex>().is_err());
        assert!("+1".parse::<Hex>().is_err());
        assert!("éé".parse::<Hex>().is_err());
    }
}
