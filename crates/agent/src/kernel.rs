//! What the kernel says by itself, with no agent, no journal and no objects: for `show --kernel`.
//!
//! Owners come from the marks. The node's address is not in the kernel's table; it is left empty.

use std::collections::BTreeMap;
use std::sync::Arc;

use drivers::nft::{NftDriver, NftOptions, TableOwnership};
use drivers::{Driver, DriverError, Observed};
use model::{Finding, FindingCode, Key, MappingReport, MappingState, Owner, Severity, Value};
use serde::Serialize;

/// An owner and its elements, as the kernel names them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KernelOwner {
    kind: &'static str,
    namespace: String,
    name: String,
    uid: String,
    elements: Vec<String>,
}

fn observe() -> Result<Observed, DriverError> {
    // The size is compared with nothing that is shown here.
    let options = NftOptions { ownership: TableOwnership::Shared, map_size: 0 };
    NftDriver::open(options)?.observe()
}

/// Every mapping in the kernel.
pub fn mappings() -> Result<Vec<MappingReport>, DriverError> {
    let observed = observe()?;
    let reason = observed.structure.faults().join("; ");
    let state = if reason.is_empty() { MappingState::Programmed } else { MappingState::Error };
    let mut mappings: Vec<_> = observed
        .elements
        .iter()
        .filter_map(|(key, value, owner)| mapping(key, value, owner.as_ref()))
        .map(|report| MappingReport { state, reason: reason.clone(), ..report })
        .collect();
    mappings.sort_by(|a, b| {
        let order = |report: &MappingReport| {
            (report.pod.clone(), report.pod_port, report.protocol, report.ip_family)
        };
        order(a).cmp(&order(b))
    });
    Ok(mappings)
}

fn mapping(key: &Key, value: &Value, owner: Option<&Arc<Owner>>) -> Option<MappingReport> {
    let (Key::Npl { family, protocol, port }, Value::Endpoint { ip, port: pod_port }) =
        (key, value)
    else {
        return None;
    };
    Some(MappingReport {
        pod: owner.map(|owner| owner.qualified_name().to_owned()).unwrap_or_default(),
        uid: owner.map(|owner| owner.uid.to_string()).unwrap_or_default(),
        pod_ip: ip.to_string(),
        pod_port: *pod_port,
        node_ip: String::new(),
        node_port: port.get(),
        protocol: *protocol,
        ip_family: *family,
        state: MappingState::Programmed,
        reason: String::new(),
    })
}

/// What is wrong with the table, as far as the table itself tells.
pub fn findings() -> Result<Vec<Finding>, DriverError> {
    // A map with less room than would be chosen now serves packets all the same.
    let what = observe()?.structure.faults().to_vec();
    if what.is_empty() {
        return Ok(Vec::new());
    }
    Ok(vec![Finding {
        code: FindingCode::MissingAnchor,
        severity: Severity::Error,
        subject: "table inet netkeep".into(),
        message: "the table is not as netkeep builds it: mappings may not be reached".into(),
        evidence: what,
        advice: "start the agent, or run `netkeep apply`: either builds it again".into(),
        fixable: true,
    }])
}

/// Every owner that a mark in the kernel names.
pub fn owners() -> Result<Vec<KernelOwner>, DriverError> {
    let mut owners: BTreeMap<Arc<Owner>, Vec<String>> = BTreeMap::new();
    for (key, value, owner) in observe()?.elements {
        let owner = owner.unwrap_or_else(|| Arc::new(Owner::pod("", "", model::Uid::new(""))));
        owners.entry(owner).or_default().push(format!("{key} -> {value}"));
    }
    Ok(owners
        .into_iter()
        .map(|(owner, elements)| KernelOwner {
            kind: owner.kind.as_str(),
            namespace: owner.namespace().to_owned(),
            name: owner.name().to_owned(),
            uid: owner.uid.to_string(),
            elements,
        })
        .collect())
}
