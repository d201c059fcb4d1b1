//! `doctor_rules`: the whole command, and its checks alone, as rules become more.

use anyhow::{Context, Result, ensure};

use super::process::Program;
use super::{LEGACY, NFT, shape};
use crate::agent;
use crate::args::Args;
use crate::contest::{Contender, Contest, PRODUCT, Sample, Scene, time};
use crate::outcome::Outcome;
use crate::stats::exponent;

/// H2: at 50,000 rules, in milliseconds.
const MS: f64 = 1_000.0;
/// H2: growth, of the whole and of the checks.
const EXPONENT: f64 = 1.15;
const CHECKS: &str = "its checks alone";

pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let binary = agent::binary()?;
    let path = binary.to_str().context("a path that is no text")?;
    // both backends with the same rules are a finding: exit code 1
    let doctor = Program { path, args: &["doctor"], codes: &[0, 1] };
    let mut curves = [PRODUCT, CHECKS].map(|who| (who, Vec::new()));
    let largest = args.largest();
    for n in [largest / 4, largest / 2, largest] {
        let text = shape::kube_proxy(n / 2);
        let load = |scene: &Scene| {
            LEGACY.load(scene, &text)?;
            NFT.load(scene, &text)
        };
        let contenders = [
            Contender::new(PRODUCT, |scene| {
                load(scene)?;
                doctor.wall(scene)
            }),
            Contender::new(CHECKS, |scene| {
                load(scene)?;
                checks(n)
            }),
        ];
        let contest = Contest::run(args, "doctor", n, &contenders)?;
        contest.write_figures(&mut outcome);
        for (who, points) in &mut curves {
            points.push((n as f64, contest.median(who)));
        }
        if n == largest {
            let what = format!("doctor at {n}: ms");
            contest.judge(&mut outcome, "H2", what, contest.median(PRODUCT) / 1e6, MS);
        }
    }
    for (who, points) in &curves {
        outcome.at_most("H2", format!("doctor: exponent of {who}"), exponent(points), EXPONENT);
    }
    Ok(outcome)
}

fn checks(n: usize) -> Result<Sample> {
    let snapshot = snapshot::take(snapshot::Options::default());
    let rules: usize = snapshot.rules.known().map(xt::Ruleset::rule_count).sum();
    ensure!(rules >= n - 16, "{rules} rules were read of {n}");
    let mut report = None;
    let took = time(|| {
        report = Some(::doctor::run(&snapshot));
        Ok(())
    })?;
    ensure!(report.is_some_and(|report| report.checked.len() > 20), "the checks did not run");
    Ok(Sample::of(&[took]))
}
