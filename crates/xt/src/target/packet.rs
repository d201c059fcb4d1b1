//! Owns targets that change the packet: TCPMSS, CHECKSUM (linux/netfilter/xt_TCPMSS.h,
//! xt_CHECKSUM.h).

use serde::{Deserialize, Serialize};

use crate::{
    info::{Info, Of},
    matches::Extension,
    text::options::{Options, read},
    view::Family,
};

/// `-j TCPMSS`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tcpmss {
    /// `--clamp-mss-to-pmtu`
    Clamp,
    /// `--set-mss`
    Set(u16),
}

/// `-j CHECKSUM`: fills a missing checksum in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checksum {}

impl Extension for Tcpmss {
    fn decode(info: Info<'_>, _: Of) -> Option<Self> {
        Some(match info.u16(0)? {
            u16::MAX => Self::Clamp,
            mss => Self::Set(mss),
        })
    }

    fn save(&self, out: &mut String) {
        match self {
            Self::Clamp => put!(out, " --clamp-mss-to-pmtu"),
            Self::Set(mss) => put!(out, " --set-mss {mss}"),
        }
    }

    fn read(options: &mut Options, _: Family) -> Option<Self> {
        match (options.switch("clamp-mss-to-pmtu")?, options.value(&["set-mss"], read)?) {
            (true, None) => Some(Self::Clamp),
            (false, Some(mss)) if mss != u16::MAX => Some(Self::Set(mss)),
            _ => None,
        }
    }
}

impl Extension for Checksum {
    fn decode(info: Info<'_>, _: Of) -> Option<Self> {
        (info.u8(0)? == 1).then_some(Self {})
    }

    fn save(&self, out: &mut String) {
        *out += " --checksum-fill";
    }

    fn read(options: &mut Options, _: Family) -> Option<Self> {
        options.switch("checksum-fill")?.then_some(Self {})
    }
}
