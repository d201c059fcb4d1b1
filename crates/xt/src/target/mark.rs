//! Owns MARK and CONNMARK: linux/netfilter/xt_mark.h, xt_connmark.h.

use serde::{Deserialize, Serialize};

use crate::{
    info::{Info, Of},
    matches::Extension,
    text::options::{Maybe, Options},
    value::{Masked, number},
    view::Family,
};

/// `-j MARK`: `mark = (mark & !mask) ^ value`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkTarget {
    /// `--set-xmark`
    pub set: Masked,
}

/// `-j CONNMARK`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connmark {
    /// What is copied where.
    pub mode: ConnmarkMode,
    /// Shift of what is copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shift: Option<Shift>,
}

/// What CONNMARK does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConnmarkMode {
    /// `--set-xmark`: `ctmark = (ctmark & !mask) ^ value`.
    Set(Masked),
    /// `--save-mark`: from the packet to the connection.
    Save {
        /// Bits of the packet's mark that count.
        nfmask: u32,
        /// Bits of the connection's mark that are replaced.
        ctmask: u32,
    },
    /// `--restore-mark`: from the connection to the packet.
    Restore {
        /// Bits of the packet's mark that are replaced.
        nfmask: u32,
        /// Bits of the connection's mark that count.
        ctmask: u32,
    },
}

/// A shift by so many bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shift {
    /// To the left.
    Left(u8),
    /// To the right.
    Right(u8),
}

/// The four ways to say what `--set-xmark` says.
fn read_set(options: &mut Options) -> Maybe<Masked> {
    if let Some(set) = options.value(&["set-xmark"], Masked::parse)? {
        return Some(Some(set));
    }
    if let Some(Masked { value, mask }) = options.value(&["set-mark"], Masked::parse)? {
        return Some(Some(Masked { value, mask: mask | value }));
    }
    if let Some(bits) = options.value(&["and-mark"], number)? {
        return Some(Some(Masked { value: 0, mask: !bits }));
    }
    if let Some(bits) = options.value(&["or-mark"], number)? {
        return Some(Some(Masked { value: bits, mask: bits }));
    }
    Some(options.value(&["xor-mark"], number)?.map(|bits| Masked { value: bits, mask: 0 }))
}

impl Extension for MarkTarget {
    fn decode(info: Info<'_>, _: Of) -> Option<Self> {
        Some(Self { set: Masked { value: info.u32(0)?, mask: info.u32(4)? } })
    }

    fn save(&self, out: &mut String) {
        *out += " --set-xmark ";
        *out += &self.set.full_text();
    }

    fn read(options: &mut Options, _: Family) -> Option<Self> {
        read_set(options)?.map(|set| Self { set })
    }
}

impl Extension for Connmark {
    fn decode(info: Info<'_>, of: Of) -> Option<Self> {
        let (value, ctmask, nfmask) = (info.u32(0)?, info.u32(4)?, info.u32(8)?);
        let (mode, shift) = if of.revision == 1 {
            (info.u8(12)?, None)
        } else {
            let shift = match (info.u8(12)?, info.u8(13)?) {
                (_, 0) => None,
                (0, bits) => Some(Shift::Left(bits)),
                (1, bits) => Some(Shift::Right(bits)),
                _ => return None,
            };
            (info.u8(14)?, shift)
        };
        let mode = match mode {
            0 => ConnmarkMode::Set(Masked { value, mask: ctmask }),
            1 => ConnmarkMode::Save { nfmask, ctmask },
            2 => ConnmarkMode::Restore { nfmask, ctmask },
            _ => return None,
        };
        Some(Self { mode, shift })
    }

    fn save(&self, out: &mut String) {
        match self.mode {
            ConnmarkMode::Set(set) => put!(out, " --set-xmark {}", set.full_text()),
            ConnmarkMode::Save { nfmask, ctmask } => {
                put!(out, " --save-mark --nfmask {nfmask:#x} --ctmask {ctmask:#x}");
            }
            ConnmarkMode::Restore { nfmask, ctmask } => {
                put!(out, " --restore-mark --nfmask {nfmask:#x} --ctmask {ctmask:#x}");
            }
        }
        match self.shift {
            Some(Shift::Left(bits)) => put!(out, " --left-shift-mark {bits}"),
            Some(Shift::Right(bits)) => put!(out, " --right-shift-mark {bits}"),
            None => {}
        }
    }

    fn read(options: &mut Options, _: Family) -> Option<Self> {
        let (save, restore) = (options.switch("save-mark")?, options.switch("restore-mark")?);
        let mode = if save || restore {
            let both = options.value(&["mask"], number)?.unwrap_or(u32::MAX);
            let nfmask = options.value(&["nfmask"], number)?.unwrap_or(both);
            let ctmask = options.value(&["ctmask"], number)?.unwrap_or(both);
            match (save, restore) {
                (true, false) => ConnmarkMode::Save { nfmask, ctmask },
                (false, true) => ConnmarkMode::Restore { nfmask, ctmask },
                _ => return None,
            }
        } else {
            ConnmarkMode::Set(read_set(options)??)
        };
        let bits = |text: &str| text.parse::<u8>().ok().filter(|bits| *bits != 0);
        let left = options.value(&["left-shift-mark"], bits)?.map(Shift::Left);
        let right = options.value(&["right-shift-mark"], bits)?.map(Shift::Right);
        Some(Self { mode, shift: left.or(right) })
    }
}
