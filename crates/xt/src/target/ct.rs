//! Owns CT and its older name NOTRACK: linux/netfilter/xt_CT.h.

use serde::{Deserialize, Serialize};

use crate::{
    info::{Info, Of},
    matches::Extension,
    text::{
        options::{Options, read},
        words::save_name,
    },
    value::CtEvents,
    view::Family,
};

/// `-j CT`: how the connection of a packet will be tracked.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ct {
    /// `--notrack`: not at all.
    #[serde(default)]
    pub notrack: bool,
    /// Written as `-j NOTRACK`.
    #[serde(default)]
    pub by_old_name: bool,
    /// `--helper`
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub helper: String,
    /// `--timeout`
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub timeout: String,
    /// `--ctevents`
    #[serde(default)]
    pub events: CtEvents,
    /// `--expevents`
    #[serde(default)]
    pub expected_events: CtEvents,
    /// `--zone`, `--zone-orig`, `--zone-reply`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<CtZone>,
}

/// A zone, and for which direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CtZone {
    /// Which zone.
    pub id: ZoneId,
    /// For which direction.
    pub of: ZoneOf,
}

/// A zone's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ZoneId {
    /// This.
    Number(u16),
    /// The packet's mark.
    Mark,
}

/// For which direction a zone counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ZoneOf {
    /// Both.
    Both,
    /// As the first packet.
    Original,
    /// Back.
    Reply,
}

const NOTRACK: u16 = 1;
const ALIAS: u16 = 2;
const ORIGINAL: u16 = 4;
const REPLY: u16 = 8;
const MARK: u16 = 16;

impl Ct {
    /// `-j NOTRACK`
    pub(crate) fn notrack_by_old_name() -> Self {
        Self { notrack: true, by_old_name: true, ..Self::default() }
    }

    pub(crate) fn name(&self) -> &'static str {
        if self.by_old_name { "NOTRACK" } else { "CT" }
    }
}

impl Extension for Ct {
    fn decode(info: Info<'_>, of: Of) -> Option<Self> {
        let (flags, number) = (info.u16(0)?, info.u16(2)?);
        if flags & !(NOTRACK | ALIAS | ORIGINAL | REPLY | MARK) != 0 {
            return None;
        }
        let id = if flags & MARK != 0 { ZoneId::Mark } else { ZoneId::Number(number) };
        let direction = match flags & (ORIGINAL | REPLY) {
            ORIGINAL => ZoneOf::Original,
            REPLY => ZoneOf::Reply,
            _ => ZoneOf::Both,
        };
        let (events, expected) = (CtEvents(info.u32(4)?), CtEvents(info.u32(8)?));
        // of expectations there is one event, new
        if !events.is_known() || expected.0 > 1 {
            return None;
        }
        Some(Self {
            notrack: flags & NOTRACK != 0,
            by_old_name: flags & ALIAS != 0,
            helper: info.text(12, 16)?,
            timeout: if of.revision == 0 { String::new() } else { info.text(28, 32)? },
            events,
            expected_events: expected,
            zone: (flags & MARK != 0 || number != 0).then_some(CtZone { id, of: direction }),
        })
    }

    fn save(&self, out: &mut String) {
        if self.by_old_name {
            return;
        }
        if self.notrack {
            *out += " --notrack";
        }
        for (name, value) in [(" --helper", &self.helper), (" --timeout", &self.timeout)] {
            if !value.is_empty() {
                *out += name;
                save_name(value, out);
            }
        }
        for (name, events) in [("--ctevents", self.events), ("--expevents", self.expected_events)] {
            if events.0 != 0 {
                put!(out, " {name} {events}");
            }
        }
        if let Some(zone) = self.zone {
            *out += match zone.of {
                ZoneOf::Both => " --zone",
                ZoneOf::Original => " --zone-orig",
                ZoneOf::Reply => " --zone-reply",
            };
            match zone.id {
                ZoneId::Mark => put!(out, " mark"),
                ZoneId::Number(number) => put!(out, " {number}"),
            }
        }
    }

    fn read(options: &mut Options, _: Family) -> Option<Self> {
        let id = |text: &str| match text {
            "mark" => Some(ZoneId::Mark),
            _ => text.parse().ok().map(ZoneId::Number),
        };
        let mut zone = None;
        for (name, of) in
            [("zone", ZoneOf::Both), ("zone-orig", ZoneOf::Original), ("zone-reply", ZoneOf::Reply)]
        {
            if let Some(id) = options.value(&[name], id)? {
                zone = Some(CtZone { id, of });
            }
        }
        Some(Self {
            notrack: options.switch("notrack")?,
            by_old_name: false,
            helper: options.value(&["helper"], read)?.unwrap_or_default(),
            timeout: options.value(&["timeout"], read)?.unwrap_or_default(),
            events: options.value(&["ctevents"], read)?.unwrap_or_default(),
            expected_events: options.value(&["expevents"], read)?.unwrap_or_default(),
            zone,
        })
    }
}
