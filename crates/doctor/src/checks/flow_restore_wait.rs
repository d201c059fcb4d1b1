//! Owns `flow-restore-wait`: Open vSwitch was told to wait for flows, and nobody told it to go on.

use model::{FindingCode, Severity};

use super::{Found, Outcome, need};
use crate::host::Host;

pub(super) fn check(host: &Host<'_>) -> Outcome {
    let ovs = need(&host.snapshot.ovs, "Open vSwitch")?;
    let Some(waits) = ovs.flow_restore_wait else {
        // the key is there only while somebody set it
        return Ok(Vec::new());
    };
    if !waits {
        return Ok(Vec::new());
    }
    Ok(vec![
        Found::new(
            FindingCode::FlowRestoreWait,
            Severity::Error,
            "Open vSwitch",
            "flow-restore-wait is true: the switch forwards nothing until it is removed",
        )
        .evidence(["other_config:flow-restore-wait=true".to_owned()])
        .advice(
            "Pods of this node have no network; if the agent is not just starting, restart it, or: \
             ovs-vsctl --no-wait remove Open_vSwitch . other_config flow-restore-wait",
        ),
    ])
}
