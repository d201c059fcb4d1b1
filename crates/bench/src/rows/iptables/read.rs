//! `read_iptables`: all rules of a backend as text, process against process.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, ensure};

use super::process::Program;
use super::{LEGACY, NFT, Side, shape};
use crate::agent;
use crate::args::Args;
use crate::contest::{Contender, Contest, FLOOR, PRODUCT, Sample, Scene};
use crate::outcome::Outcome;
use crate::stats::median;

/// H1: times the tool's time.
const WALL: f64 = 0.5;
/// H1: times the tool's memory.
const MEMORY_NFT: f64 = 0.3;
/// See ADR 6: the kernel gives a table in one piece, which alone is 0.5 of it.
const MEMORY_LEGACY: f64 = 0.7;

/// Peaks in MiB, and bytes printed, by who.
type Peaks = Mutex<BTreeMap<&'static str, Vec<(f64, usize)>>>;

pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let reader = agent::beside("netkeep-read")?;
    let reader = reader.to_str().context("a path that is no text")?;
    for (side, memory) in [(LEGACY, MEMORY_LEGACY), (NFT, MEMORY_NFT)] {
        one(args, &mut outcome, reader, side, memory)?;
    }
    Ok(outcome)
}

fn one(args: &Args, outcome: &mut Outcome, reader: &str, side: Side, limit: f64) -> Result<()> {
    let n = args.largest();
    let text = shape::kube_proxy(n);
    let peaks = Peaks::default();
    let words = [side.word];
    let measure = |who: &'static str, program: &Program<'_>, scene: &Scene| -> Result<Sample> {
        side.load(scene, &text)?;
        let sample = program.wall(scene)?;
        let peak = program.memory(scene)?;
        let mut peaks = peaks.lock().unwrap_or_else(PoisonError::into_inner);
        peaks.entry(who).or_default().push(peak);
        Ok(sample)
    };
    let ours = Program { path: reader, args: &words, codes: &[0] };
    let theirs = Program { path: side.save, args: &[], codes: &[0] };
    // what the kernel takes for its answer is in everybody's time; nft has no such single question
    let floor = Program { path: reader, args: &["legacy-floor"], codes: &[0] };
    let mut contenders = vec![
        Contender::new(PRODUCT, |scene| measure(PRODUCT, &ours, scene)),
        Contender::new(side.save, |scene| measure(side.save, &theirs, scene)),
    ];
    if side.word == LEGACY.word {
        contenders.push(Contender::new(FLOOR, |scene| {
            side.load(scene, &text)?;
            floor.wall(scene)
        }));
    }
    let contest = Contest::run(args, &format!("read {}", side.word), n, &contenders)?;
    contest.write_figures(outcome);
    contest.limit(outcome, "H1", (PRODUCT, side.save), WALL);
    drop(contenders);
    let peaks = peaks.into_inner().unwrap_or_else(PoisonError::into_inner);
    let peak = |who: &str| {
        let all = peaks.get(who).into_iter().flatten();
        median(&all.map(|(mib, _)| *mib).collect::<Vec<_>>())
    };
    let (mine, tool) = (peak(PRODUCT), peak(side.save));
    let what = format!("read {} peak RSS MiB", side.word);
    outcome.figure(n, PRODUCT, &what, mine);
    outcome.figure(n, side.save, &what, tool);
    let what = format!("read {} at {n}: peak RSS {PRODUCT} / {}", side.word, side.save);
    outcome.at_most("H1", what, mine / tool, limit);
    let printed = |who: &str| peaks.get(who).and_then(|all| all.first()).map_or(0, |one| one.1);
    // the tool adds a comment before and after each table
    let apart = printed(side.save).abs_diff(printed(PRODUCT));
    ensure!(apart < 2_048, "{} and we print {apart} bytes more or less", side.save);
    Ok(())
}
