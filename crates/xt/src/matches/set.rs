//! Owns set: linux/netfilter/xt_set.h, linux/netfilter/ipset/ip_set.h.
//!
//! The kernel keeps the number of the set, not its name; whoever reads from the kernel puts the name
//! in ([`crate::SetNames`]).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Extension;
use crate::{
    info::{Info, Of},
    text::{
        options::{Maybe, Options},
        words::save_name,
    },
    value::{NotA, Test, as_text},
    view::Family,
};

/// `-m set`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetMatch {
    /// `--match-set`: which set.
    pub set: Test<SetName>,
    /// What is looked up.
    pub directions: Vec<SetDirection>,
    /// `--return-nomatch`
    #[serde(default)]
    pub return_nomatch: bool,
    /// `! --update-counters`
    #[serde(default)]
    pub skip_counters: bool,
    /// `! --update-subcounters`
    #[serde(default)]
    pub skip_subcounters: bool,
    /// `--packets-eq` and the like
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packets: Option<CounterTest>,
    /// `--bytes-eq` and the like
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<CounterTest>,
}

/// A set by name, or by number if there is no name for it: printed as `@5`, which is no name of a
/// set that the tools take.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SetName {
    /// Its name.
    Name(String),
    /// Its number in the kernel; the set is gone or nobody asked.
    Index(u16),
}

/// Which address or port of the packet is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SetDirection {
    /// Of the source.
    Src,
    /// Of the destination.
    Dst,
}

/// A condition on the counter of the element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CounterTest {
    /// Equal.
    Eq(u64),
    /// Not equal.
    Ne(u64),
    /// Less.
    Lt(u64),
    /// Greater.
    Gt(u64),
}

impl fmt::Display for SetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Index(index) => write!(f, "@{index}"),
        }
    }
}

impl FromStr for SetName {
    type Err = NotA;

    fn from_str(text: &str) -> Result<Self, NotA> {
        let index = text.strip_prefix('@').and_then(|index| index.parse().ok());
        Ok(index.map_or_else(|| Self::Name(text.to_owned()), Self::Index))
    }
}

as_text!(SetName);

impl CounterTest {
    fn new(op: u8, value: u64) -> Maybe<Self> {
        Some(Some(match op {
            0 => return Some(None),
            1 => Self::Eq(value),
            2 => Self::Ne(value),
            3 => Self::Lt(value),
            4 => Self::Gt(value),
            _ => return None,
        }))
    }

    fn save(self, name: &str, out: &mut String) {
        match self {
            Self::Eq(value) => put!(out, " --{name}-eq {value}"),
            Self::Ne(value) => put!(out, " ! --{name}-eq {value}"),
            Self::Lt(value) => put!(out, " --{name}-lt {value}"),
            Self::Gt(value) => put!(out, " --{name}-gt {value}"),
        }
    }

    fn read(options: &mut Options, name: &str) -> Maybe<Self> {
        let number = |text: &str| text.parse::<u64>().ok();
        if let Some(test) = options.test(&[&format!("{name}-eq")], number)? {
            return Some(Some(match test {
                Test::Is(value) => Self::Eq(value),
                Test::Not(value) => Self::Ne(value),
            }));
        }
        if let Some(value) = options.value(&[&format!("{name}-lt")], number)? {
            return Some(Some(Self::Lt(value)));
        }
        Some(options.value(&[&format!("{name}-gt")], number)?.map(Self::Gt))
    }
}

const RETURN_NOMATCH: u32 = 1 << 7;
const SKIP_COUNTERS: u32 = 1 << 3;
const SKIP_SUBCOUNTERS: u32 = 1 << 4;
const MATCH_COUNTERS: u32 = 1 << 5;
/// `IPSET_DIM_MAX`
const DIMENSIONS: u8 = 6;

impl SetMatch {
    fn plain(set: Test<SetName>, directions: Vec<SetDirection>) -> Self {
        Self {
            set,
            directions,
            return_nomatch: false,
            skip_counters: false,
            skip_subcounters: false,
            packets: None,
            bytes: None,
        }
    }

