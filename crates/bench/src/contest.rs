//! Interleaved rounds: every contender once a round, each in a fresh network namespace, and the
//! first contender twice, to see how quiet the machine is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use netns::Namespace;

use crate::args::Args;
use crate::outcome::{Figure, Outcome};
use crate::stats::{median, percentile};

/// The floor's name: ratios are to it.
pub(crate) const FLOOR: &str = "raw";
/// The product's name.
pub(crate) const PRODUCT: &str = "netkeep";
/// How far the same thing measured twice may be apart.
const QUIET: f64 = 1.3;
/// How often a noisy contest is repeated.
const ATTEMPTS: usize = 3;

/// Where one measurement takes place: on a thread inside a fresh network namespace.
pub(crate) struct Scene {
    directory: tempfile::TempDir,
}

impl Scene {
    /// One with a directory of its own.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self { directory: tempfile::tempdir().context("a temporary directory")? })
    }

    /// A directory of the measurement's own.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The xtables lock of this namespace. The usual one is a file that all namespaces share.
    pub(crate) fn xtables_lock(&self) -> PathBuf {
        self.directory().join("xtables.lock")
    }
}

/// What one round gave: times in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// The median of the repetitions in the round.
    pub(crate) typical: f64,
    /// Their 99th percentile.
    pub(crate) p99: f64,
}

impl Sample {
    /// Of several repetitions.
    pub(crate) fn of(times: &[f64]) -> Self {
        Self { typical: median(times), p99: percentile(times, 99.0) }
    }
}

/// Times one piece of work, in nanoseconds.
pub(crate) fn time(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed().as_nanos() as f64)
}

/// Times the work for each index, and summarises.
pub(crate) fn times(count: usize, mut work: impl FnMut(usize) -> Result<()>) -> Result<Sample> {
    let each: Result<Vec<f64>> = (0..count).map(|index| time(|| work(index))).collect();
    Ok(Sample::of(&each?))
}

type Measure<'a> = Box<dyn Fn(&Scene) -> Result<Sample> + Sync + 'a>;

/// One who takes part.
pub(crate) struct Contender<'a> {
    name: &'static str,
    measure: Measure<'a>,
}

impl<'a> Contender<'a> {
    /// Prepares and measures, in the namespace of the calling thread.
    pub(crate) fn new(
        name: &'static str,
        measure: impl Fn(&Scene) -> Result<Sample> + Sync + 'a,
    ) -> Self {
        Self { name, measure: Box::new(measure) }
    }
}

/// The samples of all rounds.
pub(crate) struct Contest {
    n: usize,
    what: String,
    order: Vec<&'static str>,
    samples: BTreeMap<&'static str, Vec<Sample>>,
    control: f64,
}

