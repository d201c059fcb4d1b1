//! Owns tracked connections: how many, how many there can be, and those of UDP whose destination is
//! translated, or that nobody answered: one that was begun before its Service's rules were there goes past
//! them for ever.

use doctor::snapshot::{Conntrack, Flow, Tuple};
use nfnl::conntrack::{Entry, Filter, Status};

use crate::{Found, Limits, module, part::why};

const UDP: u8 = 17;
/// How many there are in this namespace: a file that is there when connections are tracked.
const COUNT: &str = "/proc/sys/net/netfilter/nf_conntrack_count";
const MAX: &str = "/proc/sys/net/netfilter/nf_conntrack_max";

pub(crate) fn read(limits: Limits) -> Result<Found<Conntrack>, String> {
    let number = |path: &str| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let Some(count) = number(COUNT) else {
        return Err("connections are not tracked here (nf_conntrack is not loaded)".to_owned());
    };
    let mut conntrack = Conntrack { count, limit: number(MAX), flows: Vec::new() };
    let mut notes = Vec::new();
    match flows(limits) {
        Ok(found) => {
            for (kind, what) in [
                (found.translated, "have a translated destination"),
                (found.unanswered, "are not answered"),
            ] {
                if kind.all > kind.kept.len() {
                    let (all, kept) = (kind.all, kind.kept.len());
                    notes.push(format!("{all} flows of UDP {what}: {kept} are kept"));
                }
                conntrack.flows.extend(kind.kept);
            }
        }
        Err(why) => notes.push(format!("counted only: {why}")),
    }
    Ok(Found { value: conntrack, notes })
}

/// Flows of one kind, and how many there are.
#[derive(Default)]
struct Kind {
    kept: Vec<Flow>,
    all: usize,
}

/// Kept apart: many of one leave room for the other.
#[derive(Default)]
struct Kinds {
    translated: Kind,
    unanswered: Kind,
}

fn flows(limits: Limits) -> Result<Kinds, String> {
    module::CTNETLINK.need()?;
    let mut socket = nfnl::Socket::open().map_err(|error| why(&error))?;
    let found = socket.fold_conntrack(&Filter::default(), Kinds::default(), |kinds, entry| {
        if entry.orig.protocol != UDP {
            return;
        }
        let kind = if entry.status.contains(Status::DST_NAT) {
            &mut kinds.translated
        } else if entry.status.contains(Status::SEEN_REPLY) {
            return;
        } else {
            &mut kinds.unanswered
        };
        kind.all += 1;
        if kind.kept.len() < limits.flows {
            kind.kept.push(flow(entry));
        }
    });
    found.map_err(|error| why(&error))
}

fn flow(entry: &Entry) -> Flow {
    Flow {
        protocol: "udp".to_owned(),
        state: None,
        original: tuple(&entry.orig),
        reply: tuple(&entry.reply),
        replied: entry.status.contains(Status::SEEN_REPLY),
        timeout: entry.timeout_s.map(u64::from),
    }
}

fn tuple(of: &nfnl::conntrack::Tuple) -> Tuple {
    Tuple {
        source: of.src,
        destination: of.dst,
        source_port: of.src_port(),
        destination_port: of.dst_port(),
    }
}
