//! The questions that `explain` understands.

use std::fmt;
use std::net::IpAddr;

use model::{NodePort, Protocol};
use thiserror::Error;

/// A question that is not understood.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{0:?} is not understood: ask for 'pod NAMESPACE/NAME', an IP, 'tcp 61000' or 'SRC -> DST tcp 80'"
)]
pub struct InvalidQuery(pub String);

/// One end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    Ip(IpAddr),
    Pod { namespace: String, name: String },
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => write!(f, "{ip}"),
            Self::Pod { namespace, name } => write!(f, "{namespace}/{name}"),
        }
    }
}

/// See the module's documentation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Query {
    Pod { namespace: String, name: String },
    Ip(IpAddr),
    Port(Protocol, NodePort),
    Path { from: End, to: End, protocol: Protocol, port: NodePort },
}

impl Query {
    pub(super) fn parse(text: &str) -> Result<Self, InvalidQuery> {
        let spaced = text.replace("->", " -> ");
        let words: Vec<&str> = spaced.split_whitespace().collect();
        let query = match *words.as_slice() {
            ["pod" | "Pod", name] => pod(name).map(Self::of_pod),
            [word] => end(word).map(|end| match end {
                End::Ip(ip) => Self::Ip(ip),
                End::Pod { namespace, name } => Self::Pod { namespace, name },
            }),
            [protocol, port] => {
                self::port(protocol, port).map(|(protocol, port)| Self::Port(protocol, port))
            }
            [from, "->", to, protocol, port] => end(from)
                .zip(end(to))
                .zip(self::port(protocol, port))
                .map(|((from, to), (protocol, port))| Self::Path { from, to, protocol, port }),
            _ => None,
        };
        query.ok_or_else(|| InvalidQuery(text.to_owned()))
    }

    fn of_pod((namespace, name): (String, String)) -> Self {
        Self::Pod { namespace, name }
    }
}

fn pod(word: &str) -> Option<(String, String)> {
    let (namespace, name) = word.split_once('/')?;
    let valid = !namespace.is_empty() && !name.is_empty() && !name.contains('/');
    valid.then(|| (namespace.to_owned(), name.to_owned()))
}

fn end(word: &str) -> Option<End> {
    let address = word.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = address.parse() {
        return Some(End::Ip(ip));
    }
    pod(word).map(|(namespace, name)| End::Pod { namespace, name })
}

fn port(protocol: &str, port: &str) -> Option<(Protocol, NodePort)> {
    let protocol = protocol.parse().ok()?;
    Some((protocol, NodePort::try_from(port.parse::<i64>().ok()?).ok()?))
}
