//! Owns mark and connmark: linux/netfilter/xt_mark.h, xt_connmark.h. Same layout.

use serde::{Deserialize, Serialize};

use super::Extension;
use crate::{
    info::{Info, Of},
    text::options::Options,
    value::{Masked, Test},
    view::{Family, option},
};

/// `-m mark`, `-m connmark`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkMatch {
    /// `--mark`
    pub mark: Test<Masked>,
}

impl Extension for MarkMatch {
    fn decode(info: Info<'_>, _: Of) -> Option<Self> {
        let mark = Masked { value: info.u32(0)?, mask: info.u32(4)? };
        Some(Self { mark: Test::new(info.u8(8)? != 0, mark) })
    }

    fn save(&self, out: &mut String) {
        option(out, "--mark", Some(&self.mark));
    }

    fn read(options: &mut Options, _: Family) -> Option<Self> {
        options.test(&["mark"], Masked::parse)?.map(|mark| Self { mark })
    }
}
