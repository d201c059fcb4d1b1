//! Owns statistic: linux/netfilter/xt_statistic.h.

use serde::{Deserialize, Serialize};

use super::Extension;
use crate::{
    info::{Info, Of},
    text::options::{Options, read},
    value::{Test, number},
    view::Family,
};

/// `-m statistic`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statistic {
    /// How it chooses; `!` chooses the others.
    pub mode: Test<StatisticMode>,
}

/// How packets are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StatisticMode {
    /// By chance.
    Random {
        /// Chance in parts of 2³¹.
        probability: u32,
    },
    /// By counting.
    Nth {
        /// One of so many.
        every: u32,
        /// The first counts from here.
        packet: u32,
    },
}

impl StatisticMode {
    /// The chance of a packet to be chosen.
    pub fn probability(self) -> f64 {
        match self {
            Self::Random { probability } => f64::from(probability) / WHOLE,
            Self::Nth { every, .. } => 1.0 / f64::from(every.max(1)),
        }
    }
}

/// 2³¹
const WHOLE: f64 = 2_147_483_648.0;

/// Parts of 2³¹ as `printf("%.11f")` writes them, to the nearest and of two to the even one: ones, and
/// what follows the point.
fn decimal(parts: u32) -> (u64, u64) {
    const DIGITS: u128 = 100_000_000_000;
    let scaled = u128::from(parts) * DIGITS;
    let (floor, rest) = (scaled >> 31, scaled & ((1 << 31) - 1));
    let up = rest > 1 << 30 || rest == 1 << 30 && floor & 1 == 1;
    let rounded = floor + u128::from(up);
    ((rounded / DIGITS) as u64, (rounded % DIGITS) as u64)
}

impl Extension for Statistic {
    fn decode(info: Info<'_>, _: Of) -> Option<Self> {
        let mode = match info.u16(0)? {
            0 => StatisticMode::Random { probability: info.u32(4)? },
            1 => {
                // the kernel keeps one less
                StatisticMode::Nth { every: info.u32(4)?.checked_add(1)?, packet: info.u32(8)? }
            }
            _ => return None,
        };
        Some(Self { mode: Test::new(info.u16(2)? & 1 != 0, mode) })
    }

    fn save(&self, out: &mut String) {
        let not = self.mode.bang();
        match *self.mode.value() {
            StatisticMode::Random { probability } => {
                let (ones, rest) = decimal(probability);
                put!(out, " --mode random{not} --probability {ones}.{rest:011}");
            }
            StatisticMode::Nth { every, packet } => {
                put!(out, " --mode nth{not} --every {every} --packet {packet}");
            }
        }
    }

    fn read(options: &mut Options, _: Family) -> Option<Self> {
        let mode: String = options.value(&["mode"], read)??;
        if mode == "random" {
            let chance = options.test(&["probability"], read::<f64>)??;
            // round() as the tools do; outside of 0 to 1 they refuse
            let scaled = (*chance.value() * WHOLE).round();
            #[expect(clippy::cast_sign_loss, reason = "within 0 and 2³¹, checked")]
            let probability =
                if (0.0..=WHOLE).contains(&scaled) { scaled as u32 } else { return None };
            let mode = StatisticMode::Random { probability };
            return Some(Self { mode: Test::new(chance.is_not(), mode) });
        }
        let every = options.test(&["every"], number)??;
        let packet = options.value(&["packet"], number)?.unwrap_or(0);
        if mode != "nth" || *every.value() == 0 {
            return None;
        }
        let mode = StatisticMode::Nth { every: *every.value(), packet };
        Some(Self { mode: Test::new(every.is_not(), mode) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn printed(parts: u32) -> String {
        let (ones, rest) = decimal(parts);
        format!("{ones}.{rest:011}")
    }

    #[test]
    fn a_chance_is_printed_to_eleven_digits_and_half_way_to_the_even_one() {
        assert_eq!(printed(0), "0.00000000000");
        assert_eq!(printed(1), "0.00000000047");
        assert_eq!(printed(1 << 30), "0.50000000000");
        assert_eq!(printed(0x7fff_ffff), "0.99999999953");
        assert_eq!(printed(1 << 31), "1.00000000000");
        // ends with a 5 behind the eleventh digit
        for parts in (1_u32..4_096).map(|odd| odd << 19) {
            assert_eq!(printed(parts), format!("{:.11}", f64::from(parts) / WHOLE));
        }
    }

    proptest! {
        #[test]
        fn a_chance_is_printed_as_the_float_is(parts: u32) {
            prop_assert_eq!(printed(parts), format!("{:.11}", f64::from(parts) / WHOLE));
        }
    }
}
