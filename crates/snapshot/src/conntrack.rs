//! Owns tracked connections: how many, how many there can be, and those of UDP with a translated
//! destination.

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
        Ok((flows, all)) => {
            if all > flows.len() {
                notes.push(format!(
                    "{all} flows of UDP have a translated destination: {} are kept",
                    flows.len()
                ));
            }
            conntrack.flows = flows;
        }
        Err(why) => notes.push(format!("counted only: {why}")),
    }
    Ok(Found { value: conntrack, notes })
}

fn flows(limits: Limits) -> Result<(Vec<Flow>, usize), String> {
    module::CTNETLINK.need()?;
    let mut socket = nfnl::Socket::open().map_err(|error| why(&error))?;
    let start = (Vec::new(), 0);
    let found = socket.fold_conntrack(&Filter::default(), start, |(flows, all), entry| {
        if entry.orig.protocol == UDP && entry.status.contains(Status::DST_NAT) {
            *all += 1;
            if flows.len() < limits.flows {
                flows.push(flow(entry));
            }
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
