//! Owns tcp, udp and multiport: linux/netfilter/xt_tcpudp.h, xt_multiport.h.

use serde::{Deserialize, Serialize};

use super::Extension;
use crate::{
    info::{Info, Of},
    text::options::{Maybe, Options, read},
    value::{PortRange, PortRanges, TcpFlags, Test},
    view::{Family, option},
};

/// `-m tcp`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tcp {
    /// `--sport`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Test<PortRange>>,
    /// `--dport`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<Test<PortRange>>,
    /// `--tcp-option`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub option: Option<Test<u8>>,
    /// `--tcp-flags`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flags: Option<Test<TcpFlagTest>>,
}

/// Of the flags in `mask`, exactly those in `set` are set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpFlagTest {
    /// The flags that count.
    pub mask: TcpFlags,
    /// Those that must be set.
    pub set: TcpFlags,
}

/// `-m udp`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Udp {
    /// `--sport`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Test<PortRange>>,
    /// `--dport`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<Test<PortRange>>,
}

/// Which port multiport looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MultiportOf {
    /// `--sports`
    Source,
    /// `--dports`
    Destination,
    /// `--ports`
    Either,
}

/// `-m multiport`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Multiport {
    /// Which port.
    pub of: MultiportOf,
    /// At most 15, a range counts twice.
    pub ports: Test<PortRanges>,
}

/// Every port and no `!` asks nothing. With `!` nothing can match, which must be seen; iptables
/// before 1.8.10 does not print it.
pub(crate) fn asked(not: bool, min: u16, max: u16) -> Option<Test<PortRange>> {
    let range = PortRange { min, max };
    (not || range != PortRange::ALL).then(|| Test::new(not, range))
}

fn read_ports(options: &mut Options, names: &[&str]) -> Maybe<Test<PortRange>> {
    let test = options.test(names, read::<PortRange>)?;
    Some(test.and_then(|test| asked(test.is_not(), test.value().min, test.value().max)))
}

pub(crate) const SPORT: [&str; 2] = ["sport", "source-port"];
pub(crate) const DPORT: [&str; 2] = ["dport", "destination-port"];

impl Extension for Tcp {
    fn decode(info: Info<'_>, _: Of) -> Option<Self> {
        let inverted = info.u8(11)?;
        let (number, mask, set) = (info.u8(8)?, info.u8(9)?, info.u8(10)?);
        let flags = TcpFlagTest { mask: TcpFlags(mask), set: TcpFlags(set) };
        Some(Self {
            source: asked(inverted & 1 != 0, info.u16(0)?, info.u16(2)?),
            destination: asked(inverted & 2 != 0, info.u16(4)?, info.u16(6)?),
            option: (number != 0 || inverted & 8 != 0)
                .then(|| Test::new(inverted & 8 != 0, number)),
            flags: (mask != 0 || inverted & 4 != 0).then(|| Test::new(inverted & 4 != 0, flags)),
        })
    }

    fn save(&self, out: &mut String) {
        option(out, "--sport", self.source.as_ref());
        option(out, "--dport", self.destination.as_ref());
        option(out, "--tcp-option", self.option.as_ref());
        if let Some(test) = &self.flags {
            let TcpFlagTest { mask, set } = test.value();
            put!(out, "{} --tcp-flags {} {}", test.bang(), mask.option_text(), set.option_text());
        }
    }

    fn read(options: &mut Options, _: Family) -> Option<Self> {
        let flags = match options.pair("tcp-flags")? {
            None => options.flag("syn")?.map(|syn| {
                let flags = TcpFlagTest { mask: TcpFlags(0x17), set: TcpFlags(2) };
                Test::new(syn.is_not(), flags)
            }),
            Some(pair) => {
                let (mask, set) = pair.value();
                let mask = TcpFlags::from_option(mask)?;
                let flags = TcpFlagTest { mask, set: TcpFlags::from_option(set)? };
                Some(Test::new(pair.is_not(), flags))
            }
        };
        Some(Self {
            source: read_ports(options, &SPORT)?,
            destination: read_ports(options, &DPORT)?,
            option: options.test(&["tcp-option"], read)?,
            flags,
        })
    }
}

impl Extension for Udp {
    fn decode(info: Info<'_>, _: Of) -> Option<Self> {
        let inverted = info.u8(8)?;
        Some(Self {
            source: asked(inverted & 1 != 0, info.u16(0)?, info.u16(2)?),
            destination: asked(inverted & 2 != 0, info.u16(4)?, info.u16(6)?),
        })
    }

    fn save(&self, out: &mut String) {
        option(out, "--sport", self.source.as_ref());
        option(out, "--dport", self.destination.as_ref());
    }

    fn read(options: &mut Options, _: Family) -> Option<Self> {
        Some(Self {
            source: read_ports(options, &SPORT)?,
            destination: read_ports(options, &DPORT)?,
        })
    }
}

/// `XT_MULTI_PORTS`
const MULTI_PORTS: usize = 15;

impl Extension for Multiport {
    fn decode(info: Info<'_>, of: Of) -> Option<Self> {
        let direction = match info.u8(0)? {
            0 => MultiportOf::Source,
            1 => MultiportOf::Destination,
            2 => MultiportOf::Either,
            _ => return None,
        };
        let count = usize::from(info.u8(1)?);
        if count > MULTI_PORTS {
            return None;
        }
        let port = |index: usize| info.u16(2 + 2 * index);
        let spans = |index: usize| match of.revision {
            0 => Some(false),
            _ => Some(info.u8(32 + index)? != 0),
        };
        let mut ranges = Vec::new();
        let mut index = 0;
        while index < count {
            let min = port(index)?;
            let max = if spans(index)? {
                index += 1;
                if index < count { port(index)? } else { return None }
            } else {
                min
            };
            ranges.push(PortRange { min, max });
            index += 1;
        }
        let not = of.revision > 0 && info.u8(47)? != 0;
        Some(Self { of: direction, ports: Test::new(not, PortRanges(ranges)) })
    }

    fn save(&self, out: &mut String) {
        let name = match self.of {
            MultiportOf::Source => "--sports",
            MultiportOf::Destination => "--dports",
            MultiportOf::Either => "--ports",
        };
        option(out, name, Some(&self.ports));
    }

    fn read(options: &mut Options, _: Family) -> Option<Self> {
        let names: [(MultiportOf, &[&str]); 3] = [
            (MultiportOf::Source, &["sports", "source-ports"]),
            (MultiportOf::Destination, &["dports", "destination-ports"]),
            (MultiportOf::Either, &["ports"]),
        ];
        for (of, names) in names {
            if let Some(ports) = options.test(names, read)? {
                return Some(Self { of, ports });
            }
        }
        None
    }
}
