//! Owns matches: what a rule asks beyond its selector.
//!
//! Each extension is a file under `matches/` with three sides: out of the kernel's bytes, to the text
//! of iptables-save, and out of that text.

mod addrtype;
mod conntrack;
mod icmp;
mod limit;
mod mark;
mod physdev;
mod ports;
mod recent;
mod sctp;
mod set;
mod statistic;

use serde::{Deserialize, Serialize};

pub(crate) use self::ports::asked;
pub use self::{
    addrtype::{AddrType, LimitIface},
    conntrack::{Conntrack, Direction, Expiry},
    icmp::{Icmp, IcmpType},
    limit::{Limit, Rate, RateUnit},
    mark::MarkMatch,
    physdev::Physdev,
    ports::{Multiport, MultiportOf, Tcp, TcpFlagTest, Udp},
    recent::{Nfacct, Recent, RecentAction, RecentOf},
    sctp::{Chunk, ChunkMatch, Chunks, Sctp},
    set::{CounterTest, SetDirection, SetMatch, SetName},
    statistic::{Statistic, StatisticMode},
};
use crate::{
    info::{Info, Of},
    text::{options::Options, words},
    value::Hex,
    view::Family,
};

/// One extension's three sides.
pub(crate) trait Extension: Sized {
    /// Out of the kernel's bytes; nothing if they are not what this crate knows.
    fn decode(info: Info<'_>, of: Of) -> Option<Self>;
    /// Appends the options as iptables-save prints them, each with a space before it.
    fn save(&self, out: &mut String);
    /// Out of options; nothing if one is not known or one is missing.
    fn read(options: &mut Options, family: Family) -> Option<Self>;
}

/// Something a rule asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Match {
    /// `-m tcp`
    Tcp(Tcp),
    /// `-m udp`
    Udp(Udp),
    /// `-m sctp`
    Sctp(Box<Sctp>),
    /// `-m icmp`
    Icmp(Icmp),
    /// `-m icmp6`
    Icmp6(Icmp),
    /// `-m multiport`
    Multiport(Multiport),
    /// `-m comment`
    Comment(String),
    /// `-m addrtype`
    Addrtype(AddrType),
    /// `-m conntrack`
    Conntrack(Box<Conntrack>),
    /// `-m state`: conntrack's states by their older name.
    State(crate::Test<crate::CtStates>),
    /// `-m mark`
    Mark(MarkMatch),
    /// `-m connmark`
    Connmark(MarkMatch),
    /// `-m set`
    Set(Box<SetMatch>),
    /// `-m statistic`
    Statistic(Statistic),
    /// `-m physdev`
    Physdev(Box<Physdev>),
    /// `-m limit`
    Limit(Limit),
    /// `-m recent`
    Recent(Box<Recent>),
    /// `-m nfacct`
    Nfacct(Nfacct),
    /// The kernel has it, this crate has no type for it.
    Unknown {
        /// The kernel's name.
        name: String,
        /// Revision of its structure.
        revision: u8,
        /// Its structure.
        bytes: Hex,
    },
    /// A text had it, this crate has no type for it, or not for one of its options.
    Verbatim {
        /// Name of the match; empty for options that belong to no match.
        name: String,
        /// Its options as they were written.
        words: Vec<String>,
    },
    /// Native nf_tables expressions that no iptables option stands for. iptables-nft-save shows such
    /// a rule without them, which makes it look wider than it is.
    Native(String),
}

/// Calls `$then!` with every typed match: variant, name, type, revisions.
macro_rules! typed {
    ($then:ident) => {
        $then! {
            Tcp "tcp" Tcp 0..=0, Udp "udp" Udp 0..=0, Sctp "sctp" Sctp 0..=0,
            Multiport "multiport" Multiport 0..=1, Addrtype "addrtype" AddrType 0..=1,
            Mark "mark" MarkMatch 1..=1, Connmark "connmark" MarkMatch 1..=1,
            Set "set" SetMatch 0..=4, Statistic "statistic" Statistic 0..=0,
            Physdev "physdev" Physdev 0..=0, Limit "limit" Limit 0..=0,
            Recent "recent" Recent 0..=1, Nfacct "nfacct" Nfacct 0..=1,
        }
    };
}

impl Match {
    /// Whether it has a type here.
    pub fn is_known(&self) -> bool {
        !matches!(self, Self::Unknown { .. } | Self::Verbatim { .. } | Self::Native(_))
    }

    /// The name it is called by with `-m`.
    pub fn name(&self) -> &str {
        macro_rules! names {
            ($($variant:ident $name:literal $type:ident $revisions:expr,)*) => {
                match self {
                    $(Self::$variant(_) => $name,)*
                    Self::Icmp(_) => "icmp",
                    Self::Icmp6(_) => "icmp6",
                    Self::Comment(_) => "comment",
                    Self::Conntrack(_) => "conntrack",
                    Self::State(_) => "state",
                    Self::Native(_) => "nft",
                    Self::Unknown { name, .. } | Self::Verbatim { name, .. } => name,
                }
            };
        }
        typed!(names)
    }

