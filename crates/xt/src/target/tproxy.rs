//! Owns TPROXY: linux/netfilter/xt_TPROXY.h.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::{
    info::{Info, Of},
    matches::Extension,
    text::options::{Options, read},
    value::{Masked, address_text},
    view::Family,
};

/// `-j TPROXY`: to a socket of this machine, addresses unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tproxy {
    /// `--on-port`; 0 is the packet's.
    pub port: u16,
    /// `--on-ip`; the unspecified address is that of the interface.
    pub address: IpAddr,
    /// `--tproxy-mark`
    pub mark: Masked,
}

impl Extension for Tproxy {
    fn decode(info: Info<'_>, of: Of) -> Option<Self> {
        let port = if of.revision == 0 { 12 } else { 24 };
        if of.revision == 0 && of.family == Family::V6 {
            return None;
        }
        Some(Self {
            port: info.be16(port)?,
            address: info.address(8, of.family)?,
            mark: Masked { value: info.u32(4)?, mask: info.u32(0)? },
        })
    }

    fn save(&self, out: &mut String) {
        let Self { port, address, mark } = self;
        put!(out, " --on-port {port} --on-ip {}", address_text(*address));
        put!(out, " --tproxy-mark {}", mark.full_text());
    }

    fn read(options: &mut Options, family: Family) -> Option<Self> {
        let any = match family {
            Family::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Family::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let mark = options.value(&["tproxy-mark"], Masked::parse)?;
        Some(Self {
            port: options.value(&["on-port"], read)??,
            address: options.value(&["on-ip"], read)?.unwrap_or(any),
            mark: mark.unwrap_or(Masked { value: 0, mask: 0 }),
        })
    }
}
