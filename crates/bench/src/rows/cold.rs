//! `cold_npl`: N mappings from nothing, from the desired state in memory to the acknowledgement.

use anyhow::Result;

use super::floor;
use crate::args::Args;
use crate::contest::{Contender, Contest, FLOOR, PRODUCT, Sample, Scene, time};
use crate::mapping::Mapping;
use crate::outcome::Outcome;
use crate::peers::{self, Input, text};
use crate::product;
use crate::raw::{Elements, MAP, Raw, TABLE};
use crate::stats::exponent;

/// The goal is the time to the acknowledgement. The product also reads back what it wrote; that,
/// and a floor that does so with one dump, are shown beside it without a limit.
const VERIFIED: &str = "netkeep, read back";
const FLOOR_VERIFIED: &str = "raw, then read back";

/// G1: times the floor that does the same, and times the peers, at most.
const TO_FLOOR: f64 = 1.5;
const TO_NFT: f64 = 0.2;
const TO_LEGACY: f64 = 0.4;
/// Growth: cold load is linear.
const EXPONENT: f64 = 1.15;

pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut curves: Vec<(&str, Vec<(f64, f64)>)> =
        [FLOOR, PRODUCT, "nft -f"].map(|who| (who, vec![])).into();
    for n in args.sizes.iter().copied() {
        let mappings = Mapping::first(n);
        let contest = Contest::run(args, "cold", n, &contenders(&mappings))?;
        contest.write_figures(&mut outcome);
        contest.limit(&mut outcome, "G1", (PRODUCT, FLOOR), TO_FLOOR);
        contest.limit(&mut outcome, "G1", (PRODUCT, "nft -f"), TO_NFT);
        contest.limit(&mut outcome, "G1", (PRODUCT, "iptables-legacy-restore"), TO_LEGACY);
        for (who, points) in &mut curves {
            if contest.has(who) {
                points.push((n as f64, contest.median(who)));
            }
        }
    }
    for (who, points) in curves.iter().filter(|(_, points)| points.len() > 1) {
        let value = exponent(points);
        outcome.figure(args.largest(), who, "growth exponent", value);
        if *who == PRODUCT {
            outcome.at_most("G1", "exponent of cold t(N)".to_owned(), value, EXPONENT);
        }
    }
    Ok(outcome)
}

fn contenders(mappings: &[Mapping]) -> Vec<Contender<'_>> {
    vec![
        Contender::new(FLOOR, |_| {
            let mut raw = Raw::open()?;
            once(|| floor::build(&mut raw, mappings))
        }),
        Contender::new(PRODUCT, |_| {
            let (mut driver, plan) =
                (product::driver(mappings.len())?, product::cold_plan(mappings)?);
            let took = product::commit_acked(&mut driver, &plan)?;
            Ok(Sample::of(&[took.as_nanos() as f64]))
        }),
        Contender::new(VERIFIED, |_| {
            let (mut driver, plan) =
                (product::driver(mappings.len())?, product::cold_plan(mappings)?);
            once(|| product::commit(&mut driver, &plan))
        }),
        Contender::new(FLOOR_VERIFIED, |_| {
            let mut raw = Raw::open()?;
            once(|| {
                floor::build(&mut raw, mappings)?;
                raw.dump(&Elements::dump(TABLE, MAP)).map(drop)
            })
        }),
        Contender::new("nft -f", |scene| {
            let all = text::nft_structure(mappings.len()) + &text::nft_elements(mappings);
            fed(scene, "nft", &["-f", "-"], &all)
        }),
        Contender::new("iptables-legacy-restore", |scene| {
            fed(scene, "iptables-legacy-restore", &[], &text::iptables_restore(mappings))
        }),
        Contender::new("iptables-nft-restore", |scene| {
            fed(scene, "iptables-nft-restore", &[], &text::iptables_restore(mappings))
        }),
        Contender::new("ipset restore (no values)", |scene| {
            fed(scene, "ipset", &["restore"], &text::ipset_restore(mappings))
        }),
    ]
}

fn once(work: impl FnOnce() -> Result<()>) -> Result<Sample> {
    Ok(Sample::of(&[time(work)?]))
}

fn fed(scene: &Scene, program: &str, args: &[&str], text: &str) -> Result<Sample> {
    let input = Input::write(scene, "input", text)?;
    once(|| peers::feed(scene, program, args, &input))
}
