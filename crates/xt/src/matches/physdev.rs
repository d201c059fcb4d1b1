//! Owns physdev: linux/netfilter/xt_physdev.h.

use serde::{Deserialize, Serialize};

use super::Extension;
use crate::{
    info::{Info, Of},
    text::{options::Options, words::save_name},
    value::{Iface, Test},
    view::Family,
};

/// `-m physdev`: ports of a bridge.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Physdev {
    /// `--physdev-is-in`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_in: Option<Test<()>>,
    /// `--physdev-in`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Test<Iface>>,
    /// `--physdev-is-out`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_out: Option<Test<()>>,
    /// `--physdev-out`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Test<Iface>>,
    /// `--physdev-is-bridged`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bridged: Option<Test<()>>,
}

impl Extension for Physdev {
    fn decode(info: Info<'_>, _: Of) -> Option<Self> {
        let (inverted, asked) = (info.u8(64)?, info.u8(65)?);
        if asked & !0x1f != 0 {
            return None;
        }
        let flag = |bit: u8| (asked & bit != 0).then(|| Test::new(inverted & bit != 0, ()));
        let name = |at: usize, bit: u8| {
            if asked & bit == 0 {
                return Some(None);
            }
            let iface = Iface::from_masked(info.bytes(at, 16)?, info.bytes(at + 16, 16)?);
            // the tools print the letters even if none of them counts
            let iface = iface.unwrap_or_else(|| Iface("+".to_owned()));
            Some(Some(Test::new(inverted & bit != 0, iface)))
        };
        Some(Self {
            input: name(0, 1)?,
            output: name(32, 2)?,
            bridged: flag(4),
            is_in: flag(8),
            is_out: flag(0x10),
        })
    }

    fn save(&self, out: &mut String) {
        let flag = |out: &mut String, name: &str, test: Option<Test<()>>| {
            if let Some(test) = test {
                *out += test.bang();
                *out += name;
            }
        };
        let name = |out: &mut String, option: &str, test: Option<&Test<Iface>>| {
            if let Some(test) = test {
                *out += test.bang();
                *out += option;
                save_name(&test.value().0, out);
            }
        };
        flag(out, " --physdev-is-in", self.is_in);
        name(out, " --physdev-in", self.input.as_ref());
        flag(out, " --physdev-is-out", self.is_out);
        name(out, " --physdev-out", self.output.as_ref());
        flag(out, " --physdev-is-bridged", self.bridged);
    }

    fn read(options: &mut Options, _: Family) -> Option<Self> {
        let iface = |text: &str| Some(Iface(text.to_owned()));
        Some(Self {
            is_in: options.flag("physdev-is-in")?,
            input: options.test(&["physdev-in"], iface)?,
            is_out: options.flag("physdev-is-out")?,
            output: options.test(&["physdev-out"], iface)?,
            bridged: options.flag("physdev-is-bridged")?,
        })
    }
}
