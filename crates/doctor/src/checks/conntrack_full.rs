//! Owns `conntrack-full`: the table of tracked connections is nearly full; new ones are dropped.

use model::{FindingCode, Severity};

use super::{Found, Outcome};
use crate::host::Host;

pub(super) fn check(host: &Host<'_>) -> Outcome {
    let conntrack = host.snapshot.conntrack.known();
    let sysctl = |name| host.snapshot.sysctl(name).and_then(|number| u64::try_from(number).ok());
    let count = sysctl("net.netfilter.nf_conntrack_count")
        .into_iter()
        .chain(conntrack.map(|conntrack| conntrack.count))
        .max();
    let limit = conntrack
        .and_then(|conntrack| conntrack.limit)
        .or_else(|| sysctl("net.netfilter.nf_conntrack_max"))
        .or_else(|| sysctl("net.nf_conntrack_max"));
    let messages = host.snapshot.messages.iter();
    let said: Vec<String> = messages
        .filter(|message| message.text.contains("nf_conntrack: table full"))
        .map(|message| format!("{}: {}", message.place, message.text))
        .collect();
    let (count, limit) = match (count, limit) {
        (Some(count), Some(limit)) if limit > 0 => (count, limit),
        _ if said.is_empty() => {
            return Err(super::unknown(
                "number and limit of connections",
                &host.snapshot.conntrack,
            ));
        }
        _ => (0, u64::MAX),
    };
    let severity = if !said.is_empty() || count >= limit - limit / 20 {
        Severity::Error
    } else if count >= limit - limit / 5 {
        Severity::Warning
    } else {
        return Ok(Vec::new());
    };
    let numbers = (limit != u64::MAX).then(|| format!("{count} of {limit}"));
    let message = match &numbers {
        Some(numbers) => format!("{numbers} tracked connections: new ones are about to be dropped"),
        None => "the kernel dropped packets because it tracks too many connections".to_owned(),
    };
    Ok(vec![
        Found::new(FindingCode::ConntrackFull, severity, "conntrack", message)
            .evidence(numbers.into_iter().chain(said))
            .advice(
                "first packets of new connections are dropped, of all Pods; raise \
                 net.netfilter.nf_conntrack_max (kube-proxy: --conntrack-max-per-core), and see with \
                 conntrack -L who opens so many",
            ),
    ])
}
