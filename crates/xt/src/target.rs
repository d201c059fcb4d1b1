//! Owns targets: what a rule does.

mod ct;
mod log;
mod mark;
mod nat;
mod packet;
mod reject;
mod tproxy;

use serde::{Deserialize, Serialize};

pub use self::{
    ct::{Ct, CtZone, ZoneId, ZoneOf},
    log::{Log, Nflog},
    mark::{Connmark, ConnmarkMode, MarkTarget, Shift},
    nat::{Nat, NatFlags},
    packet::{Checksum, Tcpmss},
    reject::Reject,
    tproxy::Tproxy,
};
use crate::{
    info::{Info, Of},
    matches::{Extension, read_unknown, save_unknown},
    text::{options::Options, words},
    value::Hex,
    view::Family,
};

/// What a rule does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Target {
    /// Ends the table with yes.
    Accept,
    /// Ends everything.
    Drop,
    /// Back to the caller, or to the policy.
    Return,
    /// To a program (old kernels).
    Queue,
    /// Into a chain and back.
    Jump(String),
    /// Into a chain, not back.
    Goto(String),
    /// `-j REJECT`
    Reject(Reject),
    /// `-j MARK`
    Mark(MarkTarget),
    /// `-j CONNMARK`
    Connmark(Connmark),
    /// `-j DNAT`
    Dnat(Box<Nat>),
    /// `-j SNAT`
    Snat(Box<Nat>),
    /// `-j MASQUERADE`
    Masquerade(Box<Nat>),
    /// `-j REDIRECT`
    Redirect(Box<Nat>),
    /// `-j LOG`
    Log(Box<Log>),
    /// `-j NFLOG`
    Nflog(Box<Nflog>),
    /// `-j CT`, `-j NOTRACK`
    Ct(Box<Ct>),
    /// `-j TPROXY`
    Tproxy(Tproxy),
    /// `-j TCPMSS`
    Tcpmss(Tcpmss),
    /// `-j CHECKSUM`
    Checksum(Checksum),
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
        /// Name of the target.
        name: String,
        /// Its options as they were written.
        words: Vec<String>,
    },
}

/// Targets of the kernel without a type here that may stand without options, and so look like the
/// name of a chain in a text.
const BARE: [&str; 20] = [
    "AUDIT",
    "CHECKSUM",
    "CLUSTERIP",
    "CONNSECMARK",
    "ECN",
    "HL",
    "MIRROR",
    "NETMAP",
    "NFQUEUE",
    "RATEEST",
    "SECMARK",
    "SET",
    "SYNPROXY",
    "TCPMSS",
    "TCPOPTSTRIP",
    "TEE",
    "TOS",
    "TRACE",
    "TTL",
    "ULOG",
];

/// Calls `$then!` with every typed target: variant, name, type, revisions.
macro_rules! typed {
    ($then:ident) => {
        $then! {
            Reject "REJECT" Reject 0..=0, Mark "MARK" MarkTarget 2..=2,
            Connmark "CONNMARK" Connmark 1..=2, Dnat "DNAT" Nat 0..=2, Snat "SNAT" Nat 0..=2,
            Masquerade "MASQUERADE" Nat 0..=0, Redirect "REDIRECT" Nat 0..=0,
            Log "LOG" Log 0..=0, Nflog "NFLOG" Nflog 0..=0, Tproxy "TPROXY" Tproxy 0..=1,
            Tcpmss "TCPMSS" Tcpmss 0..=0, Checksum "CHECKSUM" Checksum 0..=0,
        }
    };
}

impl Target {
    /// Whether it has a type here.
    pub fn is_known(&self) -> bool {
        !matches!(self, Self::Unknown { .. } | Self::Verbatim { .. })
    }

    /// The chain it leads to.
    pub fn chain(&self) -> Option<&str> {
        match self {
            Self::Jump(chain) | Self::Goto(chain) => Some(chain),
            _ => None,
        }
    }