impl Contest {
    /// Runs the rounds, again if they were too noisy.
    pub(crate) fn run(
        args: &Args,
        what: &str,
        n: usize,
        contenders: &[Contender<'_>],
    ) -> Result<Self> {
        for attempt in 1.. {
            let contest = Self::attempt(args, what, n, contenders)?;
            if contest.is_quiet() || attempt == ATTEMPTS {
                return Ok(contest);
            }
            let control = contest.control;
            println!("   {what} at {n}: too noisy (the same twice: {control:.2}x), again");
        }
        unreachable!("the loop ends at the last attempt")
    }

    fn attempt(args: &Args, what: &str, n: usize, contenders: &[Contender<'_>]) -> Result<Self> {
        let mut samples: BTreeMap<&'static str, Vec<Sample>> = BTreeMap::new();
        let mut again = Vec::new();
        for _ in 0..args.rounds {
            for contender in contenders {
                let sample = in_fresh_namespace(contender)
                    .with_context(|| format!("{what} at {n}: {}", contender.name))?;
                samples.entry(contender.name).or_default().push(sample);
            }
            if let Some(first) = contenders.first() {
                again.push(in_fresh_namespace(first)?.typical);
            }
        }
        let order: Vec<_> = contenders.iter().map(|contender| contender.name).collect();
        let mut contest = Self { n, what: what.to_owned(), order, samples, control: 1.0 };
        if let Some(first) = contest.order.first().copied() {
            contest.control = median(&again) / contest.median(first);
        }
        Ok(contest)
    }

    /// Whether the same thing measured twice gave the same.
    pub(crate) fn is_quiet(&self) -> bool {
        (1.0 / QUIET..=QUIET).contains(&self.control)
    }

    /// The median over the rounds, in nanoseconds.
    pub(crate) fn median(&self, who: &str) -> f64 {
        median(&self.typical(who))
    }

    /// The median over the rounds of each round's ratio of the two.
    pub(crate) fn ratio(&self, who: &str, to: &str) -> f64 {
        let pairs = self.typical(who).into_iter().zip(self.typical(to));
        median(&pairs.map(|(mine, theirs)| mine / theirs).collect::<Vec<_>>())
    }

    /// The median over the rounds of the 99th percentile, in nanoseconds.
    pub(crate) fn p99(&self, who: &str) -> f64 {
        let all = self.samples.get(who).into_iter().flatten();
        median(&all.map(|sample| sample.p99).collect::<Vec<_>>())
    }

    fn typical(&self, who: &str) -> Vec<f64> {
        let all = self.samples.get(who).into_iter().flatten();
        all.map(|sample| sample.typical).collect()
    }

    /// Writes everybody's median into the outcome, in microseconds and as a ratio to the floor.
    pub(crate) fn write_figures(&self, outcome: &mut Outcome) {
        for who in &self.order {
            let has_floor = self.order.contains(&FLOOR) && *who != FLOOR;
            outcome.figures.push(Figure {
                n: self.n,
                who: (*who).to_owned(),
                what: format!("{} us", self.what),
                value: self.median(who) / 1e3,
                to_floor: has_floor.then(|| self.ratio(who, FLOOR)),
            });
        }
        let quiet = if self.is_quiet() { "" } else { ": TOO NOISY to judge" };
        let (what, n, control) = (&self.what, self.n, self.control);
        outcome.notes.push(format!("{what} at {n}: the same twice {control:.2}x{quiet}"));
    }

    /// Limits a ratio between two contenders; nothing if one of them did not take part.
    pub(crate) fn limit(
        &self,
        outcome: &mut Outcome,
        goal: &'static str,
        (who, to): (&str, &str),
        limit: f64,
    ) {
        if self.order.contains(&who) && self.order.contains(&to) {
            let what = format!("{} at {}: {who} / {to}", self.what, self.n);
            self.judge(outcome, goal, what, self.ratio(who, to), limit);
        }
    }

    /// Limits a number of this contest.
    pub(crate) fn judge(
        &self,
        outcome: &mut Outcome,
        goal: &'static str,
        what: String,
        value: f64,
        limit: f64,
    ) {
        outcome.at_most(goal, what, value, limit);
        if let Some(verdict) = outcome.verdicts.last_mut() {
            verdict.quiet = self.is_quiet();
        }
    }

    /// Measures two sizes in the same rounds and limits how much slower the larger one is.
    pub(crate) fn growth(
        args: &Args,
        outcome: &mut Outcome,
        (goal, what): (&'static str, &str),
        measure: &(dyn Fn(usize) -> Result<Sample> + Sync),
        limit: f64,
    ) -> Result<()> {
        const NAMES: (&str, &str) = ("netkeep, smallest N", "netkeep, largest N");
        let (few, many) = (args.smallest(), args.largest());
        if few == many {
            return Ok(());
        }
        let contenders = [
            Contender::new(NAMES.0, move |_| measure(few)),
            Contender::new(NAMES.1, move |_| measure(many)),
        ];
        let contest = Self::run(args, &format!("{what}, growth"), many, &contenders)?;
        contest.write_figures(outcome);
        let value = contest.ratio(NAMES.1, NAMES.0);
        contest.judge(outcome, goal, format!("{what}: t({many}) / t({few})"), value, limit);
        Ok(())
    }

    /// How many mappings there were.
    pub(crate) fn n(&self) -> usize {
        self.n
    }

    /// Whether the contender took part.
    pub(crate) fn has(&self, who: &str) -> bool {
        self.order.contains(&who)
    }
}

fn in_fresh_namespace(contender: &Contender<'_>) -> Result<Sample> {
    let scene = Scene::new()?;
    Namespace::create()?.run(|| (contender.measure)(&scene))?
}
