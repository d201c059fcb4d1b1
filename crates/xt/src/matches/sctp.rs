//! Owns sctp: linux/netfilter/xt_sctp.h. Chunk types and flags by RFC 9260 and its extensions.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    Extension,
    ports::{DPORT, SPORT},
};
use crate::{
    info::{Info, Of},
    text::options::{Options, read},
    value::{PortRange, Test},
    view::{Family, option},
};

/// `-m sctp`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sctp {
    /// `--sport`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Test<PortRange>>,
    /// `--dport`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<Test<PortRange>>,
    /// `--chunk-types`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunks: Option<Test<Chunks>>,
}

/// How many of the chunk types must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChunkMatch {
    /// One.
    Any,
    /// All.
    All,
    /// These and no other.
    Only,
}

/// Chunk types of a packet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunks {
    /// How many of them.
    pub which: ChunkMatch,
    /// The types, ascending. All 256 are printed as `ALL`, none as `NONE`.
    pub types: Vec<Chunk>,
}

/// A chunk type and the flags it must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// Its number.
    pub kind: u8,
    /// The flags that count.
    pub mask: u8,
    /// Those of them that must be set.
    pub flags: u8,
}

/// Name, number, letters of the flags from the highest bit.
const NAMES: [(&str, u8, &str); 22] = [
    ("DATA", 0, "----IUBE"),
    ("INIT", 1, "--------"),
    ("INIT_ACK", 2, "--------"),
    ("SACK", 3, "--------"),
    ("HEARTBEAT", 4, "--------"),
    ("HEARTBEAT_ACK", 5, "--------"),
    ("ABORT", 6, "-------T"),
    ("SHUTDOWN", 7, "--------"),
    ("SHUTDOWN_ACK", 8, "--------"),
    ("ERROR", 9, "--------"),
    ("COOKIE_ECHO", 10, "--------"),
    ("COOKIE_ACK", 11, "--------"),
    ("ECN_ECNE", 12, "--------"),
    ("ECN_CWR", 13, "--------"),
    ("SHUTDOWN_COMPLETE", 14, "-------T"),
    ("I_DATA", 64, "----IUBE"),
    ("RE_CONFIG", 130, "--------"),
    ("PAD", 132, "--------"),
    ("ASCONF", 193, "--------"),
    ("ASCONF_ACK", 128, "--------"),
    ("FORWARD_TSN", 192, "--------"),
    ("I_FORWARD_TSN", 194, "--------"),
];

/// Most types of a rule whose flags can count: `XT_NUM_SCTP_FLAGS`.
const FLAGGED: usize = 4;

impl fmt::Display for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = NAMES.iter().find(|(_, kind, _)| *kind == self.kind);
        let letters = if let Some((name, _, letters)) = named {
            f.write_str(name)?;
            letters
        } else {
            write!(f, "{}", self.kind)?;
            "--------"
        };
        if self.mask == 0 {
            return Ok(());
        }
        f.write_str(":")?;
        for (bit, letter) in (0..8).rev().zip(letters.chars()) {
            if self.mask & 1 << bit != 0 {
                let set = self.flags & 1 << bit != 0;
                write!(f, "{}", if set { letter } else { letter.to_ascii_lowercase() })?;
            }
        }
        Ok(())
    }
}

impl Chunk {
    fn parse(text: &str) -> Option<Self> {
        let (name, flags) = text.split_once(':').unwrap_or((text, ""));
        let named = NAMES.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name));
        let (kind, letters) = match named {
            Some((_, kind, letters)) => (*kind, *letters),
            None => (name.parse().ok()?, "--------"),
        };
        let mut chunk = Self { kind, mask: 0, flags: 0 };
        for letter in flags.chars() {
            let at = letters.chars().position(|l| l == letter.to_ascii_uppercase() && l != '-')?;
            let bit = 1 << (7 - at);
            chunk.mask |= bit;
            chunk.flags |= if letter.is_ascii_uppercase() { bit } else { 0 };
        }
        Some(chunk)
    }
}

impl Chunks {
    /// The kernel has a bitmap (of which it uses the first 256 bits) and four places for flags.
    fn decode(info: Info<'_>) -> Option<Self> {
        let which = match info.u32(264)? {
            1 => ChunkMatch::Any,
            2 => ChunkMatch::All,
            4 => ChunkMatch::Only,
            _ => return None,
        };
        let flagged = usize::try_from(info.i32(280)?).ok().filter(|count| *count <= FLAGGED)?;
        let mut types = Vec::new();
        for kind in 0..=u8::MAX {
            let word = info.u32(8 + 4 * usize::from(kind / 32))?;
            if word & 1 << (kind % 32) != 0 {
                let mut chunk = Chunk { kind, mask: 0, flags: 0 };
                for place in 0..flagged {
                    let at = 268 + 3 * place;
                    if info.u8(at)? == kind {
                        (chunk.flags, chunk.mask) = (info.u8(at + 1)?, info.u8(at + 2)?);
                    }
                }
                types.push(chunk);
            }
        }
        Some(Self { which, types })
    }

    fn save(&self, out: &mut String) {
        *out += match self.which {
            ChunkMatch::Any => " any ",
            ChunkMatch::All => " all ",
            ChunkMatch::Only => " only ",
        };
        if self.types.is_empty() {
            *out += "NONE";
        } else if self.types.len() == 256 {
            *out += "ALL";
        } else {
            let types: Vec<String> = self.types.iter().map(ToString::to_string).collect();
            *out += &types.join(",");
        }
    }

    fn parse(which: &str, types: &str) -> Option<Self> {
        let which = match which {
            "any" => ChunkMatch::Any,
            "all" => ChunkMatch::All,
            "only" => ChunkMatch::Only,
            _ => return None,
        };
        let mut types: Vec<Chunk> = match types {
            "NONE" => Vec::new(),
            "ALL" => (0..=u8::MAX).map(|kind| Chunk { kind, mask: 0, flags: 0 }).collect(),
            list => list.split(',').map(Chunk::parse).collect::<Option<_>>()?,
        };
        types.sort_by_key(|chunk| chunk.kind);
        Some(Self { which, types })
    }
}

impl Extension for Sctp {
    fn decode(info: Info<'_>, _: Of) -> Option<Self> {
        let (flags, inverted) = (info.u32(284)?, info.u32(288)?);
        let has = |bit: u32| flags & bit != 0;
        let not = |bit: u32| inverted & bit != 0;
        let range = |at: usize| Some(PortRange { min: info.u16(at)?, max: info.u16(at + 2)? });
        Some(Self {
            source: if has(1) { Some(Test::new(not(1), range(4)?)) } else { None },
            destination: if has(2) { Some(Test::new(not(2), range(0)?)) } else { None },
            chunks: if has(4) { Some(Test::new(not(4), Chunks::decode(info)?)) } else { None },
        })
    }

    fn save(&self, out: &mut String) {
        option(out, "--sport", self.source.as_ref());
        option(out, "--dport", self.destination.as_ref());
        if let Some(chunks) = &self.chunks {
            *out += chunks.bang();
            *out += " --chunk-types";
            chunks.value().save(out);
        }
    }

    fn read(options: &mut Options, _: Family) -> Option<Self> {
        let chunks = match options.pair("chunk-types")? {
            None => None,
            Some(pair) => {
                let (which, types) = pair.value();
                Some(Test::new(pair.is_not(), Chunks::parse(which, types)?))
            }
        };
        Some(Self {
            source: options.test(&SPORT, read)?,
            destination: options.test(&DPORT, read)?,
            chunks,
        })
    }
}
