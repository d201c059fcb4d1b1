//! Owns LOG and NFLOG: linux/netfilter/xt_LOG.h, xt_NFLOG.h.

use serde::{Deserialize, Serialize};

use crate::{
    info::{Info, Of},
    matches::Extension,
    text::{
        options::{Options, read},
        words::save_string,
    },
    value::LogFlags,
    view::Family,
};

/// `-j LOG`: to the kernel's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    /// `--log-prefix`
    #[serde(default)]
    pub prefix: String,
    /// `--log-level`, 0 (emergency) to 7 (debug).
    pub level: u8,
    /// What is printed beside the packet.
    #[serde(default)]
    pub flags: LogFlags,
}

/// `-j NFLOG`: to programs that listen to a netlink group.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Nflog {
    /// `--nflog-prefix`
    #[serde(default)]
    pub prefix: String,
    /// `--nflog-group`
    pub group: u16,
    /// `--nflog-size`: bytes of the packet that are sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u32>,
    /// `--nflog-range`: what was meant to be the size and never worked.
    #[serde(default)]
    pub range: u32,
    /// `--nflog-threshold`: packets to collect before they are sent.
    #[serde(default)]
    pub threshold: u16,
}

/// `LOG_WARNING`; not printed.
const LEVEL: u8 = 4;

const LEVELS: [(&str, u8); 11] = [
    ("emerg", 0),
    ("panic", 0),
    ("alert", 1),
    ("crit", 2),
    ("err", 3),
    ("error", 3),
    ("warning", 4),
    ("warn", 4),
    ("notice", 5),
    ("info", 6),
    ("debug", 7),
];

fn level(text: &str) -> Option<u8> {
    let named = LEVELS.iter().find(|(name, _)| *name == text).map(|(_, level)| *level);
    named.or_else(|| text.parse().ok())
}

impl Extension for Log {
    fn decode(info: Info<'_>, _: Of) -> Option<Self> {
        let flags = LogFlags(info.u8(1)?);
        let prefix = info.text(2, 30)?;
        flags.is_known().then_some(Self { prefix, level: info.u8(0)?, flags })
    }

    fn save(&self, out: &mut String) {
        if !self.prefix.is_empty() {
            *out += " --log-prefix";
            save_string(&self.prefix, out);
        }
        if self.level != LEVEL {
            put!(out, " --log-level {}", self.level);
        }
        for flag in self.flags.names() {
            *out += " --log-";
            *out += flag;
        }
    }

    fn read(options: &mut Options, _: Family) -> Option<Self> {
        let mut flags = LogFlags::default();
        for (name, bit) in [
            ("log-tcp-sequence", 1),
            ("log-tcp-options", 2),
            ("log-ip-options", 4),
            ("log-uid", 8),
            ("log-macdecode", 0x20),
        ] {
            flags.0 |= if options.switch(name)? { bit } else { 0 };
        }
        Some(Self {
            prefix: options.value(&["log-prefix"], read)?.unwrap_or_default(),
            level: options.value(&["log-level"], level)?.unwrap_or(LEVEL),
            flags,
        })
    }
}

impl Extension for Nflog {
    fn decode(info: Info<'_>, _: Of) -> Option<Self> {
        let (length, flags) = (info.u32(0)?, info.u16(8)?);
        let sized = match flags {
            0 => false,
            1 => true,
            _ => return None,
        };
        Some(Self {
            prefix: info.text(12, 64)?,
            group: info.u16(4)?,
            size: sized.then_some(length),
            range: if sized { 0 } else { length },
            threshold: info.u16(6)?,
        })
    }

    fn save(&self, out: &mut String) {
        if !self.prefix.is_empty() {
            *out += " --nflog-prefix";
            save_string(&self.prefix, out);
        }
        if self.group != 0 {
            put!(out, " --nflog-group {}", self.group);
        }
        match self.size {
            Some(size) => put!(out, " --nflog-size {size}"),
            None if self.range != 0 => put!(out, " --nflog-range {}", self.range),
            None => {}
        }
        if self.threshold != 0 {
            put!(out, " --nflog-threshold {}", self.threshold);
        }
    }

    fn read(options: &mut Options, _: Family) -> Option<Self> {
        Some(Self {
            prefix: options.value(&["nflog-prefix"], read)?.unwrap_or_default(),
            group: options.value(&["nflog-group"], read)?.unwrap_or(0),
            size: options.value(&["nflog-size"], read)?,
            range: options.value(&["nflog-range"], read)?.unwrap_or(0),
            threshold: options.value(&["nflog-threshold"], read)?.unwrap_or(0),
        })
    }
}
