//! Owns ports and ranges of ports.

use std::fmt;
use std::str::FromStr;

use super::{NotA, as_text};

/// Ports from `min` to `max`, both included. One port if they are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortRange {
    /// The first.
    pub min: u16,
    /// The last.
    pub max: u16,
}

impl PortRange {
    /// Every port.
    pub const ALL: Self = Self { min: 0, max: u16::MAX };

    /// One port.
    pub const fn one(port: u16) -> Self {
        Self { min: port, max: port }
    }

    /// Whether the port is in it.
    pub const fn covers(self, port: u16) -> bool {
        self.min <= port && port <= self.max
    }

    /// Appends `a`, or `a-b` as NAT targets print it.
    pub(crate) fn push_dashed(self, out: &mut String) {
        put!(out, "{}", self.min);
        if self.min != self.max {
            put!(out, "-{}", self.max);
        }
    }

    pub(crate) fn from_dashed(text: &str) -> Option<Self> {
        match text.split_once('-') {
            Some((min, max)) => Some(Self { min: min.parse().ok()?, max: max.parse().ok()? }),
            None => text.parse().ok().map(Self::one),
        }
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.min.fmt(f)?;
        if self.min == self.max { Ok(()) } else { write!(f, ":{}", self.max) }
    }
}

impl FromStr for PortRange {
    type Err = NotA;

    /// `a`, `a:b`, `:b` (from 0) and `a:` (to 65535).
    fn from_str(text: &str) -> Result<Self, NotA> {
        let bad = || NotA::new("a port or a range of ports", text);
        let port = |text: &str, none: Option<u16>| match (text, none) {
            ("", Some(none)) => Ok(none),
            _ => text.parse::<u16>().map_err(|_| bad()),
        };
        match text.split_once(':') {
            Some((min, max)) => {
                Ok(Self { min: port(min, Some(0))?, max: port(max, Some(u16::MAX))? })
            }
            None => Ok(Self::one(port(text, None)?)),
        }
    }
}

as_text!(PortRange);

/// A list of ports and ranges, in the order of the rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct PortRanges(pub Vec<PortRange>);

impl PortRanges {
    /// Whether the port is in one of them.
    pub fn covers(&self, port: u16) -> bool {
        self.0.iter().any(|range| range.covers(port))
    }
}

impl fmt::Display for PortRanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.0.iter().enumerate() {
            write!(f, "{}{range}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl FromStr for PortRanges {
    type Err = NotA;

    fn from_str(text: &str) -> Result<Self, NotA> {
        text.split(',').map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

as_text!(PortRanges);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_come_back() {
        for text in ["80", "1:2", "0:65535"] {
            assert_eq!(text.parse::<PortRange>().unwrap().to_string(), text);
        }
        assert_eq!(":5".parse(), Ok(PortRange { min: 0, max: 5 }));
        assert_eq!("5:".parse(), Ok(PortRange { min: 5, max: u16::MAX }));
        assert!("".parse::<PortRange>().is_err() && "70000".parse::<PortRange>().is_err());
        let list: PortRanges = "80,443,30000:32767".parse().unwrap();
        assert_eq!(list.to_string(), "80,443,30000:32767");
        assert!(list.covers(31000) && !list.covers(81));
    }
}
