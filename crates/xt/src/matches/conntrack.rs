//! Owns conntrack and state: linux/netfilter/xt_conntrack.h, xt_state.h.

use serde::{Deserialize, Serialize};

use super::Match;
use crate::{
    info::{Info, Of},
    text::options::{Options, read},
    value::{CtStates, CtStatus, Net, PortRange, Proto, Test},
    view::{Family, option},
};

/// `-m conntrack`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Conntrack {
    /// `--ctstate`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Test<CtStates>>,
    /// `--ctproto`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Test<Proto>>,
    /// `--ctorigsrc`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_source: Option<Test<Net>>,
    /// `--ctorigdst`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_destination: Option<Test<Net>>,
    /// `--ctreplsrc`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_source: Option<Test<Net>>,
    /// `--ctrepldst`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_destination: Option<Test<Net>>,
    /// `--ctorigsrcport`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_source_port: Option<Test<PortRange>>,
    /// `--ctorigdstport`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_destination_port: Option<Test<PortRange>>,
    /// `--ctreplsrcport`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_source_port: Option<Test<PortRange>>,
    /// `--ctrepldstport`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_destination_port: Option<Test<PortRange>>,
    /// `--ctstatus`; empty is `NONE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Test<CtStatus>>,
    /// `--ctexpire`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry: Option<Test<Expiry>>,
    /// `--ctdir`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
}

/// Seconds until the connection is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expiry {
    /// At least.
    pub min: u32,
    /// At most.
    pub max: u32,
}

/// Which way a packet goes in its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// As the first packet.
    Original,
    /// Back.
    Reply,
}

impl std::fmt::Display for Expiry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.min)?;
        if self.min == self.max { Ok(()) } else { write!(f, ":{}", self.max) }
    }
}

impl Expiry {
    fn parse(text: &str) -> Option<Self> {
        let number = |text: &str, none: u32| {
            if text.is_empty() { Some(none) } else { text.parse().ok() }
        };
        match text.split_once(':') {
            Some((min, max)) => Some(Self { min: number(min, 0)?, max: number(max, u32::MAX)? }),
            None => text.parse().ok().map(|both| Self { min: both, max: both }),
        }
    }
}

/// Bits of `match_flags`.
mod bit {
    pub(super) const STATE: u16 = 1 << 0;
    pub(super) const PROTO: u16 = 1 << 1;
    pub(super) const ADDRESSES: [u16; 4] = [1 << 2, 1 << 3, 1 << 4, 1 << 5];
    pub(super) const STATUS: u16 = 1 << 6;
    pub(super) const EXPIRES: u16 = 1 << 7;
    pub(super) const PORTS: [u16; 4] = [1 << 8, 1 << 9, 1 << 10, 1 << 11];
    pub(super) const DIRECTION: u16 = 1 << 12;
    pub(super) const STATE_ALIAS: u16 = 1 << 13;
    pub(super) const ALL: u16 = (1 << 14) - 1;
}

/// `struct xt_conntrack_mtinfo1` to `3`; with the flag for it, it is the match `state`.
pub(crate) fn decode(info: Info<'_>, of: Of) -> Option<Match> {
    let (flags, inverted) = (info.u16(146)?, info.u16(148)?);
    if flags & !bit::ALL != 0 {
        return None;
    }
    let (states, statuses) = match of.revision {
        1 => (u16::from(info.u8(150)?), u16::from(info.u8(151)?)),
        _ => (info.u16(150)?, info.u16(152)?),
    };
    let has = |bit: u16| flags & bit != 0;
    let not = |bit: u16| inverted & bit != 0;
    let state = has(bit::STATE).then(|| Test::new(not(bit::STATE), CtStates(states)));
    if has(bit::STATE_ALIAS) {
        let only = flags & !(bit::STATE | bit::STATE_ALIAS) == 0;
        return if only { state.map(Match::State) } else { None };
    }
    let address = |which: usize| {
        let bit = *bit::ADDRESSES.get(which)?;
        if !has(bit) {
            return Some(None);
        }
        let at = 32 * which;
        let net =
            Net { address: info.address(at, of.family)?, mask: info.address(at + 16, of.family)? };
        Some(Some(Test::new(not(bit), net)))
    };
    let port = |which: usize| {
        let bit = *bit::PORTS.get(which)?;
        if !has(bit) {
            return Some(None);
        }
        let low = 138 + 2 * which;
        let range = match of.revision {
            // older revisions have one port, in network order
            1 | 2 => PortRange::one(info.be16(low)?),
            _ => {
                let (min, max) = (info.u16(low)?, info.u16(154 + 2 * which)?);
                PortRange { min, max: if max == 0 { min } else { max } }
            }
        };
        Some(Some(Test::new(not(bit), range)))
    };
    let expiry = Expiry { min: info.u32(128)?, max: info.u32(132)? };
    let found = Conntrack {
        state,
        protocol: has(bit::PROTO)
            .then(|| Some(Test::new(not(bit::PROTO), Proto(info.u16(136)?))))
            .flatten(),
        original_source: address(0)?,
        original_destination: address(1)?,
        reply_source: address(2)?,
        reply_destination: address(3)?,
        original_source_port: port(0)?,
        original_destination_port: port(1)?,
        reply_source_port: port(2)?,
        reply_destination_port: port(3)?,
        status: has(bit::STATUS).then(|| Test::new(not(bit::STATUS), CtStatus(statuses))),
        expiry: has(bit::EXPIRES).then(|| Test::new(not(bit::EXPIRES), expiry)),
        direction: has(bit::DIRECTION).then_some(if not(bit::DIRECTION) {
            Direction::Reply
        } else {
            Direction::Original
        }),
    };
    Some(Match::Conntrack(Box::new(found)))
}

