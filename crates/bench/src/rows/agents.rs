//! Rows that run the release agent: `event_latency`, `burst_1000`, `churn`, `rss_n`, `drift_repair`
//! and `restart_adopt`.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use netns::Namespace;

use crate::agent::{Agent, Folder, MAP, Step, TABLE, Table, folder, mappings};
use crate::args::Args;
use crate::environment;
use crate::mapping::Mapping;
use crate::outcome::Outcome;
use crate::raw::{Elements, Events, Raw};
use crate::stats::{median, percentile};

/// How long nothing must happen for things to be over.
const QUIET: Duration = Duration::from_millis(500);
/// How long an event or a burst may take before something is wrong.
const PATIENCE: Duration = Duration::from_secs(30);
/// `EPERM`: the table has an owner.
const EPERM: i32 = 1;

/// An agent at rest with `n` mappings, in a namespace of its own.
struct Node {
    namespace: Namespace,
    folder: Folder,
    agent: Agent,
    n: usize,
}

impl Node {
    fn settled(n: usize, table: Table) -> Result<Self> {
        let (namespace, folder) = (Namespace::create()?, folder(n)?);
        let agent = Agent::settled(&namespace, &folder, table, n)?;
        Ok(Self { namespace, folder, agent, n })
    }

    fn events(&self) -> Result<Events> {
        self.namespace.run(Events::open)?
    }

    fn raw(&self) -> Result<Raw> {
        self.namespace.run(Raw::open)?
    }

    /// Mappings that are not in the folder yet.
    fn more(&self, count: usize) -> Vec<Mapping> {
        (self.n..self.n + count).map(Mapping::number).collect()
    }
}

/// The size at which the agent's rows run: large enough to notice what is not constant.
fn size(args: &Args) -> usize {
    args.largest().min(10_000)
}

/// The sizes of the run that an agent can have here; says in the outcome why not all.
fn possible(args: &Args, outcome: &mut Outcome) -> Vec<usize> {
    /// Open files besides the sockets that hold the ports.
    const BESIDES: u64 = 1_000;
    let limit = environment::file_limit();
    let fits = |n: &usize| *n as u64 + BESIDES <= limit;
    for n in args.sizes.iter().filter(|n| !fits(n)) {
        outcome.notes.push(format!(
            "NO AGENT AT {n}: it would hold a socket for each mapping, and only {limit} open files \
             are allowed here (more needs CAP_SYS_RESOURCE)"
        ));
    }
    args.sizes.iter().copied().filter(fits).collect()
}

/// From the event to the kernel. The goal counts from the bytes of the event received to the
/// kernel's acknowledgement: the agent logs that for every step. Shown beside: until it was read
/// back, and what somebody outside sees, from the rename of a manifest to the kernel's own event.
pub(super) fn event_latency(args: &Args) -> Result<Outcome> {
    const EVENTS: usize = 300;
    const INTERVAL: Duration = Duration::from_millis(10);
    let n = size(args);
    let node = Node::settled(n, Table::Exclusive)?;
    let pods = node.more(EVENTS);
    for pod in &pods {
        node.folder.stage(pod)?;
    }
    let mut events = node.events()?;
    let mut latencies = Vec::new();
    let before = node.agent.steps()?.len();
    for pod in &pods {
        let start = Instant::now();
        node.folder.release(pod)?;
        let heard = events.until_added(1, PATIENCE)?;
        let last = heard.last.context("nothing heard")?;
        latencies.push((last - start).as_secs_f64() * 1e3);
        std::thread::sleep(INTERVAL.saturating_sub(start.elapsed()));
    }
    node.agent.wait_for_rest()?;
    let mut outcome = Outcome::default();
    let (p50, p99) = (median(&latencies), percentile(&latencies, 99.0));
    outcome.figure(n, "rename to kernel's event", "event p50 ms", p50);
    outcome.figure(n, "rename to kernel's event", "event p99 ms", p99);
    let steps = node.agent.steps()?.split_off(before);
    let added: usize = steps.iter().map(|step| step.added).sum();
    ensure!(added == 2 * EVENTS, "the agent's log tells of {added} elements, not {}", 2 * EVENTS);
    let mut show = |what: &str, each: fn(&Step) -> f64| {
        let times: Vec<f64> = steps.iter().map(|step| each(step) / 1e3).collect();
        let (p50, p99) = (median(&times), percentile(&times, 99.0));
        outcome.figure(n, what, "event p50 ms", p50);
        outcome.figure(n, what, "event p99 ms", p99);
        (p50, p99)
    };
    show("received to read back", |step| step.read_back_us);
    let (p50, p99) = show("received to acknowledged", |step| step.committed_us);
    outcome.at_most("G8", format!("event to kernel at {n}, 100/s: p50 ms"), p50, 0.5);
    outcome.at_most("G8", format!("event to kernel at {n}, 100/s: p99 ms"), p99, 5.0);
    Ok(outcome)
}

