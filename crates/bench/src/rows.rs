//! The rows of the benchmark, by name.

mod adopt;
mod agents;
mod check;
mod cold;
mod floor;
mod flows;
mod guard;
mod iptables;
mod same;
mod single;
mod traffic;

use anyhow::{Result, bail};

use crate::args::Args;
use crate::outcome::Outcome;

/// One row.
pub(crate) struct Row {
    /// Its name on the command line.
    pub(crate) name: &'static str,
    /// What it measures.
    pub(crate) about: &'static str,
    /// Measures.
    pub(crate) run: fn(&Args) -> Result<Outcome>,
}

/// All rows, in the order in which they run.
const ROWS: [Row; 19] = [
    Row { name: "cold_npl", about: "N mappings from nothing, and growth", run: cold::run },
    Row { name: "inc_npl", about: "one mapping more, less, changed at N", run: single::run },
    Row { name: "check_npl", about: "is one mapping there", run: check::one },
    Row { name: "resync_noop", about: "is everything as it was", run: check::all },
    Row { name: "drift_repair", about: "a foreign writer deletes", run: agents::drift },
    Row { name: "restart_adopt", about: "observe; restart, under traffic too", run: adopt::run },
    Row { name: "event_latency", about: "manifest to kernel", run: agents::event_latency },
    Row { name: "burst_1000", about: "1,000 manifests at once", run: agents::burst },
    Row { name: "churn", about: "Pods come and go", run: agents::churn },
    Row { name: "rss_n", about: "memory, and what an idle agent does", run: agents::rss },
    Row { name: "connect_n", about: "connecting through N mappings", run: traffic::connect },
    Row { name: "established_pps", about: "packets of a flow", run: traffic::established },
    Row { name: "shape_guard", about: "chains and rules do not grow", run: guard::shape },
    Row { name: "list_guard", about: "nft prints our table", run: guard::list },
    Row { name: "ct_cleanup", about: "many flows in conntrack", run: flows::run },
    Row { name: "read_iptables", about: "rules of others, as text", run: iptables::read_iptables },
    Row { name: "doctor_rules", about: "diagnosing many rules", run: iptables::doctor_rules },
    Row { name: "sweep_rules", about: "leftovers by the thousand", run: iptables::sweep_rules },
    Row { name: "host_checks", about: "watching a quiet node", run: iptables::host_checks },
];

/// The rows with these names; all if there are none.
pub(crate) fn chosen(names: &[String]) -> Result<Vec<&'static Row>> {
    if let Some(unknown) = names.iter().find(|name| ROWS.iter().all(|row| row.name != **name)) {
        let known: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
        bail!("no row {unknown:?}; there are: {}", known.join(" "));
    }
    Ok(ROWS.iter().filter(|row| names.is_empty() || names.iter().any(|n| n == row.name)).collect())
}
