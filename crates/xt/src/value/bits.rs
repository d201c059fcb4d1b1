//! Owns sets of bits with names: TCP flags, address types, conntrack states and the like.

/// Defines a set of named bits. Its text is the names in the order given here, which is the order
/// the tools print; bits without a name follow as one number.
macro_rules! named_bits {
    ($(#[$meta:meta])* $name:ident($repr:ty) = $($text:literal $bit:expr),+ $(,)?) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
        pub struct $name(pub $repr);

        impl $name {
            const NAMES: &'static [(&'static str, $repr)] = &[$(($text, $bit)),+];

            /// Whether the bit of this name (in the case the tools print) is there.
            pub fn has(self, name: &str) -> bool {
                Self::NAMES.iter().any(|(text, bit)| *text == name && self.0 & bit != 0)
            }

            /// The names, in the order they are printed.
            pub fn names(self) -> impl Iterator<Item = &'static str> {
                Self::NAMES.iter().filter(move |(_, bit)| self.0 & bit != 0).map(|(text, _)| *text)
            }

            /// Whether every bit has a name.
            pub fn is_known(self) -> bool {
                Self::NAMES.iter().fold(self.0, |rest, (_, bit)| rest & !bit) == 0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let mut rest = self.0;
                let mut comma = "";
                for (text, bit) in Self::NAMES {
                    if rest & bit != 0 {
                        write!(f, "{comma}{text}")?;
                        rest &= !bit;
                        comma = ",";
                    }
                }
                if rest != 0 { write!(f, "{comma}{rest:#x}") } else { Ok(()) }
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::value::NotA;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let bad = || crate::value::NotA::new(concat!("a list of ", stringify!($name)), text);
                let mut bits = 0;
                for word in text.split(',').filter(|word| !word.is_empty()) {
                    let named = Self::NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
                    bits |= match named {
                        Some((_, bit)) => *bit,
                        None => match crate::value::number(word).map(<$repr>::try_from) {
                            Some(Ok(bits)) => bits,
                            _ => return Err(bad()),
                        },
                    };
                }
                Ok(Self(bits))
            }
        }

        crate::value::as_text!($name);
    };
}
pub(crate) use named_bits;

named_bits! {
    /// Flags of a TCP header.
    TcpFlags(u8) = "FIN" 0x01, "SYN" 0x02, "RST" 0x04, "PSH" 0x08, "ACK" 0x10, "URG" 0x20,
}

impl TcpFlags {
    /// As `--tcp-flags` takes and prints them: `ALL` and `NONE` are words.
    pub(crate) fn option_text(self) -> String {
        if self.0 == 0 { "NONE".to_owned() } else { self.to_string() }
    }

    pub(crate) fn from_option(text: &str) -> Option<Self> {
        let mut flags = 0;
        for word in text.split(',') {
            flags |= match word {
                "ALL" => 0x3f,
                "NONE" => 0,
                _ => word.parse::<Self>().ok()?.0,
            };
        }
        Some(Self(flags))
    }
}

named_bits! {
    /// Types of addresses, `1 << RTN_*` of linux/rtnetlink.h.
    AddrTypes(u16) = "UNSPEC" 1, "UNICAST" 1 << 1, "LOCAL" 1 << 2, "BROADCAST" 1 << 3,
        "ANYCAST" 1 << 4, "MULTICAST" 1 << 5, "BLACKHOLE" 1 << 6, "UNREACHABLE" 1 << 7,
        "PROHIBIT" 1 << 8, "THROW" 1 << 9, "NAT" 1 << 10, "XRESOLVE" 1 << 11,
}

named_bits! {
    /// States of a connection, `XT_CONNTRACK_STATE_*` of linux/netfilter/xt_conntrack.h.
    CtStates(u16) = "INVALID" 1, "NEW" 1 << 3, "RELATED" 1 << 2, "ESTABLISHED" 1 << 1,
        "UNTRACKED" 1 << 8, "SNAT" 1 << 6, "DNAT" 1 << 7,
}

named_bits! {
    /// `IPS_*` of linux/netfilter/nf_conntrack_common.h, those that rules can ask for.
    CtStatus(u16) = "EXPECTED" 1, "SEEN_REPLY" 1 << 1, "ASSURED" 1 << 2, "CONFIRMED" 1 << 3,
}

named_bits! {
    /// Events of conntrack, `1 << IPCT_*` of linux/netfilter/nf_conntrack_common.h.
    CtEvents(u32) = "new" 1, "related" 1 << 1, "destroy" 1 << 2, "reply" 1 << 3,
        "assured" 1 << 4, "protoinfo" 1 << 5, "helper" 1 << 6, "mark" 1 << 7,
        "natseqinfo" 1 << 8, "secmark" 1 << 9,
}

named_bits! {
    /// What LOG prints beside the packet, `XT_LOG_*` of linux/netfilter/xt_LOG.h.
    LogFlags(u8) = "tcp-sequence" 1, "tcp-options" 2, "ip-options" 4, "uid" 8, "macdecode" 0x20,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_printed_in_the_order_of_the_tools_and_read_in_any() {
        let states: CtStates = "established,NEW".parse().unwrap();
        assert_eq!(states.to_string(), "NEW,ESTABLISHED");
        assert!(states.has("NEW") && !states.has("INVALID") && states.is_known());
    }

    #[test]
    fn a_bit_without_a_name_is_kept() {
        let flags = TcpFlags(0xc1);
        assert_eq!(flags.to_string(), "FIN,0xc0");
        assert_eq!("FIN,0xc0".parse(), Ok(flags));
        assert!(!flags.is_known());
    }

    #[test]
    fn all_and_none_are_words_of_tcp_flags() {
        assert_eq!(TcpFlags::from_option("ALL"), Some(TcpFlags(0x3f)));
        assert_eq!(TcpFlags::from_option("NONE"), Some(TcpFlags(0)));
        assert_eq!(TcpFlags(0).option_text(), "NONE");
    }
}
