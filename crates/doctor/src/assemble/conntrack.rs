//! Owns the text of `conntrack -L` and `/proc/net/nf_conntrack`.

use super::Assembler;
use crate::snapshot::{Flow, Tuple};

const PROTOCOLS: [&str; 9] =
    ["tcp", "udp", "sctp", "dccp", "icmp", "icmpv6", "gre", "udplite", "unknown"];

pub(super) fn starts(line: &str) -> bool {
    flow(line).is_some() || line.starts_with("conntrack v")
}

pub(super) fn take(all: &mut Assembler, file: &str, at: usize, line: &str) -> bool {
    if line.starts_with("conntrack v") {
        all.snapshot.conntrack.fill(|_| ());
        // `conntrack v1.4.7 (conntrack-tools): 12 flow entries have been shown.`
        let said =
            line.split_once("): ").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
        if let Some(said) = said.filter(|_| line.contains("have been shown")) {
            all.connections_said = Some((super::place(file, at), said));
        }
        return true;
    }
    let Some(flow) = flow(line) else { return false };
    let limit = all.limits.entries;
    let full = all.snapshot.conntrack.fill(|conntrack| {
        conntrack.count += 1;
        if conntrack.flows.len() < limit {
            conntrack.flows.push(flow);
        }
        conntrack.count == limit as u64 + 1
    });
    if full {
        all.skip(file, at, format!("more than {limit} connections: the rest is only counted"));
    }
    true
}

/// `tcp 6 86399 ESTABLISHED src=… dst=… sport=… dport=… [UNREPLIED] src=… … mark=0 use=1`
fn flow(line: &str) -> Option<Flow> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let words = match words.as_slice() {
        ["ipv4" | "ipv6", _, rest @ ..] => rest,
        all => all,
    };
    let [protocol, number, rest @ ..] = words else { return None };
    if !PROTOCOLS.contains(protocol) || number.parse::<u8>().is_err() {
        return None;
    }
    let plain: Vec<&&str> = rest.iter().take_while(|word| !word.starts_with("src=")).collect();
    let timeout = plain.first().and_then(|word| word.parse().ok());
    let state = plain.iter().find(|word| word.bytes().all(|c| c.is_ascii_uppercase() || c == b'_'));
    let mut starts = rest.iter().enumerate().filter(|(_, word)| word.starts_with("src="));
    let (first, second) = (starts.next()?.0, starts.next().map(|found| found.0));
    let original = tuple(&rest[first..second.unwrap_or(rest.len())])?;
    let reply = match second {
        Some(at) => tuple(&rest[at..])?,
        None => return None,
    };
    Some(Flow {
        protocol: (*protocol).to_owned(),
        state: state.map(|word| (**word).to_owned()),
        original,
        reply,
        replied: !rest.contains(&"[UNREPLIED]"),
        timeout,
    })
}

fn tuple(words: &[&str]) -> Option<Tuple> {
    let value = |key: &str| words.iter().find_map(|word| word.strip_prefix(key));
    Some(Tuple {
        source: value("src=")?.parse().ok()?,
        destination: value("dst=")?.parse().ok()?,
        source_port: value("sport=").and_then(|port| port.parse().ok()),
        destination_port: value("dport=").and_then(|port| port.parse().ok()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_are_read() {
        let line = "udp      17 29 src=127.0.0.1 dst=10.96.5.5 sport=34652 dport=53 [UNREPLIED] \
                    src=127.0.0.3 dst=127.0.0.1 sport=1002 dport=34652 mark=0 use=1";
        let flow = flow(line).unwrap();
        assert_eq!(flow.timeout, Some(29));
        assert!(!flow.replied && flow.state.is_none());
        assert_eq!(flow.original.destination_port, Some(53));
        assert_eq!(flow.reply.source.to_string(), "127.0.0.3");
        let proc = "ipv4     2 tcp      6 431999 ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=1 \
                    dport=22 src=10.0.0.2 dst=10.0.0.1 sport=22 dport=1 [ASSURED] mark=0 zone=0 use=2";
        assert_eq!(super::flow(proc).unwrap().state.as_deref(), Some("ESTABLISHED"));
        assert!(super::flow("tcp 6 src=1").is_none());
    }
}
