//! What clients and servers of the lab say to each other: one line of text.
//!
//! The question is any text. The answer is `who<TAB>peer<TAB>question`, so that a client learns
//! which server answered, which source address it saw, and to what it answered.

use std::net::{IpAddr, SocketAddr};

/// A server's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) who: String,
    pub(crate) peer: SocketAddr,
    pub(crate) question: String,
}

/// The answer to a question, without an end of line. A server that takes both families sees an
/// IPv4 peer as an IPv4-mapped one; the answer shows the IPv4 address.
pub(crate) fn answer(who: &str, peer: SocketAddr, question: &str) -> String {
    let peer = SocketAddr::new(IpAddr::to_canonical(&peer.ip()), peer.port());
    format!("{who}\t{peer}\t{question}")
}

/// Reads an answer.
pub(crate) fn parse(text: &str) -> Option<Said> {
    let mut parts = text.trim_end_matches('\n').splitn(3, '\t');
    let (who, peer, question) = (parts.next()?, parts.next()?, parts.next()?);
    Some(Said { who: who.to_owned(), peer: peer.parse().ok()?, question: question.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_carries_who_peer_and_question() {
        let peer: SocketAddr = "[::ffff:192.0.2.2]:40000".parse().unwrap();
        let said = parse(&answer("default/web-0", peer, "7")).unwrap();
        assert_eq!(said.who, "default/web-0");
        assert_eq!(said.peer, "192.0.2.2:40000".parse().unwrap());
        assert_eq!(said.question, "7");
        assert_eq!(parse("someone else's banner\n"), None);
    }
}
