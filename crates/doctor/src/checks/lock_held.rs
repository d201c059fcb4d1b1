//! Owns `lock-held`: a process keeps the lock of iptables, and every iptables-legacy waits for it.

use model::{FindingCode, Severity};

use super::{Found, Outcome};
use crate::host::Host;

/// Seconds that a restore of many rules may take; a live snapshot looks for as long.
const PATIENCE: u64 = 5;

pub(super) fn check(host: &Host<'_>) -> Outcome {
    let waiting: Vec<String> = host
        .snapshot
        .messages
        .iter()
        .filter(|message| {
            let text = &message.text;
            text.contains("holding the xtables lock")
                || text.contains("Can't lock /run/xtables.lock")
        })
        .map(|message| format!("{}: {}", message.place, message.text))
        .collect();
    let holders = host.snapshot.xtables_lock.known();
    if holders.is_none() && waiting.is_empty() {
        return Err(match &host.snapshot.xtables_lock {
            crate::Part::Absent(why) => format!("the lock of iptables: {why}"),
            crate::Part::Known(_) => "the lock of iptables was not looked at".to_owned(),
        });
    }
    let long: Vec<String> = holders
        .into_iter()
        .flatten()
        .filter(|holder| holder.seconds.unwrap_or_default() >= PATIENCE)
        .map(|holder| {
            let pid = holder.pid.map_or("of another pid namespace".to_owned(), |p| p.to_string());
            let name = holder.process.as_deref().unwrap_or("a process");
            let seconds = holder.seconds.unwrap_or_default();
            let command = holder.command.as_ref().map(|line| format!(": {line}"));
            let command = command.unwrap_or_default();
            format!("{name} (pid {pid}) holds it for {seconds} s at least{command}")
        })
        .collect();
    if long.is_empty() && waiting.is_empty() {
        return Ok(Vec::new());
    }
    Ok(vec![
        Found::new(
            FindingCode::LockHeld,
            Severity::Warning,
            "/run/xtables.lock",
            "a process holds the lock of iptables: every iptables-legacy that wants to write waits, \
             or fails with exit code 4",
        )
        .evidence(long.into_iter().chain(waiting))
        .advice(
            "kube-proxy, CNI plugins and Docker on iptables-legacy make no progress meanwhile \
             (iptables-nft does not ask for the lock); find the holder (fuser /run/xtables.lock) and \
             end it if it hangs",
        ),
    ])
}
