//! What the agent counts, as Prometheus text.
//!
//! Counters and histograms are kept by the loop as things happen; gauges are read off the state
//! when somebody asks, so that an idle agent does nothing.

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use drivers::Driver;
use drivers::nft::events::Touch;
use model::{Finding, FindingCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::keeper::{Keeper, Settled, Step};
use crate::source::{Freshness, SourceMessage};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Op {
    op: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

const ELEMENT: Kind = Kind { kind: "element" };
const STRUCTURE: Kind = Kind { kind: "structure" };

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Feature {
    feature: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Code {
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Source {
    source: &'static str,
    kind: &'static str,
}

const NPL: Feature = Feature { feature: "npl" };
const DIR: Source = Source { source: "dir", kind: "" };

/// All metrics of the agent.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    sync: Histogram,
    event_to_kernel: Histogram,
    event_to_commit: Histogram,
    last_sync: Gauge<f64, std::sync::atomic::AtomicU64>,
    sync_failures: Counter,
    changes: Family<Op, Counter>,
    rejected: Counter,
    drift: Family<Kind, Counter>,
    flows_cut: Counter,
    host_checks: Counter,
    desired: Family<Feature, Gauge>,
    verified: Family<Feature, Gauge>,
    pending: Family<Feature, Gauge>,
    leases: Gauge,
    held: Gauge,
    holds: Counter,
    fresh: Family<Source, Gauge>,
    on_hold: Gauge,
    publications: Family<Outcome, Counter>,
    publications_waiting: Gauge,
    source_event: Family<Source, Gauge<f64, std::sync::atomic::AtomicU64>>,
    findings: Family<Code, Gauge>,
    generation: Gauge,
    rss: Gauge,
}

impl Metrics {
    /// Everything at zero.
    pub(crate) fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("netkeep"),
            // 16 µs to 8.4 s: a reconciliation is expected around 100 µs.
            sync: Histogram::new(exponential_buckets(16e-6, 2.0, 20)),
            event_to_kernel: Histogram::new(fine_buckets()),
            event_to_commit: Histogram::new(fine_buckets()),
            last_sync: Gauge::default(),
            sync_failures: Counter::default(),
            changes: Family::default(),
            rejected: Counter::default(),
            drift: Family::default(),
            flows_cut: Counter::default(),
            host_checks: Counter::default(),
            desired: Family::default(),
            verified: Family::default(),
            pending: Family::default(),
            leases: Gauge::default(),
            held: Gauge::default(),
            holds: Counter::default(),
            fresh: Family::default(),
            on_hold: Gauge::default(),
            publications: Family::default(),
            publications_waiting: Gauge::default(),
            source_event: Family::default(),
            findings: Family::default(),
            generation: Gauge::default(),
            rss: Gauge::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        self.register_work();
        self.register_state();
        // Visible at zero: an alert must be able to tell "none" from "not measured".
        for op in ["add", "replace", "delete"] {
            let _ = self.changes.get_or_create(&Op { op });
        }
        for result in ["done", "failed"] {
            let _ = self.publications.get_or_create(&Outcome { result });
        }
        for kind in [ELEMENT, STRUCTURE] {
            let _ = self.drift.get_or_create(&kind);
        }
    }

    /// What happened.
    fn register_work(&mut self) {
        let Self { registry, .. } = self;
        let mut timed = |name: &str, help: &str, histogram: &Histogram| {
            registry.register_with_unit(name, help, Unit::Seconds, histogram.clone());
        };
        timed("sync_duration", "Time of a reconciliation that wrote to the kernel", &self.sync);
        timed(
            "event_to_kernel",
            "Time from learning of a change to its being read back from the kernel",
            &self.event_to_kernel,
        );
        timed(
            "event_to_commit",
            "Time from learning of a change to the kernel's acknowledgement of the last transaction",
            &self.event_to_commit,
        );
        let mut counted = |name: &str, help: &str, counter: &Counter| {
            registry.register(name, help, counter.clone());
        };
        counted("sync_failures", "Reconciliations that did not end well", &self.sync_failures);
        counted("changes_rejected", "Changes that the kernel refused", &self.rejected);
        counted("flows_cut", "Stale connection tracking entries removed", &self.flows_cut);
        counted("host_checks", "How often the whole node was checked", &self.host_checks);
        counted("holds", "How often deletions began to be withheld", &self.holds);
        registry.register(
            "changes_applied",
            "Changes committed to the kernel",
            self.changes.clone(),
        );
        registry.register(
            "drift_repaired",
            "Foreign writes to our table that were repaired",
            self.drift.clone(),
        );
    }

    /// How things are.
    fn register_state(&mut self) {
        let Self { registry, .. } = self;
        let s = Unit::Seconds;
        registry.register_with_unit(
            "last_successful_sync_timestamp",
            "When kernel and objects last agreed, since 1970",
            s.clone(),
            self.last_sync.clone(),
        );
        registry.register_with_unit(
            "source_last_event_timestamp",
            "When the source last said something, since 1970",
            s,
            self.source_event.clone(),
        );
        registry.register_with_unit(
            "resident_memory",
            "Resident memory of the agent",
            Unit::Bytes,
            self.rss.clone(),
        );
        let mut by_feature = |name: &str, help: &str, family: &Family<Feature, Gauge>| {
            registry.register(name, help, family.clone());
        };
        by_feature("desired_objects", "Kernel objects that an owner wants", &self.desired);
        by_feature("verified_objects", "Kernel objects read back as wanted", &self.verified);
        by_feature("pending_objects", "Kernel objects not as wanted", &self.pending);
        let mut gauge = |name: &str, help: &str, gauge: &Gauge| {
            registry.register(name, help, gauge.clone());
        };
        gauge("node_ports_leased", "Node ports promised to Pods", &self.leases);
        gauge(
            "on_hold",
            "Whether deletions are withheld now: a source is not in sync",
            &self.on_hold,
        );
        gauge(
            "publications_waiting",
            "Annotations that wait to be written to the API",
            &self.publications_waiting,
        );
        gauge("deletions_held", "Deletions withheld as a source is not in sync", &self.held);
        gauge("kernel_generation", "Ruleset generation last accounted for", &self.generation);
        registry.register(
            "publications",
            "Annotations written to the API, by how it went",
            self.publications.clone(),
        );
        registry.register("source_fresh", "Whether the source is in sync", self.fresh.clone());
        registry.register("findings", "Open findings by code", self.findings.clone());
    }

    /// A source said something.
    pub(crate) fn source(&self, message: &SourceMessage) {
        let held = i64::from(message.hold.is_some());
        match &message.freshness {
            Freshness::Folder => {
                self.fresh.get_or_create(&DIR).set(1 - held);
                self.source_event.get_or_create(&DIR).set(now());
            }
            Freshness::Kinds(kinds) => {
                for (kind, fresh) in kinds {
                    let source = Source { source: "kube", kind: kind.as_str() };
                    self.fresh.get_or_create(&source).set(i64::from(*fresh));
                    if *fresh {
                        self.source_event.get_or_create(&source).set(now());
                    }
                }
            }
        }
    }

    /// Whether something is not deleted now.
    pub(crate) fn on_hold(&self, held: bool) {
        if self.on_hold.set(held.into()) == 0 && held {
            self.holds.inc();
        }
    }

    /// The publisher to the API says how it does.
    pub(crate) fn published(&self, report: &kube::Report) {
        self.publications.get_or_create(&Outcome { result: "done" }).inc_by(report.done);
        self.publications.get_or_create(&Outcome { result: "failed" }).inc_by(report.failed);
        self.publications_waiting.set(level(report.waiting));
    }

    /// A step is over; `received` says when its causes were learnt of.
    pub(crate) fn settled(&self, settled: &Settled, took: Duration, received: &[Instant]) {
        if settled.wrote() {
            self.sync.observe(took.as_secs_f64());
            for at in received {
                self.event_to_kernel.observe(at.elapsed().as_secs_f64());
                if let Some(committed) = settled.committed_at {
                    let took = committed.saturating_duration_since(*at);
                    self.event_to_commit.observe(took.as_secs_f64());
                }
            }
        }
        for (op, count) in
            [("add", settled.added), ("replace", settled.replaced), ("delete", settled.deleted)]
        {
            if count > 0 {
                self.changes.get_or_create(&Op { op }).inc_by(count as u64);
            }
        }
        self.rejected.inc_by(settled.refused as u64);
        self.held.set(level(settled.held));
        match settled.step {
            Step::Converged => drop(self.last_sync.set(now())),
            Step::Unsettled | Step::Failed(_) => drop(self.sync_failures.inc()),
        }
    }

    /// Another writer's change was repaired, as was read back.
    pub(crate) fn drift(&self, touch: &Touch) {
        let kind = match touch {
            Touch::ElementsGone(_) => ELEMENT,
            Touch::Other(_) | Touch::Unknown => STRUCTURE,
        };
        self.drift.get_or_create(&kind).inc();
    }

    /// The doctor has looked at the node.
    pub(crate) fn examined(&self) {
        self.host_checks.inc();
    }

    /// Stale flows were removed.
    pub(crate) fn cut(&self, flows: usize) {
        self.flows_cut.inc_by(flows as u64);
    }

    /// Everything as text, with the gauges read now.
    pub(crate) fn text<D: Driver>(
        &self,
        keeper: &Keeper<D>,
        generation: u32,
        findings: &[Finding],
    ) -> String {
        let counts = keeper.core().counts();
        self.desired.get_or_create(&NPL).set(level(counts.desired));
        self.verified.get_or_create(&NPL).set(level(counts.programmed));
        self.pending.get_or_create(&NPL).set(level(counts.pending));
        self.leases.set(level(counts.leases));
        self.generation.set(i64::from(generation));
        for code in FindingCode::ALL {
            let count = findings.iter().filter(|finding| finding.code == *code).count();
            self.findings.get_or_create(&Code { code: code.as_str() }).set(level(count));
        }
        if let Some(bytes) = resident_memory() {
            self.rss.set(bytes);
        }
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// OpenMetrics text as Prometheus text 0.0.4, where a counter's family has the name of its samples
/// and nothing marks units or the end.
pub(crate) fn plain(open: &str) -> String {
    let counters: BTreeSet<&str> = open
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    let mut text = String::with_capacity(open.len());
    for line in open.lines() {
        if line.starts_with("# UNIT ") || line == "# EOF" {
            continue;
        }
        let described = line.strip_prefix("# TYPE ").or_else(|| line.strip_prefix("# HELP "));
        match described.and_then(|rest| rest.split_once(' ')) {
            Some((name, rest)) if counters.contains(name) => {
                let what = &line[..7];
                text.extend([what, name, "_total ", rest]);
            }
            _ => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

/// 32 µs to 8.2 ms in steps of an eighth to a quarter, where the goals are; then by two to 16.8 s.
fn fine_buckets() -> impl Iterator<Item = f64> {
    let fine = (0..8).flat_map(|octave| (4..8).map(move |part| (8_u32 * part) << octave));
    let coarse = (0..12).map(|octave| 8_192_u32 << octave);
    fine.chain(coarse).map(|microseconds| f64::from(microseconds) / 1e6)
}

/// A count as a gauge's value.
fn level(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// `VmRSS` of `/proc/self/status`, in bytes (proc(5)).
fn resident_memory() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: i64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_of_the_way_to_the_kernel_rise_by_a_quarter_at_most_where_the_goals_are() {
        let bounds: Vec<f64> = fine_buckets().collect();
        assert_eq!((bounds.len(), bounds[0], *bounds.last().unwrap()), (44, 32e-6, 16.777_216));
        for pair in bounds.windows(2) {
            let most = if pair[0] < 8e-3 { 1.26 } else { 2.01 };
            assert!((1.1..most).contains(&(pair[1] / pair[0])), "{pair:?}");
        }
    }

    #[test]
    fn a_counter_has_the_name_of_its_samples_in_prometheus_text() {
        let open = "# HELP netkeep_a Help.\n# TYPE netkeep_a counter\nnetkeep_a_total 1\n\
                    # HELP netkeep_b_seconds B.\n# TYPE netkeep_b_seconds gauge\n\
                    # UNIT netkeep_b_seconds seconds\nnetkeep_b_seconds 2\n# EOF\n";
        let plain = plain(open);
        assert_eq!(
            plain,
            "# HELP netkeep_a_total Help.\n# TYPE netkeep_a_total counter\nnetkeep_a_total 1\n\
             # HELP netkeep_b_seconds B.\n# TYPE netkeep_b_seconds gauge\nnetkeep_b_seconds 2\n"
        );
    }
}