    /// `struct xt_set_info_match_v0`: a word for each dimension.
    fn decode_v0(info: Info<'_>) -> Option<Self> {
        let flags = |dimension: usize| info.u32(4 + 4 * dimension);
        let mut directions = Vec::new();
        for dimension in 0..usize::from(DIMENSIONS) {
            match flags(dimension)? {
                0 => break,
                word if word & 1 != 0 => directions.push(SetDirection::Src),
                _ => directions.push(SetDirection::Dst),
            }
        }
        let name = SetName::Index(info.u16(0)?);
        Some(Self::plain(Test::new(flags(0)? & 4 != 0, name), directions))
    }
}

impl Extension for SetMatch {
    fn decode(info: Info<'_>, of: Of) -> Option<Self> {
        if of.revision == 0 {
            return Self::decode_v0(info);
        }
        let (dimensions, bits) = (info.u8(2)?, info.u8(3)?);
        if dimensions > DIMENSIONS {
            return None;
        }
        let direction = |dimension: u8| {
            if bits & 1 << dimension != 0 { SetDirection::Src } else { SetDirection::Dst }
        };
        let name = SetName::Index(info.u16(0)?);
        let directions = (1..=dimensions).map(direction).collect();
        let mut found = Self::plain(Test::new(bits & 1 != 0, name), directions);
        found.return_nomatch = of.revision == 2 && u32::from(bits) & RETURN_NOMATCH != 0;
        if of.revision >= 3 {
            let flags = info.u32(40)?;
            if flags & !(RETURN_NOMATCH | SKIP_COUNTERS | SKIP_SUBCOUNTERS | MATCH_COUNTERS) != 0 {
                return None;
            }
            found.return_nomatch = flags & RETURN_NOMATCH != 0;
            found.skip_counters = flags & SKIP_COUNTERS != 0;
            found.skip_subcounters = flags & SKIP_SUBCOUNTERS != 0;
            let counter = |at: usize| match of.revision {
                3 => CounterTest::new(info.u8(at)?, info.u64(at + 8)?),
                _ => CounterTest::new(info.u8(at + 8)?, info.u64(at)?),
            };
            found.packets = counter(8)?;
            found.bytes = counter(24)?;
        }
        Some(found)
    }

    fn save(&self, out: &mut String) {
        *out += self.set.bang();
        *out += " --match-set";
        save_name(&self.set.value().to_string(), out);
        for (index, direction) in self.directions.iter().enumerate() {
            out.push(if index == 0 { ' ' } else { ',' });
            *out += match direction {
                SetDirection::Src => "src",
                SetDirection::Dst => "dst",
            };
        }
        if self.return_nomatch {
            *out += " --return-nomatch";
        }
        if self.skip_counters {
            *out += " ! --update-counters";
        }
        if self.skip_subcounters {
            *out += " ! --update-subcounters";
        }
        if let Some(packets) = self.packets {
            packets.save("packets", out);
        }
        if let Some(bytes) = self.bytes {
            bytes.save("bytes", out);
        }
    }

    fn read(options: &mut Options, _: Family) -> Option<Self> {
        let pair = match options.pair("match-set")? {
            Some(pair) => pair,
            None => options.pair("set")??,
        };
        let (name, directions) = pair.value();
        let directions = directions.split(',').map(|direction| match direction {
            "src" => Some(SetDirection::Src),
            "dst" => Some(SetDirection::Dst),
            _ => None,
        });
        let set = Test::new(pair.is_not(), name.parse().ok()?);
        let mut found = Self::plain(set, directions.collect::<Option<_>>()?);
        found.return_nomatch = options.switch("return-nomatch")?;
        // `--update-counters` without `!` is what happens anyway
        let skipped = |flag: Option<Test<()>>| flag.is_some_and(|flag| flag.is_not());
        found.skip_counters = skipped(options.flag("update-counters")?);
        found.skip_subcounters = skipped(options.flag("update-subcounters")?);
        found.packets = CounterTest::read(options, "packets")?;
        found.bytes = CounterTest::read(options, "bytes")?;
        Some(found)
    }
}
