//! Owns recent and nfacct, which kube-proxy writes: linux/netfilter/xt_recent.h, xt_nfacct.h.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use super::Extension;
use crate::{
    info::{Info, Of},
    text::{
        options::{Options, read},
        words::{save_name, save_string},
    },
    value::{Test, address_text},
    view::Family,
};

/// `-m recent`: a list of addresses and when they were seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recent {
    /// What is done with the list.
    pub action: Test<RecentAction>,
    /// `--seconds`: seen within; 0 is ever.
    #[serde(default)]
    pub seconds: u32,
    /// `--reap`: older ones are forgotten.
    #[serde(default)]
    pub reap: bool,
    /// `--hitcount`: seen so often; 0 is once.
    #[serde(default)]
    pub hits: u32,
    /// `--rttl`: and with the same TTL.
    #[serde(default)]
    pub ttl: bool,
    /// `--name`: which list.
    pub name: String,
    /// `--mask`: bits of the address that count; older rules have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<IpAddr>,
    /// `--rsource`, `--rdest`: which address.
    pub of: RecentOf,
}

/// What is done with a list of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecentAction {
    /// `--set`: the address is put in.
    Set,
    /// `--rcheck`: is it in?
    Check,
    /// `--update`: is it in? Then it was seen now.
    Update,
    /// `--remove`: it is taken out.
    Remove,
}

/// Which address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecentOf {
    /// The source.
    Source,
    /// The destination.
    Destination,
}

const ACTIONS: [(u8, RecentAction, &str); 4] = [
    (2, RecentAction::Set, "set"),
    (1, RecentAction::Check, "rcheck"),
    (4, RecentAction::Update, "update"),
    (8, RecentAction::Remove, "remove"),
];
const TTL: u8 = 0x10;
const REAP: u8 = 0x20;

impl Extension for Recent {
    fn decode(info: Info<'_>, of: Of) -> Option<Self> {
        let flags = info.u8(8)?;
        let action = ACTIONS.iter().find(|(bit, ..)| flags & !(TTL | REAP) == *bit)?.1;
        let mask = match of.revision {
            0 => None,
            _ => Some(info.address(212, of.family)?),
        };
        Some(Self {
            action: Test::new(info.u8(9)? != 0, action),
            seconds: info.u32(0)?,
            reap: flags & REAP != 0,
            hits: info.u32(4)?,
            ttl: flags & TTL != 0,
            name: info.text(10, 200)?,
            mask,
            of: match info.u8(210)? {
                0 => RecentOf::Source,
                1 => RecentOf::Destination,
                _ => return None,
            },
        })
    }

    fn save(&self, out: &mut String) {
        *out += self.action.bang();
        let named = ACTIONS.iter().find(|(_, action, _)| action == self.action.value());
        if let Some((.., name)) = named {
            *out += " --";
            *out += name;
        }
        if self.seconds != 0 {
            put!(out, " --seconds {}", self.seconds);
        }
        if self.reap {
            *out += " --reap";
        }
        if self.hits != 0 {
            put!(out, " --hitcount {}", self.hits);
        }
        if self.ttl {
            *out += " --rttl";
        }
        *out += " --name";
        save_name(&self.name, out);
        if let Some(mask) = self.mask {
            put!(out, " --mask {}", address_text(mask));
        }
        *out += match self.of {
            RecentOf::Source => " --rsource",
            RecentOf::Destination => " --rdest",
        };
    }

    fn read(options: &mut Options, family: Family) -> Option<Self> {
        let mut action = None;
        for (_, one, name) in ACTIONS {
            if let Some(flag) = options.flag(name)? {
                action = Some(Test::new(flag.is_not(), one));
            }
        }
        let all = match family {
            Family::V4 => IpAddr::V4(Ipv4Addr::BROADCAST),
            Family::V6 => IpAddr::V6(Ipv6Addr::from_bits(u128::MAX)),
        };
        let destination = options.switch("rdest")?;
        options.switch("rsource")?;
        Some(Self {
            action: action?,
            seconds: options.value(&["seconds"], read)?.unwrap_or(0),
            reap: options.switch("reap")?,
            hits: options.value(&["hitcount"], read)?.unwrap_or(0),
            ttl: options.switch("rttl")?,
            name: options.value(&["name"], read)?.unwrap_or_else(|| "DEFAULT".to_owned()),
            mask: Some(options.value(&["mask"], read)?.unwrap_or(all)),
            of: if destination { RecentOf::Destination } else { RecentOf::Source },
        })
    }
}

/// `-m nfacct`: counts into a named counter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nfacct {
    /// `--nfacct-name`
    pub name: String,
}

impl Extension for Nfacct {
    fn decode(info: Info<'_>, _: Of) -> Option<Self> {
        Some(Self { name: info.text(0, 32)? })
    }

    fn save(&self, out: &mut String) {
        // the tools print two spaces
        *out += " --nfacct-name ";
        save_string(&self.name, out);
    }

    fn read(options: &mut Options, _: Family) -> Option<Self> {
        Some(Self { name: options.value(&["nfacct-name"], read)?? })
    }
}
