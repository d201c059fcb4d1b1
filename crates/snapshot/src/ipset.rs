//! Owns the sets of ipset.

use doctor::snapshot::IpSet;

use crate::{Found, Limits, module, part::why};

pub(crate) fn read(limits: Limits) -> Result<Found<Vec<IpSet>>, String> {
    module::IP_SET.need()?;
    let mut socket = nfnl::Socket::open().map_err(|error| why(&error))?;
    let mut sets = socket.ipsets(limits.elements).map_err(|error| why(&error))?;
    let mut notes = Vec::new();
    if sets.len() > limits.entries {
        notes.push(format!("{} sets: only {} are kept", sets.len(), limits.entries));
        sets.truncate(limits.entries);
    }
    let sets = sets.into_iter().map(told).collect();
    Ok(Found { value: sets, notes })
}

fn told(set: nfnl::ipset::IpSet) -> IpSet {
    IpSet {
        family: set.family_name().map(str::to_owned),
        limit: set.limit.map(u64::from),
        count: set.count,
        references: set.references.map(u64::from),
        elements: set.entries.iter().map(|entry| entry.text(&set.kind)).collect(),
        name: set.name,
        kind: set.kind,
    }
}
