//! Owns addrtype: linux/netfilter/xt_addrtype.h.

use serde::{Deserialize, Serialize};

use super::Extension;
use crate::{
    info::{Info, Of},
    text::options::{Options, read},
    value::{AddrTypes, Test},
    view::{Family, option},
};

/// `-m addrtype`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AddrType {
    /// `--src-type`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Test<AddrTypes>>,
    /// `--dst-type`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<Test<AddrTypes>>,
    /// `--limit-iface-in`, `--limit-iface-out`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<LimitIface>,
}

/// Which interface's addresses count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LimitIface {
    /// Those of the one it came in by.
    In,
    /// Those of the one it goes out by.
    Out,
}

impl Extension for AddrType {
    fn decode(info: Info<'_>, of: Of) -> Option<Self> {
        let (source, destination) = (AddrTypes(info.u16(0)?), AddrTypes(info.u16(2)?));
        let (not_source, not_destination, limit) = if of.revision == 0 {
            (info.u32(4)? != 0, info.u32(8)? != 0, None)
        } else {
            let flags = info.u32(4)?;
            let limit = match flags & 0xc {
                0 => None,
                4 => Some(LimitIface::In),
                8 => Some(LimitIface::Out),
                _ => return None,
            };
            (flags & 1 != 0, flags & 2 != 0, limit)
        };
        if !source.is_known() || !destination.is_known() {
            return None;
        }
        let asked = |not, types: AddrTypes| (types.0 != 0).then(|| Test::new(not, types));
        Some(Self {
            source: asked(not_source, source),
            destination: asked(not_destination, destination),
            limit,
        })
    }

    fn save(&self, out: &mut String) {
        option(out, "--src-type", self.source.as_ref());
        option(out, "--dst-type", self.destination.as_ref());
        match self.limit {
            Some(LimitIface::In) => *out += " --limit-iface-in",
            Some(LimitIface::Out) => *out += " --limit-iface-out",
            None => {}
        }
    }

    fn read(options: &mut Options, _: Family) -> Option<Self> {
        let limit = match (options.switch("limit-iface-in")?, options.switch("limit-iface-out")?) {
            (false, false) => None,
            (true, false) => Some(LimitIface::In),
            (false, true) => Some(LimitIface::Out),
            (true, true) => return None,
        };
        Some(Self {
            source: options.test(&["src-type"], read)?,
            destination: options.test(&["dst-type"], read)?,
            limit,
        })
    }
}
