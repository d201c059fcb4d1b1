//! Owns limit: linux/netfilter/xt_limit.h.

use serde::{Deserialize, Serialize};

use super::Extension;
use crate::{
    info::{Info, Of},
    text::options::{Options, read},
    view::Family,
};

/// `-m limit`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// `--limit`: how often.
    pub rate: Rate,
    /// `--limit-burst`: how many at once.
    pub burst: u32,
}

/// So many in a unit of time. The kernel keeps the time between two packets in steps of 0.1 ms, so
/// not every rate comes back as it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// How many.
    pub packets: u32,
    /// In what time.
    pub per: RateUnit,
}

/// A unit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RateUnit {
    /// A second.
    Sec,
    /// A minute.
    Min,
    /// An hour.
    Hour,
    /// A day.
    Day,
}

/// `XT_LIMIT_SCALE`
const SCALE: u32 = 10_000;
/// Burst if nobody says otherwise; not printed.
const BURST: u32 = 5;

impl RateUnit {
    const ALL: [Self; 4] = [Self::Day, Self::Hour, Self::Min, Self::Sec];

    /// Steps of the kernel in it.
    const fn steps(self) -> u32 {
        SCALE
            * match self {
                Self::Sec => 1,
                Self::Min => 60,
                Self::Hour => 60 * 60,
                Self::Day => 24 * 60 * 60,
            }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Sec => "sec",
            Self::Min => "min",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let full = [
            ("second", Self::Sec),
            ("minute", Self::Min),
            ("hour", Self::Hour),
            ("day", Self::Day),
        ];
        let text = text.to_ascii_lowercase();
        full.into_iter()
            .find(|(name, _)| !text.is_empty() && name.starts_with(&text))
            .map(|found| found.1)
    }
}

impl Rate {
    /// The largest unit of which the time between packets is a good part, as the tools choose it.
    pub(crate) fn from_period(period: u32) -> Option<Self> {
        if period == 0 {
            return None;
        }
        let mut chosen = RateUnit::Day;
        for unit in RateUnit::ALL.into_iter().skip(1) {
            let steps = unit.steps();
            if period > steps || steps / period < steps % period {
                break;
            }
            chosen = unit;
        }
        Some(Self { packets: chosen.steps() / period, per: chosen })
    }

    fn parse(text: &str) -> Option<Self> {
        let (packets, unit) = match text.split_once('/') {
            Some((packets, unit)) => (packets, RateUnit::parse(unit)?),
            None => (text, RateUnit::Sec),
        };
        let packets: u32 = packets.parse().ok()?;
        // what the kernel would keep of it
        Self::from_period(unit.steps().checked_div(packets)?)
    }
}

impl Extension for Limit {
    fn decode(info: Info<'_>, _: Of) -> Option<Self> {
        Some(Self { rate: Rate::from_period(info.u32(0)?)?, burst: info.u32(4)? })
    }

    fn save(&self, out: &mut String) {
        put!(out, " --limit {}/{}", self.rate.packets, self.rate.per.text());
        if self.burst != BURST {
            put!(out, " --limit-burst {}", self.burst);
        }
    }

    fn read(options: &mut Options, _: Family) -> Option<Self> {
        Some(Self {
            rate: options.value(&["limit"], Rate::parse)??,
            burst: options.value(&["limit-burst"], read)?.unwrap_or(BURST),
        })
    }
}
