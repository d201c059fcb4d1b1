//! Owns REJECT: linux/netfilter_ipv4/ipt_REJECT.h, linux/netfilter_ipv6/ip6t_REJECT.h.

use serde::{Deserialize, Serialize};

use crate::{
    info::{Info, Of},
    matches::Extension,
    text::options::Options,
    view::Family,
};

/// `-j REJECT`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reject {
    /// `--reject-with`: what the sender is told, in the long form that iptables-save prints.
    pub with: String,
}

/// Long and short name, at the number of the kernel.
const V4: [(&str, &str); 9] = [
    ("icmp-net-unreachable", "net-unreach"),
    ("icmp-host-unreachable", "host-unreach"),
    ("icmp-proto-unreachable", "proto-unreach"),
    ("icmp-port-unreachable", "port-unreach"),
    ("", ""),
    ("icmp-net-prohibited", "net-prohib"),
    ("icmp-host-prohibited", "host-prohib"),
    ("tcp-reset", "tcp-rst"),
    ("icmp-admin-prohibited", "admin-prohib"),
];

const V6: [(&str, &str); 9] = [
    ("icmp6-no-route", "no-route"),
    ("icmp6-adm-prohibited", "adm-prohibited"),
    ("", ""),
    ("icmp6-addr-unreachable", "addr-unreach"),
    ("icmp6-port-unreachable", "port-unreach"),
    ("", ""),
    ("tcp-reset", "tcp-rst"),
    ("icmp6-policy-fail", "policy-fail"),
    ("icmp6-reject-route", "reject-route"),
];

const fn names(family: Family) -> &'static [(&'static str, &'static str)] {
    match family {
        Family::V4 => &V4,
        Family::V6 => &V6,
    }
}

impl Extension for Reject {
    fn decode(info: Info<'_>, of: Of) -> Option<Self> {
        let number = usize::try_from(info.u32(0)?).ok()?;
        let (long, _) = names(of.family).get(number).filter(|(long, _)| !long.is_empty())?;
        Some(Self { with: (*long).to_owned() })
    }

    fn save(&self, out: &mut String) {
        *out += " --reject-with ";
        *out += &self.with;
    }

    fn read(options: &mut Options, family: Family) -> Option<Self> {
        let named = |text: &str| {
            let found = names(family)
                .iter()
                .find(|(long, short)| !text.is_empty() && (*long == text || *short == text));
            found.map(|(long, _)| (*long).to_owned())
        };
        let with = match options.value(&["reject-with"], named)? {
            Some(with) => with,
            // port unreachable if nobody says otherwise
            None => match family {
                Family::V4 => "icmp-port-unreachable".to_owned(),
                Family::V6 => "icmp6-port-unreachable".to_owned(),
            },
        };
        Some(Self { with })
    }
}