/// 1,000 manifests at once.
pub(super) fn burst(args: &Args) -> Result<Outcome> {
    const BURST: usize = 1_000;
    let n = size(args);
    let mut node = Node::settled(n, Table::Exclusive)?;
    let mut events = node.events()?;
    let (mut took, mut released, mut commits) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..args.rounds {
        let pods = node.more(BURST);
        for pod in &pods {
            node.folder.stage(pod)?;
        }
        events.until_quiet(QUIET)?;
        let start = Instant::now();
        for pod in &pods {
            node.folder.release(pod)?;
        }
        released.push(start.elapsed().as_secs_f64() * 1e3);
        // A mapping and its hairpin element for each Pod.
        let heard = events.until_added(2 * BURST, PATIENCE)?;
        let last = heard.last.context("nothing heard")?;
        took.push((last - start).as_secs_f64() * 1e3);
        commits.push(heard.commits as f64);
        for pod in &pods {
            node.folder.remove(pod)?;
        }
        node.agent.wait_for(&node.namespace, n)?;
    }
    let mut outcome = Outcome::default();
    outcome.figure(n, "the renames alone", "burst ms", median(&released));
    outcome.figure(n, "netkeep agent", "burst ms", median(&took));
    outcome.figure(n, "netkeep agent", "commits", median(&commits));
    outcome.at_most("G8", format!("{BURST} Pods at once at {n}: ms"), median(&took), 50.0);
    outcome.at_most("G8", format!("{BURST} Pods at once at {n}: commits"), median(&commits), 10.0);
    Ok(outcome)
}

/// Pods come and go; nothing may be left behind, in the kernel or in memory.
pub(super) fn churn(args: &Args) -> Result<Outcome> {
    const WARM_UP: usize = 500;
    const EVENTS: usize = 2_000;
    let n = size(args).min(1_000);
    let node = Node::settled(n, Table::Exclusive)?;
    let mut events = node.events()?;
    let mut replace = |count: usize| -> Result<()> {
        for index in 0..count {
            let pod = Mapping::number(n + index);
            node.folder.stage(&pod)?;
            node.folder.release(&pod)?;
            std::thread::sleep(Duration::from_millis(2));
            node.folder.remove(&pod)?;
            std::thread::sleep(Duration::from_millis(2));
        }
        events.until_quiet(QUIET).map(drop)
    };
    replace(WARM_UP)?;
    node.agent.wait_for_rest()?;
    let before = node.agent.rss()?;
    replace(EVENTS)?;
    node.agent.wait_for_rest()?;
    let after = node.agent.rss()?;
    replace(EVENTS)?;
    node.agent.wait_for_rest()?;
    let (later, left) = (node.agent.rss()?, mappings(&mut node.raw()?));
    let mut outcome = Outcome::default();
    let grown = (after - before).max(0.0);
    outcome.figure(n, "netkeep agent", "churn: RSS before MiB", before);
    outcome.figure(n, "netkeep agent", "churn: RSS after MiB", after);
    outcome.figure(n, "netkeep agent", "churn: twice, RSS MiB", later);
    let slope = (later - after) * f64::from(1 << 20) / EVENTS as f64;
    outcome.figure(n, "netkeep agent", "churn: slope B a Pod", slope);
    outcome.at_most("G9", format!("RSS grown by {EVENTS} Pods come and gone: MiB"), grown, 2.0);
    let what = format!("RSS grown by {EVENTS} more: MiB");
    outcome.at_most("G9", what, (later - after).max(0.0), 2.0);
    let off = left.abs_diff(n) as f64;
    outcome.at_most("G9", "mappings too many or too few after churn".to_owned(), off, 0.0);
    Ok(outcome)
}