    /// Out of the kernel's bytes.
    pub(crate) fn decode(name: &str, bytes: &[u8], of: Of) -> Self {
        Self::decode_known(name, Info(bytes), of).unwrap_or_else(|| Self::Unknown {
            name: name.to_owned(),
            revision: of.revision,
            bytes: Hex(bytes.to_vec()),
        })
    }

    fn decode_known(name: &str, info: Info<'_>, of: Of) -> Option<Self> {
        macro_rules! decoded {
            ($($variant:ident $name:literal $type:ident $revisions:expr,)*) => {
                match (name, of.revision) {
                    $(($name, revision) if ($revisions).contains(&revision) => {
                        Some(Self::$variant($type::decode(info, of)?.into()))
                    })*
                    ("icmp", 0) if of.family == Family::V4 => {
                        Icmp::decode(info, of).map(Self::Icmp)
                    }
                    ("icmp6", 0) if of.family == Family::V6 => {
                        Icmp::decode(info, of).map(Self::Icmp6)
                    }
                    // struct xt_comment_info, linux/netfilter/xt_comment.h
                    ("comment", 0) => info.text(0, info.0.len().min(256)).map(Self::Comment),
                    ("conntrack", 1..=3) => conntrack::decode(info, of),
                    ("state", 0) => conntrack::decode_state(info),
                    _ => None,
                }
            };
        }
        typed!(decoded)
    }

    /// Appends ` -m name options…`.
    pub(crate) fn save(&self, out: &mut String) {
        if let Self::Verbatim { name, words } = self {
            if !name.is_empty() {
                *out += " -m";
                words::save_name(name, out);
            }
            for word in words {
                out.push(' ');
                *out += word;
            }
            return;
        }
        *out += " -m";
        words::save_name(self.name(), out);
        macro_rules! saved {
            ($($variant:ident $name:literal $type:ident $revisions:expr,)*) => {
                match self {
                    $(Self::$variant(known) => known.save(out),)*
                    Self::Icmp(icmp) => icmp.save_as("--icmp-type", out),
                    Self::Icmp6(icmp) => icmp.save_as("--icmpv6-type", out),
                    Self::Comment(text) => {
                        *out += " --comment";
                        words::save_string(text, out);
                    }
                    Self::Conntrack(conntrack) => conntrack.save(out),
                    Self::State(states) => {
                        crate::view::option(out, "--state", Some(states));
                    }
                    Self::Native(text) => {
                        *out += " --expressions";
                        words::save_string(text, out);
                    }
                    Self::Unknown { revision, bytes, .. } => save_unknown(*revision, bytes, out),
                    Self::Verbatim { .. } => {}
                }
            };
        }
        typed!(saved);
    }

    /// Out of options; nothing if there is an option that has no type here.
    pub(crate) fn read(name: &str, options: Options, family: Family) -> Option<Self> {
        let mut options = options;
        let options = &mut options;
        macro_rules! read {
            ($($variant:ident $name:literal $type:ident $revisions:expr,)*) => {
                match name {
                    $($name => Self::$variant($type::read(options, family)?.into()),)*
                    "icmp" => Self::Icmp(Icmp::read(options, Family::V4)?),
                    "icmp6" | "icmpv6" | "ipv6-icmp" => {
                        Self::Icmp6(Icmp::read(options, Family::V6)?)
                    }
                    "comment" => {
                        Self::Comment(options.value(&["comment"], |text| Some(text.to_owned()))??)
                    }
                    "conntrack" => Self::Conntrack(Conntrack::read(options, family)?.into()),
                    "state" => Self::State(options.test(&["state"], crate::text::options::read)??),
                    "nft" => Self::Native(
                        options.value(&["expressions"], |text| Some(text.to_owned()))??,
                    ),
                    _ => {
                        let (revision, bytes) = read_unknown(options)?;
                        Self::Unknown { name: name.to_owned(), revision, bytes }
                    }
                }
            };
        }
        let found = typed!(read);
        options.done()?;
        Some(found)
    }
}

/// How a match or target without a type is printed.
pub(crate) fn save_unknown(revision: u8, bytes: &Hex, out: &mut String) {
    put!(out, " --xt-revision {revision} --xt-bytes 0x{bytes}");
}

pub(crate) fn read_unknown(options: &mut Options) -> Option<(u8, Hex)> {
    let revision = options.value(&["xt-revision"], crate::text::options::read)??;
    let bytes = options.value(&["xt-bytes"], |text| text.strip_prefix("0x")?.parse().ok())??;
    Some((revision, bytes))
}
