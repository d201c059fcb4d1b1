//! Owns `stale-conntrack`: connections that go on to where the rules do not send anybody any more, or
//! past a Service. Translation is decided once a connection: rules that change do not move it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use model::{FindingCode, Severity};

use super::{Found, Outcome, count, need, need_rules};
use crate::host::Host;
use crate::snapshot::{Flow, Verdict};

pub(super) fn check(host: &Host<'_>) -> Outcome {
    let conntrack = need(&host.snapshot.conntrack, "connections")?;
    if host.snapshot.nft.known().is_none() {
        need_rules(host)?;
    }
    if conntrack.flows.is_empty() {
        return Ok(Vec::new());
    }
    let rules = Translations::of(host);
    if rules.fronts.is_empty() {
        return Ok(Vec::new());
    }
    let mut elsewhere = Vec::new();
    let mut past = Vec::new();
    for flow in &conntrack.flows {
        // TCP ends by itself, and a Service lets its connections end
        let lasting = matches!(flow.protocol.as_str(), "udp" | "sctp");
        let waiting = flow.state.as_deref() == Some("SYN_SENT");
        if !lasting && !waiting || !rules.is_front(flow) {
            continue;
        }
        let translated = flow.reply.source != flow.original.destination
            || flow.reply.source_port != flow.original.destination_port;
        let to = (flow.reply.source, flow.reply.source_port);
        if translated && !rules.targets.contains(&to) && !rules.targets.contains(&(to.0, None)) {
            elsewhere.push(show(flow));
        } else if !translated && !flow.replied && rules.would_take(host, flow) {
            past.push(show(flow));
        }
    }
    let mut findings = Vec::new();
    let mut add = |lines: Vec<String>, what: &str| {
        if !lines.is_empty() {
            findings.push(
                Found::new(
                    FindingCode::StaleConntrack,
                    Severity::Error,
                    "conntrack",
                    format!("{} {what}", count(lines.len(), "connection")),
                )
                .evidence(lines)
                .advice(
                    "their packets are lost for as long as the sender goes on; delete the entries: \
                     conntrack -D with the addresses shown",
                ),
            );
        }
    };
    add(elsewhere, "to a Service or port go to an address that its rules do not name any more");
    add(past, "to a Service were begun before its rules were there, and are not translated");
    Ok(findings)
}

fn show(flow: &Flow) -> String {
    let port = |port: Option<u16>| port.map_or(String::new(), |port| format!(" port {port}"));
    format!(
        "{} {} -> {}{} goes to {}{}{}",
        flow.protocol,
        flow.original.source,
        flow.original.destination,
        port(flow.original.destination_port),
        flow.reply.source,
        port(flow.reply.source_port),
        if flow.replied { "" } else { ", no answer seen" }
    )
}

/// What the rules translate, and to what.
#[derive(Default)]
struct Translations {
    fronts: BTreeSet<(Option<IpAddr>, u16, u16)>,
    /// Those that not every packet is translated by.
    of_links: BTreeSet<(Option<IpAddr>, u16, u16)>,
    targets: BTreeSet<(IpAddr, Option<u16>)>,
}

impl Translations {
    fn of(host: &Host<'_>) -> Self {
        let mut all = Self::default();
        for view in host.tables.iter().filter(|view| view.name() == "nat") {
            all.fronts.extend(view.services().frontends());
            all.of_links.extend(view.frontends_of_links());
            all.targets.extend(view.translations().map(|(_, to)| to));
        }
        let nft = host.snapshot.nft.known().into_iter().flat_map(|nft| &nft.tables);
        for table in nft.filter(|table| !table.is_of_iptables()) {
            for set in table.sets.iter().filter(|set| set.data.is_some()) {
                all.fronts.extend(set.elements.iter().filter_map(|element| front(element)));
                all.targets.extend(set.elements.iter().filter_map(|element| data(element)));
            }
            for rule in table.chains.iter().flat_map(|chain| &chain.rules) {
                if matches!(rule.verdict, Some(Verdict::Dnat(_))) {
                    all.targets.extend(targets(&rule.text));
                }
            }
        }
        all
    }

    fn is_front(&self, flow: &Flow) -> bool {
        keys(flow).is_some_and(|keys| keys.iter().any(|key| self.fronts.contains(key)))
    }

    /// Whether the rules would have translated the first packet of the connection, were it sent today: to a
    /// Service's address, or to a node port of an address of the node that others can ask.
    fn would_take(&self, host: &Host<'_>, flow: &Flow) -> bool {
        let Some(keys) = keys(flow) else { return false };
        if keys.iter().any(|key| self.of_links.contains(key)) {
            return false;
        }
        let to = flow.original.destination;
        let links = host.snapshot.links.known().into_iter().flatten();
        let mut own = links.flat_map(|link| &link.addresses);
        self.fronts.contains(&keys[0])
            || !to.is_loopback() && own.any(|address| address.prefix.address == to)
    }
}

/// What rules for the connection's first packet ask for: its own address, or any of the node.
fn keys(flow: &Flow) -> Option<[(Option<IpAddr>, u16, u16); 2]> {
    let protocol = match flow.protocol.as_str() {
        "tcp" => 6,
        "udp" => 17,
        "sctp" => 132,
        _ => return None,
    };
    let port = flow.original.destination_port?;
    Some([(Some(flow.original.destination), port, protocol), (None, port, protocol)])
}

/// `10.96.5.5 . udp . 53 : goto …`
fn front(element: &str) -> Option<(Option<IpAddr>, u16, u16)> {
    let key = element.split(" : ").next()?;
    let parts: Vec<&str> = key.split(" . ").collect();
    let protocol = |word: &str| match word {
        "tcp" => Some(6),
        "udp" => Some(17),
        "sctp" => Some(132),
        _ => None,
    };
    match parts.as_slice() {
        [address, kind, port] => {
            Some((Some(address.parse().ok()?), port.parse().ok()?, protocol(kind)?))
        }
        [kind, port] => Some((None, port.parse().ok()?, protocol(kind)?)),
        _ => None,
    }
}

/// `… : 10.244.1.5 . 8080`
fn data(element: &str) -> Option<(IpAddr, Option<u16>)> {
    let (_, data) = element.split_once(" : ")?;
    let (address, port) = data.split_once(" . ")?;
    Some((address.parse().ok()?, Some(port.parse().ok()?)))
}

/// All addresses with ports in a rule: `10.244.1.6:8443`, `10.244.1.5 . 8080`.
fn targets(text: &str) -> Vec<(IpAddr, Option<u16>)> {
    let words: Vec<&str> =
        text.split([' ', ',', '{', '}']).filter(|word| !word.is_empty()).collect();
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        if let Ok(address) = word.parse::<IpAddr>() {
            let joined = words.get(at + 1) == Some(&".");
            let port = words.get(at + 2).filter(|_| joined).and_then(|port| port.parse().ok());
            found.push((address, port));
        } else if let Some((address, port)) = word.rsplit_once(':')
            && let (Ok(address), Ok(port)) =
                (address.trim_matches(['[', ']']).parse::<IpAddr>(), port.parse())
        {
            found.push((address, Some(port)));
        }
    }
    found
}