/// `struct xt_state_info`
pub(crate) fn decode_state(info: Info<'_>) -> Option<Match> {
    // here untracked is where SNAT is in the newer structure
    let mask = info.u32(0)?;
    let untracked = mask >> 6 & 1;
    let states = (mask & 0xf) as u16 | (untracked << 8) as u16;
    (mask & !0x4f == 0).then_some(Match::State(Test::Is(CtStates(states))))
}

impl Conntrack {
    pub(crate) fn save(&self, out: &mut String) {
        option(out, "--ctstate", self.state.as_ref());
        let number = self.protocol.map(|test| Test::new(test.is_not(), test.value().0));
        option(out, "--ctproto", number.as_ref());
        for (name, net) in [
            ("--ctorigsrc", self.original_source),
            ("--ctorigdst", self.original_destination),
            ("--ctreplsrc", self.reply_source),
            ("--ctrepldst", self.reply_destination),
        ] {
            let text = net.map(|test| Test::new(test.is_not(), test.value().short_text()));
            option(out, name, text.as_ref());
        }
        option(out, "--ctorigsrcport", self.original_source_port.as_ref());
        option(out, "--ctorigdstport", self.original_destination_port.as_ref());
        option(out, "--ctreplsrcport", self.reply_source_port.as_ref());
        option(out, "--ctrepldstport", self.reply_destination_port.as_ref());
        let status = self.status.map(|test| {
            let text =
                if test.value().0 == 0 { "NONE".to_owned() } else { test.value().to_string() };
            Test::new(test.is_not(), text)
        });
        option(out, "--ctstatus", status.as_ref());
        option(out, "--ctexpire", self.expiry.as_ref());
        match self.direction {
            Some(Direction::Original) => *out += " --ctdir ORIGINAL",
            Some(Direction::Reply) => *out += " --ctdir REPLY",
            None => {}
        }
    }

    pub(crate) fn read(options: &mut Options, _: Family) -> Option<Self> {
        let status = |text: &str| match text {
            "NONE" => Some(CtStatus(0)),
            _ => text.parse().ok(),
        };
        let direction = |text: &str| match text {
            "ORIGINAL" => Some(Direction::Original),
            "REPLY" => Some(Direction::Reply),
            _ => None,
        };
        Some(Self {
            state: options.test(&["ctstate"], read)?,
            protocol: options.test(&["ctproto"], read)?,
            original_source: options.test(&["ctorigsrc"], read)?,
            original_destination: options.test(&["ctorigdst"], read)?,
            reply_source: options.test(&["ctreplsrc"], read)?,
            reply_destination: options.test(&["ctrepldst"], read)?,
            original_source_port: options.test(&["ctorigsrcport"], read)?,
            original_destination_port: options.test(&["ctorigdstport"], read)?,
            reply_source_port: options.test(&["ctreplsrcport"], read)?,
            reply_destination_port: options.test(&["ctrepldstport"], read)?,
            status: options.test(&["ctstatus"], status)?,
            expiry: options.test(&["ctexpire"], Expiry::parse)?,
            direction: options.value(&["ctdir"], direction)?,
        })
    }
}
