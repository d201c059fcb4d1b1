//! Owns what a rule asks of the IP header and the interfaces (`-s -d -i -o -p -f`).

use serde::{Deserialize, Serialize};

use crate::text::words;
use crate::value::{Iface, Net, Proto, Test};

/// Conditions that every rule has room for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Selector {
    /// `-s`: source address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Test<Net>>,
    /// `-d`: destination address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<Test<Net>>,
    /// `-i`: interface it came in by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Test<Iface>>,
    /// `-o`: interface it goes out by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Test<Iface>>,
    /// `-p`: protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Test<Proto>>,
    /// `-f`: a later fragment (IPv4 only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fragment: Option<Test<()>>,
}

impl Selector {
    /// Whether it asks nothing.
    pub fn is_any(&self) -> bool {
        *self == Self::default()
    }

    /// What an address under a mask asks: nothing if it is the unspecified one under no mask. (With
    /// `!` nothing can match, which must be seen.)
    pub(crate) fn net(not: bool, net: Net) -> Option<Test<Net>> {
        let nothing = net.is_any() && (net.address.is_unspecified() || net.address.is_ipv6());
        (not || !nothing).then(|| Test::new(not, net))
    }

    pub(crate) fn save(&self, out: &mut String) {
        let Self { source, destination, input, output, protocol, fragment } = self;
        option(out, "-s", source.as_ref());
        option(out, "-d", destination.as_ref());
        for (name, iface) in [(" -i", input), (" -o", output)] {
            if let Some(iface) = iface {
                *out += iface.bang();
                *out += name;
                words::save_name(&iface.value().0, out);
            }
        }
        option(out, "-p", protocol.as_ref());
        if let Some(fragment) = fragment {
            *out += fragment.bang();
            *out += " -f";
        }
    }
}

/// Appends ` ! -x value`.
pub(crate) fn option<T: std::fmt::Display>(out: &mut String, name: &str, test: Option<&Test<T>>) {
    if let Some(test) = test {
        for piece in [test.bang(), " ", name, " "] {
            *out += piece;
        }
        put!(out, "{}", test.value());
    }
}
