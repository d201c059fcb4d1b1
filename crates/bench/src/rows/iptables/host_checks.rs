//! `host_checks`: what an agent costs that watches a quiet node with many rules of others.

use std::time::Duration;

use anyhow::Result;
use netns::Namespace;

use super::{LEGACY, NFT, shape};
use crate::agent::{Agent, Folder, Table};
use crate::args::Args;
use crate::contest::Scene;
use crate::outcome::Outcome;

/// Rules of others.
const RULES: usize = 20_000;
/// H4: per cent of one processor.
const PER_CENT: f64 = 0.1;
/// The default, in seconds.
const DEFAULT: u64 = 30;
/// The agent asks all checks every so many intervals (`crates/agent/src/checks.rs`).
const LOOK_EVERY: f64 = 120.0;
/// Milliseconds of a clock tick.
const TICK_MS: f64 = 10.0;

pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let n = args.largest().min(RULES);
    // thirty intervals: three reads of the legacy tables
    let often = spent(n, 1, 30)?;
    outcome.figure(n, "netkeep agent", "first look, ms CPU", often.first);
    outcome.figure(n, "netkeep agent", "an interval, mean ms CPU", often.interval);
    let mean = often.interval + often.first / LOOK_EVERY;
    let what = format!("host checks at {n}, one each {DEFAULT} s: % of a CPU");
    outcome.at_most("H4", what, per_cent(mean), PER_CENT);
    let rare = spent(n, DEFAULT, 2)?;
    outcome.figure(n, "netkeep agent", "an interval of 30 s, ms CPU", rare.interval);
    let what = format!("the whole agent at {n}, two intervals: % of a CPU");
    outcome.at_most("H4", what, per_cent(rare.interval), PER_CENT);
    Ok(outcome)
}

/// Milliseconds in an interval of the default length.
fn per_cent(ms: f64) -> f64 {
    ms / (DEFAULT as f64 * 1e3) * 100.0
}

/// Processor time in milliseconds.
struct Spent {
    /// In the first look, which is a diagnosis.
    first: f64,
    /// In an interval in which nothing changed.
    interval: f64,
}

fn spent(n: usize, interval: u64, intervals: u32) -> Result<Spent> {
    let (namespace, folder) = (Namespace::create()?, Folder::new()?);
    let scene = Scene::new()?;
    let text = shape::kube_proxy(n / 2);
    namespace.run(|| LEGACY.load(&scene, &text).and_then(|()| NFT.load(&scene, &text)))??;
    let seconds = interval.to_string();
    let options = ["--host-checks", &seconds];
    let agent = Agent::start_with(&namespace, &folder, Table::Exclusive, &options)?;
    let interval = Duration::from_secs(interval);
    std::thread::sleep(interval.mul_f64(0.8));
    let start = agent.ticks()?;
    // the first look comes after one interval, and ends before the next or soon
    std::thread::sleep(interval.mul_f64(0.2) + interval.max(Duration::from_secs(6)) / 2);
    let before = agent.ticks()?;
    std::thread::sleep(interval * intervals);
    let after = agent.ticks()?;
    let ms = |from: u64, to: u64| to.saturating_sub(from) as f64 * TICK_MS;
    Ok(Spent { first: ms(start, before), interval: ms(before, after) / f64::from(intervals) })
}