    /// The name it is called by with `-j`; for jumps the chain.
    pub fn name(&self) -> &str {
        macro_rules! names {
            ($($variant:ident $name:literal $type:ident $revisions:expr,)*) => {
                match self {
                    $(Self::$variant(_) => $name,)*
                    Self::Accept => "ACCEPT",
                    Self::Drop => "DROP",
                    Self::Return => "RETURN",
                    Self::Queue => "QUEUE",
                    Self::Ct(ct) => ct.name(),
                    Self::Jump(name)
                    | Self::Goto(name)
                    | Self::Unknown { name, .. }
                    | Self::Verbatim { name, .. } => name,
                }
            };
        }
        typed!(names)
    }

    /// A verdict of x_tables: `-NF_ACCEPT - 1` and so on; jumps are not negative.
    pub(crate) fn from_verdict(verdict: i32) -> Option<Self> {
        match verdict {
            -1 => Some(Self::Drop),
            -2 => Some(Self::Accept),
            -4 => Some(Self::Queue),
            -5 => Some(Self::Return),
            _ => None,
        }
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
                    ("CT", 0..=2) => Ct::decode(info, of).map(Box::new).map(Self::Ct),
                    // has no structure
                    ("NOTRACK", 0) => Some(Self::Ct(Box::new(Ct::notrack_by_old_name()))),
                    _ => None,
                }
            };
        }
        typed!(decoded)
    }

    /// Appends ` -j name options…`.
    pub(crate) fn save(&self, out: &mut String) {
        *out += if matches!(self, Self::Goto(_)) { " -g" } else { " -j" };
        words::save_name(self.name(), out);
        match self {
            Self::Reject(reject) => reject.save(out),
            Self::Mark(mark) => mark.save(out),
            Self::Connmark(connmark) => connmark.save(out),
            Self::Dnat(nat) => nat.save_as("--to-destination", out),
            Self::Snat(nat) => nat.save_as("--to-source", out),
            Self::Masquerade(nat) | Self::Redirect(nat) => nat.save_as("--to-ports", out),
            Self::Log(log) => log.save(out),
            Self::Nflog(log) => log.save(out),
            Self::Ct(ct) => ct.save(out),
            Self::Tproxy(tproxy) => tproxy.save(out),
            Self::Tcpmss(mss) => mss.save(out),
            Self::Checksum(checksum) => checksum.save(out),
            Self::Unknown { revision, bytes, .. } => save_unknown(*revision, bytes, out),
            Self::Verbatim { words, .. } => {
                for word in words {
                    out.push(' ');
                    *out += word;
                }
            }
            Self::Accept
            | Self::Drop
            | Self::Return
            | Self::Queue
            | Self::Jump(_)
            | Self::Goto(_) => {}
        }
    }

    /// Out of options; nothing if there is an option that has no type here.
    pub(crate) fn read(name: &str, options: Options, family: Family) -> Option<Self> {
        let mut options = options;
        let options = &mut options;
        macro_rules! read {
            ($($variant:ident $name:literal $type:ident $revisions:expr,)*) => {
                match name {
                    $($name => Self::$variant($type::read(options, family)?.into()),)*
                    "ACCEPT" => Self::Accept,
                    "DROP" => Self::Drop,
                    "RETURN" => Self::Return,
                    "QUEUE" => Self::Queue,
                    "CT" => Self::Ct(Box::new(Ct::read(options, family)?)),
                    "NOTRACK" => Self::Ct(Box::new(Ct::notrack_by_old_name())),
                    _ if !options.0.is_empty() => {
                        let (revision, bytes) = read_unknown(options)?;
                        Self::Unknown { name: name.to_owned(), revision, bytes }
                    }
                    _ if BARE.contains(&name) => return None,
                    _ => Self::Jump(name.to_owned()),
                }
            };
        }
        let found = typed!(read);
        options.done()?;
        Some(found)
    }
}