/// Resident memory, and what an idle agent does.
pub(super) fn rss(args: &Args) -> Result<Outcome> {
    const IDLE: Duration = Duration::from_secs(3);
    let mut outcome = Outcome::default();
    let sizes = possible(args, &mut outcome).into_iter().filter(|n| *n >= 10_000);
    for n in std::iter::once(0).chain(sizes) {
        let node = Node::settled(n, Table::Exclusive)?;
        let (ticks, wakeups) = (node.agent.ticks()?, node.agent.wakeups()?);
        std::thread::sleep(IDLE);
        let spent = (node.agent.ticks()? - ticks) as f64 * 10.0;
        let woken = node.agent.wakeups()?.saturating_sub(wakeups) as f64;
        let (rss, children) = (node.agent.rss()?, node.agent.children()? as f64);
        outcome.figure(n, "netkeep agent", "RSS MiB", rss);
        outcome.figure(n, "netkeep agent", "idle 3 s: CPU ms", spent);
        outcome.figure(n, "netkeep agent", "idle 3 s: wake-ups", woken);
        let limit = match n {
            0 => 12.0,
            1..=10_000 => 32.0,
            _ => 64.0,
        };
        outcome.at_most("G9", format!("RSS at {n}: MiB"), rss, limit);
        outcome.at_most("G9", format!("child processes at {n}"), children, 0.0);
        outcome.at_most("G5", format!("idle at {n} for 3 s: CPU ms"), spent, 10.0);
    }
    Ok(outcome)
}

/// A foreign writer deletes a mapping.
pub(super) fn drift(args: &Args) -> Result<Outcome> {
    const DELETES: usize = 100;
    let n = size(args);
    let mut outcome = Outcome::default();

    let node = Node::settled(n, Table::Exclusive)?;
    let mut raw = node.raw()?;
    let key = *raw.keys(&Elements::dump(TABLE, MAP))?.first().context("no mapping")?;
    let refused = raw.acknowledged_or_errno(&Elements::foreign_delete(TABLE, MAP, key))?;
    outcome.at_least(
        "G6",
        "owner table: errno of a foreign delete".to_owned(),
        f64::from(refused),
        f64::from(EPERM),
    );
    drop(node);

    let node = Node::settled(n, Table::Shared)?;
    let mut raw = node.raw()?;
    let keys = raw.keys(&Elements::dump(TABLE, MAP))?;
    let mut events = node.events()?;
    let mut repairs = Vec::new();
    for key in keys.iter().take(DELETES) {
        let start = Instant::now();
        raw.acknowledged(&Elements::foreign_delete(TABLE, MAP, *key))?;
        let heard = events.until_added(1, PATIENCE)?;
        repairs.push((heard.last.context("nothing heard")? - start).as_secs_f64() * 1e3);
        raw.acknowledged(&Elements::get(TABLE, MAP, *key)).context("the mapping is not back")?;
    }
    let (p50, p99) = (median(&repairs), percentile(&repairs, 99.0));
    outcome.figure(n, "netkeep agent", "repair p50 ms", p50);
    outcome.figure(n, "netkeep agent", "repair p99 ms", p99);
    outcome.at_most("G6", format!("foreign delete repaired at {n}: p50 ms"), p50, 1.0);
    outcome.at_most("G6", format!("foreign delete repaired at {n}: p99 ms"), p99, 10.0);
    Ok(outcome)
}

/// SIGKILL, and a successor with no memory but the kernel and the journal.
pub(super) fn restart(args: &Args, outcome: &mut Outcome) -> Result<()> {
    for n in possible(args, outcome) {
        let Node { namespace, folder, agent, .. } = Node::settled(n, Table::Exclusive)?;
        agent.kill()?;
        let mut events = namespace.run(Events::open)??;
        let start = Instant::now();
        let agent = Agent::start(&namespace, &folder, Table::Exclusive)?;
        agent.wait_for_rest()?;
        let took = start.elapsed().as_secs_f64() * 1e3;
        let heard = events.until_quiet(QUIET)?;
        outcome.figure(n, "netkeep agent", "restart to rest ms (+1000)", took);
        let what = format!("restart at {n}: objects written");
        outcome.at_most("G7", what, heard.changes as f64, 0.0);
        let what = format!("restart at {n}: transactions");
        outcome.at_most("G7", what, heard.commits as f64, 0.0);
    }
    Ok(())
}
